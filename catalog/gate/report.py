"""Writing the report of a batch into staging, from what the catalogue and the checks know of it.

The text is made in `catalog.pure.report`. May live here: gathering what it says.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from catalog.database import Row
from catalog.database.tables import batches, source_reviewers, staged_files, studies, users
from catalog.gate.staged.area import Staging
from catalog.pure.batches import State
from catalog.pure.report import ReportData, report


def write_report(connection: sa.Connection, staging: Staging, batch_id: int) -> None:
    """Write what is to be read of a batch, in the transaction that changed it and before that is true for anybody else.

    Afterwards would be too late: the batch could be erased meanwhile, and its report stay.

    Raises:
        OutOfSpace, Unavailable: it cannot be written.
    """
    row = connection.execute(
        sa.select(batches, studies.c.code)
        .select_from(batches.outerjoin(studies, studies.c.id == batches.c.study_id))
        .where(batches.c.id == batch_id)
    ).one()
    # One text for all who see the batch: what speaks of another batch is left to faces that know who asks.
    findings = [finding for finding in json.loads(row.findings) if finding.get("batch") is None]
    data = ReportData(
        batch=batch_id, state=State(row.state), study=row.code or "", exam=row.exam_code, files=row.files, size=row.bytes,
        about=staging.read_about(batch_id), findings=findings, names=_names(connection, staging, findings),
        deciders=_deciders(connection, row), decided_by=row.decided_by, reason=row.reason,
    )  # fmt: skip
    staging.write_report(batch_id, report(data))


def _names(connection: sa.Connection, staging: Staging, findings: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    numbers = {finding["file"] for finding in findings if finding["file"] is not None}
    rows = connection.execute(sa.select(staged_files.c.id, staged_files.c.file).where(staged_files.c.id.in_(numbers)))
    return {row.id: staging.name_of(row.file) for row in rows}


def _deciders(connection: sa.Connection, batch: Row) -> str:
    if batch.source_id is not None:
        rows = connection.execute(
            sa.select(users.c.login)
            .join(source_reviewers, source_reviewers.c.user_id == users.c.id)
            .where(source_reviewers.c.source_id == batch.source_id)
            .order_by(users.c.login_key)
        )
        return " or ".join(row.login for row in rows) or "an administrator"
    if batch.code:
        return f"whoever may import into {batch.code}"
    return "who brought it"
