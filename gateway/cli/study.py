"""`archimed study`: create and look at studies."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from catalog import administration
from catalog.administration import Study
from catalog.pure.errors import Invalid
from gateway.cli.administering import actor, catalogue
from gateway.cli.common import as_option, configuration, json_option
from gateway.cli.output import moment, print_record, print_records
from gateway.cli.profile import problems_of, read_text
from gateway.wiring import open_store


@click.group()
def study() -> None:
    """Create and look at studies.

    \b
    Example:
      archimed study create 2008-0003 --description "Healthy ageing"
    """


@study.command()
@click.argument("code")
@click.option("--description", default="", metavar="TEXT", help="One line for people.")
@click.option("--end-date", metavar="YYYY-MM-DD", help="Planned end.")
@click.option(
    "--profile", type=Path, metavar="FILE",
    help="De-identification profile; without one, the default holds.",
)  # fmt: skip
@as_option
def create(code: str, description: str, end_date: str | None, profile: Path | None, acting_as: str) -> None:
    """Create a study.

    \b
    Example:
      archimed study create 2008-0003 --description "Healthy ageing" --end-date 2031-12-31
    """
    text = _read_profile(profile) if profile else None
    with catalogue() as database:
        administration.create_study(
            database,
            open_store(configuration()),
            actor(acting_as),
            code,
            description=description,
            end_date=end_date,
            profile=text,
        )
    click.echo(f"study {code} created")


@study.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all studies.

    \b
    Example:
      archimed study list --json
    """
    with catalogue() as database:
        found = [_record(each) for each in administration.list_studies(database)]
    print_records(found, ("code", "end_date", "own_profile", "created", "description"), as_json=as_json)


@study.command()
@click.argument("code")
@json_option
def show(code: str, as_json: bool) -> None:
    """Show one study: who sees it, how many exams it has, its profile.

    \b
    Example:
      archimed study show 2008-0003
    """
    with catalogue() as database:
        found = administration.show_study(database, code)
    record = {**_record(found.study), "exams": found.exams, "users": found.users, "profile": found.profile}
    print_record(record, as_json=as_json)


def _record(found: Study) -> dict[str, Any]:
    return {**asdict(found), "created": moment(found.created)}


def _read_profile(file: Path) -> str:
    text = read_text(file)
    if problems := problems_of(text):
        raise Invalid(f"the profile {file} cannot be used: {'; '.join(problems)}")
    return text
