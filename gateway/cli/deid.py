"""`archimed deid`: de-identify files from one place into another, without an archive.

What it prints names a file by its number in the order given, never by its name: a name may be a patient's. Only `--diff`,
which is for the operator's own eyes, shows names and values.
"""

import os
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from catalog import durable
from catalog.pure.errors import ConfigError, Conflict, Invalid
from gateway.cli.cleaning import Order, Outcome, Task, clean, over_processes, tasks
from gateway.cli.common import configuration, json_option
from gateway.cli.frame import FAILED
from gateway.cli.output import print_json, print_records
from gateway.cli.profile import read_text
from gateway.cli.progress import bar

if TYPE_CHECKING:
    from deid import Profile
    from deid.formats import FileCleaner

_SHORTEST_KEY, _KEY_BYTES = 16, 32
_HOW = "--new-key FILE makes one, as does `openssl rand -hex 32`"
_WORTH_PROCESSES = 200  # starting one takes as long as cleaning that many small files


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--profile", type=Path, metavar="FILE", help="De-identification profile; without one, the default holds.")
@click.option("--exam-code", required=True, metavar="CODE", help="The exam code that stands for the patient.")
@click.option("--out", required=True, type=Path, metavar="DIR", help="A new or empty folder for the clean files.")
@click.option("--study", default="study", metavar="CODE", help="The study: files of one study have pseudonyms in common.")
@click.option("--key-file", type=Path, metavar="FILE", help="The key pseudonyms are made from; else the configuration's.")
@click.option("--new-key", type=Path, metavar="FILE", help="Make such a key in a new file, and use it; keep it secret.")
@click.option("--pixels-approved", is_flag=True, help="You looked at the images and listened to sound: they identify nobody.")
@click.option("--attest", default="", metavar="REASON", help="Why DICOM files that a heuristic holds identify nobody.")
@click.option("--jobs", type=click.IntRange(1, 256), metavar="N", help="Processes that clean; else as many as there are cores.")
@click.option("--rules", "with_rules", is_flag=True, help="Show by which rules, and how many attributes each changed.")
@click.option("--diff", "with_diff", is_flag=True, help="Show before and after, with what identifies: for your eyes only.")
@json_option
@click.pass_context
def deid(
    ctx: click.Context,
    files: tuple[Path, ...],
    profile: Path | None,
    exam_code: str,
    out: Path,
    study: str,
    key_file: Path | None,
    new_key: Path | None,
    pixels_approved: bool,
    attest: str,
    jobs: int | None,
    with_rules: bool,
    with_diff: bool,
    as_json: bool,
) -> None:
    """De-identify files, folders with all below them, into files with names of our own.

    A file that cannot be cleaned fails alone; then the exit status is 1. Many files are cleaned by all cores; what is written
    does not depend on it.

    \b
    Examples:
      archimed deid ./from-disc --exam-code E001 --out ./clean --new-key ./deid.key
      archimed deid ./from-disc --exam-code E001 --out ./clean --key-file ./deid.key --profile ./profile.toml
    """
    _choose_one(
        (with_diff and as_json, "--diff is for reading, --json for scripts"),
        (with_diff and jobs is not None, "--diff is read file by file, --jobs is for many"),
        (new_key is not None and key_file is not None, "--new-key makes a key, --key-file uses one that is there"),
    )
    used = _profile(profile).text
    key = _make_key(new_key) if new_key is not None else read_key(_key_file(key_file))
    order = Order(used, key, study, exam_code, pixels_approved, bool(attest.strip()), out)
    try:
        cleaner = order.cleaner()
    except ValueError as error:
        raise Invalid(str(error)) from None
    work = tasks([path for file in files for path in _below(file)])
    _prepare(out)
    processes = jobs or (len(os.sched_getaffinity(0)) if len(work) >= _WORTH_PROCESSES and not with_diff else 1)
    if processes > 1 and work:
        outcomes = _watched(over_processes(order, work, min(processes, len(work))), len(work))
    else:
        outcomes = _watched(_one_by_one(cleaner, out, work, with_diff=with_diff), len(work))
    durable.sync_filesystem(out)
    _print(outcomes, with_rules=with_rules, as_json=as_json)
    if any(outcome.reason for outcome in outcomes):
        ctx.exit(FAILED)


def _choose_one(*clashes: tuple[bool, str]) -> None:
    """Refuse options that exclude each other."""
    for is_so, why in clashes:
        if is_so:
            raise click.UsageError(f"{why}: choose one")


