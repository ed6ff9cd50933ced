"""What an administrator decides about queued work: to try it again, or to give it up."""

from catalog.administration.changing import changing
from catalog.audit import Actor
from catalog.database import Database
from catalog.database.tables import jobs
from catalog.jobs import JobInfo, Worker, requeue, show_job
from catalog.pure.errors import Refused


def retry_job(database: Database, actor: Actor, number: int) -> None:
    """Let a failed job run again, or one that waits for its next attempt run now.

    Raises:
        NotFound: there is no such job.
        Refused: it neither failed nor waits, or the actor's role does not allow it.
    """
    info = show_job(database, number)
    with changing(database, actor) as (connection, note):
        if not requeue(connection, jobs.c.id == number):
            raise Refused(f"job {number} is {info.state}; only one that failed or waits can be tried again")
        note(action="job.retry", study=info.study, subject=f"job {number}", detail=_detail(info))


def cancel_job(database: Database, actor: Actor, worker: Worker, number: int, reason: str) -> None:
    """Give up a job that waits or runs; what it is about is left as when the job fails for good.

    Raises:
        NotFound: there is no such job.
        Conflict: it is done or failed already.
        Refused: the actor's role does not allow it.
    """
    info = show_job(database, number)
    with changing(database, actor):
        pass  # whose role does not allow it is refused before anything is given up
    worker.cancel(number, reason)
    with changing(database, actor) as (_, note):
        note(action="job.cancel", study=info.study, subject=f"job {number}", detail={**_detail(info), "reason": reason})


def _detail(info: JobInfo) -> dict[str, object]:
    return {"kind": str(info.kind), "batch": info.batch}
