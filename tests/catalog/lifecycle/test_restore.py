"""An archive comes back from its backup as it was; what is newer in the store comes with it; what was taken away stays away."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from catalog import administration
from catalog.audit import Actor
from catalog.corrections.requests import Corrections
from catalog.database import Database, migrate
from catalog.database.tables import batches, files, jobs
from catalog.gate.staged.area import Staging
from catalog.lifecycle.access import AccessWriter
from catalog.lifecycle.backup import is_running, snapshot
from catalog.lifecycle.backup.create import create
from catalog.lifecycle.backup.folder import BackupFolder
from catalog.lifecycle.bin import Bin, KeepFor
from catalog.lifecycle.restore import Restore, Restored
from catalog.pure.access import Role
from catalog.pure.batches import State
from catalog.pure.generation import Mark
from catalog.store import Store
from catalog.store.local import LocalStore
from catalog.view import Archive
from tests.binning import Binning
from tests.catalog.gate.conftest import ROOT, STUDY, Gate
from tests.catalog.lifecycle.test_rebuild import archived, published, timeless, told, tree
from tests.synthetic import image

__all__ = ["archived", "published"]


class Saved:
    """A gate's archive, and its backup."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.folder = BackupFolder(gate.built.folder / "backup")
        self.copy = LocalStore(self.folder.path / "store")

    def save(self) -> None:
        AccessWriter(self.gate.database, self.gate.store).write()
        mark = Mark("ab" * 16, 1)
        self.folder.prepare(mark.archive, [])
        self.copy.prepare()
        create(self.gate.database, self.gate.store, self.folder, self.copy, mark, ROOT)

    def back(self, database: Database, store: Store, staging: Staging) -> Restored:
        snapshot.put(self.folder.catalogues / self.folder.require().catalogue, database)
        migrate.upgrade(database)
        store.prepare()
        staging.prepare()
        return Restore(database, store, self.copy, staging).run(Actor("root"), lambda _: None)


@pytest.fixture
def empty(gate: Gate, tmp_path: Path) -> Iterator[Database]:
    """Give a place for a second catalogue of the same kind."""
    if gate.database.is_sqlite:
        url = sa.engine.make_url(f"sqlite:///{tmp_path}/anew/catalog.db")
    else:
        name = f"{gate.database.url.database}_anew"
        with gate.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f'create database "{name}"')
        url = gate.database.url.set(database=name)
    database = Database(url.render_as_string(hide_password=False))
    yield database
    database.close()


def test_everything_comes_back_on_an_empty_machine(archived: Gate, empty: Database, tmp_path: Path) -> None:
    saved = Saved(archived)
    saved.save()
    before = told(archived.database, archived.built.archive)
    store = LocalStore(tmp_path / "anew/store")
    found = saved.back(empty, store, Staging(tmp_path / "anew/staging"))
    assert told(empty, Archive(empty, store)) == before
    assert (found.files, found.objects > 0, found.records > 0) == (7, True, True)
    assert (found.imports, found.imports_left, found.lost, found.grants_cut, found.batches_lost) == ([], [], [], [], [])
    assert not is_running(empty)
    view = Archive(empty, store).view(administration.principal(empty, "ada"))
    for path, *_, digest in tree(view):
        if digest:
            opened = view.open(view.resolve(path).id)
            assert opened.read_at(0, opened.node.size) == archived.read(path)
            opened.close()


def test_what_the_store_was_given_since_comes_with_it_and_what_was_taken_since_stays_away(
    archived: Gate, empty: Database, tmp_path: Path
) -> None:
    gate, saved = archived, Saved(archived)
    administration.set_role(gate.database, ROOT, "ada", Role.POWER)
    administration.create_token(gate.database, ROOT, "bob", ["read"], None)
    saved.save()
    gate.published(image(instance=9, study="8"), exam="E009")
    administration.remove_grant(gate.database, ROOT, "bob", STUDY)
    administration.set_role(gate.database, ROOT, "ada", Role.STANDARD)
    AccessWriter(gate.database, gate.store).write()
    before = told(gate.database, gate.built.archive)
    objects = sorted(gate.built.folder.glob("var/store/*/objects/*/*"))
    found = saved.back(empty, gate.store, Staging(tmp_path / "anew/staging"))
    after = told(empty, Archive(empty, gate.store))
    assert after == before
    assert (len(found.imports), found.imports_left, found.objects, found.tokens) == (1, [], 0, 1)
    assert (found.grants_cut, found.roles_cut) == ([f"bob/{STUDY}"], ["ada"])
    assert sorted(gate.built.folder.glob("var/store/*/objects/*/*")) == objects
    newest = gate.database.row(sa.select(sa.func.max(batches.c.id)))
    values = {
        "state": "open", "exam_code": "", "files": 0, "bytes": 0, "findings": "[]", "summary": "[]", "reason": "",
        "approved": 0, "opened": 1, "last_write": 1, "decided_by": "",
    }  # fmt: skip
    with empty.write() as connection:
        number = connection.execute(batches.insert().values(values).returning(batches.c.id)).scalar_one()
    assert newest is not None
    assert number > newest[0]


