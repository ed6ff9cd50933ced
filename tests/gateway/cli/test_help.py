"""Every command explains itself, with an example that could be run."""

import shlex
from collections.abc import Iterator

import click
import pytest

from gateway.cli.frame import cli


def _every(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from _every(command, (*path, name))


def _examples(command: click.Command) -> list[list[str]]:
    lines = [line.strip() for line in (command.help or "").splitlines()]
    return [shlex.split(line.partition(" > ")[0])[1:] for line in lines if line.startswith("archimed ")]


COMMANDS = [pytest.param(path, command, id=" ".join(path)) for path, command in _every(cli)]


@pytest.mark.parametrize(("path", "command"), COMMANDS)
def test_help_says_what_it_does_with_an_example(path: tuple[str, ...], command: click.Command) -> None:
    text = command.get_help(click.Context(command, info_name=path[-1]))
    assert "Example" in text
    assert command.get_short_help_str()
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{option.name} of {' '.join(path)} has no help"
    examples = _examples(command)
    assert examples
    if not isinstance(command, click.Group):
        assert path in {_leaf(example)[0] for example in examples}


@pytest.mark.parametrize(("path", "command"), COMMANDS)
def test_examples_are_well_formed(path: tuple[str, ...], command: click.Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click.Path, "convert", lambda _type, value, *_: value)  # the files of examples are not here
    for example in _examples(command):
        _, leaf, words = _leaf(example)
        leaf.make_context("archimed", words)  # parses, runs nothing; a usage error fails the test


def test_the_overview_lists_every_command_without_importing_it() -> None:
    text = cli.get_help(click.Context(cli, info_name="archimed"))
    for name in cli.list_commands(click.Context(cli)):
        assert f"\n  {name} " in text


def _leaf(words: list[str]) -> tuple[tuple[str, ...], click.Command, list[str]]:
    """Return the command that an example names, by its path and itself, and the words behind it."""
    rest = words[2:] if words[:1] == ["--config"] else list(words)
    path: list[str] = []
    command: click.Command | None = cli
    while isinstance(command, click.Group):
        if command.invoke_without_command and rest[0].startswith("-"):
            break  # its own options
        path.append(rest.pop(0))
        command = command.get_command(click.Context(command), path[-1])
    assert command is not None, f"there is no command {' '.join(path)}"
    return tuple(path), command, rest
