"""`archimed staging`: what waits at the gate, and a human's decision on it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from catalog import administration
from catalog.database import Database
from catalog.gate.desk import BatchDetails, BatchInfo, Desk
from catalog.gate.upload import upload
from catalog.pure.batches import State
from catalog.pure.errors import Refused
from gateway.cli.administering import actor
from gateway.cli.common import as_option, configuration, json_option
from gateway.cli.output import moment, print_json, print_record, print_records
from gateway.cli.progress import bar
from gateway.wiring import open_database, open_intake, open_staging, open_worker

_COLUMNS = ("id", "state", "source", "study", "exam", "files", "problems", "last_write")
_GRACE_SECONDS = 2.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class _Gate:
    """What a staging command works with."""

    database: Database
    desk: Desk


@contextmanager
def _gate(acting_as: str) -> Iterator[_Gate]:
    config = configuration()
    database = open_database(config)
    try:
        principal = administration.principal(database, acting_as) if acting_as else None
        yield _Gate(database, Desk(database, open_staging(config), actor(acting_as), principal))
    finally:
        database.close()


def _labels(_ctx: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    if any(not equals for _, equals, _ in pairs):
        raise click.BadParameter("give SERIES=TEXT, such as 3=t1_mprage")
    return {label: text for label, _, text in pairs}


@click.group()
def staging() -> None:
    """Look at what waits at the gate and decide on it.

    \b
    Example:
      archimed staging list --as ada
      archimed staging accept 3 --study 2008-0003 --exam E001 --as ada
    """


@staging.command("list")
@as_option
@json_option
def list_(acting_as: str, as_json: bool) -> None:
    """List the batches you may see, oldest first.

    \b
    Example:
      archimed staging list --as ada --json
    """
    with _gate(acting_as) as gate:
        print_records([_record(info) for info in gate.desk.list()], _COLUMNS, as_json=as_json)


@staging.command()
@click.argument("batch", type=int)
@as_option
@json_option
def show(batch: int, acting_as: str, as_json: bool) -> None:
    """Show one batch: patients, series, what the checks found, and every file that cannot be published.

    \b
    Example:
      archimed staging show 3 --as ada
    """
    with _gate(acting_as) as gate:
        details = gate.desk.show(batch)
    if as_json:
        print_json(_details(details))
    else:
        _print_details(details)


@staging.command()
@click.argument("batch", type=int)
@click.option("--no-wait", is_flag=True, help="Do not wait for the checks.")
@as_option
@json_option
def seal(batch: int, no_wait: bool, acting_as: str, as_json: bool) -> None:
    """Close a batch to more files and wait for its checks; a quiet batch is sealed by itself.

    \b
    Example:
      archimed staging seal 3 --as ada
    """
    with _gate(acting_as) as gate:
        info = gate.desk.seal(batch)
        if not no_wait:
            info = _wait(gate, batch, {State.SEALED}, "checking")
        _print_state(info, as_json=as_json)


@staging.command()
@click.argument("batch", type=int)
@click.option("--study", required=True, metavar="CODE", help="The study it belongs to.")
@click.option("--exam", required=True, metavar="CODE", help="The exam it becomes; one that exists gets the files added.")
@click.option("--despite", default="", metavar="REASON", help="Why a finding that forbids it does not matter here.")
@click.option("--pixels-approved", is_flag=True, help="You looked at the images: no name or date is burned into them.")
@click.option("--attest", default="", metavar="REASON", help="Why files that nothing can look through identify nobody.")
@click.option(
    "--series",
    multiple=True,
    metavar="LABEL",
    help="Accept this series only, as `staging show` labels it; may be given again. The rest waits in a batch of its own.",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="SERIES=TEXT",
    callback=_labels,
    help="What a series is called instead of its description; may be given again. Write no identity here.",
)
@click.option("--wait", is_flag=True, help="Wait until it is published.")
@as_option
@json_option
def accept(
    batch: int, study: str, exam: str, despite: str, pixels_approved: bool, attest: str, series: tuple[str, ...],
    labels: dict[str, str], wait: bool, acting_as: str, as_json: bool,
) -> None:  # fmt: skip
    """Publish a batch into an exam of a study; also tries again what failed.

    \b
    Example:
      archimed staging accept 3 --study 2008-0003 --exam E001 --as ada
      archimed staging accept 3 --study 2008-0003 --exam E001 --series 4 --label 4=t1_mprage --as ada
    """
    with _gate(acting_as) as gate:
        if gate.desk.info(batch).state is State.SEALED:
            _wait(gate, batch, {State.SEALED}, "checking")
        info = gate.desk.accept(
            batch, study, exam, despite=despite, pixels_approved=pixels_approved, attest=attest, series=series, labels=labels
        )
        if wait:
            info = _wait(gate, batch, {State.ACCEPTED}, "publishing")
            if info.state is State.FAILED:
                raise Refused(f"batch {batch} could not be published: {info.reason}")
        _print_state(info, as_json=as_json)


@staging.command()
@click.argument("batch", type=int)
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept with the batch. Write no identity here.")
@as_option
@json_option
def reject(batch: int, reason: str, acting_as: str, as_json: bool) -> None:
    """Refuse a batch. It can be restored for some days (`keep_rejected_days`), then its bytes are erased.

    \b
    Example:
      archimed staging reject 3 --reason "wrong patient" --as ada
    """
    with _gate(acting_as) as gate:
        _print_state(gate.desk.reject(batch, reason), as_json=as_json)


@staging.command()
@click.argument("batch", type=int)
@click.option("--no-wait", is_flag=True, help="Do not wait for the checks.")
@as_option
@json_option
def restore(batch: int, no_wait: bool, acting_as: str, as_json: bool) -> None:
    """Take a rejection back: the batch is checked again and waits for a decision.

    \b
    Example:
      archimed staging restore 3 --as ada
    """
    with _gate(acting_as) as gate:
        info = gate.desk.restore(batch)
        if not no_wait:
            info = _wait(gate, batch, {State.SEALED}, "checking")
        _print_state(info, as_json=as_json)


@staging.command()
@click.argument("batch", type=int)
@click.option("--no-wait", is_flag=True, help="Do not wait for the checks.")
@as_option
@json_option
def recheck(batch: int, no_wait: bool, acting_as: str, as_json: bool) -> None:
    """Check a batch again, say because the study's profile was mended.

    \b
    Example:
      archimed staging recheck 3 --as ada
    """
    with _gate(acting_as) as gate:
        info = gate.desk.recheck(batch)
        if not no_wait:
            info = _wait(gate, batch, {State.SEALED}, "checking")
        _print_state(info, as_json=as_json)


@staging.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--study", default="", metavar="CODE", help="The study it is meant for.")
@click.option("--exam", default="", metavar="CODE", help="The exam it is meant for.")
@click.option("--as", "acting_as", metavar="LOGIN", required=True, help="Whose upload it is.")
@json_option
def add(files: tuple[Path, ...], study: str, exam: str, acting_as: str, as_json: bool) -> None:
    """Bring files of this machine to the gate, folders with all below them.

    \b
    Example:
      archimed staging add ./from-disc --study 2008-0003 --exam E001 --as ada
    """
    found = [path for file in files for path in _below(file)]
    with _gate(acting_as) as gate:
        principal = administration.principal(gate.database, acting_as)
        intake = open_intake(configuration(), gate.database)
        try:
            with bar("bringing files", len(found)) as advance:
                number = upload(
                    gate.database, intake, actor(acting_as), principal, found, study=study, exam=exam, progress=advance
                )
        finally:
            intake.close()
        _print_state(gate.desk.info(number), as_json=as_json)


def _below(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (found for found in sorted(path.rglob("*")) if found.is_file())
    else:
        yield path


def _wait(gate: _Gate, batch: int, states: set[State], what: str) -> BatchInfo:
    """Wait until the batch is in none of the states; where no worker takes its job, do it here.

    The command line runs where the configuration and the secrets are, so it can do what a worker does.
    """
    info = gate.desk.info(batch)
    worker = open_worker(configuration(), gate.database)
    begun = time.monotonic()
    with bar(what, info.files) as advance:
        while info.state in states:
            if time.monotonic() - begun > _GRACE_SECONDS:
                worker.run_one(threading.Event(), batch)
            time.sleep(_POLL_SECONDS)
            details = gate.desk.show(batch)
            if details.job_error:
                raise Refused(f"batch {batch} is not done {what}: {details.job_error}; it is tried again by itself")
            advance(details.progress)
            info = details.batch
    return info


def _record(info: BatchInfo) -> dict[str, Any]:
    """Return a batch as scripts know it; `problems` counts the findings that stand in the way."""
    serious = [finding for finding in info.findings if finding["severity"] in {"error", "blocking"}]
    return {
        **asdict(info),
        "opened": moment(info.opened),
        "last_write": moment(info.last_write),
        "decided": moment(info.decided),
        "problems": len(serious),
    }


def _details(details: BatchDetails) -> dict[str, Any]:
    return {
        **_record(details.batch),
        "patients": details.about.get("patients", []),
        "series": details.about.get("series", []),
        "study_dates": details.about.get("study_dates", []),
        "study_descriptions": details.about.get("study_descriptions", []),
        "staged": [asdict(file) for file in details.files],
        "job": {"done": details.progress, "error": details.job_error},
    }


def _print_state(info: BatchInfo, *, as_json: bool) -> None:
    if as_json:
        print_json(_record(info))
        return
    where = f" into {info.study}/{info.exam}" if info.study and info.exam else ""
    click.echo(f"batch {info.id} {info.state}{where}: {info.files} files, {_record(info)['problems']} problems")


def _print_details(details: BatchDetails) -> None:
    info = details.batch
    print_record(
        {
            "batch": info.id, "state": info.state, "source": info.source, "study": info.study, "exam": info.exam,
            "files": info.files, "bytes": info.bytes, "last file": moment(info.last_write), "follows": info.follows,
            "decided by": info.decided_by, "reason": info.reason, "job": details.job_error,
        },
        as_json=False,
    )  # fmt: skip
    for title, rows in (("patients", details.about.get("patients")), ("series", details.about.get("series"))):
        if rows:
            click.echo(f"\n{title}")
            print_records(rows, list(rows[0]), as_json=False)
    if info.findings:
        click.echo("\nfindings")
        print_records(info.findings, ["severity", "check", "file", "message"], as_json=False)
    if any(finding["check"] == "publish" for finding in info.findings) and info.state in {State.CHECKED, State.FAILED}:
        click.echo(
            "\nWhat was held for its pixels can be accepted with --pixels-approved by who has looked at the images; "
            "what cannot be mended is rejected."
        )
