"""`archimed mount --all-users` with accounts that really exist on the machine."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from archimedfs import mountpoint
from tests.archimedfs.mounts import TIMEOUT
from tests.attacks.people import PYTHON
from tests.builders import BuiltArchive
from tests.gateway.cli.conftest import Run, archimed, done, run

__all__ = ["archimed", "run"]

LOGINS = ["archimed-test-a", "archimed-test-b"]
pytestmark = pytest.mark.skipif(shutil.which("useradd") is None, reason="useradd(8) is not installed")


@pytest.fixture
def accounts() -> Iterator[None]:
    try:
        for login in LOGINS:
            subprocess.run(["useradd", "--no-create-home", "--no-user-group", login], check=True, timeout=TIMEOUT)
        yield
    finally:
        for login in LOGINS:
            subprocess.run(["userdel", login], timeout=TIMEOUT, stderr=subprocess.DEVNULL)


@pytest.mark.usefixtures("accounts")
def test_each_account_has_its_folder(archimed: Run, built: BuiltArchive) -> None:
    built.study("S")
    for login in [*LOGINS, "no-such-account"]:
        built.user(login)
        built.grant(login, "S")
    built.add_series("S/E/001_RAW", {"00001.raw": b"bytes"})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        mount = folder / "mount"
        mount.mkdir()
        assert done(archimed("mount", mount, "--all-users")).startswith(f"mounted {mount} for all users")
        try:
            assert sorted(path.name for path in mount.iterdir()) == LOGINS
            for reader in LOGINS:
                for owner in LOGINS:
                    script = f"print(open('{mount}/{owner}/S/E/001_RAW/00001.raw').read())"
                    found = subprocess.run(
                        [PYTHON, "-I", "-c", script], user=reader, extra_groups=[], cwd="/", capture_output=True, text=True,
                        timeout=TIMEOUT,
                    )  # fmt: skip
                    assert found.stdout == ("bytes\n" if reader == owner else "")
                    assert ("PermissionError" in found.stderr) == (reader != owner)
        finally:
            subprocess.run(["fusermount3", "-u", mount], check=True, timeout=TIMEOUT)
    assert not mountpoint.is_mounted(mount)


def test_all_users_and_one_user_exclude_each_other(archimed: Run, tmp_path: Path) -> None:
    for other in (["--user", "ada"], ["--allow-other"]):
        assert archimed("mount", tmp_path, "--all-users", *other).returncode == 2
