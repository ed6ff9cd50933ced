"""Accepting some series of a batch: the rest goes into a batch of its own that names the first and waits, checked.

May live here: dividing a batch's files, findings and figures in the transaction of the decision. Not: who may decide.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from catalog import clock
from catalog.database import Row
from catalog.database.tables import batches, staged_files
from catalog.gate.staged.area import Staging
from catalog.pure.batches import State
from catalog.pure.checks.series import MIXED, NOBODY
from catalog.pure.errors import Invalid

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


def divide(connection: sa.Connection, staging: Staging, batch: Row, selection: Selection) -> int | None:
    """Move what is not selected into a batch of its own; return it, None if everything is selected.

    Files that belong to no series (they cannot be read) go with the rest.

    Args:
        batch: its row as it was before the decision: the rest is meant for what the whole was meant for.
    """
    if not selection.labels:
        return None
    batch_id = batch.id
    rest = sa.and_(
        staged_files.c.batch_id == batch_id,
        staged_files.c.state != "unpacked",
        staged_files.c.series.not_in(selection.labels),
    )
    count, size = connection.execute(sa.select(sa.func.count(), sa.func.sum(staged_files.c.size)).where(rest)).one()
    if not count:
        return None
    summary = json.loads(batch.summary)
    number = _begin(connection, batch, count, size, [one for one in summary if one["label"] not in selection.labels])
    connection.execute(staged_files.update().where(rest).values(batch_id=number))
    staging.copy_about(batch_id, number)
    staying, leaving = _divided(json.loads(batch.findings), _files_of(connection, number), selection, summary)
    kept = json.dumps([one for one in summary if one["label"] in selection.labels])
    connection.execute(
        batches.update()
        .where(batches.c.id == batch_id)
        .values(files=batch.files - count, bytes=batch.bytes - size, findings=staying, summary=kept)
    )
    connection.execute(batches.update().where(batches.c.id == number).values(findings=leaving))
    return number


def _begin(connection: sa.Connection, batch: Row, count: int, size: int, summary: list[dict[str, Any]]) -> int:
    values = {
        "state": State.CHECKED, "source_id": batch.source_id, "uploader_id": batch.uploader_id, "study_id": batch.study_id,
        "exam_code": batch.exam_code, "follows": batch.id, "files": count, "bytes": size, "findings": "[]",
        "summary": json.dumps(summary), "reason": "", "approved": 0, "opened": clock.now(), "last_write": clock.now(),
        "decided_by": "", "drop_folder": batch.drop_folder,
    }  # fmt: skip
    return int(connection.execute(batches.insert().values(values).returning(batches.c.id)).scalar_one())


def _files_of(connection: sa.Connection, batch_id: int) -> set[int]:
    return set(connection.execute(sa.select(staged_files.c.id).where(staged_files.c.batch_id == batch_id)).scalars())


def _divided(
    findings: Sequence[Mapping[str, Any]], moved: Collection[int], selection: Selection, summary: Sequence[Mapping[str, Any]]
) -> tuple[str, str]:
    """Return the findings of what stays and of what leaves, each as JSON; what concerns the batch concerns both."""
    others = Selection(frozenset(_labels(summary)) - selection.labels)
    staying, leaving = [], []
    for finding in findings:
        of_file, of_series = finding["file"], finding.get("series", "")
        leaves = of_file in moved if of_file is not None else bool(of_series) and of_series not in selection.labels
        if not leaves and (of_file is not None or selection.concerns(finding, summary)):
            staying.append(finding)
        if leaves or (of_file is None and not of_series and others.concerns(finding, summary)):
            leaving.append(finding)
    return json.dumps(staying), json.dumps(leaving)


def _labels(summary: Sequence[Mapping[str, Any]]) -> list[str]:
    return [series["label"] for series in summary if "label" in series]


def _are(known: Sequence[str]) -> str:
    return f"are {', '.join(known)}" if known else "is none that can be chosen"
