"""`archimed audit`: who did what, and whether what is written of it still is what was written."""

from collections.abc import Sequence
from dataclasses import asdict

import click

from catalog.audit import Wanted, close_year, entries, list_exams_read, list_reads, verify
from gateway.cli.administering import actor, catalogue
from gateway.cli.common import configuration, json_option
from gateway.cli.frame import FAILED
from gateway.cli.output import Record, print_csv, print_json, print_record, print_records
from gateway.cli.times import Since
from gateway.records import history

_HASH_CHARACTERS = 64
_READS_COLUMNS = (
    "first", "last", "login", "actor", "face", "program", "study", "exam", "series", "files", "bytes", "closed",
)  # fmt: skip
_COLUMNS = ("at", "actor", "acting_as", "action", "study", "subject", "detail")


class Hash(click.ParamType[bytes]):
    """A hash as `audit verify` prints it."""

    name = "hash"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        """Return its bytes."""
        try:
            found = bytes.fromhex(str(value))
        except ValueError:
            found = b""
        if len(found) != _HASH_CHARACTERS // 2:
            self.fail(f"write the {_HASH_CHARACTERS} hexadecimal digits that `archimed audit verify` printed", param, ctx)
        return found


@click.group(invoke_without_command=True)
@click.option("--user", metavar="LOGIN", default="", help="Only what this user did, or what was done to them.")
@click.option("--study", metavar="CODE", default="", help="Only what is about this study.")
@click.option("--since", type=Since(), metavar="WHEN", help="Only from then on: 2026-01-01, or 7d for the last seven days.")
@click.option("--reads", is_flag=True, help="List who read what instead: a line for reader, program, series and day.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the newest N.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV for a spreadsheet.")
@json_option
@click.pass_context
def audit(
    ctx: click.Context,
    user: str,
    study: str,
    since: int | None,
    reads: bool,
    limit: int | None,
    as_csv: bool,
    as_json: bool,
) -> None:
    """List who did what, oldest first.

    Reads are written down some seconds behind. `archimed audit exams` says when each exam was read last.

    \b
    Examples:
      archimed audit --limit 20
      archimed audit --user ada --study 2008-0003 --since 7d
      archimed audit --reads --since 2026-01-01 --csv
      archimed audit verify
    """
    if ctx.invoked_subcommand is not None:
        return
    wanted = Wanted(user, study, since, limit)
    found: list[Record]
    with catalogue() as database:
        if reads:
            found = [history.read(each) for each in list_reads(database, wanted)]
        else:
            found = [history.entry(each) for each in entries(database, wanted)]
    _print(found, _READS_COLUMNS if reads else _COLUMNS, as_csv=as_csv, as_json=as_json)


@audit.command()
@click.option("--study", metavar="CODE", default="", help="Only the exams of this study.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV for a spreadsheet.")
@json_option
def exams(study: str, as_csv: bool, as_json: bool) -> None:
    """List when each exam was read last, first those that nobody has read for longest or ever.

    \b
    Example:
      archimed audit exams --study 2008-0003
    """
    with catalogue() as database:
        found = [history.exam_read(each) for each in list_exams_read(database, study)]
    _print(found, ("study", "exam", "last_read"), as_csv=as_csv, as_json=as_json)


@audit.command()
@click.argument("year", type=click.IntRange(1970, 9999))
@json_option
def close(year: int, as_json: bool) -> None:
    """Move a year that is over, and all before it, from the catalogue into files below [audit] path.

    `archimed audit verify` follows the chain through them, and `archimed backup create` copies them: keep them.
    `archimed audit` lists what is still in the catalogue; the files are text, a line an entry.

    \b
    Example:
      archimed audit close 2024
    """
    with catalogue() as database:
        closed = close_year(database, configuration().audit.path, actor(""), year)
    print_record(asdict(closed), as_json=as_json)


@audit.command("verify")
@click.option(
    "--expect", type=Hash(), metavar="HASH",
    help="A hash that was noted before: it must still be that of an entry.",
)  # fmt: skip
@json_option
def verify_(expect: bytes | None, as_json: bool) -> None:
    """Check that no entry was changed, removed, moved or put in between, and print the newest one's hash.

    Note that hash somewhere else now and then: who can write to the catalogue could write all of the audit anew, and only a
    hash that was noted before shows it. Ends with status 1 if something is wrong.

    \b
    Examples:
      archimed audit verify
      archimed audit verify --expect 5f2c1f0d7a31c9a1b7a2b4f4e3bb4f3cf5a1b1a6c3b0f8f35c7de0f4a1b2c3d4
    """
    with catalogue() as database:
        verdict = verify(database, expect, configuration().audit.path)
    lost = expect is not None and verdict.expected is None
    record = {
        "intact": not verdict.faults and not lost,
        "entries": verdict.entries,
        "head": verdict.head,
        "hash": verdict.hash.hex(),
        "expected": verdict.expected,
    }
    if as_json:
        print_json({**record, "faults": [asdict(fault) for fault in verdict.faults]})
    else:
        print_record(record, as_json=False)
        for fault in verdict.faults:
            click.echo(f"entry {fault.entry} {fault.what}")
        if lost:
            click.echo("no entry has the hash that was expected: entries behind it were removed, or the audit was written anew")
    if not record["intact"]:
        raise click.exceptions.Exit(FAILED)


def _print(found: Sequence[Record], columns: tuple[str, ...], *, as_csv: bool, as_json: bool) -> None:
    if as_csv and not as_json:
        print_csv(found, columns)
    else:
        print_records(found, columns, as_json=as_json)
