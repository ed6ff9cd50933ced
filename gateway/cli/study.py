"""`archimed study`: create and look at studies."""

from dataclasses import asdict
from pathlib import Path

import click

from catalog import administration
from catalog.lifecycle import retention
from catalog.pure.errors import Invalid
from gateway.cli.administering import actor, catalogue
from gateway.cli.common import as_option, configuration, json_option
from gateway.cli.output import print_record, print_records
from gateway.cli.profile import problems_of, read_text
from gateway.records import archive
from gateway.records.moments import moment
from gateway.wiring import open_store

STUDIES = ("code", "end_date", "closed", "own_profile", "created", "description")
"""What a list of studies shows of each."""


@click.group()
def study() -> None:
    """Create, change, close and look at studies.

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


@study.command("set")
@click.argument("code")
@click.option("--description", metavar="TEXT", help="One line for people.")
@click.option("--end-date", metavar="YYYY-MM-DD", help="Its end.")
@click.option("--profile", type=Path, metavar="FILE", help="De-identification profile, for what is published from now on.")
@click.option("--retention-years", type=click.IntRange(0, 1000), metavar="N", help="Keep it for so long behind its end.")
@as_option
def set_(
    code: str,
    description: str | None,
    end_date: str | None,
    profile: Path | None,
    retention_years: int | None,
    acting_as: str,
) -> None:
    """Change what is said of a study; what is not given stays as it is.

    \b
    Example:
      archimed study set 2008-0003 --end-date 2031-12-31 --retention-years 25
    """
    text = _read_profile(profile) if profile else None
    store = open_store(configuration())
    with catalogue() as database:
        administration.set_study(
            database, store, actor(acting_as), code, description=description, end_date=end_date, profile=text,
            retention_years=retention_years,
        )  # fmt: skip
    click.echo(f"study {code} changed")


@study.command()
@click.argument("code")
@click.option("--end-date", metavar="YYYY-MM-DD", help="When it ended; without it, today.")
@as_option
def close(code: str, end_date: str | None, acting_as: str) -> None:
    """Say that a study has ended: from then on the years are counted for which it is kept.

    \b
    Example:
      archimed study close 2008-0003 --end-date 2026-06-30
    """
    with catalogue() as database:
        administration.close_study(database, open_store(configuration()), actor(acting_as), code, end_date)
    click.echo(f"study {code} closed")


@study.command("list")
@click.option("--may-go", is_flag=True, help="Only studies that neither retention nor a hold keeps, with what they hold.")
@json_option
def list_(may_go: bool, as_json: bool) -> None:
    """List all studies, or those that may go.

    \b
    Examples:
      archimed study list --json
      archimed study list --may-go
    """
    if may_go:
        with catalogue() as database:
            rows = [asdict(one) for one in retention.report(database, configuration().retention.years) if one.may_go]
        shown = [{**row, "closed": moment(row["closed"])} for row in rows]
        print_records(shown, ("study", "end_date", "closed", "until", "files", "bytes"), as_json=as_json)
        return
    with catalogue() as database:
        found = [archive.study(each) for each in administration.list_studies(database)]
    print_records(found, STUDIES, as_json=as_json)


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
    print_record(archive.study_details(found), as_json=as_json)


def _read_profile(file: Path) -> str:
    text = read_text(file)
    if problems := problems_of(text):
        raise Invalid(f"the profile {file} cannot be used: {'; '.join(problems)}")
    return text
