"""`archimed audit`: who did what."""

from dataclasses import asdict

import click

from catalog.audit import entries
from gateway.cli.administering import catalogue
from gateway.cli.common import json_option
from gateway.cli.output import moment, print_records


@click.command()
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the newest N entries.")
@json_option
def audit(limit: int | None, as_json: bool) -> None:
    """List who did what, oldest first.

    \b
    Example:
      archimed audit --limit 20
    """
    with catalogue() as database:
        found = [{**asdict(each), "at": moment(each.at)} for each in entries(database, limit=limit)]
    print_records(found, ("at", "actor", "acting_as", "action", "study", "subject", "detail"), as_json=as_json)
