"""How the catalogue is reached: durability, transactions, locks, and what is said when something refuses."""

import contextlib
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from catalog.database import Database, engine, migrate
from catalog.database.tables import exams, studies
from catalog.pure.errors import OutOfSpace, Unavailable
from tests.builders import new_catalogue

CODES = sa.select(studies.c.code).order_by(studies.c.id)


def put(database: Database, code: str, description: str = "") -> None:
    with database.write() as connection:
        connection.execute(studies.insert().values(code=code, code_key=code, description=description, created=0))


def codes(database: Database) -> list[str]:
    return [row.code for row in database.rows(CODES)]


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Database]:
    opened = new_catalogue(tmp_path / "catalog/catalog.db")
    yield opened
    opened.close()


@pytest.fixture
def postgresql_database(postgresql_catalogue: Database) -> Iterator[Database]:
    yield postgresql_catalogue
    postgresql_catalogue.close()


PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


@pytest.mark.parametrize("pragma", PRAGMAS)
def test_every_connection_is_durable_and_strict(sqlite_database: Database, pragma: str) -> None:
    put(sqlite_database, "S1")
    statement = sa.text(f"pragma {pragma}")
    with sqlite_database.write() as connection:
        assert connection.execute(statement).scalar_one() == PRAGMAS[pragma]
    assert sqlite_database.rows(statement)[0][0] == PRAGMAS[pragma]
    sqlite_database.drop_reader()
    with sqlite_database.write() as connection:  # a connection that was a reader before
        assert connection.execute(statement).scalar_one() == PRAGMAS[pragma]


def test_the_file_is_its_owners_alone(sqlite_database: Database) -> None:
    put(sqlite_database, "S1")
    file = Path(sqlite_database.url.database or "")
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    assert modes == {"catalog.db": 0o600, "catalog.db-wal": 0o600, "catalog.db-shm": 0o600}


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    file = tmp_path / "catalog.db"
    file.touch(mode=0o644)
    opened = Database(f"sqlite:///{file}")
    migrate.upgrade(opened)
    opened.close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_write_is_whole_or_not_there(database: Database) -> None:
    put(database, "S1")

    class Died(Exception):
        pass

    def half() -> None:
        with database.write() as connection:
            connection.execute(studies.insert().values(code="S2", code_key="s2", description="", created=0))
            raise Died

    with pytest.raises(Died):
        half()
    assert codes(database) == ["S1"]


def test_a_row_without_its_parent_is_refused(database: Database) -> None:
    with pytest.raises(sa.exc.IntegrityError), database.write() as connection:
        connection.execute(exams.insert().values(study_id=4711, code="E1", code_key="e1", added=0))


def test_an_error_quotes_no_value(database: Database) -> None:
    put(database, "S1")
    with pytest.raises(sa.exc.IntegrityError) as caught:
        put(database, "S1", "a description that is nobody's business")
    assert "business" not in str(caught.value)


CODE = sa.select(studies.c.id).where(studies.c.code == sa.bindparam("code"))


def has(database: Database, code: str) -> bool:
    return database.cached_row(CODE, {"code": code}) is not None


def test_what_is_asked_over_and_over_is_answered_as_it_is_now(database: Database) -> None:
    """By whomever it was committed: this thread, another, another process."""
    other = Database(database.url.render_as_string(hide_password=False))
    try:
        assert not has(database, "S1")
        put(database, "S1")
        assert has(database, "S1")
        assert not has(database, "S2")
        put(other, "S2")
        assert has(database, "S2")
        with other.write() as connection:
            connection.execute(studies.delete())
            assert has(database, "S1"), "not committed yet"
        assert not has(database, "S1")
        thread = threading.Thread(target=lambda: put(database, "S3"))
        thread.start()
        thread.join()
        assert has(database, "S3")
        database.drop_reader()
        assert [has(database, code) for code in ("S1", "S3")] == [False, True]
    finally:
        other.close()


