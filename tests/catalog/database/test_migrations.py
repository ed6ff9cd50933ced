"""The catalogue's shape: migrations up, down and with data; no difference between them and the tables; what must be written."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import op
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from catalog.database import Database, migrate, shape
from catalog.database.tables import metadata
from catalog.pure.errors import Refused, Unavailable
from tests.catalog.database.filling import contents, fill, row, tables

_FOLDER = Path(migrate.__file__).parent / "migrations"


def _revisions() -> list[str]:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("path_separator", "os")
    return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]


REVISIONS = _revisions()
TABLES = metadata.sorted_tables
APPEND_ONLY = {"audit", "audit_closed", "reads"}


def test_the_newest_revision_is_alembics_head() -> None:
    assert shape.newest() == REVISIONS[-1]
    assert sorted(REVISIONS) == REVISIONS, "they must grow as text: shape compares them so"


def test_up_and_down_and_up_again(database: Database) -> None:
    assert shape.current(database) == REVISIONS[-1]
    migrate.downgrade(database, "base")
    assert shape.current(database) is None
    with database.engine.connect() as connection:
        assert tables(connection) == []
    migrate.upgrade(database)
    assert shape.current(database) == REVISIONS[-1]
    with database.engine.connect() as connection:
        assert {table.name for table in tables(connection)} == set(metadata.tables)


@pytest.fixture(params=["sqlite", "postgresql"])
def nothing_yet(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Give a database without a table."""
    on_sqlite = request.param == "sqlite"
    opened = Database(f"sqlite:///{tmp_path}/catalog.db" if on_sqlite else request.getfixturevalue("postgresql_url"))
    yield opened
    opened.close()


@pytest.mark.parametrize("revision", REVISIONS)
def test_what_is_in_a_catalogue_outlives_every_step_to_the_newest(nothing_yet: Database, revision: str) -> None:
    migrate.upgrade(nothing_yet, revision)
    with nothing_yet.write() as connection:
        fill(connection)
        before = contents(connection)
    migrate.upgrade(nothing_yet)
    with nothing_yet.write() as connection:
        after = contents(connection)
    for table, rows in before.items():
        assert len(after[table]) == len(rows)
        for old, new in zip(rows, after[table], strict=True):
            assert {name: new[name] for name in old if name in new} == {name: old[name] for name in old if name in new}


def test_an_upgrade_of_the_newest_changes_nothing(database: Database) -> None:
    with database.write() as connection:
        fill(connection)
        before = contents(connection)
    migrate.upgrade(database)
    with database.write() as connection:
        assert contents(connection) == before


