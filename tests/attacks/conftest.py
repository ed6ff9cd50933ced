"""A mount for all users with a watchdog: what deadlocks fails its test instead of hanging the machine."""

import json
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from archimedfs import mountpoint
from catalog.audit import Actor
from tests.archimedfs.mounts import RunningMount, running_mount
from tests.attacks.people import PYTHON, Person, person
from tests.builders import BuiltArchive

ADA, BEN, CYD = 61_001, 61_002, 61_003
STUDY = "2008-0003"
SERIES = f"{STUDY}/E001/001_DCM_MR_x"
FILE = f"{SERIES}/00001.dcm"
CONTENT = {f"{number:05d}.dcm": bytes([number]) * 100_000 for number in range(1, 9)}
ROOT = Actor("root")
_WATCHDOG_SECONDS = 90


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = None
    if os.geteuid() != 0:
        reason = "only root can act as several Unix users"
    elif not Path("/dev/fuse").exists():
        reason = "this machine offers no /dev/fuse"
    elif not Path(PYTHON).exists():
        reason = f"there is no {PYTHON} that every user may run"
    if reason:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=reason))


@dataclass
class Site:
    """An archive, its mount for all users, and the table of their Unix numbers."""

    built: BuiltArchive
    mount: RunningMount
    accounts: Path
    aborted: threading.Event

    @property
    def path(self) -> Path:
        return self.mount.path

    def folder(self, login: str) -> str:
        return str(self.path / login)

    def set_accounts(self, **numbers: int) -> None:
        """Give logins other Unix numbers, at once."""
        fresh = self.accounts.with_suffix(".new")
        fresh.write_text(json.dumps(numbers))
        fresh.replace(self.accounts)


@pytest.fixture
def site(built: BuiltArchive) -> Iterator[Site]:
    """Give a mount where ada and cyd see a study, and ben sees another."""
    with open_site(built) as site:
        yield site


@contextmanager
def open_site(built: BuiltArchive, *options: str) -> Iterator[Site]:
    """Give the same, with options for the mount."""
    for login in ("ada", "ben", "cyd"):
        built.user(login)
    for code in (STUDY, "OTHER"):
        built.study(code)
    for login, code in (("ada", STUDY), ("cyd", STUDY), ("ben", "OTHER")):
        built.grant(login, code)
    built.add_series(SERIES, CONTENT)
    built.add_series("OTHER/E001/001_DCM_MR_x", {"00001.dcm": b"other"})
    # pytest's own folders let nobody else in.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        accounts = folder / "accounts.json"
        accounts.write_text(json.dumps({"ada": ADA, "ben": BEN, "cyd": CYD}))
        with running_mount(built, "all", folder / "mount", "--accounts", str(accounts), *options) as mount:
            site = Site(built, mount, accounts, threading.Event())
            timer = threading.Timer(_WATCHDOG_SECONDS, _abort, [site])
            timer.start()
            try:
                yield site
            finally:
                timer.cancel()
        assert not site.aborted.is_set(), "the mount hung and was aborted"
        assert mount.log == ""


def _abort(site: Site) -> None:
    site.aborted.set()
    device = mountpoint.device_of(site.path)
    if device:
        Path(f"/sys/fs/fuse/connections/{device.split(':')[1]}/abort").write_text("1", encoding="ascii")


@pytest.fixture
def ada() -> Iterator[Person]:
    with person(ADA) as someone:
        yield someone


@pytest.fixture
def ben() -> Iterator[Person]:
    with person(BEN) as someone:
        yield someone


@pytest.fixture
def cyd() -> Iterator[Person]:
    with person(CYD) as someone:
        yield someone
