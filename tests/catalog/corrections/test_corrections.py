"""Corrections: what they change, what they keep, who may ask, what is refused, and what the store is told."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import administration, changes
from catalog.audit import Actor, entries
from catalog.changes import ChangeKind
from catalog.corrections import CorrectionInfo, Corrections
from catalog.database.tables import jobs
from catalog.pure.access import Role
from catalog.pure.corrections import Moved, Place, corrected
from catalog.pure.errors import Invalid, NotFound, Refused, Unavailable
from catalog.pure.nodes import Kind
from catalog.store import records
from tests.catalog.gate.conftest import ROOT, STUDY, Gate
from tests.synthetic import image


@pytest.fixture
def archived(gate: Gate) -> Gate:
    administration.add_user(gate.database, ROOT, "paula", Role.POWER)
    administration.add_grant(gate.database, ROOT, "paula", STUDY)
    gate.published(image(instance=1), image(instance=2))
    gate.published(image(instance=3, series=2), exam="E002")
    return gate


def of(gate: Gate, login: str | None = "paula") -> Corrections:
    if login is None:
        return Corrections(gate.database, ROOT, None)
    return Corrections(gate.database, Actor("root", login), administration.principal(gate.database, login))


def tree(gate: Gate) -> dict[str, bytes]:
    return {
        f"{exam}/{series}/{file}": gate.read(f"{STUDY}/{exam}/{series}/{file}")
        for exam in gate.names(STUDY)
        for series in gate.names(f"{STUDY}/{exam}")
        for file in gate.names(f"{STUDY}/{exam}/{series}")
    }


def from_store(gate: Gate) -> set[str]:
    return {f"{entry['exam']}/{entry['series']}/{entry['name']}" for entry in records.manifests(gate.store, STUDY)}


def done(gate: Gate, info: CorrectionInfo) -> CorrectionInfo:
    gate.work()
    return of(gate, None).info(info.id)


def first_series(gate: Gate, exam: str) -> str:
    return gate.names(f"{STUDY}/{exam}")[0]


def test_an_exam_gets_another_code_and_keeps_its_bytes(archived: Gate) -> None:
    before = tree(archived)
    asked = of(archived).rename_exam(f"{STUDY}/E001", "E010", "typed wrongly")
    assert asked.state == "queued"
    assert tree(archived) == before, "nothing changes before the job"
    assert done(archived, asked).state == "done"
    after = {path.replace("E001/", "E010/"): content for path, content in before.items()}
    assert tree(archived) == after
    assert from_store(archived) == set(after)


def test_a_series_moves_to_an_exam_that_is_made_and_the_empty_one_goes(archived: Gate) -> None:
    before, name = tree(archived), first_series(archived, "E002")
    done(archived, of(archived).move_series(f"{STUDY}/E002/{name}", "E003", "third visit"))
    assert archived.names(STUDY) == ["E001", "E003"]
    assert tree(archived) == {path.replace("E002/", "E003/"): content for path, content in before.items()}
    assert from_store(archived) == set(tree(archived))


def test_a_series_whose_name_is_taken_in_the_other_exam_gets_a_count(archived: Gate) -> None:
    archived.published(image(instance=9, study="9"), exam="E009")
    name = first_series(archived, "E001")
    assert first_series(archived, "E009") == name
    done(archived, of(archived).move_series(f"{STUDY}/E009/{name}", "E001", "same visit"))
    assert archived.names(f"{STUDY}/E001") == [name, f"{name}_2"]
    assert from_store(archived) == set(tree(archived))


def test_a_description_changes_the_folders_name(archived: Gate) -> None:
    name = first_series(archived, "E001")
    number = name[:3]
    done(archived, of(archived).describe_series(f"{STUDY}/E001/{name}", "T2 / axial", "was wrong"))
    assert archived.names(f"{STUDY}/E001") == [f"{number}_DCM_MR_T2_axial"]
    assert from_store(archived) == set(tree(archived))


def test_late_files_join_a_series_that_was_moved_under_its_new_name(archived: Gate) -> None:
    name = first_series(archived, "E001")
    done(archived, of(archived).describe_series(f"{STUDY}/E001/{name}", "renamed", "x"))
    archived.published(image(instance=4))
    assert archived.names(f"{STUDY}/E001") == [f"{name[:3]}_DCM_MR_renamed"]
    assert len(archived.names(f"{STUDY}/E001/{name[:3]}_DCM_MR_renamed")) == 3
    assert from_store(archived) == set(tree(archived))


def test_a_code_that_was_freed_can_be_used_again(archived: Gate) -> None:
    done(archived, of(archived).rename_exam(f"{STUDY}/E001", "E010", "x"))
    archived.published(image(instance=50, study="5", series=5), exam="E001")
    assert archived.names(STUDY) == ["E001", "E002", "E010"]
    done(archived, of(archived).rename_exam(f"{STUDY}/E001", "E011", "x"))
    assert archived.names(STUDY) == ["E002", "E010", "E011"]
    assert from_store(archived) == set(tree(archived))


def test_what_is_gone_is_announced_and_everything_is_audited(archived: Gate) -> None:
    last = changes.newest(archived.database)
    name = first_series(archived, "E002")
    info = done(archived, of(archived).move_series(f"{STUDY}/E002/{name}", "E001", "one visit"))
    told = changes.since(archived.database, last)
    assert [(one.kind, one.folder and one.folder.kind, one.name) for one in told] == [
        (ChangeKind.GONE, Kind.EXAM, name),
        (ChangeKind.GONE, Kind.STUDY, "E002"),
    ]
    found = [(entry.actor, entry.acting_as, entry.action) for entry in entries(archived.database)][-2:]
    assert found == [("root", "paula", "correct.move_series"), ("worker", "paula", "correct.done")]
    assert (info.asked_by, info.value, info.place) == ("paula", "E001", f"E002/{name}")


@pytest.mark.parametrize(
    ("code", "problem"), [("E002", "there is an exam E002 already"), ("e002", "there is an exam E002 already")]
)
def test_an_exam_does_not_swallow_another(archived: Gate, code: str, problem: str) -> None:
    before = tree(archived)
    info = done(archived, of(archived).rename_exam(f"{STUDY}/E001", code, "x"))
    assert (info.state, problem in info.problem) == ("refused", True)
    assert tree(archived) == before
    assert from_store(archived) == set(before)


def test_case_alone_can_change(archived: Gate) -> None:
    done(archived, of(archived).rename_exam(f"{STUDY}/E001", "e001", "x"))
    assert sorted(archived.names(STUDY)) == ["E002", "e001"]


def test_a_series_does_not_meet_its_own_other_half(archived: Gate) -> None:
    for number, visit in ((5, "P05-V1"), (6, "P05-V2")):  # the same series of one subject, published into two exams
        archived.published(image(instance=number), exam=visit)
    name = first_series(archived, "P05-V2")
    info = done(archived, of(archived).move_series(f"{STUDY}/P05-V2/{name}", "P05-V1", "x"))
    assert info.state == "refused"
    assert "very series already" in info.problem


def test_the_second_of_two_corrections_finds_nothing_left_to_correct(archived: Gate) -> None:
    name = first_series(archived, "E002")
    first = of(archived).move_series(f"{STUDY}/E002/{name}", "E003", "x")
    second = of(archived).rename_exam(f"{STUDY}/E002", "E004", "x")
    assert done(archived, first).state == "done"
    info = of(archived).info(second.id)
    assert (info.state, info.problem) == ("refused", "the exam is not there any more")


@pytest.mark.parametrize("login", ["ada", "lea"])
def test_a_role_below_power_may_not(archived: Gate, login: str) -> None:
    with pytest.raises(Refused, match="role power"):
        of(archived, login).rename_exam(f"{STUDY}/E001", "E010", "x")


def test_a_study_that_is_not_granted_is_not_there(archived: Gate) -> None:
    administration.remove_grant(archived.database, ROOT, "paula", STUDY)
    with pytest.raises(NotFound):
        of(archived).rename_exam(f"{STUDY}/E001", "E010", "x")
    assert of(archived).list() == []


def test_a_grant_that_goes_in_the_same_moment_counts(archived: Gate) -> None:
    corrections = of(archived)
    administration.set_role(archived.database, ROOT, "paula", Role.STANDARD)
    with pytest.raises(Refused, match="changed in this moment"):
        corrections.rename_exam(f"{STUDY}/E001", "E010", "x")


@pytest.mark.parametrize("path", ["", STUDY, f"{STUDY}/E001/a/b"])
def test_a_path_that_is_no_exam(archived: Gate, path: str) -> None:
    with pytest.raises(Invalid, match="STUDY/EXAM"):
        of(archived).rename_exam(path, "E010", "x")


@pytest.mark.parametrize(("code", "reason"), [("_x", "x"), ("a/b", "x"), ("", "x"), ("E010", " "), ("E010", "a\nb")])
def test_values_that_cannot_be_used(archived: Gate, code: str, reason: str) -> None:
    with pytest.raises(Invalid):
        of(archived).rename_exam(f"{STUDY}/E001", code, reason)


@pytest.mark.parametrize("path", [f"{STUDY}/E9", f"{STUDY}/e001", "nothing/E001"])
def test_what_is_not_there_cannot_be_corrected(archived: Gate, path: str) -> None:
    with pytest.raises(NotFound):
        of(archived).rename_exam(path, "E010", "x")


def die_before_the_commit(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker take a correction and die when the store was told, and the catalogue not."""

    class Died(BaseException):
        pass

    def die(*_args: object, **_more: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr("catalog.corrections.job._close", die)
        with pytest.raises(Died):
            gate.worker.run_one(threading.Event())


def let_its_lease_run_out(gate: Gate) -> None:
    with gate.database.write() as connection:
        connection.execute(jobs.update().where(jobs.c.state == "running").values(lease=0))


def test_a_worker_that_dies_before_its_commit_leaves_it_to_the_next(archived: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree(archived)
    info = of(archived).rename_exam(f"{STUDY}/E001", "E010", "x")
    die_before_the_commit(archived, monkeypatch)
    assert tree(archived) == before
    let_its_lease_run_out(archived)
    assert done(archived, info).state == "done"
    assert from_store(archived) == set(tree(archived))
    assert "E010" in archived.names(STUDY)


def test_a_store_that_cannot_be_written_is_waited_for(archived: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree(archived)
    info = of(archived).rename_exam(f"{STUDY}/E001", "E010", "x")

    def full(*_args: object) -> None:
        raise Unavailable("the store cannot be written")

    def again() -> None:
        with archived.database.write() as connection:
            connection.execute(jobs.update().where(jobs.c.correction_id == info.id).values(not_before=0))
        archived.work()

    with monkeypatch.context() as broken:
        broken.setattr(archived.store, "write_record", full)
        for _ in range(20):
            again()
        assert (tree(archived), of(archived).info(info.id).state) == (before, "queued")
    again()
    assert of(archived).info(info.id).state == "done"
    assert from_store(archived) == {path.replace("E001/", "E010/") for path in from_store(archived)}


_places = st.builds(Place, st.sampled_from("AB"), st.sampled_from("12"))


@given(st.sampled_from("abc"), _places, st.lists(st.tuples(st.sets(st.sampled_from("abc")), _places, _places)))
def test_a_place_follows_the_corrections_of_its_own_import_alone(
    called: str, place: Place, steps: list[tuple[set[str], Place, Place]]
) -> None:
    made = [Moved(tuple(imports), was, now) for imports, was, now in steps]
    mine = [one for one in made if called in one.imports]
    assert corrected([called], place, made) == corrected([called], place, mine)
    if mine:
        between = corrected([called], place, mine[:-1])[0]
        assert corrected([called], place, mine)[0] == (mine[-1].now if mine[-1].was == between else between)
