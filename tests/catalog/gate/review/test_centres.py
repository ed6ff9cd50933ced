"""Batches of a centre at the gate: who sees and accepts them, whose the exam is that they make."""

import pytest

from catalog import administration
from catalog.administration import add_centre, add_grant, assign, remove_grant
from catalog.database.tables import exams
from catalog.pure.access import Role
from catalog.pure.checks import subject
from catalog.pure.errors import NotFound, Refused
from tests.catalog.gate.conftest import ROOT, STUDY, Gate
from tests.synthetic import image


@pytest.fixture
def of_centres(gate: Gate) -> Gate:
    """Give a gate where bob sees LYON alone, and eva PARIS; ada sees the whole study."""
    for centre in ("LYON", "PARIS"):
        add_centre(gate.database, ROOT, STUDY, centre)
    administration.add_user(gate.database, ROOT, "eva", Role.STANDARD)
    remove_grant(gate.database, ROOT, "bob", STUDY)
    for login, centre in (("bob", "LYON"), ("eva", "PARIS")):
        add_grant(gate.database, ROOT, login, STUDY, centres=[centre])
    return gate


def ready(gate: Gate, exam: str, login: str) -> int:
    """Bring an image, and have it checked."""
    batch = gate.bring(image(study=exam[-1], instance=len(gate.review.list()) + 1), exam=exam, login=login)
    gate.review.seal(batch)
    gate.work()
    return batch


def exams_of(gate: Gate, login: str) -> list[str]:
    return gate.names(STUDY, login)


def test_what_is_brought_for_a_centre_is_its_own(of_centres: Gate) -> None:
    gate = of_centres
    batch = ready(gate, "E001", "bob")
    assert gate.review_of("bob").info(batch).centre == "LYON"
    assert gate.review_of("ada").info(batch).centre == "LYON"
    with pytest.raises(NotFound):
        gate.review_of("eva").info(batch)
    gate.review_of("bob").accept(batch, STUDY, "E001")
    gate.work()
    assert (exams_of(gate, "bob"), exams_of(gate, "eva"), exams_of(gate, "ada")) == (["E001"], [], ["E001"])


def test_an_exam_of_another_centre_takes_nothing(of_centres: Gate) -> None:
    gate = of_centres
    batch = ready(gate, "E001", "bob")
    gate.review_of("bob").accept(batch, STUDY, "E001")
    gate.work()
    other = gate.bring(image(study="9"), exam="E001", login="eva")
    gate.review.seal(other)
    gate.work()
    info = gate.review_of("eva").info(other)
    assert info.centre == "PARIS"
    assert [finding for finding in info.findings if finding["check"] == subject.NAME] == []
    with pytest.raises(Refused, match="cannot be used by you"):
        gate.review_of("eva").accept(other, STUDY, "E001")
    gate.review_of("eva").accept(other, STUDY, "E002")
    gate.work()
    assert exams_of(gate, "eva") == ["E002"]


def test_who_sees_all_says_whose_a_new_exam_is(of_centres: Gate) -> None:
    gate = of_centres
    batch = ready(gate, "E003", "ada")
    assert gate.review_of("ada").info(batch).centre == ""
    with pytest.raises(NotFound, match="no centre ROMA"):
        gate.review_of("ada").accept(batch, STUDY, "E003", centre="ROMA")
    gate.review_of("ada").accept(batch, STUDY, "E003", centre="paris")
    gate.work()
    assert (exams_of(gate, "eva"), exams_of(gate, "bob")) == (["E003"], [])


def test_a_source_sends_for_its_centre(of_centres: Gate) -> None:
    gate = of_centres
    administration.add_source(gate.database, ROOT, "MR2", ae_title="MR2", reviewers=["bob", "eva"], study=STUDY, centre="LYON")
    source = gate.intake.source_for("MR2", "127.0.0.1")
    assert source is not None
    gate.source = source
    batch = gate.checked(image()).id
    assert gate.review_of("bob").info(batch).centre == "LYON"
    with pytest.raises(NotFound):
        gate.review_of("eva").info(batch)


def test_what_waits_for_an_exam_goes_with_it(of_centres: Gate) -> None:
    gate = of_centres
    first = ready(gate, "E001", "bob")
    gate.review_of("bob").accept(first, STUDY, "E001")
    gate.work()
    late = ready(gate, "E001", "ada")
    assign(gate.database, ROOT, STUDY, "PARIS", exam_codes=["e001"])
    assert gate.review_of("eva").info(late).centre == "PARIS"
    assert gate.review_of("bob").list() != []  # a receipt of what bob brought, and no more
    with pytest.raises(NotFound):
        gate.review_of("bob").info(first)
    row = gate.database.row(exams.select())
    assert row is not None
    assert row.code == "E001"
