"""`archimed bin`: what is taken out of the archive, brought back, and deleted for good."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from catalog import administration
from catalog.database import Database
from catalog.lifecycle.bin import Bin, Entry
from catalog.pure.bin import State
from catalog.pure.errors import Refused
from gateway.cli.administering import actor, catalogue
from gateway.cli.common import as_option, configuration, json_option
from gateway.cli.output import print_json, print_records
from gateway.cli.waiting import wait
from gateway.records import work
from gateway.wiring import keep_for, open_worker

_COLUMNS = ("id", "state", "path", "files", "bytes", "put_by", "put", "expires", "reason", "problem", "kept")

_reason = click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the audit. Write no identity here.")


@click.group("bin")
def bin_() -> None:
    """Take files out of the archive, bring them back, or delete them for good.

    What is in the bin is gone from every view at once, and can be restored until it is purged. Its names are free again.

    \b
    Examples:
      archimed bin put 2008-0003/E001/003_DCM_MR_t1_mprage --reason "wrong visit" --as paula
      archimed bin restore 7 --as paula
    """


@contextmanager
def _bin(acting_as: str) -> Iterator[tuple[Database, Bin]]:
    keep = keep_for(configuration())
    with catalogue() as database:
        principal = administration.principal(database, acting_as) if acting_as else None
        yield database, Bin(database, actor(acting_as), principal, keep)


@bin_.command()
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option("--batch", type=int, metavar="N", help="All that this batch brought: withdraws a publication.")
@_reason
@as_option
@json_option
def put(paths: tuple[str, ...], batch: int | None, reason: str, acting_as: str, as_json: bool) -> None:
    """Put exams, series or files into the bin, with the results that were made of a series.

    \b
    Examples:
      archimed bin put 2008-0003/E001 --reason "consent withdrawn" --as paula
      archimed bin put --batch 12 --reason "published into the wrong exam" --as paula
    """
    if bool(paths) == (batch is not None):
        raise click.UsageError("name what is to be put into the bin: PATH..., or --batch N")
    with _bin(acting_as) as (database, bin_):
        asked = bin_.put(paths, reason) if batch is None else bin_.put_batch(batch, reason)
        done = [_wait(database, bin_, entry) for entry in asked]
    _show(done, "is in the bin", as_json=as_json)


@bin_.command("list")
@click.option("--all", "with_ended", is_flag=True, help="Also what was restored, purged or refused.")
@as_option
@json_option
def list_(with_ended: bool, acting_as: str, as_json: bool) -> None:
    """List what is in the bin of the studies you may see, oldest first, with when it goes and what keeps it from going.

    \b
    Example:
      archimed bin list --as paula --json
    """
    with _bin(acting_as) as (_, bin_):
        print_records([work.bin_entry(entry) for entry in bin_.entries(with_ended=with_ended)], _COLUMNS, as_json=as_json)


@bin_.command()
@click.argument("number", type=int, metavar="ID")
@as_option
@json_option
def restore(number: int, acting_as: str, as_json: bool) -> None:
    """Bring back what is in the bin to where it was; where that name is taken, under one beside it.

    \b
    Example:
      archimed bin restore 7 --as paula
    """
    with _bin(acting_as) as (database, bin_):
        done = [_wait(database, bin_, bin_.restore(number))]
    if done[0].state is not State.RESTORED:
        raise Refused(f"bin {number} was not restored: {done[0].problem}")
    _show(done, "was restored", as_json=as_json)


@bin_.command()
@click.argument("numbers", nargs=-1, required=True, type=int, metavar="ID...")
@_reason
@click.option("--override", is_flag=True, help="In spite of the study's retention: two administrators have to say so.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_option
@json_option
def purge(numbers: tuple[int, ...], reason: str, override: bool, yes: bool, acting_as: str, as_json: bool) -> None:
    """Delete what is in the bin for good: bytes, names, metadata, and what the store's manifests say of it.

    Nothing brings it back but a backup that is older. For administrators.

    \b
    Example:
      archimed bin purge 7 --reason "consent withdrawn" --yes --as root
    """
    with _bin(acting_as) as (database, bin_):
        entries = [bin_.info(number) for number in dict.fromkeys(numbers)]
        for entry in entries if not yes else ():
            click.echo(f"bin {entry.id}: {entry.path}, {entry.files} files, {entry.bytes} bytes", err=True)
        if not yes:
            click.confirm("Delete this for good?", abort=True, err=True)
        done = [_wait(database, bin_, bin_.purge(entry.id, reason, override=override)) for entry in entries]
    _show(done, "was purged", as_json=as_json)


def _wait(database: Database, bin_: Bin, entry: Entry) -> Entry:
    """Wait until what was asked for is done or refused."""

    def is_under_way(entry: Entry) -> bool:
        if entry.state.is_under_way and entry.problem:
            raise Refused(f"bin {entry.id} is not done: {entry.problem}; it is tried again by itself")
        return entry.state.is_under_way

    return wait(open_worker(configuration(), database), lambda: bin_.info(entry.id), is_under_way, bin_id=entry.id)


def _show(done: list[Entry], what: str, *, as_json: bool) -> None:
    refused = [f"{entry.path}: {entry.problem}" for entry in done if entry.state is State.REFUSED]
    if as_json:
        print_json([work.bin_entry(entry) for entry in done])
    else:
        for entry in done:
            if entry.state is not State.REFUSED:
                click.echo(f"bin {entry.id}: {entry.path} {what} ({entry.files} files)")
    if refused:
        raise Refused("; ".join(refused))
