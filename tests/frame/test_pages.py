"""The manual pages and the completion, as files: made from the command line's own help, and what their readers make of them."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from gateway.cli.frame import cli

TOP = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("share")
    subprocess.run([sys.executable, TOP / ".ci/pages.py", folder], cwd=TOP, check=True)
    return folder


def every(group: click.Group, path: str) -> Iterator[str]:
    yield path
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from every(command, f"{path}-{name}")
        else:
            yield f"{path}-{name}"


def test_every_command_has_a_page_and_no_page_is_left_over(share: Path) -> None:
    assert sorted(file.stem for file in share.glob("man/man1/*.1")) == sorted(every(cli, "archimed"))


def test_pages_render_without_a_warning(share: Path) -> None:
    if shutil.which("man") is None or shutil.which("groff") is None:
        pytest.skip("man-db and groff are not installed")
    for page in sorted(share.glob("man/man1/*.1")):
        answer = subprocess.run(
            ["man", "--warnings", "-E", "UTF-8", "-l", page],
            capture_output=True,
            text=True,
            env={"MANWIDTH": "100", "PATH": "/usr/bin:/bin"},
        )
        assert (answer.returncode, answer.stderr) == (0, ""), page.name
        for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS"):
            assert f"\n{heading}\n" in answer.stdout, page.name


def test_pages_are_what_mandoc_calls_well_formed(share: Path) -> None:
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed")
    pages = sorted(share.glob("man/man1/*.1"))
    answer = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages], capture_output=True, text=True)
    assert (answer.returncode, answer.stdout) == (0, "")


def test_what_help_says_stands_in_the_page_as_it_is_typed(share: Path) -> None:
    if shutil.which("man") is None:
        pytest.skip("man-db is not installed")
    answer = subprocess.run(
        ["man", "-E", "ascii", "-l", share / "man/man1/archimed-mount.1"],
        capture_output=True, text=True, check=True, env={"MANWIDTH": "200", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert "archimed mount [OPTIONS] MOUNTPOINT" in answer.stdout
    assert "\n       archimed mount ~/archive\n" in answer.stdout
    assert "--log-file FILE" in answer.stdout


def test_bash_completes_with_the_file(share: Path, tmp_path: Path) -> None:
    program = tmp_path / "archimed"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={TOP} exec {sys.executable} -m gateway.cli "$@"\n')
    program.chmod(0o755)
    script = f"""
        source {share}/bash-completion/completions/archimed
        COMP_WORDS=(archimed staging ac) COMP_CWORD=2
        _archimed_completion archimed
        echo "${{COMPREPLY[@]}}"
    """
    answer = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}
    )
    assert (answer.stdout, answer.stderr) == ("accept\n", "")


@pytest.mark.parametrize(("shell", "file"), [
    ("zsh", "zsh/site-functions/_archimed"), ("fish", "fish/vendor_completions.d/archimed.fish"),
])  # fmt: skip
def test_the_other_shells_can_read_theirs(share: Path, shell: str, file: str) -> None:
    text = (share / file).read_text()
    assert "_ARCHIMED_COMPLETE=" in text
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    assert subprocess.run([shell, "-n", share / file]).returncode == 0
