"""`archimed route`: what is published in a study goes to a DICOM node by itself."""

import click

from catalog import administration
from gateway.cli.administering import actor, catalogue
from gateway.cli.common import json_option
from gateway.cli.output import print_records
from gateway.records import people

_to = click.option("--to", "node", required=True, metavar="NODE", help="The node, as `archimed node list` names it.")


@click.group()
def route() -> None:
    """Have what is published in a study sent to a DICOM node by itself.

    \b
    Example:
      archimed route add 2008-0003 --to WS1
    """


@route.command()
@click.argument("study", metavar="STUDY")
@_to
def add(study: str, node: str) -> None:
    """Send what is published in a study from now on to a node.

    It is sent as the user as whom the node asks, who must be granted the study. What is there already is sent by `archimed
    send`. `archimed job list` shows what waits.

    \b
    Example:
      archimed route add 2008-0003 --to WS1
    """
    with catalogue() as database:
        administration.add_route(database, actor(""), study, node)
    click.echo(f"what is published in {study} goes to {node}")


@route.command()
@click.argument("study", metavar="STUDY")
@_to
def remove(study: str, node: str) -> None:
    """Send what is published in a study to a node no longer; what waits is still sent.

    \b
    Example:
      archimed route remove 2008-0003 --to WS1
    """
    with catalogue() as database:
        administration.remove_route(database, actor(""), study, node)
    click.echo(f"what is published in {study} does not go to {node} any more")


@route.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List what is sent where by itself.

    \b
    Example:
      archimed route list
    """
    with catalogue() as database:
        found = [people.route(each) for each in administration.list_routes(database)]
    print_records(found, ("study", "node", "created"), as_json=as_json)
