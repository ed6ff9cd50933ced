"""`archimed result`: what a program made of archived series, brought back to stand beside them."""

import json
from contextlib import suppress
from pathlib import Path

import click

from catalog.administration import principal
from catalog.database import Database
from catalog.gate.drops.local_files import LocalFiles
from catalog.gate.review.decisions import Review
from catalog.pure.access import Principal
from catalog.pure.drops import EXAM_DEPTH, Place
from catalog.pure.errors import Invalid, NotFound, Refused
from catalog.pure.nodes import Kind
from catalog.pure.results import LINEAGE, folder_name
from catalog.view import View
from gateway.cli.administering import actor, catalogue
from gateway.cli.bring import bring_as
from gateway.cli.common import configuration, json_option
from gateway.cli.output import print_json
from gateway.wiring import open_archive, open_inboxes, open_staging

_PARTS = 3


@click.group()
def result() -> None:
    """Bring back what a program made of archived series.

    \b
    Example:
      archimed result add 2008-0003/E001/003_DCM_MR_t1_mprage ./seg --label seg --program "FreeSurfer 7.4.1" --as ada
    """


@result.command()
@click.argument("series", metavar="STUDY/EXAM/SERIES")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--label", required=True, metavar="TEXT", help="What it is; its folder is called NNN_RESULT_<label>.")
@click.option("--program", default="", metavar="TEXT", help="What made it, with its version.")
@click.option("--also-from", multiple=True, metavar="SERIES", help="Another series of that exam that it was made of.")
@click.option("--as", "acting_as", metavar="LOGIN", required=True, help="Whose result it is.")
@json_option
def add(
    series: str,
    files: tuple[Path, ...],
    label: str,
    program: str,
    also_from: tuple[str, ...],
    acting_as: str,
    as_json: bool,
) -> None:
    """Bring files to the gate as a result of a series; folders come with all below them.

    They wait in your open batch for that exam until it is sealed and somebody accepts it.

    \b
    Example:
      archimed result add 2008-0003/E001/003_DCM_MR_t1_mprage ./seg --label seg --program "FreeSurfer 7.4.1" --as ada
    """
    study, exam, name = _place(series)
    with catalogue() as database:
        user = principal(database, acting_as)
        series_number = _number(open_archive(configuration(), database).view(user), study, exam, (name, *also_from))
        folder = folder_name(series_number, label)
        lineage = json.dumps({"program": program, "sources": [name, *also_from]}).encode()
        _require_none_waits(database, user, (study, exam, folder))
        with LocalFiles(files) as local:
            number = bring_as(database, user, acting_as, (study, exam, folder), local, {LINEAGE: lineage})
        batch = Review(database, open_staging(configuration()), actor(acting_as), user).info(number)
    if as_json:
        print_json({"batch": batch.id, "state": batch.state, "folder": f"{study}/{exam}/{folder}", "files": batch.files})
    else:
        click.echo(f"in batch {batch.id} as {study}/{exam}/{folder}; when all is in: archimed staging seal {batch.id}")


def _require_none_waits(database: Database, user: Principal, folder: Place) -> None:
    """Refuse to mix a result with one of the same label that is complete and not sealed yet; one cut short goes on.

    Raises:
        Refused: it is there.
    """
    inboxes = open_inboxes(configuration(), database)
    try:
        inbox = inboxes.of(user)
        with suppress(NotFound):
            inbox.stat((*folder, LINEAGE))  # the last that is brought
            number = inbox.batch(folder[:EXAM_DEPTH])
            raise Refused(
                f"batch {number} has a result of that label for this exam already: seal it first "
                f"(archimed staging seal {number}), then this one becomes its second version; or give another --label"
            )
    finally:
        inboxes.close()


def _place(path: str) -> tuple[str, str, str]:
    names = [name for name in path.split("/") if name]
    if len(names) != _PARTS:
        raise Invalid("name the series as the tree does: STUDY/EXAM/SERIES")
    return names[0], names[1], names[2]


def _number(view: View, study: str, exam: str, names: tuple[str, ...]) -> int:
    """Return the number of the first of these series, all of which must be there."""
    found = [view.resolve(f"{study}/{exam}/{name}") for name in names]
    if any(node.id.kind is not Kind.SERIES for node in found):
        raise Invalid("a result is made of series: name their folders")
    return int(found[0].name.partition("_")[0])
