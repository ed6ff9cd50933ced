"""The README is true: its commands run, in order, against a demo; its picture is what the demo shows.

Blocks by their tag: `console` lines that begin with `$ ` and `python` are run, `toml` is read as a configuration, the names in
`text` are looked for in the archive, the last of `matlab` runs in GNU Octave. `java` (ImageJ) and `powershell` need programs
that are not here.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli.frame import _COMMANDS
from gateway.config import load

TOP = Path(__file__).parents[1]
README = (TOP / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
TAGS = {"console", "text", "python", "matlab", "java", "powershell", "toml"}
CAN_MOUNT = os.access("/dev/fuse", os.R_OK | os.W_OK)


def blocks(tag: str) -> list[str]:
    return [text for kind, text in BLOCKS if kind == tag]


def commands() -> list[str]:
    lines = [line for block in blocks("console") for line in block.splitlines()]
    assert all(line.startswith("$ ") for line in lines)
    return [line.removeprefix("$ ") for line in lines]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """Give a folder as after `make demo`, with that demo running, and what to write for the ports it would have liked."""
    folder = tmp_path_factory.mktemp("readme")
    programs = folder / ".venv/bin"
    programs.mkdir(parents=True)
    programs.joinpath("archimed").write_text(f'#!/bin/sh\nPYTHONPATH={TOP} exec {sys.executable} -m gateway.cli "$@"\n')
    programs.joinpath("archimed").chmod(0o755)
    running = subprocess.Popen([programs / "archimed", "demo"], cwd=folder, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    said = ""
    while (line := running.stdout.readline()) and not line.startswith("Ctrl-C"):
        said += line
    try:
        http, dicom = re.search(r"127\.0\.0\.1:([0-9]+)/archive", said), re.search(r"ARCHIMED 127\.0\.0\.1 ([0-9]+)", said)
        assert http is not None, said
        assert dicom is not None, said
        yield folder, {"127.0.0.1:8080": f"127.0.0.1:{http[1]}", "127.0.0.1 11112": f"127.0.0.1 {dicom[1]}"}
    finally:
        running.send_signal(signal.SIGINT)
        running.wait(timeout=100)
        running.stdout.close()


def test_every_block_is_of_a_kind_that_is_known_here() -> None:
    assert {tag for tag, _ in BLOCKS} == TAGS
    assert README.count("```") == 2 * len(BLOCKS)


def test_the_picture_is_what_the_demo_shows(place: tuple[Path, dict[str, str]]) -> None:
    folder, _ = place
    (picture,) = blocks("text")
    environment = os.environ | {"ARCHIMED_CONFIG": str(folder / "demo/archimed.toml")}
    path: list[str] = []
    for line in picture.splitlines()[1:]:
        indent, name = re.fullmatch(r"([│├└─ ]*)(.*)", line).groups()  # type: ignore[union-attr]
        depth = len(indent) // 4 - 1
        path[depth:] = [name.rstrip("/")]
        if not name.startswith("..."):
            command = [folder / ".venv/bin/archimed", "stat", "/".join(path), "--as", "lea"]
            subprocess.run(command, env=environment, check=True, capture_output=True)


def test_every_command_runs_in_the_order_of_the_page(place: tuple[Path, dict[str, str]]) -> None:
    folder, ports = place
    script = ["set -eu", 'trap "echo \\"failed: \\$now\\" >&2" EXIT', "now="]
    for command in commands():
        if command.startswith("make "):  # tests/test_demo.py runs what they call
            subprocess.run([*command.split(), "--dry-run"], cwd=TOP, check=True, capture_output=True)
        elif CAN_MOUNT or not re.search(r"\bmine\b", command):
            for written, real in ports.items():
                command = command.replace(written, real)  # noqa: PLW2901 - the same command, elsewhere
            script += [f"now=$(cat <<'COMMAND'\n{command}\nCOMMAND\n)", f"if ! {command.removeprefix('! ')}; then false; fi"]
            if command.startswith("! "):
                script[-1] = f"if {command.removeprefix('! ')} 2>refused; then false; fi; cat refused"
    script.append("trap - EXIT")
    answer = subprocess.run(
        ["sh", "-c", "\n".join(script)], cwd=folder, capture_output=True, text=True, timeout=250,
        env=os.environ | {"RCLONE_CONFIG": str(folder / "rclone.conf")},
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "archimed: there is no such file or folder" in answer.stdout  # what lea was not granted
    archived = folder / "copy-of-E001/003_DCM_MR_t1_mprage/00001.dcm"
    assert archived.read_bytes() == (folder / "one.dcm").read_bytes()


def test_the_python_runs(place: tuple[Path, dict[str, str]]) -> None:
    if not CAN_MOUNT:
        pytest.skip("this machine lets nobody mount")
    folder, _ = place
    program = blocks("python")[0]
    answer = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=100)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines() == ["E001 32 (160, 160)", "(160, 160, 32) (1.5, 1.5, 4.5)"]


def test_the_programs_of_researchers_run(place: tuple[Path, dict[str, str]]) -> None:
    folder, ports = place
    if not folder.joinpath("lea.token").exists():
        archimed = folder / ".venv/bin/archimed"
        with folder.joinpath("lea.token").open("w") as file:
            command = [archimed, "--config", folder / "demo/archimed.toml", "token", "create", "lea"]
            subprocess.run(command, check=True, stdout=file)
    (_, python), (_, matlab) = blocks("python"), blocks("matlab")
    for written, real in ports.items():
        python, matlab = python.replace(written, real), matlab.replace(written, real)
    shown = 'print(len(table), table["EchoTime"][0], len(files))'
    run = {"cwd": folder, "capture_output": True, "text": True, "timeout": 100}
    answer = subprocess.run(
        [sys.executable, "-W", "ignore::ResourceWarning", "-c", f"{python}\n{shown}"],
        env=os.environ | {"PYTHONPATH": str(TOP / "clients/python")}, **run,
    )  # fmt: skip
    assert answer.stdout.split() == ["1", "2.98", "32"], answer.stderr
    if shutil.which("octave-cli") is None:
        pytest.skip("GNU Octave is not installed")
    shown = "printf ('%d %g %d', numel (t1), t1(1).metadata.EchoTime, numel (files));"
    answer = subprocess.run(["octave-cli", "--norc", "--eval", f"addpath ('{TOP}/clients/matlab'); {matlab}\n{shown}"], **run)
    assert answer.stdout.split() == ["1", "2.98", "32"], answer.stderr


def test_the_configuration_is_one(tmp_path: Path) -> None:
    (text,) = blocks("toml")
    file = tmp_path / "archimed.toml"
    file.write_text(text)
    assert load(file).dicom.host == "0.0.0.0"


def test_it_names_no_command_that_is_not_there() -> None:
    named = set(re.findall(r"`archimed ([a-z-]+)", README)) | set(re.findall(r"\$ archimed ([a-z-]+)", README))
    assert named - set(_COMMANDS) == set()
