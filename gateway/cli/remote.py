"""`archimed remote`: the command line against an archive elsewhere, over HTTP, with a token.

The commands print what those without `remote` print; role and grants are those of the token's owner.
"""

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from catalog.pure.batches import State
from catalog.pure.jobs import JobState
from gateway.cli.common import json_option
from gateway.cli.distant import Distant, place
from gateway.cli.job import JOBS
from gateway.cli.output import print_record, print_records
from gateway.cli.query import print_found
from gateway.cli.showing import BATCHES, print_details, print_state
from gateway.cli.stats import print_statistics
from gateway.cli.study import STUDIES
from gateway.cli.tree import print_nodes
from gateway.config import read_secret

_limit = click.option("--limit", type=click.IntRange(min=1), metavar="N", help="N at most.")
_batch = click.argument("batch", type=click.IntRange(min=1))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which archive, asked with which token."""

    url: str
    token_file: Path | None
    authority: Path | None


@click.group()
@click.option("--url", envvar="ARCHIMED_URL", default="", metavar="URL", help="The archive; else $ARCHIMED_URL.")
@click.option(
    "--token-file", envvar="ARCHIMED_TOKEN_FILE", type=Path, metavar="FILE",
    help="A file whose first line is a token; else $ARCHIMED_TOKEN_FILE.",
)  # fmt: skip
@click.option("--ca", "authority", type=Path, metavar="FILE", help="Certificates to trust instead of the system's.")
@click.pass_context
def remote(ctx: click.Context, url: str, token_file: Path | None, authority: Path | None) -> None:
    """Do the same on an archive elsewhere, with a token that `archimed token create` printed there.

    It needs no configuration. A token with the scope read reads; decisions at the gate take the scope staging.

    \b
    Examples:
      export ARCHIMED_URL=https://archive.example.org ARCHIMED_TOKEN_FILE=token
      archimed remote ls 2008-0003/E001
      archimed remote query 'EchoTime >= 3 ms' --paths
      archimed remote staging accept 3 --study 2008-0003 --exam E001
    """
    ctx.obj = _Wanted(url, token_file, authority)


def _archive(command: Callable[..., None]) -> Callable[..., None]:
    """Hand a command the archive; opened here and not with the group, whose commands have a help of their own."""

    @functools.wraps(command)
    def with_archive(*arguments: object, **options: object) -> None:
        wanted = click.get_current_context().find_object(_Wanted)
        if wanted is None or not wanted.url or wanted.token_file is None:
            raise click.UsageError("name the archive and a token: archimed remote --url URL --token-file FILE ...")
        with Distant(wanted.url, read_secret(wanted.token_file, "the token"), wanted.authority) as archive:
            command(archive, *arguments, **options)

    return with_archive


@remote.command()
@click.argument("path", metavar="[PATH]", default="")
@click.option("-l", "long", is_flag=True, help="Also show sizes and times.")
@json_option
@_archive
def ls(archive: Distant, path: str, long: bool, as_json: bool) -> None:
    """List a folder of the archive.

    \b
    Example:
      archimed remote ls -l 2008-0003/E001
    """
    found = archive.each(f"/tree/{place(path)}" if place(path) else "/tree")
    print_nodes(({key: value for key, value in each.items() if key != "path"} for each in found), long=long, as_json=as_json)  # type: ignore[misc] # as the API describes them


@remote.command()
@click.argument("path", metavar="PATH")
@json_option
@_archive
def stat(archive: Distant, path: str, as_json: bool) -> None:
    """Show what is known of one place in the archive.

    \b
    Example:
      archimed remote stat 2008-0003/E001
    """
    print_record(archive.ask(f"/stat/{place(path)}"), as_json=as_json)


@remote.command()
@click.argument("path", metavar="PATH")
@_archive
def cat(archive: Distant, path: str) -> None:
    """Write an archived file's bytes to standard output.

    \b
    Example:
      archimed remote cat 2008-0003/E001/003_DCM_MR_t1_mprage/00001.dcm > 1.dcm
    """
    for piece in archive.bytes(path):
        sys.stdout.buffer.write(piece)


@remote.command()
@click.argument("question")
@click.option("--files", "with_files", is_flag=True, help="List the files that answer instead of their series.")
@click.option("--paths", is_flag=True, help="Print paths alone, one a line.")
@_limit
@json_option
@_archive
def query(archive: Distant, question: str, with_files: bool, paths: bool, limit: int | None, as_json: bool) -> None:
    """Find series of which at least one file answers a question.

    \b
    Example:
      archimed remote query 'file_type = "DCM_MR" and EchoTime >= 80 ms'
    """
    address = "/query/files" if with_files else "/query"
    found = archive.each(address, {"q": question}, limit, lambda note: click.echo(f"archimed: {note}", err=True))
    print_found(found, question, with_files=with_files, paths=paths, as_json=as_json)


@remote.command()
@click.option("--study", default="", metavar="CODE", help="Only this study.")
@json_option
@_archive
def stats(archive: Distant, study: str, as_json: bool) -> None:
    """Count exams, series, files and bytes of each of your studies.

    \b
    Example:
      archimed remote stats
    """
    print_statistics(archive.ask("/stats", {"study": study} if study else None), as_json=as_json)


@remote.group()
def study() -> None:
    """Look at studies.

    \b
    Example:
      archimed remote study list
    """


@study.command("list")
@json_option
@_archive
def list_studies(archive: Distant, as_json: bool) -> None:
    """List the studies that are granted to you.

    \b
    Example:
      archimed remote study list --json
    """
    print_records(list(archive.each("/studies")), STUDIES, as_json=as_json)


@study.command("show")
@click.argument("code")
@json_option
@_archive
def show_study(archive: Distant, code: str, as_json: bool) -> None:
    """Show one study.

    \b
    Example:
      archimed remote study show 2008-0003
    """
    print_record(archive.ask(f"/studies/{place(code)}"), as_json=as_json)


@remote.group()
def staging() -> None:
    """Look at what waits at the gate and decide on it.

    \b
    Example:
      archimed remote staging list
    """


@staging.command("list")
@click.option(
    "--state", "states", type=click.Choice([state.value for state in State]), multiple=True, help="Only in this state."
)
@click.option("--study", "code", default="", metavar="CODE", help="Only batches for this study.")
@_limit
@json_option
@_archive
def list_batches(archive: Distant, states: tuple[str, ...], code: str, limit: int | None, as_json: bool) -> None:
    """List the batches you may see, oldest first.

    \b
    Example:
      archimed remote staging list --state checked
    """
    wanted = {"state": list(states), **({"study": code} if code else {})}
    print_records(list(archive.each("/batches", wanted, limit)), BATCHES, as_json=as_json)


@staging.command("show")
@_batch
@json_option
@_archive
def show_batch(archive: Distant, batch: int, as_json: bool) -> None:
    """Show one batch: patients, series, what the checks found, and what de-identification would do.

    \b
    Example:
      archimed remote staging show 3
    """
    print_details(archive.ask(f"/batches/{batch}"), as_json=as_json)


@staging.command()
@_batch
@json_option
@_archive
def seal(archive: Distant, batch: int, as_json: bool) -> None:
    """Close a batch to more files; it is checked then.

    \b
    Example:
      archimed remote staging seal 3
    """
    print_state(archive.change(f"/batches/{batch}/seal"), as_json=as_json)


@staging.command()
@_batch
@click.option("--study", "code", required=True, metavar="CODE", help="The study it belongs to.")
@click.option("--exam", required=True, metavar="CODE", help="The exam it becomes.")
@click.option("--despite", default="", metavar="REASON", help="Why a finding that forbids it does not matter here.")
@click.option("--pixels-approved", is_flag=True, help="You looked at the images: they identify nobody.")
@click.option("--attest", default="", metavar="REASON", help="Why files that a heuristic holds identify nobody.")
@click.option("--series", multiple=True, metavar="LABEL", help="Accept this series only; may be given again.")
@json_option
@_archive
def accept(
    archive: Distant, batch: int, code: str, exam: str, despite: str, pixels_approved: bool, attest: str,
    series: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Publish a batch into an exam of a study.

    \b
    Example:
      archimed remote staging accept 3 --study 2008-0003 --exam E001
    """
    body = {
        "study": code, "exam": exam, "despite": despite, "pixels_approved": pixels_approved, "attest": attest,
        "series": list(series),
    }  # fmt: skip
    print_state(archive.change(f"/batches/{batch}/accept", body), as_json=as_json)


