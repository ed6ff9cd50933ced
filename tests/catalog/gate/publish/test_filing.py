"""The last step of a publish job: nothing that grows with an import, and no file, is written in its transaction."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from catalog import changes
from catalog.changes import ChangeKind
from catalog.corrections import Corrections
from catalog.database.tables import studies
from catalog.gate.publish.filing import Filing
from catalog.gate.staged.notes import BatchNotes
from catalog.pure.batches import State
from catalog.store import records, steps
from tests.catalog.gate.conftest import ROOT, STUDY, Gate
from tests.synthetic import image


def receiving_meanwhile(gate: Gate, write: Callable[..., Any], calls: list[int]) -> Callable[..., Any]:
    """Return what receives a file before it writes one: that takes the write lock, which a transaction would have."""

    def both(*args: Any, **more: Any) -> Any:
        if not calls:
            calls.append(gate.receive(image(series=90, instance=len(calls) + 1)))
        return write(*args, **more)

    return both


def test_files_are_received_while_a_manifest_is_written(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = gate.checked(image()).id
    calls: list[int] = []
    monkeypatch.setattr(records, "write_manifest", receiving_meanwhile(gate, records.write_manifest, calls))
    gate.review.accept(batch, STUDY, "E001")
    gate.work()
    assert calls
    assert gate.review.info(batch).state is State.PUBLISHED
    assert gate.review.info(calls[0]).state is State.OPEN


@pytest.mark.parametrize("name", ["write_report", "copy_about"])
def test_files_are_received_while_a_decision_is_written_down(gate: Gate, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    batch = gate.checked(image(), image(series=4)).id
    calls: list[int] = []
    monkeypatch.setattr(BatchNotes, name, receiving_meanwhile(gate, getattr(BatchNotes, name), calls))
    gate.review.accept(batch, STUDY, "E001", series=["3"])
    assert calls
    assert gate.review.info(batch).state is State.ACCEPTED


def test_files_are_received_while_the_store_learns_of_a_correction(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    gate.published(image())
    calls: list[int] = []
    monkeypatch.setattr(steps, "write_correction", receiving_meanwhile(gate, steps.write_correction, calls))
    Corrections(gate.database, ROOT, None).rename_exam(f"{STUDY}/E001", "E002", "wrong code")
    gate.work()
    assert calls
    assert gate.names(STUDY) == ["E002"]


def test_what_changes_between_plan_and_commit_is_planned_again(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = gate.checked(image()).id
    plans: list[int] = []
    whole = Filing._write_manifest

    def changed_meanwhile(filing: Filing, *args: Any) -> None:
        whole(filing, *args)
        plans.append(1)
        if len(plans) == 1:
            with gate.database.write() as connection:
                study = connection.execute(sa.select(studies.c.id).where(studies.c.code == STUDY)).scalar_one()
                changes.announce(connection, ChangeKind.PUBLISHED, study_id=study)

    monkeypatch.setattr(Filing, "_write_manifest", changed_meanwhile)
    gate.review.accept(batch, STUDY, "E001")
    gate.work()
    assert len(plans) == 2
    assert gate.review.info(batch).state is State.PUBLISHED
    assert len(list(records.manifests(gate.store, STUDY))) == 1
