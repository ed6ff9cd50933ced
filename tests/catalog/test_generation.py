"""Marks of catalogue, staging and store: moved on together, compared, and never mistaken after a crash or a restore."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog import marks
from catalog.audit import record
from catalog.database import Database
from catalog.generation import Generations, MarkedFolder
from catalog.pure.errors import Refused, Unavailable
from catalog.pure.generation import Mark
from tests.builders import BuiltArchive


class Folder(MarkedFolder):
    """A place in a folder, which can refuse to be written."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, ["*/study.json"])
        path.mkdir()
        marks.mark(path)
        self.path = path
        self.refuses = False

    def write_mark(self, mark: Mark) -> None:
        if self.refuses:
            raise Unavailable("killed")
        super().write_mark(mark)

    def fill(self) -> None:
        (self.path / "S").mkdir()
        (self.path / "S" / "study.json").touch()


class Archive:
    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.staging, self.store = Folder(folder / "staging"), Folder(folder / "store")
        self.generations = Generations(database, {"the staging folder": self.staging, "the store": self.store})

    def act(self) -> None:
        with self.database.write() as connection:
            record(connection, actor="root", action="study.create")


@pytest.fixture
def archive(database: Database, tmp_path: Path) -> Archive:
    made = Archive(database, tmp_path)
    made.generations.adopt()
    return made


def test_an_archive_that_works_is_of_one_age(archive: Archive) -> None:
    for _ in range(3):
        archive.act()
        assert archive.generations.problems() == []
        archive.generations.note()
        archive.generations.advance()
        assert archive.generations.problems() == []
    assert archive.staging.read_mark() == archive.store.read_mark()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.sampled_from(["staging", "store", "none"]), max_size=6))
def test_a_crash_between_two_marks_is_never_taken_for_an_older_copy(archive: Archive, crashes: list[str]) -> None:
    for crash in crashes:
        archive.staging.refuses, archive.store.refuses = crash == "staging", crash == "store"
        if crash == "none":
            archive.generations.advance()
        else:
            with pytest.raises(Unavailable):
                archive.generations.advance()
        assert archive.generations.problems() == []
    archive.staging.refuses = archive.store.refuses = False
    archive.generations.advance()
    assert archive.staging.read_mark() == archive.store.read_mark()


def test_an_older_catalogue_is_noticed_by_its_audit_within_one_generation(built: BuiltArchive, tmp_path: Path) -> None:
    (tmp_path / "places").mkdir()
    archive = Archive(built.database, tmp_path / "places")
    archive.generations.adopt()
    archive.act()
    archive.generations.note()
    older = _copy(archive.database, tmp_path / "older.db")
    archive.act()
    archive.generations.note()
    restored = Generations(older, {"the staging folder": archive.staging, "the store": archive.store})
    assert [text.partition(":")[0] for text in restored.problems()] == [
        "the catalogue is older than the staging folder",
        "the catalogue is older than the store",
    ]
    with pytest.raises(Unavailable, match="older"):
        restored.require_one_age()
    with older.write() as connection:  # as many entries as before, of another history
        record(connection, actor="root", action="user.add")
    assert len(restored.problems()) == 2
    restored.adopt()
    assert restored.problems() == []
    older.close()


def test_an_older_store_is_noticed_by_its_generation(archive: Archive) -> None:
    archive.generations.advance()
    older = (archive.store.path / marks.MARK).read_bytes()
    archive.generations.advance()
    archive.generations.advance()
    (archive.store.path / marks.MARK).chmod(0o600)
    (archive.store.path / marks.MARK).write_bytes(older)
    (problem,) = archive.generations.problems()
    assert problem.startswith("the store is older than the catalogue")


def test_a_new_catalogue_is_not_laid_over_files_of_another(archive: Archive) -> None:
    archive.generations.require_empty()
    archive.store.fill()
    with pytest.raises(Refused, match=r"the store holds files.*archimed rebuild.*--adopt"):
        archive.generations.require_empty()
    marks.write(archive.store.path, Mark("b" * 32, 1))
    with pytest.raises(Refused, match="another archive"):
        archive.generations.mark_new()


def test_places_of_an_archive_that_never_marked_any_are_its_own(database: Database, tmp_path: Path) -> None:
    archive = Archive(database, tmp_path)
    archive.store.fill()
    assert archive.generations.problems() == []
    archive.generations.mark_new()
    assert archive.staging.read_mark() is not None
    assert archive.staging.read_mark() == archive.store.read_mark()
    (archive.store.path / marks.MARK).unlink()
    (problem,) = archive.generations.problems()
    assert "the catalogue does not know whose" in problem


def test_a_damaged_mark_is_told_and_adopted(archive: Archive) -> None:
    mark = archive.store.path / marks.MARK
    mark.chmod(0o600)
    mark.write_bytes(b"text\n{")
    with pytest.raises(Unavailable, match="damaged"):
        archive.generations.problems()
    archive.generations.adopt()
    assert archive.generations.problems() == []


def _copy(database: Database, path: Path) -> Database:
    source, target = sqlite3.connect(database.url.database or ""), sqlite3.connect(path)
    source.backup(target)
    source.close()
    target.close()
    return Database(f"sqlite:///{path}")
