"""What machines are made of, kept from run to run: a release of Debian with the packages that are asked for, Python packages.

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
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.machine import Layers

TOP = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Suite:
    """A release of Debian, and the Python that it comes with."""

    name: str
    python: tuple[int, int]


BOOKWORM = Suite("bookworm", (3, 11))  # Debian 12
TRIXIE = Suite("trixie", (3, 13))  # Debian 13
# What a server has, and what Ansible needs on it.
_PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "python3", "python3-apt", "python3-venv", "ca-certificates", "iproute2", "procps",
    "kmod", "fuse3", "curl", "openssl",
)  # fmt: skip
# What a bundle is packed with.
_BUILDING = ("gcc", "libc6-dev", "libfuse3-dev", "pkg-config", "python3-dev")
_PARTS = ("archimedfs", "catalog", "deid", "gateway", "systemd", "pyproject.toml", "README.md", "LICENSE")


def debian(*packages: str, suite: Suite = BOOKWORM) -> list[Path]:
    """Return the layers of a Debian with these packages besides the usual ones, the topmost first."""
    base = _kept(suite.name, repr((_PACKAGES, suite.name)), lambda folder: _bootstrap(folder, suite))
    if not packages:
        return [base]
    chosen = sorted(packages)
    added = _kept(f"{suite.name}-{chosen[0]}", repr((base.name, chosen)), lambda folder: _add(folder, base, chosen))
    return [added / "upper", base]


def bundle(suite: Suite, wheel: Path, folder: Path) -> Path:
    """Pack a wheel for a release of Debian, on it: with its Python, against its libfuse; return the tar."""
    script = "python3 -m venv /tmp/python; /checkout/.ci/bundle /wheel/$1 /bundle /tmp/python/bin/python"
    folder.mkdir(exist_ok=True)
    with Layers(folder / "builder", debian(*_BUILDING, suite=suite)) as layers:
        binds = [f"--bind-ro={TOP}:/checkout", f"--bind-ro={wheel.parent}:/wheel", f"--bind={folder}:/bundle"]
        _run([*_into(layers.root), *binds, *_like_pip_here(), "sh", "-euc", script, "sh", wheel.name])
    shutil.rmtree(folder / "builder")
    (packed,) = folder.glob("*.tar")
    return packed


def wheels() -> Path:
    """Return a folder with the Python packages that the archive needs, at their pinned versions, for Debian 12's Python."""
    if sys.version_info[:2] != BOOKWORM.python:
        wanted = ".".join(map(str, BOOKWORM.python))
        raise RuntimeError(f"the machines have Python {wanted}: make the environment anew with PYTHON=python{wanted}")
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    constraints = (TOP / ".ci" / "constraints.txt").read_text(encoding="utf-8")
    return _kept(
        "wheels", repr((BOOKWORM.python, project["dependencies"], constraints)), lambda folder: _build_wheels(folder, ".")
    )


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


def _bootstrap(folder: Path, suite: Suite) -> None:
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", suite.name, str(folder)]
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
        _run([*_into(layers.root), "--setenv=DEBIAN_FRONTEND=noninteractive", "sh", "-euc", command])
        policy.unlink()
        (layers.root / "etc/resolv.conf").unlink(missing_ok=True)
    (folder / "root").rmdir()


def _into(root: Path) -> list[str]:
    """Return the words before a command that run it in a root folder, with this system's network."""
    return ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--console=pipe", "--resolv-conf=replace-host",
            f"--directory={root}"]  # fmt: skip


def _like_pip_here() -> list[str]:
    """Return what lets a pip in a root folder ask where this system's does, and trust whom it trusts."""
    files = ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")
    return [
        *(f"--bind-ro={file}" for file in files if Path(file).exists()),
        *(f"--setenv={name}={value}" for name, value in os.environ.items() if name.startswith("PIP_")),
    ]


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _kept(name: str, made_from: str, make: Callable[[Path], None]) -> Path:
    """Return the kept folder of that name, made now if it is not there; half-made ones are made anew."""
    folder = _cache() / f"{name}-{hashlib.sha256(made_from.encode()).hexdigest()[:12]}"
    with locked(_cache() / f".{folder.name}.lock"):
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
def locked(file: Path) -> Iterator[None]:
    """Keep all others who ask for the same file waiting."""
    with file.open("w") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
