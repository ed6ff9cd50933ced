"""`archimed profile`: check a de-identification profile, show a study's, write out an example to start from."""

from pathlib import Path

import click

from catalog import administration
from catalog.pure import expectations
from catalog.pure.errors import Invalid, NotFound
from gateway.cli.administering import catalogue
from gateway.cli.common import json_option
from gateway.cli.frame import FAILED
from gateway.cli.output import print_json


@click.group()
def profile() -> None:
    """Check and show de-identification profiles.

    \b
    Example:
      archimed profile check ./profile.toml
    """


@profile.command()
@click.argument("file", type=Path)
@click.pass_context
def check(ctx: click.Context, file: Path) -> None:
    """Report everything that is wrong with a profile, at once: each problem with its line and the nearest known word.

    \b
    Example:
      archimed profile check ./profile.toml
    """
    from deid import load_profile  # late: other commands do without the standard's tables

    text = read_text(file)
    if problems := problems_of(text):
        for problem in problems:
            click.echo(f"archimed: {file}: {''.join(c if c.isprintable() else ' ' for c in problem)}", err=True)
        ctx.exit(FAILED)
    click.echo(f"{file} is in order, hash {load_profile(text).hash}")


@profile.command()
@click.argument("study", metavar="STUDY")
@json_option
def show(study: str, as_json: bool) -> None:
    """Show the profile a study's imports are cleaned by: its own or the default, with hash and version.

    \b
    Example:
      archimed profile show 2008-0003
    """
    import deid  # late: other commands do without the standard's tables

    with catalogue() as database:
        own = administration.show_study(database, study).profile
    found = deid.load_profile(own)
    record = {
        "study": study, "own_profile": own is not None, "hash": found.hash, "version": f"deid {deid.VERSION}",
        "standard": found.standard, "options": sorted(found.options), "dates": found.dates, "unlisted": found.unlisted,
    }  # fmt: skip
    if as_json:
        print_json(record | {"text": found.text})
        return
    whose = "its own" if own is not None else "the default"
    click.echo(f"# study {study}: {whose}, version deid {deid.VERSION}, hash {found.hash}")
    click.echo(found.text, nl=not found.text.endswith("\n"))


@profile.command()
@click.argument("name", required=False)
def example(name: str | None) -> None:
    """Write out a shipped profile to start from; without a name, list them.

    \b
    Example:
      archimed profile example neuro-mr > profile.toml
    """
    from deid import examples  # late: other commands do without the standard's tables

    known = examples()
    if name is None:
        click.echo("\n".join(known))
    elif name not in known:
        raise NotFound(f"there is no example {name}; there are {', '.join(known)}")
    else:
        click.echo(known[name], nl=False)


@profile.command()
@click.option("--check", "file", type=Path, metavar="FILE", help="Check the table of an edition of your own instead.")
@json_option
@click.pass_context
def editions(ctx: click.Context, file: Path | None, as_json: bool) -> None:
    """List the editions of the standard's table that a profile can pin by `standard = "..."`, with their origin.

    \b
    Example:
      archimed profile editions
    """
    from deid.rules import table  # late: other commands do without the standard's tables

    if file is not None:
        rows, problems = table.parse(read_text(file))
        for problem in problems:
            click.echo(f"archimed: {file}: {''.join(c if c.isprintable() else ' ' for c in problem)}", err=True)
        if problems:
            ctx.exit(FAILED)
        records = [{"edition": file.name, "rows": len(rows), "default": False, "provenance": ""}]
    else:
        records = [
            {
                "edition": name,
                "rows": len(table.load(name)),
                "default": name == table.DEFAULT,
                "provenance": table.provenance(name),
            }
            for name in table.editions()
        ]
    if as_json:
        print_json(records)
        return
    for record in records:
        click.echo(f"{record['edition']}: {record['rows']} rows{', the default' if record['default'] else ''}")
        click.echo("".join(f"    {line}\n" for line in str(record["provenance"]).splitlines()), nl=False)


def problems_of(text: str) -> list[str]:
    """Return all that is wrong with a profile: what de-identification says of it, and what is wrong with its `[expect]`."""
    from deid import ProfileError, load_profile  # late: other commands do without the standard's tables
    from deid.rules.lines import Lines

    try:
        load_profile(text)
    except ProfileError as error:
        found = list(error.problems)
    else:
        found = []
    lines = Lines(text)
    return found + [f"line {lines.of('expect', '', word)}: {what}" for word, what in expectations.problems(text)]


def read_text(file: Path) -> str:
    """Return a profile's text.

    Raises:
        Invalid: it cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise Invalid(f"the profile {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Invalid(f"the profile {file} is not UTF-8 text") from None
