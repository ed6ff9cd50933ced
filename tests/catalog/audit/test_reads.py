"""Reads are counted in memory, bounded, and written down as a row for reader, program, series and day."""

import threading

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from catalog import clock
from catalog.audit import Face, Keeper, Reader, Reads, Wanted, entries, list_exams_read, list_reads, verify
from catalog.audit.reads import DAY, SEVERAL, Tally
from catalog.audit.refusals import Refusals
from catalog.database import Database
from catalog.pure.errors import NotFound, Unavailable
from catalog.view import Archive
from tests.builders import BuiltArchive
from tests.catalog.audit.tampering import past_the_guard

NOON = 1_700_000_000 // DAY * DAY + DAY // 2
SERIES = "S1/E1/001_DCM_MR_x"


class Clock:
    def __init__(self) -> None:
        self.now = NOON


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Give a clock that stands until the test moves it."""
    made = Clock()
    monkeypatch.setattr(clock, "now", lambda: made.now)
    return made


class Site:
    """An archive with two exams, of which the audit is kept."""

    def __init__(self, built: BuiltArchive) -> None:
        self.built = built
        self.database = built.database
        self.ada = built.user("ada")
        built.study("S1")
        built.grant("ada", "S1")
        built.add_series(SERIES, {f"{number:05d}.dcm": b"x" * 1000 for number in range(3)})
        built.add_series("S1/E2/001_DCM_MR_x", {"00001.dcm": b"y" * 10})
        self.keeper = Keeper(self.database)
        self.archive = Archive(self.database, built.store, self.keeper.reads)

    def read(self, path: str, program: str = "python3", face: Face = Face.MOUNT, actor: str = "") -> None:
        view = self.archive.view(self.ada, face, actor)
        opened = view.open(view.resolve(path).id, program)
        opened.count(opened.node.size)
        opened.close()

    def rows(self, **wanted: object) -> list[tuple[object, ...]]:
        return [
            (row.login, row.face, row.program, row.exam, row.files, row.bytes, row.closed)
            for row in list_reads(self.database, Wanted(**wanted))  # type: ignore[arg-type]  # as the test names them
        ]


@pytest.fixture
def site(built_anywhere: BuiltArchive, at: Clock) -> Site:
    return Site(built_anywhere)


def test_many_files_are_one_row(site: Site, at: Clock) -> None:
    for _ in range(5):
        for number in range(3):
            site.read(f"{SERIES}/{number:05d}.dcm")
        site.keeper.flush()
        at.now += 10
    (row,) = list_reads(site.database, Wanted())
    assert (row.files, row.bytes, row.first, row.last) == (15, 15_000, NOON, NOON + 40)
    assert (row.study, row.exam, row.series, row.actor) == ("S1", "E1", "001_DCM_MR_x", "")


def test_reader_program_face_and_actor_are_told_apart(site: Site) -> None:
    file = f"{SERIES}/00000.dcm"
    site.read(file)
    site.read(file, "matlab")
    site.read(file, "python3", Face.WEBDAV)
    site.read(file, "", Face.CLI, "root")
    site.keeper.flush()
    assert sorted(site.rows()) == [
        ("ada", "cli", "(unknown)", "E1", 1, 1000, False), ("ada", "mount", "matlab", "E1", 1, 1000, False),
        ("ada", "mount", "python3", "E1", 1, 1000, False), ("ada", "webdav", "python3", "E1", 1, 1000, False),
    ]  # fmt: skip
    assert len(site.rows(user="root")) == 1
    assert len(site.rows(user="ada", study="S1", since=NOON)) == 4
    assert site.rows(study="S2") == site.rows(since=NOON + 1) == site.rows(user="ben") == []
    assert len(site.rows(limit=2)) == 2


def test_what_could_not_be_opened_is_not_counted(site: Site) -> None:
    view = site.archive.view(site.ada)
    node = view.resolve(f"{SERIES}/00000.dcm")
    site.built.revoke("ada", "S1")
    with pytest.raises(NotFound):
        view.open(node.id)
    site.keeper.flush()
    assert site.rows() == []


def test_last_access_of_each_exam(site: Site, at: Clock) -> None:
    assert [(each.exam, each.last_read) for each in list_exams_read(site.database)] == [("E1", None), ("E2", None)]
    site.read(f"{SERIES}/00000.dcm")
    at.now += 100
    site.read(f"{SERIES}/00001.dcm")
    site.keeper.flush()
    assert [(each.exam, each.last_read) for each in list_exams_read(site.database, "S1")] == [("E2", None), ("E1", NOON + 100)]
    assert list_exams_read(site.database, "S2") == []


def test_a_day_is_closed_by_an_entry_and_never_changes_again(site: Site, at: Clock) -> None:
    site.read(f"{SERIES}/00000.dcm")
    site.keeper.flush()
    assert entries(site.database) == []
    at.now += DAY
    site.read(f"{SERIES}/00000.dcm")
    site.keeper.flush()
    assert [row[-1] for row in site.rows()] == [True, False]
    (entry,) = entries(site.database)
    assert (entry.action, entry.subject) == ("reads.close", "2023-11-14")
    assert {name: entry.detail[name] for name in ("rows", "files", "bytes")} == {"rows": 1, "files": 1, "bytes": 1000}
    assert verify(site.database).faults == ()


@pytest.mark.parametrize(
    "statement",
    [
        "update reads set files = files + 1 where id = 1", "update reads set entry = null where id = 1",
        "update reads set files = files - 1 where id = 2", "update reads set bytes = 0 where id = 2",
        "update reads set login = 'ben' where id = 2", "update reads set first = first + 1 where id = 2",
        "update reads set last = last - 1 where id = 2", "delete from reads where id = 2", "delete from reads",
    ],
)  # fmt: skip
def test_the_application_can_only_count_on(site: Site, at: Clock, statement: str) -> None:
    site.read(f"{SERIES}/00000.dcm")
    site.keeper.flush()
    at.now += DAY
    site.read(f"{SERIES}/00000.dcm")
    site.keeper.flush()
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), site.database.engine.begin() as connection:
        connection.execute(sa.text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "update reads set files = 7 where id = 1", "update reads set program = 'x' where id = 1",
        "update reads set login = 'ben' where id = 1", "delete from reads where id = 1",
        "update reads set entry = null where id = 1",
        (
            "insert into reads select 99, login, actor, face, program, series_id, study, exam, series, first, last, files, "
            "bytes, entry from reads where id = 1"
        ),
    ],
)  # fmt: skip
def test_what_was_done_to_a_closed_day_is_named(site: Site, at: Clock, statement: str) -> None:
    site.read(f"{SERIES}/00000.dcm")
    site.keeper.flush()
    at.now += DAY
    site.read("S1/E2/001_DCM_MR_x/00001.dcm")
    site.keeper.flush()
    past_the_guard(site.database, statement)
    (fault,) = verify(site.database).faults
    assert fault.what == "closed the reads of 2023-11-14, and they are not what they were: changed or removed"


def test_reads_that_no_entry_closed_are_named(site: Site) -> None:
    site.read(f"{SERIES}/00000.dcm")
    site.keeper.flush()
    past_the_guard(site.database, "update reads set entry = 99")
    (fault,) = verify(site.database).faults
    assert (fault.entry, fault.what) == (99, "closed no reads, though reads say so")


def test_several_keepers_at_one_time_lose_nothing(site: Site, at: Clock) -> None:
    """Processes flush and close beside each other; one closes while others still count in."""
    url = site.database.url.render_as_string(hide_password=False)
    reader = Reader("ada", "", Face.MOUNT, "x", 1)

    def work() -> None:
        database = Database(url)
        keeper = Keeper(database)
        for _ in range(20):
            keeper.reads.opened(reader)
            keeper.flush()
            keeper._closed_until = 0
            at.now += DAY // 4
        assert len(keeper.reads) == 0
        database.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(row.files for row in list_reads(site.database, Wanted())) == 80
    assert verify(site.database).faults == ()


def test_a_catalogue_that_is_away_loses_nothing_and_is_told_once(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site.read(f"{SERIES}/00000.dcm")
    site.keeper.refusals.note("ada", "192.0.2.1")
    with monkeypatch.context() as patched:

        def away(*_: object) -> None:
            raise Unavailable("the catalogue does not answer; try again")

        patched.setattr("catalog.audit.keeping.write_reads", away)
        site.keeper.flush()
        site.keeper.flush()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    site.keeper.stop()
    assert [row[4] for row in site.rows()] == [1]
    assert [entry.action for entry in entries(site.database)] == ["login.failed"]


def test_the_thread_writes_down_and_the_end_writes_the_rest(site: Site) -> None:
    keeper = Keeper(site.database, seconds=0.01)
    site.archive = Archive(site.database, site.built.store, keeper.reads)
    keeper.start()
    site.read(f"{SERIES}/00000.dcm")
    for _ in range(3000):
        if site.rows():
            break
        threading.Event().wait(0.01)
    assert [row[4] for row in site.rows()] == [1]
    site.read(f"{SERIES}/00001.dcm")
    keeper.stop()
    keeper.stop()
    assert [row[4] for row in site.rows()] == [2]


def test_a_series_that_is_gone_is_still_written_down(site: Site) -> None:
    site.keeper.reads.opened(Reader("ada", "", Face.MOUNT, "x", 4711))
    site.keeper.flush()
    assert site.rows() == [("ada", "mount", "x", "", 1, 0, False)]


_readers = st.builds(
    Reader, st.sampled_from(["ada", "ben"]), st.just(""), st.sampled_from(Face), st.text(max_size=3), st.integers(1, 9)
)


@given(st.lists(st.tuples(_readers, st.integers(0, 99)), max_size=60), st.integers(1, 4))
def test_nothing_counted_is_lost_within_bounds(events: list[tuple[Reader, int]], most: int) -> None:
    """Whatever is taken, given back and counted on: files and bytes add up, per login and face too."""
    reads, kept = Reads(most), dict[Reader, Tally]()
    for turn, (reader, size) in enumerate(events):
        reads.opened(reader)
        reads.handed_out(reader, size)
        if turn % 7 == 3:
            reads.give_back(reads.take())
        assert len(reads) <= most + len(Face) * 2
    kept = reads.take()
    assert len(reads) == 0
    assert sum(tally.files for tally in kept.values()) == len(events)
    for login in ("ada", "ben"):
        wanted = sum(size for reader, size in events if reader.login == login)
        assert sum(tally.bytes for reader, tally in kept.items() if reader.login == login) == wanted


def test_a_user_who_thinks_up_programs_fills_nothing() -> None:
    reads = Reads()
    for number in range(1000):
        reads.opened(Reader("ada", "", Face.MOUNT, f"p{number}", 1))
    reads.opened(Reader("ada", "", Face.MOUNT, "\x1b[2J\udce9" + "x" * 99, 1))
    taken = reads.take()
    assert len(taken) == 33
    assert sum(tally.files for reader, tally in taken.items() if reader.program == SEVERAL) == 1001 - 32
    assert {reader.program for reader in taken if len(reader.program) > 32} == set()


def test_a_flood_of_refused_logins_is_a_few_entries(site: Site) -> None:
    for number in range(10_000):
        site.keeper.refusals.note(None if number % 2 else "ada", f"192.0.2.{number % 250}")
    site.keeper.flush()
    found = entries(site.database)
    assert len(found) == 9
    assert sum(entry.detail["count"] for entry in found) == 10_000
    assert {entry.subject for entry in found} == {"ada", "(unknown)", "(several)"}
    site.keeper.refusals.note("ada", "192.0.2.1")
    site.keeper.flush()
    assert len(entries(site.database)) == 9, "once a minute"
    site.keeper.stop()
    assert len(entries(site.database)) == 10


def test_refusals_are_counted_by_login_and_address() -> None:
    refusals = Refusals()
    for login, address in (("ada", "a"), ("ada", "a"), ("ada", ""), (None, "a")):
        refusals.note(login, address)
    taken = refusals.take()
    refusals.give_back(taken)
    assert refusals.take() == taken == {("ada", "a"): 2, ("ada", "(unknown)"): 1, ("(unknown)", "a"): 1}
