"""A program meets a catalogue that is not there, older, newer, or no catalogue at all."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from catalog.database import Database, migrate, shape
from catalog.pure.errors import Refused, Unavailable


def test_newest_is_what_alembic_upgrades_to(database: Database) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == shape.newest()
    assert shape.current(database) == shape.newest()
    shape.require_newest(database)


def test_catalogue_that_is_not_there(database: Database) -> None:
    migrate.downgrade(database, "base")
    with database.write() as connection:
        connection.execute(sa.text("drop table alembic_version"))
    assert shape.current(database) is None
    with pytest.raises(Refused, match="archimed init"):
        shape.require_newest(database)


def test_asking_makes_no_file(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/catalog.db")
    with pytest.raises(Refused, match="archimed init"):
        shape.require_newest(database)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("revision", "says"), [("0000", "archimed init"), ("9999", "newer version of this program")])
def test_catalogue_of_another_time(database: Database, revision: str, says: str) -> None:
    with database.write() as connection:
        connection.execute(sa.text("update alembic_version set version_num = :revision"), {"revision": revision})
    with pytest.raises(Refused, match=says):
        shape.require_newest(database)


def test_file_that_is_no_catalogue(tmp_path: Path) -> None:
    file = tmp_path / "catalog.db"
    file.write_bytes(b"patient list\n" * 100)
    database = Database(f"sqlite:///{file}")
    with pytest.raises(Unavailable):
        shape.require_newest(database)
    database.close()
    assert file.read_bytes() == b"patient list\n" * 100
