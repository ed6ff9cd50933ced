"""`archimed verify` and `archimed repair`: are the bytes in the store those that were archived, and good copies if not."""

from pathlib import Path

import click

from catalog import clock
from catalog.lifecycle import repair as repairing
from catalog.lifecycle import verify as verifying
from gateway.cli.administering import actor, catalogue
from gateway.cli.common import configuration, json_option
from gateway.cli.frame import FAILED
from gateway.cli.output import print_records
from gateway.cli.progress import bar
from gateway.records.moments import moment
from gateway.wiring import open_copy, open_store

_COLUMNS = ("study", "fault", "path", "found", "says")
_UNITS = {"k": 1000, "M": 1000**2, "G": 1000**3}


def _rate(_ctx: click.Context, _option: click.Parameter, value: str) -> int:
    number, unit = (value[:-1], _UNITS[value[-1]]) if value[-1:] in _UNITS else (value, 1)
    if not number.isdigit():
        raise click.BadParameter("give bytes a second, such as 20M")
    return int(number) * unit


@click.command()
@click.option("--study", default="", metavar="CODE", help="This study alone.")
@click.option("--resume", is_flag=True, help="Go on where the last round was broken off.")
@click.option("--rate", default="0", callback=_rate, metavar="BYTES", help="Read no faster than this a second, such as 20M.")
@json_option
def verify(study: str, resume: bool, rate: int, as_json: bool) -> None:
    """Read every object of the store and compare it with its digest, with the catalogue and with the manifests.

    What is damaged is set aside: it cannot be read until `archimed repair` has found a good copy. Ends with status 1 if
    anything is wrong, and prints what.

    \b
    Examples:
      archimed verify --study 2008-0003
      archimed verify --resume --rate 20M
    """
    store = open_store(configuration())
    with catalogue() as database:
        began = (verifying.broken_off(database) if resume else None) or clock.now()
        verifier = verifying.Verifier(database, store, round_began=began, bytes_per_second=rate)
        codes = [study] if study else verifying.unproved(database, began)
        with bar("verifying", verifying.size(database, codes)) as advance:
            done = 0

            def proved(size: int) -> None:
                nonlocal done
                done += size
                advance(done)

            for code in codes:
                verifier.verify(code, proved, resume=resume)
        found = verifying.findings(database, study)
    _print(found, as_json=as_json)
    if found:
        raise click.exceptions.Exit(FAILED)


@click.command()
@click.option("--study", default="", metavar="CODE", help="This study alone.")
@click.option(
    "--from", "copies", multiple=True, type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
    help="A backup, or another copy of the store, to take good copies from. May be given several times.",
)  # fmt: skip
@json_option
def repair(study: str, copies: tuple[Path, ...], as_json: bool) -> None:
    """Put good copies in the place of what `archimed verify` found damaged or missing.

    Objects that have become good by themselves, because the same original was published again, count as repaired. Ends with
    status 1 if something could not be repaired, and prints what.

    \b
    Example:
      archimed repair --from /mnt/backup/archimed
    """
    config = configuration()
    with catalogue() as database:
        others = [open_copy(path) for path in copies]
        done = list(repairing.repair(database, open_store(config), actor(""), others, study))
    left = [one.finding for one in done if not one.is_good]
    if not as_json:
        click.echo(f"{len(done) - len(left)} objects repaired, {len(left)} not")
    _print(left, as_json=as_json)
    if left:
        raise click.exceptions.Exit(FAILED)


def _print(found: list[verifying.Finding], *, as_json: bool) -> None:
    records = [
        {
            "study": one.study,
            "sha256": one.digest.hex(),
            "fault": str(one.fault),
            "path": f"{one.study}/{one.path}" if one.path else "",
            "found": moment(one.found),
            "says": one.fault.says,
        }
        for one in found
    ]
    print_records(records, _COLUMNS, as_json=as_json)