def _watched(cleaned: Iterable[Outcome], count: int) -> list[Outcome]:
    """Collect what becomes of the files, showing how far it is."""
    outcomes = []
    with bar("cleaning", count) as advance:
        for outcome in cleaned:
            outcomes.append(outcome)
            advance(len(outcomes))
    return outcomes


def _profile(file: Path | None) -> "Profile":
    from deid import ProfileError, load_profile  # late: as above

    try:
        return load_profile(read_text(file) if file else None)
    except ProfileError as error:
        raise Invalid(f"the profile {file} cannot be used: {'; '.join(error.problems)}") from None


def _key_file(named: Path | None) -> Path:
    """Return the key's file: the one named, else the configuration's."""
    if named is not None:
        return named
    try:
        return configuration().deid.key_file
    except ConfigError as error:
        problem = str(error).splitlines()[0]
        raise Invalid(
            f"no key: name one by --key-file FILE, or have one made by --new-key FILE; no configuration names one ({problem})"
        ) from None


def _make_key(file: Path) -> bytes:
    """Make a key in a file of its own, for its owner alone to read."""
    key = secrets.token_bytes(_KEY_BYTES)
    try:
        with durable.create_file(file) as target:
            target.write(key.hex().encode() + b"\n")
            target.flush()
            os.fchmod(target.fileno(), 0o400)
            os.fsync(target.fileno())
    except FileExistsError:
        raise Conflict(f"{file} is there already; use it by --key-file, or name another") from None
    except OSError as error:
        raise Invalid(f"the key {file} cannot be made: {error.strerror}") from None
    click.echo(
        f"key {file} made; keep it secret, and keep it: with another key the same patient gets other pseudonyms", err=True
    )
    return key


def read_key(file: Path | None) -> bytes:
    """Return the key; nothing of it is ever in a message."""
    found = file or configuration().deid.key_file
    try:
        key = bytes.fromhex(found.read_text("ascii"))
    except OSError as error:
        raise Invalid(f"the key {found} cannot be read: {error.strerror}; {_HOW}") from None
    except ValueError:
        raise Invalid(f"the key {found} is not hexadecimal text; {_HOW}") from None
    if len(key) < _SHORTEST_KEY:
        raise Invalid(f"the key {found} is shorter than {_SHORTEST_KEY} bytes; {_HOW}")
    return key


def _below(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (found for found in sorted(path.rglob("*")) if found.is_file())
    else:
        yield path


def _prepare(out: Path) -> None:
    """Make the folder. One that holds files is left alone: whose they are would be anybody's guess."""
    try:
        durable.make_folder(out)
        if any(out.iterdir()):
            raise Conflict(f"{out} is not empty; name a new folder")
    except OSError as error:
        raise Invalid(f"{out} cannot be written to: {error.strerror}") from None


def _one_by_one(cleaner: "FileCleaner", out: Path, work: Sequence[Task], *, with_diff: bool) -> Iterator[Outcome]:
    for task in work:
        outcome, report = clean(cleaner, out, task)
        if with_diff and report is not None:
            from gateway.cli.difference import print_difference  # late: reads both files again

            print_difference(task.source, out / outcome.output, report)
        yield outcome


def _print(outcomes: Sequence[Outcome], *, with_rules: bool, as_json: bool) -> None:
    from deid.report import per_series  # late: as above

    written = [outcome for outcome in outcomes if outcome.output]
    failed = [outcome for outcome in outcomes if outcome.reason]
    series = per_series((outcome.headers, outcome.done) for outcome in written)
    rules = [each.done for each in per_series((outcome.headers, outcome.rules) for outcome in written)]
    if as_json:
        records = [asdict(each) | {"rules": by_rule} for each, by_rule in zip(series, rules, strict=True)]
        print_json({"files": [outcome.record() for outcome in outcomes], "series": records})
    else:
        columns = ("number", "file_type", "description", "files", "done")
        print_records([asdict(each) | {"done": _counts(each.done)} for each in series], columns, as_json=False)
        if with_rules:
            totals = sum(map(Counter, rules), Counter())
            lines = [{"attributes": count, "rule": rule} for rule, count in totals.most_common()]
            print_records(lines, ("attributes", "rule"), as_json=False)
    for outcome in failed:
        click.echo(f"archimed: file {outcome.file}: {outcome.reason}", err=True)
    if not as_json:
        click.echo(f"{len(outcomes) - len(failed)} of {len(outcomes)} files cleaned")


def _counts(done: Any) -> str:
    return ", ".join(f"{count} {what}" for what, count in done.items())
