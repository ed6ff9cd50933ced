"""Write what the command line says of itself as files for a system: manual pages, and completion for three shells.

    .venv/bin/python .ci/pages.py share

The words are those of `--help`; nothing about a command is written here. `make dist` calls it before it packs, so that pages
and code cannot differ.
"""

import datetime as dt
import inspect
import os
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from gateway.cli.frame import cli

TOP = Path(__file__).resolve().parents[1]
COMPLETIONS = {
    "bash": "bash-completion/completions/archimed",
    "zsh": "zsh/site-functions/_archimed",
    "fish": "fish/vendor_completions.d/archimed.fish",
}
EXIT_STATUS = (
    ("0", "done"),
    ("1", "refused or failed: one line on standard error says what, and what to do"),
    ("2", "the command was not written as it must be"),
)
SIGNS = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "~": "\\(ti", "^": "\\(ha"}

Words = tuple[str, ...]


def every(command: click.Command, path: Words) -> Iterator[tuple[Words, click.Context]]:
    """Yield the command and all below it, each with the context that its help is made in."""
    context = click.Context(command, info_name=" ".join(path))
    yield path, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from every(below(command, context, name), (*path, name))


def below(group: click.Group, context: click.Context, name: str) -> click.Command:
    """Return the command of that name in a group."""
    found = group.get_command(context, name)
    if found is None:
        raise LookupError(name)
    return found


def escaped(text: str) -> str:
    """Return text as roff sets it literally: hyphens as typed, nothing that begins a line taken as a request."""
    text = "".join(SIGNS.get(sign, sign) for sign in text)
    return "\n".join("\\&" + line if line.startswith(".") else line for line in text.splitlines())


def page_name(path: Words) -> str:
    """Return a page's name, by the habit of git-commit(1)."""
    return "-".join(path)


def page(path: Words, context: click.Context, version: str, date: str) -> str:
    """Return the manual page of one command."""
    command = context.command
    prose, examples = parted(command.help or "")
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [
        f'.TH "{page_name(path).upper()}" 1 {date} "ArchiMed {version}" "ArchiMed"',
        ".SH NAME", f"{page_name(path)} \\- {escaped(summary(prose))}",
        ".SH SYNOPSIS", f".B {escaped(' '.join(path))}", escaped(usage),
        ".SH DESCRIPTION", *paragraphs(prose),
    ]  # fmt: skip
    options = [record for param in command.get_params(context) if (record := param.get_help_record(context))]
    if options:
        lines += [".SH OPTIONS", *definitions(options)]
    if isinstance(command, click.Group):
        below = [(f"{page_name((*path, name))}(1)", line) for name, line in commands_of(command, context)]
        lines += [".SH COMMANDS", *definitions(below)]
    if examples:
        lines += [".SH EXAMPLES", ".EX", *(escaped(line) for line in examples), ".EE"]
    lines += [".SH EXIT STATUS", *definitions(EXIT_STATUS)]
    if len(path) > 1:
        lines += [".SH SEE ALSO", f".BR {escaped(page_name(path[:-1]))} (1)"]
    return "\n".join(lines) + "\n"


def commands_of(group: click.Group, context: click.Context) -> Iterator[tuple[str, str]]:
    """Yield the name of each command in a group with its line in the overview."""
    for name in group.list_commands(context):
        yield name, below(group, context, name).get_short_help_str(limit=200)


def parted(text: str) -> tuple[str, list[str]]:
    """Return the prose of a help text and its examples, which stand last, each on a line of its own."""
    prose, _, examples = inspect.cleandoc(text).partition("\b\nExample")
    return prose.strip(), [line.strip() for line in examples.splitlines()[1:] if line.strip()]


def summary(prose: str) -> str:
    """Return what the index of pages says: the first paragraph on one line."""
    return " ".join(prose.partition("\n\n")[0].split()).rstrip(".")


def paragraphs(prose: str) -> Iterator[str]:
    """Yield prose as roff; a paragraph that begins with a backspace is click's for lines as they are."""
    for number, paragraph in enumerate(prose.split("\n\n")):
        if number:
            yield ".PP"
        verbatim = paragraph.lstrip().startswith("\b")
        text = paragraph.replace("\b\n", "").strip("\n")
        if verbatim:
            yield from (".EX", escaped(text), ".EE")
        else:
            yield escaped(" ".join(text.split()))


def definitions(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield a list of terms with what is said of each."""
    for term, text in pairs:
        yield from (".TP", f".B {escaped(term)}", escaped(" ".join(text.split())))


def write(file: Path, text: str) -> None:
    """Write a file and the folders above it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def main() -> None:
    """Write everything below the folder that the command line names."""
    target = Path(sys.argv[1])
    version = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["version"]
    # https://reproducible-builds.org/specs/source-date-epoch/
    moment = int(os.environ.get("SOURCE_DATE_EPOCH") or (TOP / "pyproject.toml").stat().st_mtime)
    date = dt.datetime.fromtimestamp(moment, dt.UTC).strftime("%Y-%m-%d")
    for path, context in every(cli, ("archimed",)):
        write(target / "man/man1" / f"{page_name(path)}.1", page(path, context, version, date))
    for shell, name in COMPLETIONS.items():
        kind = get_completion_class(shell)
        if kind is None:
            raise LookupError(shell)
        write(target / name, kind(cli, {}, "archimed", "_ARCHIMED_COMPLETE").source())


if __name__ == "__main__":
    main()