def test_a_batch_that_was_published_since_is_not_published_twice(gate: Gate, empty: Database, staging: Staging) -> None:
    saved = Saved(gate)
    batch = gate.checked(image(instance=1), image(instance=2)).id
    gate.review.accept(batch, STUDY, "E001")
    saved.save()
    gate.work()
    found = saved.back(empty, gate.store, staging)
    assert found.imports == [f"{STUDY}/{batch}"]
    assert found.batches_lost == []
    row = empty.row(sa.select(batches.c.state).where(batches.c.id == batch))
    assert row is not None
    assert row.state == State.PUBLISHED
    assert empty.rows(sa.select(jobs.c.id).where(jobs.c.state.in_(("queued", "running")))) == []
    assert tree(Archive(empty, gate.store).view(administration.principal(empty, "ada"))) == tree(gate.view())


def test_batches_whose_bytes_are_gone_fail_and_the_others_wait_on(gate: Gate, empty: Database, tmp_path: Path) -> None:
    lost, accepted = gate.checked(image(instance=1)).id, gate.checked(image(instance=2)).id
    kept = gate.checked(image(instance=3)).id
    gate.review.accept(accepted, STUDY, "E001")
    saved = Saved(gate)
    saved.save()
    staging = Staging(tmp_path / "anew/staging")
    shutil.copytree(tmp_path / "var/staging", tmp_path / "anew/staging")
    for row in gate.database.rows(sa.text(f"select file from staged_files where batch_id in ({lost}, {accepted})")):
        staging.path(row.file).unlink()
    found = saved.back(empty, LocalStore(tmp_path / "anew/store"), staging)
    assert found.batches_lost == [lost, accepted]
    states = {row.id: (row.state, row.reason) for row in empty.rows(sa.select(batches))}
    assert states[kept][0] == State.CHECKED
    assert {states[lost][0], states[accepted][0]} == {State.FAILED}
    assert "bytes were lost" in states[accepted][1]
    assert empty.rows(sa.select(jobs.c.id).where(jobs.c.state.in_(("queued", "running")))) == []


def test_what_nobody_has_any_more_is_named_and_the_rest_comes_back(published: Gate, empty: Database, tmp_path: Path) -> None:
    saved = Saved(published)
    saved.save()
    row = published.database.row(sa.select(files.c.sha256).order_by(files.c.id))
    assert row is not None
    name = bytes(row.sha256).hex()
    (copy,) = saved.folder.path.glob(f"store/*/objects/*/{name}")
    copy.chmod(0o600)
    copy.write_bytes(b"x" * copy.stat().st_size)
    found = saved.back(empty, LocalStore(tmp_path / "anew/store"), Staging(tmp_path / "anew/staging"))
    assert found.lost == [f"{STUDY}/{name}"]
    assert found.objects == 4


def test_an_import_that_was_given_up_does_not_come_back(published: Gate, empty: Database, tmp_path: Path) -> None:
    saved = Saved(published)
    saved.save()
    manifest = next(published.built.folder.glob(f"var/store/{STUDY}/manifests/*"))
    line = manifest.read_bytes().splitlines(keepends=True)[0]
    digest = line.partition(b'"sha256":"')[2][:64]
    published.store.write_record(STUDY, "manifests/0000000001-00000099.jsonl", [line.replace(digest, b"0" * 64)])
    found = saved.back(empty, published.store, Staging(tmp_path / "anew/staging"))
    assert (found.imports, found.imports_left) == ([], [f"{STUDY}/99"])


def test_what_was_corrected_binned_or_purged_since_is_as_the_store_tells(
    archived: Gate, empty: Database, tmp_path: Path
) -> None:
    gate = archived
    binning = Binning(gate.built)
    old = binning.put(f"{STUDY}/E001/003_RESULT_seg")
    saved = Saved(gate)
    saved.save()
    asked = Corrections(gate.database, ROOT, None)
    asked.rename_exam(f"{STUDY}/E003", "E009", "was wrong again")
    gate.work()
    gone = binning.put(f"{STUDY}/E001/003_DCM_MR_t1_mprage_sag/00001.dcm")
    kept = binning.put(f"{STUDY}/E009")
    binning.purge(gone.id)
    binning.restore(old.id)
    gate.published(image(series=8, instance=1))
    AccessWriter(gate.database, gate.store).write()
    before = timeless(told(gate.database, gate.built.archive))
    found = saved.back(empty, gate.store, Staging(tmp_path / "anew/staging"))
    assert timeless(told(empty, Archive(empty, gate.store))) == before
    assert (found.remade, found.lost, len(found.imports), found.imports_left) == ([STUDY], [], 1, [])
    bin_ = Bin(empty, ROOT, None, KeepFor())
    assert [(entry.id, entry.path, entry.reason) for entry in bin_.entries()] == [(kept.id, kept.path, kept.reason)]
    assert bin_.info(old.id).state == "restored"
    assert [one.value for one in Corrections(empty, ROOT, None).list()] == [one.value for one in asked.list()]
