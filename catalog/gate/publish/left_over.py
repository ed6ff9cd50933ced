"""What a publish job leaves over: held and bad files get a batch of their own, to be rejected or tried again."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from catalog.database.tables import staged_files
from catalog.gate import batches, subjects
from catalog.gate.batches import Batch
from catalog.pure.checks import MOST_FILES, Finding, Severity, counted
from catalog.pure.staged_files import NOT_PUBLISHED, FileEvent, FileState, after

_CHECK = "publish"


def left_of(connection: sa.Connection, batch_id: int) -> dict[int, str]:
    """Return the files of a batch that are not published, by their numbers, with the reason of each."""
    rows = connection.execute(
        sa.select(staged_files.c.id, staged_files.c.reason).where(_left(batch_id)).order_by(staged_files.c.id)
    )
    return {row.id: row.reason for row in rows}


def leave_behind(connection: sa.Connection, batch: Batch, left: Mapping[int, str]) -> int | None:
    """Move what was not published into a batch of its own, checked; return it, None if nothing is left.

    Args:
        left: from `left_of`.
    """
    if not left:
        return None
    here = _left(batch.id)
    size = connection.execute(sa.select(sa.func.sum(staged_files.c.size)).where(here)).scalar_one()
    findings = with_reasons((), left)
    number = batches.make_rest(connection, batch, files=len(left), size=int(size), findings=findings)
    subjects.copy_rest(connection, batch.id, number)
    state = sa.case((staged_files.c.state == FileState.BAD, FileState.BAD), else_=after(FileEvent.TRY_AGAIN))
    connection.execute(staged_files.update().where(here).values(batch_id=number, state=state, result=""))
    return number


def with_reasons(findings: Sequence[batches.Finding], left: Mapping[int, str]) -> list[batches.Finding]:
    """Return a batch's findings, and one for each file that was not published and is not named by them yet.

    So many are named by one check; the rest is counted: `staging show --json` has the reason of each.
    """
    named = {finding["file"] for finding in findings if finding["severity"] == Severity.ERROR}
    unnamed = [(number, reason) for number, reason in left.items() if number not in named]
    added = [Finding(_CHECK, Severity.ERROR, reason, number).as_dict() for number, reason in unnamed[:MOST_FILES]]
    if (more := len(unnamed) - len(added)) > 0:
        message = f"and {counted(more, 'more file')} were not published; `archimed staging show --json` has the reason of each"
        added.append(Finding(_CHECK, Severity.ERROR, message).as_dict())
    return [*findings, *added]


def _left(batch_id: int) -> sa.ColumnElement[bool]:
    return sa.and_(staged_files.c.batch_id == batch_id, staged_files.c.state.in_(NOT_PUBLISHED))
