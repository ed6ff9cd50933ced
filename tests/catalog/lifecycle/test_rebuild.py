"""Destroy the catalogue, make it anew from the store, and find every view, listing, metadata answer and grant as before."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from catalog import administration
from catalog.corrections.requests import Corrections
from catalog.database import Database
from catalog.database.tables import batches
from catalog.gate.drops.inbox import Inbox
from catalog.jobs import Queue, worker_name
from catalog.lifecycle import numbers
from catalog.lifecycle.access import AccessWriter
from catalog.lifecycle.bin import Bin, BinJob, KeepFor
from catalog.lifecycle.rebuild import rebuild
from catalog.metadata import known
from catalog.metadata.searching import search
from catalog.pure.access import Role
from catalog.pure.errors import Refused
from catalog.pure.nodes import ROOT_ID, NodeId
from catalog.pure.query import parse
from catalog.view import Archive, View
from tests.binning import Binning
from tests.builders import new_catalogue
from tests.catalog.gate.conftest import ROOT, STUDY, Gate
from tests.catalog.gate.publish.test_results import bring, result
from tests.synthetic import image


@pytest.fixture
def published(gate: Gate) -> Gate:
    gate.published(image(instance=1), image(instance=2), image(series=4, instance=1))
    gate.published(image(instance=3))
    gate.published(image(instance=1, study="7"), exam="E002")
    return gate


@pytest.fixture
def archived(published: Gate, inbox: Inbox) -> Gate:
    """Give an archive with exams, late files, results, corrections and grants."""
    gate = published
    bring(gate, inbox, result({"seg.nii": b"voxels", "stats/areas.csv": b"left,1\n"}))
    asked = Corrections(gate.database, ROOT, None)
    asked.rename_exam(f"{STUDY}/E002", "E003", "was wrong")
    asked.describe_series(f"{STUDY}/E001/004_DCM_MR_t1_mprage_sag", "knee left", "was wrong")
    gate.work()
    administration.set_role(gate.database, ROOT, "bob", Role.POWER)
    return gate


def tree(view: View) -> list[tuple[Any, ...]]:
    """Return everything that the view shows, but the times of folders that were corrected: these are not kept."""
    corrected = {STUDY, f"{STUDY}/E001"}

    def below(folder: NodeId, path: str) -> Iterator[tuple[Any, ...]]:
        for node in view.walk(folder):
            times = (node.mtime, node.changed) if path + node.name not in corrected else None
            yield path + node.name, times, node.size, node.digest
            if node.is_folder:
                yield from below(node.id, f"{path}{node.name}/")

    return sorted(below(ROOT_ID, ""))


def answers(database: Database, login: str) -> list[Any]:
    """Return all metadata that a user can ask for."""
    user = administration.principal(database, login).user_id
    found = search(database, user, parse("size >= 0", known.known()), with_files=True)
    return sorted(
        (
            one.study, one.exam, one.name, one.file_type, one.number, one.description, one.acquired, one.added, one.files,
            sorted((name, repr(value)) for name, value in one.metadata.items()),
            sorted((file.name, file.size, file.sha256, file.acquired) for file in one.chosen),
        )
        for one in found
    )  # fmt: skip


def told(database: Database, archive: Archive) -> dict[str, Any]:
    """Return what each user sees and can ask, where results come from, and who is granted what."""
    logins = ("ada", "bob", "lea")
    views = {login: archive.view(administration.principal(database, login)) for login in logins}
    made = views["ada"].resolve(f"{STUDY}/E001/003_RESULT_seg")
    return {
        "trees": {login: tree(view) for login, view in views.items()},
        "metadata": {login: answers(database, login) for login in logins},
        "origin": views["ada"].origin(made.id),
        "grants": [(grant.login, grant.study) for grant in administration.list_grants(database)],
        "users": [(user.login, user.role) for user in administration.list_users(database)],
        "studies": [(study.code, study.description, study.end_date) for study in administration.list_studies(database)],
    }


def timeless(found: dict[str, Any]) -> dict[str, Any]:
    """Return the same without the times of folders that something left: these are not kept."""
    trees = {login: [(path, size, digest) for path, _, size, digest in each] for login, each in found["trees"].items()}
    return {**found, "trees": trees}


def test_a_lost_catalogue_comes_back_from_the_store_as_it_was(archived: Gate, tmp_path: Path) -> None:
    AccessWriter(archived.database, archived.store).write()
    before = told(archived.database, archived.built.archive)
    assert before["trees"]["ada"]
    anew = new_catalogue(tmp_path / "anew.db")
    seen: list[int] = []
    found = rebuild(anew, archived.store, ROOT, seen.append)
    assert told(anew, Archive(anew, archived.store)) == before
    assert (found.studies, found.exams, found.files, found.missing) == (2, 2, 7, 0)
    assert seen[-1] == found.files
    anew.close()


def test_what_lies_in_the_bin_is_there_again_and_comes_back(archived: Gate, tmp_path: Path) -> None:
    """A series, a part of another, and one that was published again under its name."""
    gate = archived
    binning = Binning(gate.built)
    shown = sorted(tree(gate.view()))
    binning.put(f"{STUDY}/E001/003_DCM_MR_t1_mprage_sag/00001.dcm")
    binning.put(f"{STUDY}/E003")
    gate.published(image(instance=1, study="7"), exam="E003")
    AccessWriter(gate.database, gate.store).write()
    before = timeless(told(gate.database, gate.built.archive))
    anew = new_catalogue(tmp_path / "anew.db")
    assert rebuild(anew, gate.store, ROOT, lambda _: None).binned == 2
    assert timeless(told(anew, Archive(anew, gate.store))) == before
    bins = [Bin(database, ROOT, None, KeepFor()).entries() for database in (gate.database, anew)]
    assert bins[0] == bins[1]
    view = Archive(anew, gate.store).view(administration.principal(anew, "ada"))
    again = Bin(anew, ROOT, None, KeepFor())
    queue = Queue(anew, worker_name())
    for entry in bins[1]:
        again.restore(entry.id)
        job = queue.claim(bin_id=entry.id)
        assert job is not None
        BinJob(anew, gate.store, queue).run(job, lambda: None)
    names = {path for path, *_ in tree(view)}
    assert {path for path, *_ in shown} <= names
    assert names - {path for path, *_ in shown} == {
        f"{STUDY}/E003/003_DCM_MR_t1_mprage_sag_2",
        *(path for path in names if "_sag_2/" in path),
    }
    asked = Corrections(anew, ROOT, None).list()
    assert [(one.kind, one.place, one.value, one.reason) for one in asked] == [
        (one.kind, one.place, one.value, one.reason) for one in Corrections(gate.database, ROOT, None).list()
    ]
    anew.close()


def test_who_has_one_centre_has_no_more_of_the_study_afterwards(published: Gate, tmp_path: Path) -> None:
    gate = published
    administration.add_centre(gate.database, ROOT, STUDY, "LYON")
    administration.assign(gate.database, ROOT, STUDY, "LYON", exam_codes=["E002"])
    administration.add_user(gate.database, ROOT, "lyn", Role.STANDARD)
    administration.add_grant(gate.database, ROOT, "lyn", STUDY, centres=["LYON"], until=4_000_000_000)
    AccessWriter(gate.database, gate.store).write()
    anew = new_catalogue(tmp_path / "anew.db")
    rebuild(anew, gate.store, ROOT, lambda _: None)
    view = Archive(anew, gate.store).view(administration.principal(anew, "lyn"))
    assert {path.partition("/")[2].partition("/")[0] for path, *_ in tree(view)} - {""} == {"E002"}
    assert [one.until for one in administration.list_grants(anew) if one.login == "lyn"] == [4_000_000_000]
    anew.close()


def test_numbers_are_not_given_again(archived: Gate, tmp_path: Path) -> None:
    highest = archived.database.row(sa.select(sa.func.max(batches.c.id)))
    assert highest is not None
    anew = new_catalogue(tmp_path / "anew.db")
    numbers.lift(anew, archived.store, staged=highest[0] + 5)
    values = {
        "state": "open", "exam_code": "", "files": 0, "bytes": 0, "findings": "[]", "summary": "[]", "reason": "",
        "approved": 0, "opened": 1, "last_write": 1, "decided_by": "",
    }  # fmt: skip
    with anew.write() as connection:
        assert connection.execute(batches.insert().values(values).returning(batches.c.id)).scalar_one() == highest[0] + 6
    anew.close()
    numbers.lift(archived.database, archived.store, staged=highest[0] + 5)
    with archived.database.write() as connection:
        assert connection.execute(batches.insert().values(values).returning(batches.c.id)).scalar_one() > highest[0] + 5


def test_only_an_empty_catalogue_is_filled(archived: Gate) -> None:
    with pytest.raises(Refused, match="knows studies already"):
        rebuild(archived.database, archived.store, ROOT, lambda _: None)


def test_who_may_see_what_is_written_after_a_change_only(archived: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = AccessWriter(archived.database, archived.store)
    writer.write()
    written: list[str] = []
    write = archived.store.write_record
    monkeypatch.setattr(archived.store, "write_record", lambda study, *rest: (written.append(study), write(study, *rest)))
    writer.write()
    AccessWriter(archived.database, archived.store).write()
    assert written == []
    administration.remove_grant(archived.database, ROOT, "bob", STUDY)
    writer.write()
    assert written == [STUDY]