def test_a_migration_that_dies_leaves_the_shape_it_found(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate.downgrade(database, "base")
    create_table, made = op.create_table, []

    class Died(Exception):
        pass

    def half(name: str, *columns: sa.Column, **options: object) -> object:
        made.append(name)
        if len(made) > len(TABLES) // 2:
            raise Died
        return create_table(name, *columns, **options)

    monkeypatch.setattr(op, "create_table", half)
    with pytest.raises(Died):
        migrate.upgrade(database)
    with database.engine.connect() as connection:
        assert tables(connection) == []


def test_tables_and_migrations_say_the_same(database: Database) -> None:
    """Also of comments, where the database keeps them."""
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        assert connection.dialect.supports_comments is not database.is_sqlite


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_and_column_says_what_it_holds(table: sa.Table) -> None:
    assert table.comment
    assert [column.name for column in table.columns if not column.comment] == []


def test_keys_sort_by_code_point_on_both_databases(database: Database) -> None:
    """Paging by key relies on it."""
    keys = {(table.name, column.name) for table in TABLES for column in table.columns if column.name.endswith("_key")}
    assert len(keys) >= 6
    if not database.is_sqlite:
        found = database.rows(
            sa.text("select table_name, column_name from information_schema.columns where collation_name = 'C'")
        )
        assert keys <= {tuple(row) for row in found}
    names = sorted("aA-_.zé日\U0001d4b3~0")
    statement = sa.text("insert into studies (code, code_key, description, created) values (:name, :name, '', 0)")
    with database.write() as connection:
        connection.execute(statement, [{"name": name} for name in names[::-1]])
    studies = metadata.tables["studies"]
    assert [row[0] for row in database.rows(sa.select(studies.c.code_key).order_by(studies.c.code_key))] == names


def test_no_number_is_given_twice(database: Database) -> None:
    """Inode numbers, findings and audit entries name rows: a new thing must not look like one that is gone."""
    with database.write() as connection:
        fill(connection)
        # The audit numbers its entries itself and lets none go.
        kept = [table for table in tables(connection) if table.name not in APPEND_ONLY]
        with_number = [table for table in kept if "id" in table.columns]
        for table in reversed(with_number):
            if not database.is_sqlite:  # row 1 was put in by hand
                connection.execute(sa.text(f"select setval(pg_get_serial_sequence('{table.name}', 'id'), 1)"))
        for table in reversed(kept):
            connection.execute(table.delete())
    assert len(with_number) >= 12
    with database.write() as connection:
        for table in kept:
            values = {name: value for name, value in row(table).items() if name != "id"}
            values |= {key.parent.name: 2 for key in table.foreign_keys}
            connection.execute(table.insert().values(values))
        for table in with_number:
            assert connection.execute(sa.select(table.c.id)).scalars().all() == [2], table.name


def test_a_catalogue_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    missing = Database(f"sqlite:///{tmp_path}/catalog.db")
    with pytest.raises(Refused, match=r"there is no catalogue yet; run `archimed init`"):
        shape.require_newest(missing)
    assert not (tmp_path / "catalog.db").exists(), "asking must not make it"


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        ("0000", f"is at revision 0000, this program needs {REVISIONS[-1]}; run `archimed init`"),
        ("9999", "is at revision 9999, made by a newer version of this program; install that one"),
    ],
)
def test_a_catalogue_of_another_shape_says_what_to_do(database: Database, revision: str, expected: str) -> None:
    shape.require_newest(database)
    with database.write() as connection:
        connection.execute(sa.text("update alembic_version set version_num = :revision"), {"revision": revision})
    with pytest.raises(Refused, match=expected):
        shape.require_newest(database)


def test_an_empty_database_says_what_to_do(database: Database) -> None:
    migrate.downgrade(database, "base")
    with pytest.raises(Refused, match="there is no catalogue yet"):
        shape.require_newest(database)


def test_a_file_that_is_no_database_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").write_bytes(b"certainly not a database" * 100)
    database = Database(f"sqlite:///{tmp_path}/catalog.db")
    with pytest.raises(Unavailable, match="no database"):
        shape.require_newest(database)
    database.close()


def test_findings_say_from_0014_on_of_which_batch_or_study_they_speak(database: Database) -> None:
    migrate.downgrade(database, "base")
    migrate.upgrade(database, "0013")
    found = [
        {"check": "duplicates", "severity": "warning", "message": "2 of the files wait in batch 7 too", "file": None},
        {"check": "duplicates", "severity": "warning", "message": "1 of the files is archived in exam E1", "file": None},
        {"check": "duplicates", "severity": "warning", "message": "this file is the same instance", "file": 3},
        {"check": "siblings", "severity": "warning", "message": "series 1 has 2 files", "file": None},
    ]
    with database.write() as connection:
        fill(connection)
        connection.execute(sa.text("UPDATE batches SET findings = :found"), {"found": json.dumps(found)})
    migrate.upgrade(database)
    with database.write() as connection:
        marked = json.loads(connection.execute(sa.text("SELECT findings FROM batches")).scalars().first() or "")
    assert [(one["batch"], one["of_study"]) for one in marked] == [(7, False), (None, True), (None, False), (None, True)]
    migrate.downgrade(database, "0013")
    with database.write() as connection:
        assert json.loads(connection.execute(sa.text("SELECT findings FROM batches")).scalars().first() or "") == found
