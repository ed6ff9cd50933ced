"""`archimed doctor`: what is wrong with this machine, and what to do."""

from dataclasses import asdict
from pathlib import Path

import click

from gateway.cli.common import json_option
from gateway.cli.frame import FAILED
from gateway.cli.output import print_json

_MARKS = {"good": "ok  ", "doubtful": "look", "wrong": "BAD "}


@click.command()
@json_option
@click.option("--quiet", is_flag=True, help="Say only what is not in order.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool, quiet: bool) -> None:
    """Look this machine over and say what to mend; changes nothing.

    Run it as root: it looks at files that others may not see. The status is 1 if something is wrong; what is only doubtful does
    not count.

    \b
    Examples:
      archimed doctor
      archimed doctor --quiet --json
    """
    from gateway.doctor import Grade, examine  # late: it loads what every door needs

    file = ctx.find_root().obj
    found = [
        finding for finding in examine(file if isinstance(file, Path) else None) if not quiet or finding.grade != Grade.GOOD
    ]
    if as_json:
        print_json([asdict(finding) for finding in found])
    else:
        for finding in found:
            click.echo(
                f"{_MARKS[finding.grade]} {finding.check}: {finding.says}"
                + (f"\n       -> {finding.mend}" if finding.mend else "")
            )
    if any(finding.grade == Grade.WRONG for finding in found):
        ctx.exit(FAILED)
