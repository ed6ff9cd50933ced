"""What machines are made of, kept from run to run: Debian with the packages that are asked for, and the Python packages.

Everything lies in $ARCHIMED_TEST_CACHE, else in `.cache` of the checkout; a name ends in a digest of what it was made from, so
a change makes a new one. Deleting the folder is safe.
"""

import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.deploy.machine import Layers

TOP = Path(__file__).parents[2]
_SUITE = "bookworm"
_PYTHON = (3, 11)  # Debian 12's
# What a server has, and what Ansible needs on it.
_PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "python3", "python3-apt", "python3-venv", "ca-certificates", "iproute2", "procps",
    "kmod", "fuse3", "curl", "openssl",
)  # fmt: skip
_PARTS = ("archimedfs", "catalog", "deid", "gateway", "systemd", "pyproject.toml", "README.md", "LICENSE")


def debian(*packages: str) -> list[Path]:
    """Return the layers of a Debian with these packages besides the usual ones, the topmost first."""
    base = _kept(f"{_SUITE}", repr((_PACKAGES, _SUITE)), _bootstrap)
    if not packages:
        return [base]
    chosen = sorted(packages)
    added = _kept(f"{_SUITE}-{chosen[0]}", repr((base.name, chosen)), lambda folder: _add(folder, base, chosen))
    return [added / "upper", base]


def wheels() -> Path:
    """Return a folder with the Python packages that the archive needs, at their pinned versions, built for Debian's Python."""
    if sys.version_info[:2] != _PYTHON:
        wanted = ".".join(map(str, _PYTHON))
        raise RuntimeError(f"the machines have Python {wanted}: make the environment anew with PYTHON=python{wanted}")
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    constraints = (TOP / ".ci" / "constraints.txt").read_text(encoding="utf-8")
    return _kept("wheels", repr((_PYTHON, project["dependencies"], constraints)), lambda folder: _build_wheels(folder, "."))


def archimed_wheel(folder: Path) -> Path:
    """Build the archive's own wheel from the checkout into a folder and return it."""
    source = folder / "source"
    source.mkdir(parents=True)
    # Not in the checkout: what setuptools leaves in `build` would be in the next wheel, though deleted here since.
    for name in _PARTS:
        part = TOP / name
        if part.is_dir():
            shutil.copytree(part, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(part, source / name)
    _build_wheels(folder, "--no-deps", str(source))
    shutil.rmtree(source)
    (wheel,) = folder.glob("archimed-*.whl")
    return wheel


def _build_wheels(folder: Path, *what: str) -> None:
    constraints = str(TOP / ".ci" / "constraints.txt")
    environment = os.environ | {"PIP_CONSTRAINT": constraints, "PIP_BUILD_CONSTRAINT": constraints}
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-input", "--wheel-dir", str(folder), *what]
    subprocess.run(command, check=True, cwd=TOP, env=environment, timeout=900)


def _bootstrap(folder: Path) -> None:
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", _SUITE, str(folder)]
    if mirror := os.environ.get("ARCHIMED_TEST_MIRROR"):  # else debootstrap's own
        command.append(mirror)
    _run(command)
    # Of the host, not of a machine that many are copied from.
    for name in ("etc/hostname", "etc/resolv.conf"):
        (folder / name).unlink(missing_ok=True)
    # Empty, each boot makes one; missing, each boot would be a first one, which asks questions.
    (folder / "etc/machine-id").write_bytes(b"")


def _add(folder: Path, base: Path, packages: Sequence[str]) -> None:
    command = f"apt-get -q update && apt-get -q -y --no-install-recommends install {' '.join(packages)} && apt-get clean"
    with Layers(folder, [base]) as layers:
        policy = layers.root / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
        policy.chmod(0o755)
        _run([
            "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--console=pipe", "--resolv-conf=replace-host",
            f"--directory={layers.root}", "--setenv=DEBIAN_FRONTEND=noninteractive", "sh", "-euc", command,
        ])  # fmt: skip
        policy.unlink()
        (layers.root / "etc/resolv.conf").unlink(missing_ok=True)
    (folder / "root").rmdir()


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _kept(name: str, made_from: str, make: Callable[[Path], None]) -> Path:
    """Return the kept folder of that name, made now if it is not there; half-made ones are made anew."""
    folder = _cache() / f"{name}-{hashlib.sha256(made_from.encode()).hexdigest()[:12]}"
    with _locked(_cache() / ".lock"):
        if not folder.exists():
            unfinished = folder.with_name(folder.name + ".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            make(unfinished)
            unfinished.rename(folder)
    return folder


@functools.cache
def _cache() -> Path:
    folder = Path(os.environ.get("ARCHIMED_TEST_CACHE") or TOP / ".cache").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
