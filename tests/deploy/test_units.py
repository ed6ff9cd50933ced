"""The units on a booted machine: all of it runs, in its sandbox, and comes back whatever ends it."""

import html
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import synthetic
from tests.deploy import appliance
from tests.deploy.appliance import ARCHIVE, DAEMONS, MOUNTS, UNITS, all_active, archimed, health, is_mounted
from tests.deploy.machine import Machine


@pytest.fixture(scope="module")
def running(set_up: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Give a machine on which all of the archive runs; tests of the module share it and leave it running."""
    folder = tmp_path_factory.mktemp("running")
    with Machine(folder, set_up) as machine:
        machine.boot()
        yield machine
    shutil.rmtree(folder)


def test_every_part_is_ready_after_boot(running: Machine) -> None:
    assert appliance.not_active(running) == []
    assert running.run("systemctl", "--failed", "--plain", "--no-legend").stdout == ""
    assert health(running) == "ok\n"


def test_systemd_finds_nothing_to_complain_about(running: Machine) -> None:
    said = running.run(
        "sh",
        "-c",
        "cd /etc/systemd/system && systemd-analyze verify --man=no archimed*.service archimed*.timer archimed.target",
        check=False,
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_it_says_that_it_is_ready_and_the_mounts_answer(running: Machine) -> None:
    told = json.loads(health(running, "readyz"))
    assert told["ready"] is True
    assert {"catalogue", "store", "staging", "archive_mount", "staging_mount", "jobs"} <= set(told["checks"])


def test_the_doctor_finds_nothing_wrong(running: Machine) -> None:
    found = json.loads(running.run("/opt/archimed/bin/archimed", "doctor", "--json").stdout)
    assert [entry for entry in found if entry["grade"] == "wrong"] == []
    assert {f"{unit}.service is active" for unit in UNITS} <= {entry["says"] for entry in found}


def test_what_runs_daily_runs_in_its_sandbox_and_its_failure_shows(running: Machine) -> None:
    for name in ("archimed-doctor", "archimed-audit-verify", "archimed-verify"):
        assert running.unit(f"{name}.timer", "ActiveState") == "active"
        running.run("systemctl", "start", f"{name}.service", timeout=120)
    running.run("chmod", "o+r", "/etc/archimed/deid.key")
    assert running.run("systemctl", "start", "archimed-doctor", check=False, timeout=120).returncode != 0
    assert "archimed-doctor.service" in running.run("systemctl", "--failed", "--plain", "--no-legend").stdout
    running.run("chmod", "o-r", "/etc/archimed/deid.key")
    running.run("systemctl", "start", "archimed-doctor", timeout=120)


def test_users_see_the_mount_of_a_daemon_in_a_sandbox(running: Machine) -> None:
    assert running.run("ls", f"{ARCHIVE}/ada", user="ada").stdout == "S\n"
    assert running.run("ls", f"{ARCHIVE}/ben", user="ben").stdout == ""
    denied = running.run("ls", f"{ARCHIVE}/ada", user="ben", check=False)
    assert (denied.returncode, denied.stdout) == (2, "")
    assert "Read-only" in running.run("mkdir", f"{ARCHIVE}/ada/S/E", user="ada", check=False).stderr


def test_users_bring_files_into_staging_and_the_worker_checks_them(running: Machine) -> None:
    folder = f"{appliance.STAGING}/ada/S/E1"
    running.run("mkdir", folder, user="ada")
    running.run("sh", "-c", f"head -c 100000 /dev/urandom >{folder}/raw.dat", user="ada")
    assert running.run("ls", f"{appliance.STAGING}/ada", user="ben", check=False).returncode == 2
    reject(running, seal(running))


def test_the_desk_draws_pictures_in_its_sandbox(running: Machine) -> None:
    folder = f"{appliance.STAGING}/ada/S/E2"
    (running.root / "home/ada/1.dcm").write_bytes(synthetic.image())
    running.run("mkdir", folder, user="ada")
    running.run("cp", "/home/ada/1.dcm", folder, user="ada")
    batch = seal(running)
    ask = ["curl", "-s", "-m", "60", "-u", "ada:secret-of-ada"]
    page = running.run(*ask, f"http://127.0.0.1:8080/desk/batches/{batch}").stdout
    (picture,) = re.findall(r'<img [^>]*src="(/desk/[^"]+/picture[^"]*)"', page)
    address = f"http://127.0.0.1:8080{html.unescape(picture)}"
    assert running.run(*ask, "-o", "/dev/null", "-w", "%{http_code} %{content_type}", address).stdout == "200 image/png"
    reject(running, batch)


def seal(machine: Machine) -> str:
    """Seal ada's newest batch, wait until it is checked, and return its number."""
    batch = str(max(found["id"] for found in json.loads(archimed(machine, "staging", "list", "--json").stdout)))
    archimed(machine, "staging", "seal", batch, "--as", "ada")
    machine.wait(lambda: json.loads(archimed(machine, "staging", "show", batch, "--json").stdout)["state"] == "checked")
    return batch


def reject(machine: Machine, batch: str) -> None:
    archimed(machine, "staging", "reject", batch, "--reason", "a test", "--as", "ada")


def test_unix_users_log_in_over_http(running: Machine) -> None:
    def asked(login: str, password: str) -> str:
        address = "http://127.0.0.1:8080/archive/S/"
        return running.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-u", f"{login}:{password}", address).stdout

    assert asked("ada", "secret-of-ada") == "200"
    assert asked("ben", "secret-of-ben") == "404"
    assert asked("ada", "secret-of-ben") == "401"


def test_records_in_the_journal_have_fields(running: Machine) -> None:
    lines = running.run("journalctl", "-b", "-o", "json", "ARCHIMED_PART=supervisor").stdout.splitlines()
    record = json.loads(lines[-1])
    assert (record["SYSLOG_IDENTIFIER"], record["PRIORITY"], record["ARCHIMED_LEVEL"]) == ("archimed", "6", "info")
    assert record["_SYSTEMD_UNIT"] in {f"{name}.service" for name in DAEMONS}
    assert record["MESSAGE"].endswith("is ready")


def test_no_part_can_write_where_it_has_no_business(running: Machine) -> None:
    """Seen from inside each sandbox, as the account that serves."""
    for unit in UNITS:
        pid = running.main_pid(unit)
        as_service = [
            "nsenter",
            "-t",
            str(pid),
            "-m",
            "--",
            "setpriv",
            "--reuid=archimed",
            "--regid=archimed",
            "--clear-groups",
        ]
        for path in ("/etc/x", "/usr/x", "/srv/x", "/var/lib/x", "/opt/archimed/x"):
            assert running.run(*as_service, "touch", path, check=False).returncode == 1
        wrote = running.run(*as_service, "touch", "/var/lib/archimed/store/x", check=False).returncode == 0
        assert wrote == (unit == "archimed-worker")
    running.run("rm", "/var/lib/archimed/store/x")


def back(machine: Machine, unit: str, before: int, seconds: float = 60) -> float:
    """Wait until a part has another process and all is well; return how many seconds it took."""
    took = machine.wait(lambda: machine.main_pid(unit) not in {0, before} and all_active(machine), seconds)
    for path in MOUNTS.values():
        assert is_mounted(machine, path)
    assert appliance.dead_mounts(machine) == []
    assert health(machine) == "ok\n"
    return took


@pytest.mark.parametrize("unit", UNITS)
def test_a_part_that_is_killed_is_back_within_seconds(running: Machine, unit: str) -> None:
    before = running.main_pid(unit)
    running.run("kill", "-KILL", str(before))
    print(f"{unit} was back after {back(running, unit, before):.1f} seconds")


@pytest.mark.parametrize("unit", UNITS)
def test_a_part_that_hangs_is_started_again_by_the_watchdog(running: Machine, unit: str) -> None:
    appliance.add(running, f"{unit}.service", "[Service]", "WatchdogSec=6s")
    running.run("systemctl", "restart", unit, timeout=120)
    before = running.main_pid(unit)
    running.run("kill", "-STOP", str(before))
    back(running, unit, before)
    assert "Watchdog timeout" in running.journal(f"{unit}.service")
    # Left alone, it lives longer than the watchdog waits.
    before = running.main_pid(unit)
    running.run("sleep", "9")
    assert running.main_pid(unit) == before


@pytest.mark.parametrize("unit", MOUNTS)
def test_readers_of_a_mount_that_is_stopped_get_an_error_or_nothing_and_never_hang(running: Machine, unit: str) -> None:
    running.run("systemctl", "stop", unit)
    assert running.run("ls", "-A", MOUNTS[unit], timeout=10).stdout == ""
    assert running.run("touch", f"{MOUNTS[unit]}/x", user="ada", check=False).returncode == 1
    assert f" {MOUNTS[unit]} " not in running.run("cat", "/proc/mounts").stdout
    told = json.loads(health(running, "readyz"))
    assert (told["ready"], told["checks"][f"{unit.removeprefix('archimed-')}_mount"]["ok"]) == (False, False)
    running.run("systemctl", "start", unit)
    assert is_mounted(running, MOUNTS[unit])


def test_it_starts_with_the_machine(running: Machine) -> None:
    running.reboot()
    running.wait(lambda: all_active(running))
    assert is_mounted(running, ARCHIVE)
    assert archimed(running, "study", "list", "--json").stdout.count('"S"') == 1


def test_stopping_the_target_stops_and_unmounts_all(running: Machine) -> None:
    running.run("systemctl", "stop", "archimed.target")
    running.wait(lambda: running.run("pgrep", "-u", "archimed", check=False).stdout == "")
    running.wait(lambda: "fuse.archimed" not in running.run("cat", "/proc/mounts").stdout)
    running.run("systemctl", "start", "archimed.target", timeout=120)
    assert all_active(running)
