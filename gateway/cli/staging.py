"""`archimed staging`: what waits at the gate, and a human's decision on it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from catalog import administration, durable
from catalog.database import Database
from catalog.gate.deidentification import NO_EXAM_YET
from catalog.gate.drops.local_files import LocalFiles
from catalog.gate.review.decisions import Review
from catalog.gate.review.queries import BatchDetails, BatchInfo
from catalog.pure.batches import State
from catalog.pure.errors import Invalid, Refused
from catalog.visible import visible_study
from gateway.cli.administering import actor
from gateway.cli.bring import bring_as
from gateway.cli.common import as_option, configuration, json_option
from gateway.cli.orphans import adopt, erase, orphans
from gateway.cli.output import print_records
from gateway.cli.progress import bar
from gateway.cli.showing import BATCHES, print_details, print_state
from gateway.cli.times import Since
from gateway.cli.waiting import wait
from gateway.records.gate import BatchRecord, batch_details
from gateway.records.gate import batch as batch_record
from gateway.wiring import open_database, open_staging, open_worker

_FIRST = 0


@dataclass(frozen=True, slots=True)
class _Gate:
    """What a staging command works with."""

    database: Database
    review: Review


@contextmanager
def _gate(acting_as: str) -> Iterator[_Gate]:
    config = configuration()
    database = open_database(config)
    try:
        principal = administration.principal(database, acting_as) if acting_as else None
        yield _Gate(database, Review(database, open_staging(config), actor(acting_as), principal))
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
@click.option(
    "--state",
    "states",
    type=click.Choice([state.value for state in State]),
    multiple=True,
    help="Only in this state; may be repeated.",
)
@click.option("--study", default="", metavar="CODE", help="Only batches for this study.")
@click.option("--since", type=Since(), metavar="WHEN", help="Only with a file from then on: 2026-01-01, or 7d.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the newest N.")
@as_option
@json_option
def list_(states: tuple[str, ...], study: str, since: int | None, limit: int | None, acting_as: str, as_json: bool) -> None:
    """List the batches you may see, oldest first.

    \b
    Examples:
      archimed staging list --as ada --json
      archimed staging list --state checked --study 2008-0003 --since 30d --limit 20
    """
    with _gate(acting_as) as gate:
        found = gate.review.list([State(state) for state in states], most=limit, study=study, since=since)
        records = [batch_record(info) for info in found]
        print_records(records if as_json else [_in_brief(record) for record in records], BATCHES, as_json=as_json)


def _in_brief(record: BatchRecord) -> dict[str, Any]:
    """Return a batch as a line of 80 columns tells it: its last file to the minute, in UTC."""
    return {**record, "last_write": (record["last_write"] or "").replace("T", " ")[:16]}


@staging.command()
@click.argument("batch", type=int)
@click.option("--study", default="", metavar="CODE", help="Show what de-identification would do in this study.")
@click.option(
    "--diff",
    "file",
    type=int,
    is_flag=False,
    flag_value=_FIRST,
    metavar="[FILE]",
    help="Show one file before and after de-identification, the first without a number: for your eyes only.",
)
@as_option
@json_option
def show(batch: int, study: str, file: int | None, acting_as: str, as_json: bool) -> None:
    """Show one batch: patients, series, what the checks found, and what de-identification would do.

    \b
    Example:
      archimed staging show 3 --as ada
      archimed staging show 3 --study 2008-0003 --diff 17 --as ada
    """
    if file is not None and as_json:
        raise click.UsageError("--diff is for reading, --json for scripts: choose one")
    with _gate(acting_as) as gate:
        details = gate.review.show(batch)
        if file is not None:
            _print_difference(gate, details.batch, study, None if file == _FIRST else file)
            return
        preview = _preview(gate, details, study)
    print_details(batch_details(details, preview), as_json=as_json)


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
        info = gate.review.seal(batch)
        if not no_wait:
            info = _wait(gate, batch, {State.SEALED}, "checking")
        print_state(batch_record(info), as_json=as_json)


@staging.command()
@click.argument("batch", type=int)
@click.option("--study", required=True, metavar="CODE", help="The study it belongs to.")
@click.option("--exam", required=True, metavar="CODE", help="The exam it becomes; one that exists gets the files added.")
@click.option("--despite", default="", metavar="REASON", help="Why a finding that forbids it does not matter here.")
@click.option("--pixels-approved", is_flag=True, help="You looked at the images and listened to sound: they identify nobody.")
@click.option(
    "--attest",
    default="",
    metavar="REASON",
    help="Why files that nothing can look through, or that a heuristic holds, identify nobody.",
)
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
@click.option("--centre", default="", metavar="CENTRE", help="Centre of the study that a new exam belongs to.")
@click.option("--wait", is_flag=True, help="Wait until it is published.")
@as_option
@json_option
def accept(
    batch: int, study: str, exam: str, despite: str, pixels_approved: bool, attest: str, series: tuple[str, ...],
    labels: dict[str, str], centre: str, wait: bool, acting_as: str, as_json: bool,
) -> None:  # fmt: skip
    """Publish a batch into an exam of a study; also tries again what failed.

    \b
    Example:
      archimed staging accept 3 --study 2008-0003 --exam E001 --as ada
      archimed staging accept 3 --study 2008-0003 --exam E001 --series 4 --label 4=t1_mprage --as ada
    """
    with _gate(acting_as) as gate:
        if gate.review.info(batch).state is State.SEALED:
            _wait(gate, batch, {State.SEALED}, "checking")
        info = gate.review.accept(
            batch, study, exam, despite=despite, pixels_approved=pixels_approved, attest=attest, series=series,
            labels=labels, centre=centre,
        )  # fmt: skip
        if wait:
            info = _wait(gate, batch, {State.ACCEPTED}, "publishing")
            if info.state is State.FAILED:
                raise Refused(f"batch {batch} could not be published: {info.reason}")
        print_state(batch_record(info), as_json=as_json)


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
        print_state(batch_record(gate.review.reject(batch, reason)), as_json=as_json)


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
        info = gate.review.restore(batch)
        if not no_wait:
            info = _wait(gate, batch, {State.SEALED}, "checking")
        print_state(batch_record(info), as_json=as_json)


@staging.command()
@click.argument("batch", type=int)
@click.option("--study", default="", metavar="CODE", help="Check it against this study; it is meant for it from now on.")
@click.option("--exam", default="", metavar="CODE", help="And for this exam.")
@click.option("--no-wait", is_flag=True, help="Do not wait for the checks.")
@as_option
@json_option
def recheck(batch: int, study: str, exam: str, no_wait: bool, acting_as: str, as_json: bool) -> None:
    """Check a batch again: the study's profile was mended, or it is known only now which study and exam it is for.

    \b
    Example:
      archimed staging recheck 3 --as ada
      archimed staging recheck 3 --study 2008-0003 --exam E001 --as ada
    """
    with _gate(acting_as) as gate:
        info = gate.review.recheck(batch, study, exam)
        if not no_wait:
            info = _wait(gate, batch, {State.SEALED}, "checking")
        print_state(batch_record(info), as_json=as_json)


@staging.command()
@click.argument("batch", type=int)
@as_option
@json_option
def reopen(batch: int, acting_as: str, as_json: bool) -> None:
    """Open your own dropped batch again, to mend what the checks found; then seal it as before.

    \b
    Example:
      archimed staging reopen 3 --as ada
    """
    with _gate(acting_as) as gate:
        print_state(batch_record(gate.review.reopen(batch)), as_json=as_json)


@staging.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--study", required=True, metavar="CODE", help="The study it is for.")
@click.option("--exam", required=True, metavar="CODE", help="The exam it is for.")
@click.option("--as", "acting_as", metavar="LOGIN", required=True, help="Whose upload it is.")
@json_option
def add(files: tuple[Path, ...], study: str, exam: str, acting_as: str, as_json: bool) -> None:
    """Bring files of this machine to the gate, folders by their names with all below them.

    They lie in your staging folder, as if copied there (docs/staging.md), and wait in your open batch for that exam. If it was
    cut short, run it again: what is there already is not read again. Symbolic links, FIFOs, sockets and devices are left out,
    which the batch's findings say.

    \b
    Example:
      archimed staging add ./from-disc --study 2008-0003 --exam E001 --as ada
    """
    with _gate(acting_as) as gate:
        user = administration.principal(gate.database, acting_as)
        code = visible_study(gate.database, study, user.user_id).code
        with LocalFiles(files, own_names=True) as local:
            number = bring_as(gate.database, user, acting_as, (code, exam), local)
        print_state(batch_record(gate.review.info(number)), as_json=as_json)


def _preview(gate: _Gate, details: BatchDetails, study: str) -> list[dict[str, Any]]:
    """Return what de-identification would do: what the checks kept of it, or in another study what it does now."""
    info = details.batch
    if not study or study == info.study:
        return list(details.about.get("preview", ()))
    from catalog.gate.check.preview import previews  # late: DICOM libraries, which other commands do without
    from gateway.deidentification import StandardDeidentification

    profile = gate.review.profile(study)
    exam = info.exam or NO_EXAM_YET
    deidentification = StandardDeidentification(configuration().deid.key_file)
    cleaner = deidentification.cleaner(study, exam, profile, approved=False, begun=gate.review.begun_by(study, exam))
    staged = open_staging(configuration())
    return [preview.as_dict() for preview in previews(gate.database, staged, cleaner, info.id)]


def _print_difference(gate: _Gate, info: BatchInfo, study: str, file: int | None) -> None:
    from deid import DeidError, load_profile  # late: as above
    from deid.formats import FileCleaner
    from gateway.cli.deid import read_key
    from gateway.cli.difference import print_difference
    from gateway.deidentification import going_on

    code = study or info.study
    if not code:
        raise Invalid(f"batch {info.id} belongs to no study yet; name one with --study CODE")
    before = gate.review.staged(info.id, file)
    profile = load_profile(gate.review.profile(code))
    exam = info.exam or NO_EXAM_YET
    whose = going_on(gate.review.begun_by(code, exam))
    cleaner = FileCleaner(profile, read_key(None), code, exam, pixels_approved=True, **whose)
    with tempfile.TemporaryDirectory(prefix="archimed-diff-") as folder:
        after = Path(folder) / "clean"
        try:
            with durable.translated("no clean file can be written"), durable.create_file(after) as target:
                report = cleaner.clean(before, target)
        except DeidError as error:
            raise Refused(f"this file would be held: {error}") from None
        print_difference(before, after, report)


def _wait(gate: _Gate, batch: int, states: set[State], what: str) -> BatchInfo:
    """Wait until the batch is in none of the states, and show how far it is."""
    with bar(what, gate.review.info(batch).files) as advance:

        def is_under_way(info: BatchInfo) -> bool:
            if info.state not in states:
                return False
            done, error = gate.review.progress(batch)
            if error:
                raise Refused(f"batch {batch} is not done {what}: {error}; it is tried again by itself")
            advance(done)
            return True

        return wait(open_worker(configuration(), gate.database), lambda: gate.review.info(batch), is_under_way, batch_id=batch)


for command in (orphans, adopt, erase):
    staging.add_command(command)
