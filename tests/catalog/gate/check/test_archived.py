"""Checks that know what the archive has already: gaps, sizes, what a late batch follows, what a result is made of."""

from catalog.database.tables import profiles, studies
from catalog.gate.drops.inbox import Inbox
from catalog.gate.review.queries import BatchInfo
from catalog.pure.batches import State
from deid.mapping import BY_PATIENT
from gateway.deidentification import going_on
from tests.catalog.gate.conftest import STUDY, Gate, put
from tests.synthetic import image


def told(info: BatchInfo) -> set[str]:
    return {finding["check"] for finding in info.findings}


def slices(*numbers: int) -> list[bytes]:
    return [image(instance=number) for number in numbers]


def checked_for(gate: Gate, exam: str, *contents: bytes) -> BatchInfo:
    batch = gate.checked(*contents).id
    gate.review.recheck(batch, STUDY, exam)
    gate.work()
    return gate.review.info(batch)


def test_slices_that_were_missing_complete_their_series(gate: Gate) -> None:
    first = gate.checked(*slices(1, 4, 5, 6, 8, 9))
    assert "gaps" in told(first)
    gate.review.accept(first.id, STUDY, "E001")
    gate.work()
    assert {"gaps", "slices"} & told(checked_for(gate, "E001", *slices(2, 3, 7))) == set()
    assert "gaps" in told(checked_for(gate, "E002", *slices(2, 3, 7)))  # of an exam that has nothing
    assert "gaps" in told(checked_for(gate, "E001", *slices(2, 7)))  # 3 is still missing


PROFILE = """
schema = 1
standard = "2026c"
[expect]
[[expect.series]]
name = "T1"
match = "*mprage*"
files = 4
"""


def test_the_number_of_files_that_a_study_expects_counts_archived_ones(gate: Gate) -> None:
    with gate.database.write() as connection:
        connection.execute(studies.update().where(studies.c.code == STUDY).values(profile=PROFILE))
    gate.published(*slices(1, 2, 3))
    assert "protocol" not in told(checked_for(gate, "E001", *slices(3, 4)))
    assert "protocol" in told(checked_for(gate, "E001", *slices(3)))


def of(patient: str, instance: int, series: int) -> bytes:
    return image(patient_id=patient, instance=instance, series=series, study=patient[-1])


def test_a_late_batch_follows_its_own_patients(gate: Gate) -> None:
    mixed = gate.checked(of("P-1", 1, 3), of("P-2", 1, 4))
    gate.review.accept(mixed.id, STUDY, "E001", despite="chosen", series=["3"])
    gate.work()
    (rest,) = [info for info in gate.review.list() if info.state is State.CHECKED]
    assert rest.follows == mixed.id
    assert gate.checked(of("P-1", 2, 3)).follows == mixed.id  # not what was left of the other patient
    assert gate.checked(of("P-2", 2, 4)).follows == rest.id
    assert gate.checked(of("P-3", 1, 3)).follows is None


def test_a_result_of_no_series_is_made_of_nothing(gate: Gate, inbox: Inbox) -> None:
    gate.published(image(series=3))
    for number in ("000", "003", "004", "007"):
        put(inbox, f"{number}_RESULT_seg/seg.txt", b"1 2 3\n")
    put(inbox, "new.dcm", image(series=4))
    batch = inbox.batch((STUDY, "E001"))
    gate.review.seal(batch)
    gate.work()
    findings = [finding for finding in gate.review.info(batch).findings if finding["check"] == "result_of"]
    assert [finding["series"] for finding in findings] == ["0", "7"]
    assert "made of nothing" in findings[0]["message"]


def test_a_look_at_an_older_exam_goes_on_with_its_pseudonyms(gate: Gate) -> None:
    gate.published(image())
    with gate.database.write() as connection:
        connection.execute(profiles.update().values(engine="deid 1"))
    begun = gate.review.begun_by(STUDY, "e001")
    assert begun is not None
    assert (begun.exam, going_on(begun)["scheme"], going_on(gate.review.begun_by(STUDY, "E002"))) == ("E001", BY_PATIENT, {})
