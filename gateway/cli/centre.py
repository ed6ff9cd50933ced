"""`archimed centre`: the centres of a multicentre study, and which exams and sources belong to each."""

import click

from catalog import administration
from gateway.cli.administering import actor, catalogue
from gateway.cli.common import as_option, json_option
from gateway.cli.output import print_records
from gateway.records import people

_exams = click.option("--exam", "exams", multiple=True, metavar="EXAM", help="An exam of the study; repeat for several.")
_sources = click.option("--source", "sources", multiple=True, metavar="NAME", help="A source of the study; repeat for several.")


@click.group()
def centre() -> None:
    """Name the centres of a study, and say which exams and sources belong to each.

    Who is granted a centre sees its exams alone. What belongs to no centre is seen by who is granted the whole study.

    \b
    Example:
      archimed centre add 2008-0003 LYON
      archimed grant add ada 2008-0003 --centre LYON
    """


@centre.command()
@click.argument("study")
@click.argument("code")
@click.option("--description", default="", metavar="TEXT", help="One line for people.")
@as_option
def add(study: str, code: str, description: str, acting_as: str) -> None:
    """Add a centre to a study.

    \b
    Example:
      archimed centre add 2008-0003 LYON --description "University hospital"
    """
    with catalogue() as database:
        administration.add_centre(database, actor(acting_as), study, code, description)
    click.echo(f"centre {code} of {study} added")


@centre.command()
@click.argument("study")
@click.argument("code")
@as_option
def remove(study: str, code: str, acting_as: str) -> None:
    """Remove a centre to which nothing belongs.

    \b
    Example:
      archimed centre remove 2008-0003 LYON
    """
    with catalogue() as database:
        administration.remove_centre(database, actor(acting_as), study, code)
    click.echo(f"centre {code} of {study} removed")


@centre.command()
@click.argument("study")
@click.argument("code")
@_exams
@_sources
@as_option
def assign(study: str, code: str, exams: tuple[str, ...], sources: tuple[str, ...], acting_as: str) -> None:
    """Give exams and sources to a centre. Who may not see them any more loses them at once, open files too.

    \b
    Example:
      archimed centre assign 2008-0003 LYON --exam E001 --exam E002 --source MR1
    """
    _assign(study, code, exams, sources, acting_as)
    click.echo(f"{_counted(exams, sources)} of {study} belong to {code}")


@centre.command()
@click.argument("study")
@_exams
@_sources
@as_option
def release(study: str, exams: tuple[str, ...], sources: tuple[str, ...], acting_as: str) -> None:
    """Let exams and sources belong to no centre.

    \b
    Example:
      archimed centre release 2008-0003 --exam E001
    """
    _assign(study, None, exams, sources, acting_as)
    click.echo(f"{_counted(exams, sources)} of {study} belong to no centre")


@centre.command("list")
@click.argument("study", required=False)
@json_option
def list_(study: str | None, as_json: bool) -> None:
    """List the centres of a study, or of all.

    \b
    Example:
      archimed centre list 2008-0003
    """
    with catalogue() as database:
        found = [people.centre(each) for each in administration.list_centres(database, study)]
    print_records(found, ("study", "code", "exams", "sources", "users", "description"), as_json=as_json)


def _assign(study: str, code: str | None, exams: tuple[str, ...], sources: tuple[str, ...], acting_as: str) -> None:
    if not exams and not sources:
        raise click.UsageError("name what: --exam EXAM or --source NAME")
    with catalogue() as database:
        administration.assign(database, actor(acting_as), study, code, exam_codes=exams, source_names=sources)


def _counted(exams: tuple[str, ...], sources: tuple[str, ...]) -> str:
    return f"{len(exams)} exams and {len(sources)} sources"
