"""findings say of which other batch or of which study's exams they speak, so that they are told to who may see those.

Revision ID: 0014
Revises: 0013
"""

import json
import re
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_BATCHES = sa.table("batches", sa.column("id", sa.BigInteger), sa.column("findings", sa.Text))
_WAITS = re.compile(r"\d+ of the files waits? in batch (\d+) too")
_OF_STUDY = frozenset({"exam_code", "profile", "protocol", "siblings"})


def _marked(finding: dict[str, Any]) -> dict[str, Any]:
    waits = _WAITS.fullmatch(finding["message"])
    archived = finding["check"] == "duplicates" and finding["file"] is None and waits is None
    return finding | {"batch": int(waits[1]) if waits else None, "of_study": archived or finding["check"] in _OF_STUDY}


def _unmarked(finding: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in finding.items() if key not in {"batch", "of_study"}}


def upgrade() -> None:
    """Bring the catalogue to this revision."""
    connection = op.get_bind()
    for row in connection.execute(sa.select(_BATCHES).where(_BATCHES.c.findings.like("[{%"))).all():
        findings = json.dumps([_marked(finding) for finding in json.loads(row.findings)])
        connection.execute(_BATCHES.update().where(_BATCHES.c.id == row.id).values(findings=findings))


def downgrade() -> None:
    """Take the catalogue back to the revision before."""
    connection = op.get_bind()
    for row in connection.execute(sa.select(_BATCHES).where(_BATCHES.c.findings.like("[{%"))).all():
        findings = json.dumps([_unmarked(finding) for finding in json.loads(row.findings)])
        connection.execute(_BATCHES.update().where(_BATCHES.c.id == row.id).values(findings=findings))
