"""Results: dropped as a folder beside the series they were made of, archived as they are, shown with where they come from."""

import contextlib
import json
import os
from collections.abc import Callable

import pytest

from catalog.audit import entries
from catalog.database.tables import batches
from catalog.filetypes import Sample, recognise, registry
from catalog.filetypes.model import Plain
from catalog.gate.drops.inbox import Inbox
from catalog.pure.batches import State
from catalog.pure.errors import Conflict, NotFound
from catalog.store import records
from catalog.view.view import Origin
from tests.catalog.gate.conftest import STUDY, Gate, put
from tests.synthetic import image

SEG = "003_RESULT_seg"
FILES = {"seg.nii": b"voxels", "stats/areas.csv": b"left,1\n", "stats/deep/er/x y.mat": b"\0mat", "a": b""}


def bring(gate: Gate, inbox: Inbox, files: dict[str, bytes], exam: str = "E001") -> int:
    with contextlib.suppress(Conflict):
        inbox.make_folder((STUDY, exam))
    for name, content in files.items():
        put(inbox, name, content, exam)
    batch = gate.review.list()[-1].id
    gate.review.seal(batch)
    gate.work()
    gate.review.accept(batch, STUDY, exam)
    gate.work()
    return batch


def result(files: dict[str, bytes], folder: str = SEG) -> dict[str, bytes]:
    return {f"{folder}/{name}": content for name, content in files.items()}


@pytest.fixture
def scanned(gate: Gate) -> Gate:
    gate.published(image(instance=1, series=3), image(instance=2, series=3))
    return gate


def below(gate: Gate, path: str) -> dict[str, bytes]:
    view, found = gate.view(), {}

    def walk(path: str, within: str) -> None:
        for node in view.walk(view.resolve(path).id):
            name = f"{within}{node.name}"
            if node.is_folder:
                walk(f"{path}/{node.name}", f"{name}/")
            else:
                found[name] = gate.read(f"{path}/{node.name}")

    walk(path, "")
    return found


def test_a_result_stands_beside_its_series_as_it_was_brought(scanned: Gate, inbox: Inbox) -> None:
    batch = bring(scanned, inbox, result(FILES))
    assert scanned.review.info(batch).state is State.PUBLISHED
    series, mine = scanned.names(f"{STUDY}/E001")
    assert series.startswith("003_DCM_MR")
    assert mine == SEG
    assert below(scanned, f"{STUDY}/E001/{SEG}") == FILES
    view = scanned.view()
    assert view.origin(view.resolve(f"{STUDY}/E001/{SEG}").id) == Origin(series, "", (), "ada")
    assert view.origin(view.resolve(f"{STUDY}/E001/{series}").id) is None
    entry = entries(scanned.database)[-1]
    assert (entry.action, entry.detail["files"]) == ("batch.publish", 4)


def test_the_store_alone_tells_of_it_too(scanned: Gate, inbox: Inbox) -> None:
    bring(scanned, inbox, result(FILES))
    told = [entry for entry in records.manifests(scanned.store, STUDY) if entry["file_type"] == "RESULT"]
    assert sorted(entry["name"] for entry in told) == sorted(FILES)
    assert {entry["series"] for entry in told} == {SEG}


def test_the_lineage_is_kept_and_is_no_file_of_the_result(scanned: Gate, inbox: Inbox) -> None:
    told = {"program": "FreeSurfer 7.4.1", "sources": ["003_DCM_MR_t1_mprage_sag"]}
    bring(scanned, inbox, result({"seg.nii": b"voxels", "_LINEAGE.json": json.dumps(told).encode()}))
    assert below(scanned, f"{STUDY}/E001/{SEG}") == {"seg.nii": b"voxels"}
    view = scanned.view()
    origin = view.origin(view.resolve(f"{STUDY}/E001/{SEG}").id)
    assert origin is not None
    assert (origin.program, origin.sources) == ("FreeSurfer 7.4.1", ("003_DCM_MR_t1_mprage_sag",))
    (entry,) = [entry for entry in records.manifests(scanned.store, STUDY) if entry["file_type"] == "RESULT"]
    assert entry["lineage"] == {**told, "brought_by": "ada"}


def test_a_lineage_that_cannot_be_used_is_held_and_the_result_is_not(scanned: Gate, inbox: Inbox) -> None:
    batch = bring(scanned, inbox, result({"seg.nii": b"voxels", "_LINEAGE.json": b"{"}))
    assert below(scanned, f"{STUDY}/E001/{SEG}") == {"seg.nii": b"voxels"}
    rest = scanned.review.list()[-1]
    assert (rest.follows, rest.files) == (batch, 1)
    assert "_LINEAGE.json cannot be used: it is not JSON" in rest.findings[-1]["message"]


def test_versions_stand_side_by_side(scanned: Gate, inbox: Inbox) -> None:
    bring(scanned, inbox, result({"seg.nii": b"first"}))
    bring(scanned, inbox, result({"seg.nii": b"second"}))
    assert scanned.names(f"{STUDY}/E001")[1:] == [SEG, f"{SEG}_2"]
    assert below(scanned, f"{STUDY}/E001/{SEG}") == {"seg.nii": b"first"}
    assert below(scanned, f"{STUDY}/E001/{SEG}_2") == {"seg.nii": b"second"}


