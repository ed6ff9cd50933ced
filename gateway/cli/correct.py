"""`archimed correct`: other names and places for what is archived, as queued and audited changes that keep the bytes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from catalog import administration
from catalog.corrections import CorrectionInfo, Corrections
from catalog.database import Database
from catalog.pure.errors import Refused
from gateway.cli.administering import actor, catalogue
from gateway.cli.common import as_option, configuration, json_option
from gateway.cli.output import print_json, print_records
from gateway.cli.waiting import wait
from gateway.records import work
from gateway.wiring import open_worker

_COLUMNS = ("id", "state", "kind", "study", "place", "value", "asked_by", "asked", "problem")

_reason = click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the audit. Write no identity here.")


@click.group()
def correct() -> None:
    """Correct names and places of what is archived; the files themselves never change.

    A file's own headers keep the exam code it was published under.

    \b
    Example:
      archimed correct rename-exam 2008-0003/E001 E010 --reason "typed wrongly" --as paula
    """


@contextmanager
def _corrections(acting_as: str) -> Iterator[tuple[Database, Corrections]]:
    with catalogue() as database:
        principal = administration.principal(database, acting_as) if acting_as else None
        yield database, Corrections(database, actor(acting_as), principal)


@correct.command("rename-exam")
@click.argument("exam", metavar="STUDY/EXAM")
@click.argument("code", metavar="NEW-CODE")
@_reason
@as_option
@json_option
def rename_exam(exam: str, code: str, reason: str, acting_as: str, as_json: bool) -> None:
    """Give an exam another code.

    \b
    Example:
      archimed correct rename-exam 2008-0003/E001 E010 --reason "typed wrongly" --as paula
    """
    _do(acting_as, lambda corrections: corrections.rename_exam(exam, code, reason), as_json=as_json)


@correct.command("move-series")
@click.argument("series", metavar="STUDY/EXAM/SERIES")
@click.argument("exam", metavar="OTHER-EXAM")
@_reason
@as_option
@json_option
def move_series(series: str, exam: str, reason: str, acting_as: str, as_json: bool) -> None:
    """Move a series to another exam of its study, which is made if it is not there.

    \b
    Example:
      archimed correct move-series 2008-0003/E001/003_DCM_MR_t1_mprage E002 --reason "second visit" --as paula
    """
    _do(acting_as, lambda corrections: corrections.move_series(series, exam, reason), as_json=as_json)


@correct.command("describe-series")
@click.argument("series", metavar="STUDY/EXAM/SERIES")
@click.argument("description")
@_reason
@as_option
@json_option
def describe_series(series: str, description: str, reason: str, acting_as: str, as_json: bool) -> None:
    """Give a series another description, and its folder the name that follows from it.

    \b
    Example:
      archimed correct describe-series 2008-0003/E001/003_DCM_MR "t1 mprage" --reason "had none" --as paula
    """
    _do(acting_as, lambda corrections: corrections.describe_series(series, description, reason), as_json=as_json)


@correct.command("list")
@as_option
@json_option
def list_(acting_as: str, as_json: bool) -> None:
    """List the corrections of the studies you may see, oldest first.

    \b
    Example:
      archimed correct list --as paula --json
    """
    with _corrections(acting_as) as (_, corrections):
        print_records([work.correction(info) for info in corrections.list()], _COLUMNS, as_json=as_json)


def _do(acting_as: str, ask: Callable[[Corrections], CorrectionInfo], *, as_json: bool) -> None:
    with _corrections(acting_as) as (database, corrections):
        info = _wait(database, corrections, ask(corrections))
    if info.state == "refused":
        raise Refused(f"correction {info.id} was refused: {info.problem}")
    if as_json:
        print_json(work.correction(info))
    else:
        click.echo(f"correction {info.id} {info.state}: {info.study}/{info.place} -> {info.value}")


def _wait(database: Database, corrections: Corrections, info: CorrectionInfo) -> CorrectionInfo:
    """Wait until the correction is done or refused."""

    def is_under_way(info: CorrectionInfo) -> bool:
        if info.state == "queued" and info.problem:
            raise Refused(f"correction {info.id} is not done: {info.problem}; it is tried again by itself")
        return info.state == "queued"

    return wait(open_worker(configuration(), database), lambda: corrections.info(info.id), is_under_way, correction_id=info.id)
