"""Figures of the whole archive for a monitoring system: how old its proofs and copies are, and what waits or failed.

Each is looked up when somebody asks, from rows that are few. May live here: what is told. Not: how (`gateway.http.metrics`).
"""

import math
from collections.abc import Mapping

import sqlalchemy as sa

from catalog import clock
from catalog.database import Database
from catalog.database.tables import jobs, studies, verifications
from catalog.jobs import waiting_jobs
from catalog.lifecycle import backup, verify
from catalog.pure.errors import ArchimedError
from catalog.pure.jobs import JobState

Figures = Mapping[str, tuple[str, float]]
"""By name: what it is, and how much."""


def look(database: Database) -> Figures:
    """Return the figures; while the catalogue does not answer, that alone. What never happened is infinitely long ago."""
    try:
        found = _look(database)
    except ArchimedError:
        found = {}
    return {"archimed_catalogue_up": ("Whether the catalogue answers", float(bool(found))), **found}


def _look(database: Database) -> dict[str, tuple[str, float]]:
    now = clock.now()
    waiting, oldest = waiting_jobs(database)
    return {
        "archimed_backup_age_seconds": ("Since the newest complete backup began", _age(now, backup.newest(database))),
        "archimed_verify_age_seconds": ("Since the study was verified whose proof is oldest", _age(now, _verified(database))),
        "archimed_object_findings": ("Objects that are damaged, missing or unknown", verify.count(database)),
        "archimed_jobs_waiting": ("Jobs that could run now", waiting),
        "archimed_jobs_oldest_seconds": ("Since the oldest of them was queued", 0 if oldest is None else max(0, now - oldest)),
        "archimed_jobs_failed": ("Jobs that were given up", _count(database, jobs.c.state == JobState.FAILED)),
    }


def _age(now: int, then: int | None) -> float:
    return math.inf if then is None else max(0, now - then)


def _verified(database: Database) -> int | None:
    """Return when the study was proved whose proof is oldest; None if one never was."""
    joined = studies.outerjoin(verifications, verifications.c.study_id == studies.c.id)
    row = database.row(
        sa.select(sa.func.count(), sa.func.count(verifications.c.ended), sa.func.min(verifications.c.ended)).select_from(joined)
    )
    if row is None or row[0] == 0:
        return clock.now()  # nothing is there that could be proved
    return row[2] if row[0] == row[1] else None


def _count(database: Database, which: sa.ColumnElement[bool]) -> int:
    row = database.row(sa.select(sa.func.count()).where(which))
    return int(row[0]) if row is not None else 0