def test_files_that_are_late_join_their_result_and_change_nothing_in_it(scanned: Gate, inbox: Inbox) -> None:
    put(inbox, f"{SEG}/seg.nii", b"voxels")
    put(inbox, f"{SEG}/stats/a.csv", b"a")
    first = scanned.review.list()[-1].id
    scanned.review.seal(first)
    late = {"stats/b.csv": b"b", "more/c": b"c", "Stats/a.csv": b"case", "SEG.nii": b"case"}
    for name, content in late.items():
        put(inbox, f"{SEG}/{name}", content)
    second = scanned.review.list()[-1].id
    assert scanned.review.info(second).follows == first
    scanned.review.seal(second)
    scanned.work()
    for batch in (first, second):
        scanned.review.accept(batch, STUDY, "E001")
        scanned.work()
    assert scanned.names(f"{STUDY}/E001")[1:] == [SEG]
    found = below(scanned, f"{STUDY}/E001/{SEG}")
    first_files = {"seg.nii": b"voxels", "stats/a.csv": b"a"}
    assert found == {**first_files, "stats/b.csv": b"b", "more/c": b"c", "Stats_2/a.csv": b"case", "SEG_2.nii": b"case"}


def test_other_bytes_under_a_name_that_is_taken_are_held(scanned: Gate, inbox: Inbox) -> None:
    first = bring(scanned, inbox, result({"seg.nii": b"voxels", "same": b"same"}))
    inbox.make_folder((STUDY, "E001"))
    for name, content in {"seg.nii": b"others", "same": b"same", "new": b"new"}.items():
        put(inbox, f"{SEG}/{name}", content)
    second = scanned.review.list()[-1].id
    with scanned.database.write() as connection:  # as where they were late for a batch that was published meanwhile
        connection.execute(batches.update().where(batches.c.id == second).values(follows=first))
    scanned.review.seal(second)
    scanned.work()
    scanned.review.accept(second, STUDY, "E001")
    scanned.work()
    assert below(scanned, f"{STUDY}/E001/{SEG}") == {"seg.nii": b"voxels", "same": b"same", "new": b"new"}
    held = scanned.review.list()[-1]
    assert (held.follows, held.files) == (second, 1)
    assert "another file of that name" in held.findings[-1]["message"]


def test_a_result_of_nothing_stands_alone(gate: Gate, inbox: Inbox) -> None:
    bring(gate, inbox, result({"x": b"x"}, "009_RESULT_alone"))
    view = gate.view()
    assert gate.names(f"{STUDY}/E001") == ["009_RESULT_alone"]
    origin = view.origin(view.resolve(f"{STUDY}/E001/009_RESULT_alone").id)
    assert origin is not None
    assert origin.made_of == ""


def test_who_lost_the_grant_learns_nothing_of_where_a_result_comes_from(scanned: Gate, inbox: Inbox) -> None:
    bring(scanned, inbox, result(FILES))
    view = scanned.view()
    node = view.resolve(f"{STUDY}/E001/{SEG}/stats/deep").id
    mine = view.resolve(f"{STUDY}/E001/{SEG}").id
    scanned.built.revoke("ada", STUDY)
    assert view.origin(mine) is None
    assert view.children(node) == []
    with pytest.raises(NotFound):
        view.attributes(node)


def test_a_segmentation_of_archived_images_keeps_its_references(
    scanned: Gate, inbox: Inbox, inbox_of: Callable[[str], Inbox]
) -> None:
    series = scanned.names(f"{STUDY}/E001")[0]
    archived = scanned.read(f"{STUDY}/E001/{series}/00001.dcm")
    batch = bring(scanned, inbox, result({"seg.dcm": archived}))
    assert scanned.review.info(batch).state is State.PUBLISHED
    assert below(scanned, f"{STUDY}/E001/{SEG}") == {"seg.dcm": archived}


@pytest.mark.parametrize(("content", "why"), [(image(), "patient ID is not this exam's code"), (image()[:-200], "truncated")])
def test_dicom_that_is_not_of_the_exam_is_held(scanned: Gate, inbox: Inbox, content: bytes, why: str) -> None:
    bring(scanned, inbox, result({"seg.dcm": content, "ok": b"x"}))
    assert below(scanned, f"{STUDY}/E001/{SEG}") == {"ok": b"x"}
    rest = scanned.review.list()[-1]
    assert why in rest.findings[-1]["message"]
    assert "Doe" not in json.dumps(rest.findings)


class Greedy(Plain):
    """A site's type that claims everything, before any other is asked."""

    name = "GREEDY"
    labels = ("GREEDY",)

    def recognise(self, sample: Sample) -> bool:
        return True


def test_a_sites_type_that_claims_dicom_lets_no_other_patient_in(
    scanned: Gate, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "file_types", lambda: (Greedy(),))
    kind = recognise(Sample(scanned.built.config))
    assert kind is not None
    assert kind.name == "GREEDY", "or it proves nothing"
    bring(scanned, inbox, result({"seg.dcm": image(), "ok": b"x", "empty": b""}))
    assert below(scanned, f"{STUDY}/E001/{SEG}") == {"ok": b"x", "empty": b""}
    assert "patient ID is not this exam's code" in scanned.review.list()[-1].findings[-1]["message"]


def test_odd_names_are_made_so_that_every_face_can_show_them(scanned: Gate, inbox: Inbox) -> None:
    names = ["a:b", "a?b", "CON", "tête", os.fsdecode(b"\xff.txt"), "end.", "A/x", "a/x"]
    bring(scanned, inbox, result({name: name.encode("utf-8", "surrogateescape") for name in names}))
    found = below(scanned, f"{STUDY}/E001/{SEG}")
    assert sorted(found.values()) == sorted(name.encode("utf-8", "surrogateescape") for name in names)
    assert set(found) == {"a_b", "a_b_2", "_CON", "tête", "_.txt", "end", "A/x", "a_2/x"}
