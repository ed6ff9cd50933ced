"""A person in the wrong exam is told, at the check and at the decision, and only a reason lets it pass."""

import pytest
import sqlalchemy as sa

from catalog import administration
from catalog.database.tables import audit, batch_subjects, batches
from catalog.pure.batches import State
from catalog.pure.errors import Refused
from tests.catalog.gate.conftest import ROOT, STUDY, Gate
from tests.synthetic import image

PATTERN = "schema = 1\nsubject = '(P[0-9]+)-V[0-9]+'\n"


def of(patient_id: str, instance: int = 1, **more: object) -> bytes:
    return image(patient_id=patient_id, patient=f"Name^{patient_id}", instance=instance, study=f"1.2.3.{instance}", **more)  # type: ignore[arg-type]


def said(gate: Gate, batch: int) -> list[tuple[str, str]]:
    return [(one["severity"], one["message"]) for one in gate.review.info(batch).findings if one["check"] == "subject"]


def with_pattern(gate: Gate) -> None:
    administration.set_study(gate.database, gate.store, ROOT, STUDY, profile=PATTERN)


def test_another_person_is_refused_unless_a_reason_is_given(gate: Gate) -> None:
    gate.published(of("P-900123"))
    batch = gate.checked(of("Z-777001", 2)).id
    with pytest.raises(Refused, match="exam E001 has files of another patient"):
        gate.review.accept(batch, STUDY, "E001")
    gate.review.accept(batch, STUDY, "E001", despite="two IDs of one person")
    gate.work()
    assert gate.review.info(batch).state is State.PUBLISHED
    # From now on both IDs are the exam's.
    assert gate.published(of("Z-777001", 3)).state is State.PUBLISHED


def test_a_check_for_the_exam_tells_it_too(gate: Gate) -> None:
    gate.published(of("P-900123"))
    batch = gate.checked(of("Z-777001", 2)).id
    assert said(gate, batch) == []
    gate.review.recheck(batch, STUDY, "E001")
    gate.work()
    [(severity, message)] = said(gate, batch)
    assert severity == "blocking"
    assert "P-900123" not in message
    # It goes into another exam after all: what was said of the first does not count.
    gate.review.accept(batch, STUDY, "E002")


def test_archived_files_that_come_again_with_another_id_are_a_correction(gate: Gate) -> None:
    gate.published(of("P-900123"))
    batch = gate.checked(of("P-900124")).id  # the same instance: its ID was corrected at the hospital
    gate.review.recheck(batch, STUDY, "E001")
    gate.work()
    [(severity, message)] = said(gate, batch)
    assert severity == "blocking"
    assert "this is a correction: 1 file of exam E001 comes again" in message
    assert "archimed bin put" in message
    assert "9001" not in message


def test_the_same_person_comes_again_without_a_word(gate: Gate) -> None:
    gate.published(of("P-900123"))
    assert gate.published(of("P-900123", 2)).state is State.PUBLISHED


def test_without_an_id_name_and_birth_date_tell(gate: Gate) -> None:
    gate.published(image(patient_id="", patient="Doe^Jane"))
    with pytest.raises(Refused, match="another patient"):
        gate.published(image(patient_id="", patient="Roe^Jane", instance=2))
    assert gate.published(image(patient_id="", patient="Doe^Jane", instance=3)).state is State.PUBLISHED


def test_two_batches_at_once_are_compared_before_either_is_published(gate: Gate) -> None:
    first, second = gate.checked(of("P-1")).id, gate.checked(of("P-2", 2)).id
    gate.review.accept(first, STUDY, "E001")
    with pytest.raises(Refused, match="another patient"):
        gate.review.accept(second, STUDY, "E001")


def test_one_subject_under_codes_of_two_is_refused(gate: Gate) -> None:
    with_pattern(gate)
    gate.published(of("P-900123"), exam="P01-V1")
    assert gate.published(of("P-900123", 2), exam="P01-V2").state is State.PUBLISHED
    batch = gate.checked(of("P-900123", 3)).id
    with pytest.raises(Refused, match="another subject") as refused:
        gate.review.accept(batch, STUDY, "P02-V1")
    assert "P01" not in str(refused.value)
    gate.review.accept(batch, STUDY, "P02-V1", despite="was included twice")


def test_without_a_pattern_another_visit_is_only_a_warning(gate: Gate) -> None:
    gate.published(of("P-900123"))
    batch = gate.checked(of("P-900123", 2)).id
    gate.review.recheck(batch, STUDY, "E002")
    gate.work()
    assert [severity for severity, _ in said(gate, batch)] == ["warning"]
    gate.review.accept(batch, STUDY, "E002")


def test_other_studies_are_not_asked(gate: Gate) -> None:
    with_pattern(gate)
    gate.published(of("P-900123"), exam="P01-V1")
    assert gate.published(of("P-900123", 2), exam="P02-V1", study="other").state is State.PUBLISHED


def test_only_the_chosen_series_count_and_the_rest_keeps_its_own(gate: Gate) -> None:
    gate.published(of("P-1"))
    batch = gate.checked(of("P-1", 2, series=4), of("P-2", 3, series=5)).id
    gate.review.accept(batch, STUDY, "E001", series=["4"])
    rest = next(info.id for info in gate.review.list() if info.follows == batch)
    with pytest.raises(Refused, match="another patient"):
        gate.review.accept(rest, STUDY, "E001")


def test_what_is_kept_is_a_digest_and_goes_with_what_is_rejected(gate: Gate) -> None:
    batch = gate.published(of("P-900123")).id
    gone = gate.checked(of("Z-777001", 2)).id
    gate.review.reject(gone, "wrong")
    gate.deadlines.expire_rejected()
    gate.work()
    rows = gate.database.rows(sa.select(batch_subjects))
    assert [row.batch_id for row in rows] == [batch]
    kept = str(rows) + str(gate.database.rows(sa.select(batches))) + str(gate.database.rows(sa.select(audit)))
    assert "900123" not in kept
    assert rows[0].subject.hex() not in str(gate.review.info(batch))
