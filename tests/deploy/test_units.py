"""The units on a booted machine: all of it runs, in its sandbox, and comes back whatever ends it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import appliance
from tests.deploy.appliance import ARCHIVE, MOUNTS, UNITS, all_active, health, is_mounted
from tests.deploy.machine import Machine


@pytest.fixture(scope="module")
def running(set_up: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Give a machine on which all of the archive runs; tests of the module share it."""
    with Machine(tmp_path_factory.mktemp("running"), set_up) as machine:
        machine.boot()
        yield machine


def test_every_part_is_ready_after_boot(running: Machine) -> None:
    assert appliance.not_active(running) == []
    assert running.run("systemctl", "--failed", "--plain", "--no-legend").stdout == ""
    assert health(running) == "ok\n"


def test_users_see_the_mount_of_a_daemon_in_a_sandbox(running: Machine) -> None:
    assert running.run("ls", f"{ARCHIVE}/ada", user="ada").stdout == "S\n"
    assert running.run("ls", f"{ARCHIVE}/ben", user="ben").stdout == ""
    denied = running.run("ls", f"{ARCHIVE}/ada", user="ben", check=False)
    assert (denied.returncode, denied.stdout) == (2, "")
    assert "Read-only" in running.run("mkdir", f"{ARCHIVE}/ada/S/E", user="ada", check=False).stderr


def test_unix_users_log_in_over_http(running: Machine) -> None:
    def asked(login: str, password: str) -> str:
        return running.run(
            "curl",
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-u",
            f"{login}:{password}",
            "http://127.0.0.1:8080/archive/S/",
        ).stdout

    assert asked("ada", "secret-of-ada") == "200"
    assert asked("ben", "secret-of-ben") == "404"
    assert asked("ada", "secret-of-ben") == "401"


@pytest.mark.parametrize("unit", UNITS)
def test_a_part_that_is_killed_is_back_within_seconds(running: Machine, unit: str) -> None:
    before = running.main_pid(unit)
    running.run("kill", "-KILL", str(before))
    running.wait(lambda: running.main_pid(unit) not in {0, before} and all_active(running))
    for path in MOUNTS.values():
        assert is_mounted(running, path)
    assert appliance.dead_mounts(running) == []
    assert health(running) == "ok\n"
