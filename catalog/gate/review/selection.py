"""Accepting some series of a batch: the rest goes into a batch of its own that names the first and waits, checked.

May live here: dividing a batch's files, findings and figures in the transaction of the decision. Not: who may decide.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from catalog.database.tables import batches, staged_files
from catalog.gate import subjects
from catalog.gate.batches import Batch, Finding, as_columns, make_rest
from catalog.pure.checks.series import MIXED, NOBODY
from catalog.pure.errors import Invalid
from catalog.pure.staged_files import FileState

_ONE_PATIENT = "one_patient"


@dataclass(frozen=True, slots=True)
class Selection:
    """Some series of a batch, by their labels; `labels` empty takes the whole batch."""

    labels: frozenset[str]

    @classmethod
    def of(cls, wanted: Collection[str], summary: Sequence[Mapping[str, Any]]) -> "Selection":
        """Return the selection of these labels.

        Args:
            summary: the series that the checks found in the batch.

        Raises:
            Invalid: the batch has no series of that label.
        """
        known = _labels(summary)
        for label in wanted:
            if label not in known:
                raise Invalid(f"the batch has no series {label}; there {_are(known)}")
        return cls(frozenset(wanted) if set(wanted) != set(known) else frozenset())

    def concerns(self, finding: Mapping[str, Any], summary: Sequence[Mapping[str, Any]]) -> bool:
        """Whether a finding on the whole batch is still true of the selected series alone."""
        if finding["check"] != _ONE_PATIENT or not self.labels:
            return True
        patients = {series["patient"] for series in summary if series["label"] in self.labels} - {NOBODY}
        return patients == {MIXED} or len(patients) > 1


def check_labels(labels: Mapping[str, str], summary: Sequence[Mapping[str, Any]], selection: Selection) -> None:
    """Check that descriptions are given to series that are accepted.

    Raises:
        Invalid: the batch has no such series, or it is not selected.
    """
    known = _labels(summary)
    for label in labels:
        if label not in known:
            raise Invalid(f"the batch has no series {label}; there {_are(known)}")
        if selection.labels and label not in selection.labels:
            raise Invalid(f"series {label} is not among those that are accepted")


def divide(connection: sa.Connection, batch: Batch, selection: Selection) -> int | None:
    """Move what is not selected into a batch of its own; return it, None if everything is selected.

    Files that belong to no series (they cannot be read) go with the rest.

    Args:
        batch: as it was before the decision: the rest is meant for what the whole was meant for.
    """
    if not selection.labels:
        return None
    rest = sa.and_(
        staged_files.c.batch_id == batch.id,
        staged_files.c.state != FileState.UNPACKED,
        staged_files.c.series.not_in(selection.labels),
    )
    count, size = connection.execute(sa.select(sa.func.count(), sa.func.sum(staged_files.c.size)).where(rest)).one()
    if not count:
        return None
    leaving_series = [one for one in batch.summary if one["label"] not in selection.labels]
    number = make_rest(connection, batch, files=count, size=int(size), findings=(), summary=leaving_series)
    connection.execute(staged_files.update().where(rest).values(batch_id=number))
    subjects.move_rest(connection, batch.id, number, selection.labels)
    staying, leaving = _divided(batch.findings, _files_of(connection, number), selection, batch.summary)
    kept = as_columns(findings=staying, summary=[one for one in batch.summary if one["label"] in selection.labels])
    connection.execute(
        batches.update()
        .where(batches.c.id == batch.id)
        .values({"files": batch.files - count, "bytes": batch.bytes - size} | kept)
    )
    connection.execute(batches.update().where(batches.c.id == number).values(as_columns(findings=leaving)))
    return number


def _files_of(connection: sa.Connection, batch_id: int) -> set[int]:
    return set(connection.execute(sa.select(staged_files.c.id).where(staged_files.c.batch_id == batch_id)).scalars())


def _divided(
    findings: Sequence[Finding], moved: Collection[int], selection: Selection, summary: Sequence[Mapping[str, Any]]
) -> tuple[list[Finding], list[Finding]]:
    """Return the findings of what stays and of what leaves; what concerns the batch concerns both."""
    others = Selection(frozenset(_labels(summary)) - selection.labels)
    staying: list[Finding] = []
    leaving: list[Finding] = []
    for finding in findings:
        of_file, of_series = finding["file"], finding.get("series", "")
        leaves = of_file in moved if of_file is not None else bool(of_series) and of_series not in selection.labels
        if not leaves and (of_file is not None or selection.concerns(finding, summary)):
            staying.append(finding)
        if leaves or (of_file is None and not of_series and others.concerns(finding, summary)):
            leaving.append(finding)
    return staying, leaving


def _labels(summary: Sequence[Mapping[str, Any]]) -> list[str]:
    return [series["label"] for series in summary if "label" in series]


def _are(known: Sequence[str]) -> str:
    return f"are {', '.join(known)}" if known else "is none that can be chosen"
