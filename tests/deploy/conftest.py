"""Machines for tests: bare, or with the archive's wheel installed as an administrator would."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.deploy import appliance, images, machine
from tests.deploy.images import TOP
from tests.deploy.machine import Machine

NewMachine = Callable[..., Machine]

_APT = ("postgresql",)
_INSTALL = """
python3 -m venv --without-pip /opt/archimed
python3 -m venv /tmp/pip
/tmp/pip/bin/python -m pip --python /opt/archimed/bin/python install --quiet --no-index --find-links /tmp/wheels archimed
rm -r /tmp/pip
"""


def install_program(machine: Machine, wheels: Path) -> None:
    """Install the archive's program into /opt/archimed from a folder of wheels."""
    # Not to /tmp from outside: inside, that is another filesystem.
    shutil.copytree(wheels, machine.root / "var/wheels")
    machine.run("ln", "-s", "/var/wheels", "/tmp/wheels")
    machine.run("sh", "-euc", _INSTALL, timeout=300)
    machine.run("rm", "-r", "/var/wheels")


@pytest.fixture(scope="session")
def debian() -> list[Path]:
    """Return the layers of a bare Debian, with PostgreSQL."""
    reason = machine.why_not()
    if reason:
        pytest.exit(f"no machine can be booted here: {reason}", returncode=1)
    return images.debian(*_APT)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of wheels from which `archimed`, as it is in this checkout, can be installed without a network."""
    folder = tmp_path_factory.mktemp("wheels")
    for wheel in images.wheels().glob("*.whl"):
        if not wheel.name.startswith("archimed-"):
            (folder / wheel.name).symlink_to(wheel)
    images.archimed_wheel(folder)
    return folder


@pytest.fixture(scope="session")
def installed(debian: list[Path], wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    """Return the layers of a Debian with the archive's program in /opt/archimed, and nothing set up."""
    folder = tmp_path_factory.mktemp("installed")
    with Machine(folder, debian) as made:
        made.boot()
        install_program(made, wheels)
        made.power_off()
        layer = made.upper
    yield [layer, *debian]
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def set_up(installed: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    """Return the layers of a machine on which the archive is set up, on SQLite, and starts at boot."""
    folder = tmp_path_factory.mktemp("set-up")
    with Machine(folder, installed) as made:
        made.boot()
        appliance.install(made)
        appliance.archimed(made, "init")
        appliance.people(made)
        made.run("systemctl", "enable", "archimed.target")
        made.power_off()
        layer = made.upper
    yield [layer, *installed]
    shutil.rmtree(folder)


@pytest.fixture
def new_machine(tmp_path: Path) -> Iterator[NewMachine]:
    """Return a function that makes a machine from layers; it is off, and ended after the test."""
    with ExitStack() as stack:

        def make(lower: list[Path], *, fuse: bool = True) -> Machine:
            folder = tmp_path / f"machine{len(list(tmp_path.glob('machine*')))}"
            folder.mkdir()
            return stack.enter_context(Machine(folder, lower, fuse=fuse))

        yield make
    for folder in tmp_path.glob("machine*"):
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return what `make bundle` leaves in ./dist, made once for all of pytest's workers."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "dist"
    with images.locked(folder.with_suffix(".lock")):
        if not folder.exists():
            subprocess.run(["make", "--no-print-directory", "bundle"], cwd=TOP, check=True, capture_output=True, timeout=600)
            shutil.copytree(TOP / "dist", folder)
    return folder


@pytest.fixture(scope="session")
def packed(debian: list[Path], dist: Path) -> Path:
    """Return the bundle of this checkout."""
    (bundle,) = dist.glob("*.tar")
    return bundle