@staging.command()
@_batch
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept with the batch. Write no identity here.")
@json_option
@_archive
def reject(archive: Distant, batch: int, reason: str, as_json: bool) -> None:
    """Refuse a batch.

    \b
    Example:
      archimed remote staging reject 3 --reason "wrong patient"
    """
    print_state(archive.change(f"/batches/{batch}/reject", {"reason": reason}), as_json=as_json)


@staging.command()
@_batch
@json_option
@_archive
def restore(archive: Distant, batch: int, as_json: bool) -> None:
    """Take a rejection back.

    \b
    Example:
      archimed remote staging restore 3
    """
    print_state(archive.change(f"/batches/{batch}/restore"), as_json=as_json)


@remote.group()
def job() -> None:
    """Look at queued work: for administrators, with a token of the scope admin.

    \b
    Example:
      archimed remote job list --state failed
    """


@job.command("list")
@click.option(
    "--state", "states", multiple=True, type=click.Choice([state.value for state in JobState]), help="Only in this state."
)
@_limit
@json_option
@_archive
def list_jobs(archive: Distant, states: tuple[str, ...], limit: int | None, as_json: bool) -> None:
    """List jobs in the order in which they were queued.

    \b
    Example:
      archimed remote job list --state failed
    """
    print_records(list(archive.each("/jobs", {"state": list(states)}, limit)), JOBS, as_json=as_json)
