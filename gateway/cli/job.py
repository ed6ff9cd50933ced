"""`archimed job`: the work that waits, runs and failed."""

import click

from catalog.administration.jobs import cancel_job, retry_job
from catalog.exchange import find_delivery, receipt
from catalog.jobs import list_jobs, show_job
from catalog.pure.jobs import UNFINISHED, JobState
from gateway.cli.administering import actor, catalogue
from gateway.cli.common import configuration, json_option
from gateway.cli.output import print_record, print_records
from gateway.records import work
from gateway.wiring import open_worker

JOBS = ("id", "kind", "state", "batch", "delivery", "study", "attempts", "done", "created", "error")


@click.group()
def job() -> None:
    """Look at the work that waits, runs and failed; let it be tried again, or give it up.

    \b
    Example:
      archimed job list --state failed
    """


@job.command("list")
@click.option(
    "--state", "states", multiple=True, type=click.Choice([state.value for state in JobState]), help="Only jobs in this state."
)
@click.option("--all", "everything", is_flag=True, help="Also jobs that are done.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="The newest N.")
@json_option
def list_(states: tuple[JobState, ...], everything: bool, limit: int | None, as_json: bool) -> None:
    """List jobs, newest last: those that are not done, if nothing else is asked for.

    \b
    Example:
      archimed job list --all --limit 20
    """
    wanted = states or (() if everything else (*UNFINISHED, JobState.FAILED))
    with catalogue() as database:
        found = list_jobs(database, [JobState(state) for state in wanted], limit)
    print_records([work.job(info) for info in found], JOBS, as_json=as_json)


@job.command()
@click.argument("number", type=int, metavar="JOB")
@json_option
def show(number: int, as_json: bool) -> None:
    """Show one job.

    \b
    Example:
      archimed job show 17
    """
    with catalogue() as database:
        info = show_job(database, number)
        record = work.job(info)
        if info.delivery is None:
            print_record(record, as_json=as_json)
        else:
            delivery = work.delivery(find_delivery(database, info.delivery), receipt(database, info.delivery))
            print_record({**record, **delivery}, as_json=as_json)


@job.command()
@click.argument("number", type=int, metavar="JOB")
def retry(number: int) -> None:
    """Let a failed job run again, or one that waits for its next attempt run now.

    \b
    Example:
      archimed job retry 17
    """
    with catalogue() as database:
        retry_job(database, actor(""), number)
        click.echo(f"job {number} runs as soon as a worker is free")


@job.command()
@click.argument("number", type=int, metavar="JOB")
@click.option("--reason", default="given up by an administrator", metavar="TEXT", help="Why; it is shown with the batch.")
def cancel(number: int, reason: str) -> None:
    """Give up a job that waits or runs; its batch or correction is left as when the job fails for good.

    \b
    Example:
      archimed job cancel 17 --reason "the disk is being replaced"
    """
    config = configuration()
    with catalogue() as database:
        cancel_job(database, actor(""), open_worker(config, database), number, reason)
        click.echo(f"job {number} is given up")
