"""The checkout itself: what stands at its top, that nothing names a registry, that every dependency is pinned."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOP = Path(__file__).parents[2]
FIXED = {
    "archimedfs", "gateway", "catalog", "deid", "systemd", "ansible", "tests", "docs", "benchmarks", ".ci", ".github",
    "changelog.d", "clients", ".pre-commit-config.yaml", "SECURITY.md", "CITATION.cff",
    "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "Makefile", ".gitignore",
}  # fmt: skip
# Written apart, so that this file does not find itself.
REGISTRIES = re.compile("pypi[.]" + "org|python" + "hosted|index" + "-url|deb[.]" + "debian|/sim" + "ple/")


def tracked() -> list[Path]:
    answer = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"], cwd=TOP, capture_output=True, check=True, text=True
    )
    return [TOP / name for name in answer.stdout.split("\0") if name and (TOP / name).is_file()]


def pins() -> dict[str, str]:
    lines = [line for line in (TOP / ".ci/constraints.txt").read_text().splitlines() if not line.startswith("#")]
    found = dict(line.split("==") for line in lines)
    assert len(found) == len(lines)
    return {canonicalize_name(name): version for name, version in found.items()}


def needed(requirement: Requirement, seen: set[tuple[str, str]]) -> None:
    """Add the requirement and all that it pulls in here to `seen`, as (name, extra)."""
    for extra in {"", *requirement.extras}:
        key = (canonicalize_name(requirement.name), extra)
        if key in seen:
            continue
        seen.add(key)
        for line in importlib.metadata.requires(requirement.name) or []:
            below = Requirement(line)
            if below.marker is None or below.marker.evaluate({"extra": extra}):
                needed(below, seen)


def test_top_level_is_the_fixed_one() -> None:
    assert {path.relative_to(TOP).parts[0] for path in tracked()} <= FIXED


def test_no_file_names_a_registry() -> None:
    found = [
        f"{path.relative_to(TOP)}: {match.group()}"
        for path in tracked()
        if (match := REGISTRIES.search(path.read_bytes().decode("utf-8", "replace")))
    ]
    assert found == []


def test_every_dependency_is_pinned_to_what_is_tested() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    seen: set[tuple[str, str]] = set()
    for line in project["dependencies"] + [line for extra in project["optional-dependencies"].values() for line in extra]:
        needed(Requirement(line), seen)
    installed = {name: importlib.metadata.version(name) for name, _ in seen}
    pinned = pins()
    assert {name: pinned.get(name) for name in installed} == installed


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A checkout on a machine where an ordinary user without sudo finds a shell, python3 and the core utilities only."""
    for name in (".ci/install", ".ci/constraints.txt", "pyproject.toml"):
        copy = tmp_path / "checkout" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((TOP / name).read_bytes())
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "dirname", "cat", "cksum", "ls"):
        programs.joinpath(name).symlink_to(f"/usr/bin/{name}")
    programs.joinpath("python3").symlink_to(Path(sys.executable).resolve())
    programs.joinpath("apt-get").symlink_to("/bin/false")
    programs.joinpath("id").write_text("#!/bin/sh\necho 1000\n")
    programs.joinpath("id").chmod(0o755)
    return tmp_path


def test_the_installer_names_what_an_administrator_must_install(bare: Path) -> None:
    answer = subprocess.run(
        ["/bin/sh", ".ci/install"], cwd=bare / "checkout", env={"PATH": str(bare / "bin")}, capture_output=True, text=True
    )
    assert answer.returncode == 1
    assert answer.stdout == ""
    command = re.search(r"apt-get install --no-install-recommends(.*)", answer.stderr)
    assert command is not None
    assert {"make", "fuse3", "gcc", "pkg-config"} <= set(command[1].split())
    assert not (bare / "checkout/.venv").exists()


def test_the_installer_refuses_a_python_it_was_not_made_for(bare: Path) -> None:
    old = bare / "bin/python3.10"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    answer = subprocess.run(
        ["/bin/sh", ".ci/install"], cwd=bare / "checkout", env={"PATH": str(bare / "bin"), "PYTHON": "python3.10"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert answer.returncode == 1
    assert "Python 3.11, 3.12 or 3.13 is needed" in answer.stderr


def test_the_installer_has_nothing_to_do_the_second_time(bare: Path) -> None:
    checkout = bare / "checkout"
    made = subprocess.run(
        ["sh", "-c", "python3 -V; pwd; cksum pyproject.toml .ci/constraints.txt .ci/install"], cwd=checkout,
        env={"PATH": str(bare / "bin")}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    checkout.joinpath(".venv").mkdir()
    checkout.joinpath(".venv/made-from").write_text(made.stdout)
    for name in ("make", "fusermount3"):
        bare.joinpath("bin", name).symlink_to("/bin/true")
    answer = subprocess.run(
        ["/bin/sh", ".ci/install"], cwd=checkout, env={"PATH": str(bare / "bin")}, capture_output=True, text=True
    )
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
