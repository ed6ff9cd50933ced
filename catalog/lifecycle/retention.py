"""What must be kept: each study's end and years, legal holds, and whether the clock can be believed. Asked before each purge.

May live here: reading and changing that. Not: the rules (`catalog/pure/retention.py`), nor purging.
"""

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from catalog import clock
from catalog.administration.changing import changing, check_line, find_study
from catalog.audit import Actor
from catalog.database import Database, Row
from catalog.database.tables import audit, clock_watch, files, holds, series, studies
from catalog.pure.errors import Conflict, Invalid, NotFound, Refused, Unavailable
from catalog.pure.names import folded
from catalog.pure.retention import Hold, Kept, Watch, clock_problem, watched


@dataclass(frozen=True, slots=True)
class StudyKept:
    """A study in the report of what may go: `files` and `bytes` are what it holds, `until` YYYY-MM-DD or None."""

    study: str
    end_date: str | None
    closed: int | None
    until: str | None
    hold: str
    may_go: bool
    files: int
    bytes: int


_KEPT = (
    sa.select(
        studies.c.id, studies.c.code, studies.c.end_date, studies.c.closed, studies.c.retention_years,
        *(column for column in holds.c if column.name != "study_id"),
    )
    .outerjoin(holds, holds.c.study_id == studies.c.id)
)  # fmt: skip


def kept(connection: sa.Connection, study: int, years: int) -> Kept:
    """Return how a study is kept.

    Args:
        connection: in the transaction that rests on it.
        study: its row.
        years: how long, where the study itself does not say.
    """
    return _kept(connection.execute(_KEPT.where(studies.c.id == study)).one(), years)


def kept_now(database: Database, study: int, years: int) -> Kept:
    """Return what `kept` returns, as it is at this moment."""
    (row,) = database.rows(_KEPT.where(studies.c.id == study))
    return _kept(row, years)


def _kept(row: Row, years: int) -> Kept:
    return Kept(row.end_date, years if row.retention_years is None else row.retention_years, _hold(row))


def _hold(row: Row) -> Hold | None:
    if row.set_by is None:
        return None
    return Hold(row.code, row.reason, row.set_by, row.set_at, row.confirmed_by, row.lift_by, row.lift_reason)


def list_holds(database: Database) -> list[Hold]:
    """Return all legal holds, in the order of their studies."""
    return [found for row in database.rows(_KEPT.order_by(studies.c.code_key)) if (found := _hold(row))]


def set_hold(database: Database, actor: Actor, study: str, reason: str) -> Hold:
    """Set a legal hold on a study, or confirm the one that somebody else set. It holds from the first of the two on.

    Raises:
        NotFound: there is no such study.
        Refused: the role does not allow it, or the same person set it.
        Conflict: it is set and confirmed.
        Invalid: there is no reason.
    """
    _require_reason(reason)
    with changing(database, actor) as (connection, note):
        row = find_study(connection, study)
        found = connection.execute(sa.select(holds).where(holds.c.study_id == row.id)).first()
        who = _person(actor)
        if found is None:
            values = {
                "reason": reason,
                "set_by": who,
                "set_at": clock.now(),
                "confirmed_by": "",
                "lift_by": "",
                "lift_reason": "",
            }
            connection.execute(holds.insert().values(study_id=row.id, **values))
            note(action="hold.set", study=row.code, subject=row.code, detail={"reason": reason})
        elif found.confirmed_by:
            raise Conflict(f"a hold is set on {row.code} and confirmed; see `archimed hold list`")
        elif found.set_by == who:
            raise Refused(f"{who} set this hold: somebody else has to confirm it")
        else:
            connection.execute(holds.update().where(holds.c.study_id == row.id).values(confirmed_by=who))
            note(action="hold.confirm", study=row.code, subject=row.code, detail={"reason": reason})
    return _the_hold(database, study)


def lift_hold(database: Database, actor: Actor, study: str, reason: str) -> Hold | None:
    """Ask to lift a legal hold, or lift the one that somebody else asked to lift.

    Returns:
        The hold, which still stands; None if it is lifted.

    Raises:
        NotFound: there is no such study, or no hold on it.
        Refused: the role does not allow it, or the same person asked for it.
        Invalid: there is no reason.
    """
    _require_reason(reason)
    with changing(database, actor) as (connection, note):
        row = find_study(connection, study)
        found = connection.execute(sa.select(holds).where(holds.c.study_id == row.id)).first()
        who = _person(actor)
        if found is None:
            raise NotFound(f"there is no hold on {row.code}; see `archimed hold list`")
        if found.lift_by == who:
            raise Refused(f"{who} asked to lift this hold: somebody else has to confirm it")
        is_lifted = bool(found.lift_by)
        if is_lifted:
            connection.execute(holds.delete().where(holds.c.study_id == row.id))
        else:
            connection.execute(holds.update().where(holds.c.study_id == row.id).values(lift_by=who, lift_reason=reason))
        action = "hold.lifted" if is_lifted else "hold.lift"
        note(action=action, study=row.code, subject=row.code, detail={"reason": reason})
    return None if is_lifted else _the_hold(database, study)


def report(database: Database, years: int) -> list[StudyKept]:
    """Return for each study until when it is kept, and whether it may go."""
    today = dt.datetime.fromtimestamp(clock.now(), dt.UTC).date()
    sizes = {
        row.study_id: row
        for row in database.rows(
            sa.select(
                series.c.study_id, sa.func.count(files.c.id).label("files"),
                sa.func.coalesce(sa.func.sum(files.c.size), 0).label("bytes"),
            )
            .join(files, files.c.series_id == series.c.id)
            .group_by(series.c.study_id)
        )
    }  # fmt: skip
    found_studies = []
    for row in database.rows(_KEPT.order_by(studies.c.code_key)):
        found = _kept(row, years)
        size = sizes.get(row.id)
        until = found.until.isoformat() if found.until else None
        found_studies.append(
            StudyKept(
                row.code, row.end_date, row.closed, until, found.hold.reason if found.hold else "", found.may_go(today),
                size.files if size else 0, int(size.bytes) if size else 0,
            )
        )  # fmt: skip
    return found_studies


def watch_clock(database: Database) -> str:
    """Look at the clock, as is done all the time; return why it cannot be believed, '' if it can."""
    now = clock.now()
    with database.write() as connection:
        row = connection.execute(sa.select(clock_watch)).first()
        before = Watch(row.seen, row.doubted_until) if row is not None else None
        after = watched(before, now)
        if after != before:
            connection.execute(clock_watch.delete())
            connection.execute(clock_watch.insert().values(seen=after.seen, doubted_until=after.doubted_until))
        newest = connection.execute(sa.select(audit.c.at).order_by(audit.c.id.desc()).limit(1)).scalar()
    return clock_problem(after, newest or 0, now)


def require_sane_clock(database: Database) -> None:
    """Check that the clock can be believed.

    Raises:
        Unavailable: it cannot.
    """
    if problem := watch_clock(database):
        raise Unavailable(problem)


def _the_hold(database: Database, study: str) -> Hold:
    row = database.row(_KEPT.where(studies.c.code_key == folded(study)))
    found = _hold(row) if row is not None else None
    if found is None:
        raise Conflict("the hold was lifted in this moment; look again")
    return found


def _person(actor: Actor) -> str:
    return folded(actor.acting_as or actor.name)


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid("say why: --reason TEXT")
    check_line(reason, "a reason")
