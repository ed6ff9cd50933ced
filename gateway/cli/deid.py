"""`archimed deid`: de-identify files from one place into another, without an archive.

What it prints names a file by its number in the order given, never by its name: a name may be a patient's. Only `--diff`,
which is for the operator's own eyes, shows names and values.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from catalog import durable
from catalog.pure.errors import Conflict, Invalid
from gateway.cli.common import configuration, json_option
from gateway.cli.frame import FAILED
from gateway.cli.output import print_json, print_records
from gateway.cli.profile import read_text
from gateway.cli.progress import bar

if TYPE_CHECKING:
    from deid import Profile
    from deid.formats import FileCleaner

_SHORTEST_KEY = 16
_HALVES = frozenset({".hdr", ".img", ".par", ".rec"})  # of NIfTI and PAR/REC pairs: they keep a name in common


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of one file. `output` is empty where nothing was written."""

    file: int
    output: str = ""
    reason: str = ""
    headers: dict[str, Any] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        return {"file": self.file, "output": self.output or None, "reason": self.reason, "done": self.done}


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--profile", type=Path, metavar="FILE", help="De-identification profile; without one, the default holds.")
@click.option("--exam-code", required=True, metavar="CODE", help="The exam code that stands for the patient.")
@click.option("--out", required=True, type=Path, metavar="DIR", help="A new or empty folder for the clean files.")
@click.option("--study", default="study", metavar="CODE", help="The study: files of one study have pseudonyms in common.")
@click.option("--key-file", type=Path, metavar="FILE", help="The key pseudonyms are made from; else the configuration's.")
@click.option("--pixels-approved", is_flag=True, help="You looked at the images: no name or date is burned into them.")
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
    pixels_approved: bool,
    with_diff: bool,
    as_json: bool,
) -> None:
    """De-identify files, folders with all below them, into files with names of our own.

    A file that cannot be cleaned fails alone; then the exit status is 1.

    \b
    Example:
      archimed deid ./from-disc --exam-code E001 --out ./clean --key-file ./deid.key --profile ./profile.toml
    """
    if with_diff and as_json:
        raise click.UsageError("--diff is for reading, --json for scripts: choose one")
    from deid.formats import FileCleaner  # late: other commands do without the standard's tables

    loaded = _profile(profile)
    key = _key(key_file)
    try:
        cleaner = FileCleaner(loaded, key, study, exam_code, pixels_approved=pixels_approved)
    except ValueError as error:
        raise Invalid(str(error)) from None
    sources = [path for file in files for path in _below(file)]
    _prepare(out)
    outcomes = []
    pairs: dict[Path, int] = {}
    with bar("cleaning", len(sources)) as advance:
        for number, source in enumerate(sources, 1):
            half = source.suffix.lower() in _HALVES
            pair = pairs.setdefault(source.with_suffix(""), number) if half else number
            outcome = _clean(cleaner, source, out, number, pair, with_diff=with_diff)
            outcomes.append(outcome)
            advance(number)
    durable.sync_filesystem(out)
    _print(outcomes, as_json=as_json)
    if any(outcome.reason for outcome in outcomes):
        ctx.exit(FAILED)


def _profile(file: Path | None) -> "Profile":
    from deid import ProfileError, load_profile  # late: as above

    try:
        return load_profile(read_text(file) if file else None)
    except ProfileError as error:
        raise Invalid(f"the profile {file} cannot be used: {'; '.join(error.problems)}") from None


def _key(file: Path | None) -> bytes:
    """Return the key; nothing of it is ever in a message."""
    found = file or configuration().deid.key_file
    try:
        key = bytes.fromhex(found.read_text("ascii"))
    except OSError as error:
        raise Invalid(
            f"the key {found} cannot be read: {error.strerror}; `openssl rand -hex 32` makes one, to be kept secret"
        ) from None
    except ValueError:
        raise Invalid(f"the key {found} is not hexadecimal text; `openssl rand -hex 32` makes one") from None
    if len(key) < _SHORTEST_KEY:
        raise Invalid(f"the key {found} is shorter than {_SHORTEST_KEY} bytes; `openssl rand -hex 32` makes one")
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


def _clean(cleaner: "FileCleaner", source: Path, out: Path, number: int, pair: int, *, with_diff: bool) -> _Outcome:
    from deid import DeidError  # late: as above

    part = out / f".{number:05d}.part"
    try:
        with durable.translated("cleaning cannot go on"), durable.create_file(part) as target:
            report = cleaner.clean(source, target)
        name = f"{pair:05d}{report.ending}"
        if (out / name).exists():
            name = f"{number:05d}{report.ending}"
        part.rename(out / name)
    except DeidError as error:
        part.unlink(missing_ok=True)
        return _Outcome(number, reason=str(error))
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if with_diff:
        from gateway.cli.difference import print_difference  # late: reads both files again

        print_difference(source, out / name, report)
    return _Outcome(number, name, headers=dict(report.headers), done=report.summary())


def _print(outcomes: Sequence[_Outcome], *, as_json: bool) -> None:
    from deid.report import per_series  # late: as above

    series = per_series((outcome.headers, outcome.done) for outcome in outcomes if outcome.output)
    failed = [outcome for outcome in outcomes if outcome.reason]
    if as_json:
        print_json({"files": [outcome.record() for outcome in outcomes], "series": [asdict(each) for each in series]})
    else:
        columns = ("number", "file_type", "description", "files", "done")
        print_records([asdict(each) | {"done": _counts(each.done)} for each in series], columns, as_json=False)
    for outcome in failed:
        click.echo(f"archimed: file {outcome.file}: {outcome.reason}", err=True)
    if not as_json:
        click.echo(f"{len(outcomes) - len(failed)} of {len(outcomes)} files cleaned")


def _counts(done: Any) -> str:
    return ", ".join(f"{count} {what}" for what, count in done.items())