def test_what_nobody_has_changed_is_not_asked_again(sqlite_database: Database) -> None:
    asked = []
    sa.event.listen(sqlite_database.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    for _ in range(1000):
        has(sqlite_database, "S1")
    assert len(asked) <= 2, "once to find a version, once to have it with that version"
    for number in range(1000):
        has(sqlite_database, f"S{number}")
    assert len(asked) <= 1002, "what is kept is bounded, and nothing is asked twice at once"


def test_a_reader_sees_what_others_committed_and_nothing_else(database: Database) -> None:
    other = Database(database.url.render_as_string(hide_password=False))
    try:
        assert codes(database) == []
        put(other, "S1")
        assert codes(database) == ["S1"]
        with other.write() as connection:
            connection.execute(studies.insert().values(code="S2", code_key="s2", description="", created=0))
            assert codes(database) == ["S1"], "a reader neither waits nor sees what is not committed"
        assert codes(database) == ["S1", "S2"]
    finally:
        other.close()


def test_threads_write_one_after_another_and_none_is_lost(database: Database) -> None:
    def many(number: int) -> None:
        for count in range(10):
            put(database, f"{number}-{count}")

    threads = [threading.Thread(target=many, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(codes(database)) == 40


def test_reading_and_then_writing_is_not_overtaken(sqlite_database: Database) -> None:
    """Two that count and then add must not both see the same count."""
    entered = threading.Barrier(2)

    def add() -> None:
        entered.wait()
        for _ in range(10):
            with sqlite_database.write() as connection:
                count = connection.execute(sa.select(sa.func.count()).select_from(studies)).scalar_one()
                connection.execute(studies.insert().values(code=f"{count}", code_key=f"{count}", description="", created=0))

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(int, codes(sqlite_database))) == list(range(20))


def test_a_writer_that_waits_too_long_is_told_why(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_BUSY_SECONDS", 0)
    impatient = Database(sqlite_database.url.render_as_string())
    try:
        with sqlite_database.write(), pytest.raises(Unavailable, match="another process is writing") as caught:
            put(impatient, "S1")
        assert "try again" in str(caught.value)
        put(impatient, "S1")
    finally:
        impatient.close()
    assert codes(sqlite_database) == ["S1"]


def test_a_full_database_is_told_so_and_stays_whole(sqlite_database: Database) -> None:
    put(sqlite_database, "S1")
    with sqlite_database.write() as connection:
        pages = connection.exec_driver_sql("pragma page_count").scalar_one()
        connection.exec_driver_sql(f"pragma max_page_count = {pages + 1}")
    with pytest.raises(OutOfSpace, match="the catalogue's disk is full; free some space and try again") as caught:
        put(sqlite_database, "S2", "x" * 100_000)
    assert caught.value.__suppress_context__
    assert codes(sqlite_database) == ["S1"]
    with sqlite_database.write() as connection:
        connection.exec_driver_sql("pragma max_page_count = 1000000")
    put(sqlite_database, "S2", "x" * 100_000)
    assert codes(sqlite_database) == ["S1", "S2"]


def _take_all_space(ballast: Path) -> None:
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def _put_many(database: Database) -> None:
    for number in range(100):
        put(database, f"full-{number}", "x" * 50_000)


def test_a_full_disk_is_told_and_hurts_nothing(small_disk: Path) -> None:
    database = Database(f"sqlite:///{small_disk}/catalog.db")
    migrate.upgrade(database)
    put(database, "S1")
    ballast = small_disk / "ballast"
    _take_all_space(ballast)
    with pytest.raises(OutOfSpace):
        _put_many(database)
    before = codes(database)
    assert before[0] == "S1"
    ballast.unlink()
    put(database, "S2")
    assert codes(database) == [*before, "S2"]
    assert database.rows(sa.text("pragma integrity_check"))[0][0] == "ok"
    database.close()


def test_a_catalogue_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}", f"postgresql+psycopg://nobody@/none?host={tmp_path}"):
        database = Database(url)
        with pytest.raises(Unavailable, match="the catalogue"):
            database.rows(sa.text("select 1"))
        with pytest.raises(Unavailable, match="the catalogue"):
            put(database, "S1")
        database.close()


def test_bytes_that_are_no_database_are_told(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").write_bytes(b"not a database at all" * 500)
    database = Database(f"sqlite:///{tmp_path}/catalog.db")
    with pytest.raises(Unavailable, match="the catalogue"):
        database.rows(CODES)
    with pytest.raises(Unavailable, match="the catalogue"):
        put(database, "S1")
    database.close()


def _kill(server: str, name: str, pid: int) -> None:
    with psycopg.connect(f"{server} dbname={name}", autocommit=True) as killer:
        killer.execute("select pg_terminate_backend(%s, 10000)", (pid,))  # waits until it is gone


def test_a_connection_that_the_server_killed_is_replaced(postgresql_database: Database, postgresql_server: str) -> None:
    database = postgresql_database
    put(database, "S1")
    pid = database.rows(sa.text("select pg_backend_pid()"))[0][0]
    _kill(postgresql_server, database.url.database or "", pid)
    assert codes(database) == ["S1"]
    assert database.rows(sa.text("select pg_backend_pid()"))[0][0] != pid


def test_a_connection_that_was_killed_while_nobody_used_it_is_not_handed_out(
    postgresql_database: Database, postgresql_server: str
) -> None:
    database = postgresql_database
    with database.write() as connection:
        pid = connection.execute(sa.text("select pg_backend_pid()")).scalar_one()
    _kill(postgresql_server, database.url.database or "", pid)
    put(database, "S1")
    assert codes(database) == ["S1"]


def test_a_write_whose_connection_was_killed_is_undone_and_the_next_works(
    postgresql_database: Database, postgresql_server: str
) -> None:
    database = postgresql_database

    def killed() -> None:
        with database.write() as connection:
            connection.execute(studies.insert().values(code="S1", code_key="s1", description="", created=0))
            pid = connection.execute(sa.text("select pg_backend_pid()")).scalar_one()
            _kill(postgresql_server, database.url.database or "", pid)
            connection.execute(studies.insert().values(code="S2", code_key="s2", description="", created=0))

    with pytest.raises(Unavailable, match="try again"):
        killed()
    put(database, "S3")
    assert codes(database) == ["S3"]


def test_a_fault_of_the_statement_is_not_tried_twice(database: Database) -> None:
    with pytest.raises((sa.exc.DatabaseError, Unavailable)):
        database.rows(sa.text("select nothing from nowhere"))
    assert codes(database) == []


def test_closing_closes_every_threads_reader(sqlite_database: Database) -> None:
    done = threading.Event()
    read = threading.Event()

    def reader() -> None:
        codes(sqlite_database)
        read.set()
        done.wait()

    thread = threading.Thread(target=reader)
    thread.start()
    read.wait()
    codes(sqlite_database)
    sqlite_database.close()
    done.set()
    thread.join()
    # The last connection to a WAL database removes the log: nobody has it open any more.
    assert not Path(f"{sqlite_database.url.database}-wal").exists()
    with contextlib.closing(sqlite3.connect(sqlite_database.url.database or "")) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
