"""`archimed stats`: how much the archive holds."""

from collections.abc import Sequence

import click

from catalog.administration import principal
from catalog.view import statistics
from gateway.cli.administering import catalogue
from gateway.cli.common import as_option, json_option
from gateway.cli.output import print_records
from gateway.records import archive
from gateway.records.archive import StatisticsRecord

_COLUMNS = ("study", "exams", "series", "files", "bytes", "added", "file_types")


@click.command()
@click.option("--study", default="", metavar="CODE", help="Only this study.")
@as_option
@json_option
def stats(study: str, acting_as: str, as_json: bool) -> None:
    """Count exams, series, files and bytes of each study, and of each type of file.

    \b
    Examples:
      archimed stats
      archimed stats --study 2008-0003 --json
    """
    with catalogue() as database:
        user = principal(database, acting_as).user_id if acting_as else None
        found = [archive.statistics(each) for each in statistics.count(database, user, study)]
    print_statistics(found, as_json=as_json)


def print_statistics(found: Sequence[StatisticsRecord], *, as_json: bool) -> None:
    """Print how much each study holds."""
    if as_json:
        print_records(found, _COLUMNS, as_json=True)
        return
    kinds = [", ".join(f"{name} {count['files']}" for name, count in sorted(each["file_types"].items())) for each in found]
    rows = [{**each, "file_types": text} for each, text in zip(found, kinds, strict=True)]
    print_records(rows, _COLUMNS, as_json=False)
