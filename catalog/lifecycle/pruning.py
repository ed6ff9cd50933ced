"""What the catalogue forgets by itself, so that it does not grow for ever; nothing of it is needed any more.

    jobs      done: 30 days; failed: a year
    deliveries, with their receipts: as their jobs
    received  what sources may ask about (storage commitment): 90 days after it was published
    changes   30 days, but never the newest: faces that stood still for longer begin anew
    tokens    30 days after they expired
    backups   a year, but never the newest
    batches   never; what was found in one, and its series, a year after it ended: who decided what, and when, stays
    sessions  a day after they began: they live for half of it

May live here: these rules. Not: the bin (`bin.expiry`), staging (`catalog/gate`). The audit and who read what are never pruned.
"""

from collections.abc import Iterator

import sqlalchemy as sa

from catalog import clock
from catalog.database import Database
from catalog.database.tables import backups, batches, changes, deliveries, jobs, received_instances, tokens, web_sessions
from catalog.gate.batches import as_columns
from catalog.lifecycle.retention import watch_clock
from catalog.pure.batches import FINAL
from catalog.pure.jobs import JobState

_DAY = 86400
_SOON = 30 * _DAY
_LATE = 365 * _DAY
_ASKED_ABOUT = 90 * _DAY
_ROWS_AT_ONCE = 1000


def prune(database: Database) -> None:
    """Delete what is old, some rows a transaction; nothing while the clock cannot be believed."""
    if not watch_clock(database):
        for table, old in _rules(clock.now()):
            _delete(database, table, old)
        _roll_up(database, clock.now() - _LATE)
        with database.write() as connection:
            old = received_instances.c.published < clock.now() - _ASKED_ABOUT
            connection.execute(received_instances.delete().where(old))


def _rules(now: int) -> Iterator[tuple[sa.Table, sa.ColumnElement[bool]]]:
    done = sa.and_(jobs.c.state == JobState.DONE, jobs.c.ended < now - _SOON)
    failed = sa.and_(jobs.c.state == JobState.FAILED, jobs.c.ended < now - _LATE)
    yield jobs, sa.or_(done, failed)
    has_job = sa.exists().where(jobs.c.delivery_id == deliveries.c.id)
    yield deliveries, sa.and_(deliveries.c.asked < now - _SOON, ~has_job)
    newest = sa.select(sa.func.max(changes.c.id)).scalar_subquery()
    yield changes, sa.and_(changes.c.at < now - _SOON, changes.c.id < newest)
    yield tokens, tokens.c.expires < now - _SOON
    complete = sa.select(sa.func.max(backups.c.id)).where(backups.c.ended.is_not(None)).scalar_subquery()
    yield backups, sa.and_(backups.c.ended < now - _LATE, backups.c.id < complete)
    yield web_sessions, web_sessions.c.began < now - _DAY


def _roll_up(database: Database, before: int) -> None:
    """Let batches that ended long ago hold no more than a line of a list."""
    empty = as_columns(findings=[], summary=[], labels={})
    holds = sa.or_(*(batches.c[name] != value for name, value in empty.items()))
    old = sa.and_(batches.c.state.in_(FINAL), sa.func.coalesce(batches.c.decided, batches.c.last_write) < before, holds)
    while rows := database.rows(sa.select(batches.c.id).where(old).order_by(batches.c.id).limit(_ROWS_AT_ONCE)):
        with database.write() as connection:
            connection.execute(batches.update().where(batches.c.id.in_([row.id for row in rows]), old).values(empty))


def _delete(database: Database, table: sa.Table, old: sa.ColumnElement[bool]) -> None:
    while rows := database.rows(sa.select(table.c.id).where(old).order_by(table.c.id).limit(_ROWS_AT_ONCE)):
        with database.write() as connection:
            connection.execute(table.delete().where(table.c.id.in_([row.id for row in rows]), old))
