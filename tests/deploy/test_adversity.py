"""Machines on which something is missing: the catalogue's server at boot, a disk, a port, /dev/fuse."""

import json
from pathlib import Path

from tests.deploy import appliance
from tests.deploy.appliance import ARCHIVE, CONFIG, all_active, archimed, health, is_mounted
from tests.deploy.conftest import NewMachine
from tests.deploy.machine import Machine

ON_POSTGRESQL = CONFIG + '[catalog]\nurl = "postgresql+psycopg://archimed@/archimed?host=/run/postgresql"\n'


def start(machine: Machine, *units: str) -> None:
    machine.run("systemctl", "start", "--no-block", *(units or ["archimed.target"]))


def says(machine: Machine, unit: str, words: str) -> None:
    """Wait until a unit's log says something."""
    machine.wait(lambda: words in machine.journal(unit))


def test_a_database_server_that_comes_late_is_waited_for(installed: list[Path], new_machine: NewMachine) -> None:
    machine = new_machine(installed)
    machine.boot()
    machine.run("sh", "-euc", "pg_createcluster 15 main >/dev/null 2>&1 || true; systemctl start postgresql", timeout=120)
    appliance.install(machine, ON_POSTGRESQL)
    machine.run("createuser", "archimed", user="postgres")
    machine.run("createdb", "-O", "archimed", "archimed", user="postgres")
    archimed(machine, "init")
    appliance.people(machine)
    machine.run("systemctl", "disable", "postgresql")
    machine.run("systemctl", "enable", "archimed.target")
    machine.reboot(to_the_end=False)
    for unit in appliance.UNITS:
        says(machine, unit, "does not answer")
    assert appliance.dead_mounts(machine) == []
    machine.run("systemctl", "start", "postgresql", timeout=120)
    machine.wait(lambda: all_active(machine))
    assert is_mounted(machine, ARCHIVE)
    # Away again while it runs: nothing ends, and readers get an error until it is back.
    before = [machine.main_pid(unit) for unit in appliance.UNITS]
    # The cluster too: Debian's `postgresql` stands for all clusters, and does not wait for them.
    machine.run("systemctl", "stop", "postgresql", "postgresql@15-main")
    assert health(machine) == "ok\n"
    assert json.loads(health(machine, "readyz"))["ready"] is False
    assert machine.run("ls", f"{ARCHIVE}/ada/S", user="ada", check=False).returncode == 2
    machine.run("systemctl", "start", "postgresql", timeout=120)
    machine.wait(lambda: machine.run("ls", f"{ARCHIVE}/ada/S", user="ada", check=False).returncode == 0)
    machine.wait(lambda: json.loads(health(machine, "readyz"))["ready"])
    assert [machine.main_pid(unit) for unit in appliance.UNITS] == before


def test_nothing_is_written_where_a_disk_is_not_mounted(set_up: list[Path], new_machine: NewMachine) -> None:
    machine = new_machine(set_up)
    machine.boot()
    appliance.stop(machine)
    # The store moves to a disk of its own, which is then away.
    machine.run("sh", "-euc", "mkdir -p /data; mount -t tmpfs tmpfs /data; mv /var/lib/archimed/store /data/store")
    machine.write("/etc/archimed/archimed.toml", CONFIG + '[store]\npath = "/data/store"\n', 0o640)
    machine.run("chgrp", "archimed", "/etc/archimed/archimed.toml")
    appliance.add(machine, "archimed-.service", "[Service]", "ReadWritePaths=-/data")
    start(machine)
    machine.wait(lambda: all_active(machine))
    appliance.stop(machine)
    machine.run("umount", "/data")
    machine.run("chown", "archimed:archimed", "/data")  # the worst case: it could write there
    start(machine)
    for unit in ("archimed-http", "archimed-worker", "archimed-archive"):
        says(machine, unit, "its disk is not mounted")
    assert machine.run("ls", "-A", "/data").stdout == ""
    doctor = machine.run("/opt/archimed/bin/archimed", "doctor", check=False)
    assert doctor.returncode == 1
    assert "the store /data/store is not there, or its disk is not mounted" in doctor.stdout


def test_a_mount_unit_that_is_missing_keeps_everything_from_starting(set_up: list[Path], new_machine: NewMachine) -> None:
    machine = new_machine(set_up)
    machine.boot()
    appliance.stop(machine)
    machine.write("/etc/systemd/system/data.mount", "[Mount]\nWhat=/dev/disk/by-label/away\nWhere=/data\nType=ext4\n")
    machine.write("/etc/systemd/system/dev-disk-by\\x2dlabel-away.device.d/short.conf", "[Unit]\nJobTimeoutSec=1s\n")
    appliance.add(machine, "archimed-.service", "[Unit]", "RequiresMountsFor=/data/store")
    start(machine)
    says(machine, "archimed-worker", "Dependency failed")
    assert not Path(machine.root / "data/store").exists()


def test_a_port_that_is_taken_is_named(set_up: list[Path], new_machine: NewMachine) -> None:
    machine = new_machine(set_up)
    machine.boot()
    machine.run("systemctl", "stop", "archimed-http")
    machine.run("systemd-run", "--unit=other", "python3", "-m", "http.server", "8080", "--bind", "127.0.0.1")
    machine.wait(lambda: "8080" in machine.run("ss", "-ltn").stdout)
    start(machine, "archimed-http")
    says(machine, "archimed-http", "[http] port: port 8080 on 127.0.0.1 is taken by another program")
    doctor = machine.run("/opt/archimed/bin/archimed", "doctor", "--quiet", check=False).stdout
    assert "[http] port 8080 of 127.0.0.1 is taken by another program" in doctor
    machine.run("systemctl", "stop", "other")
    machine.wait(lambda: all_active(machine))


def test_without_fuse_the_rest_works_and_the_mount_says_why(set_up: list[Path], new_machine: NewMachine) -> None:
    machine = new_machine(set_up, fuse=False)
    machine.boot(to_the_end=False)
    for unit in appliance.MOUNTS:
        says(machine, unit, "/dev/fuse cannot be opened: No such file or directory; load it with `modprobe fuse`")
    machine.wait(lambda: {state.split(":")[0] for state in appliance.not_active(machine)} == set(appliance.MOUNTS))
    assert health(machine) == "ok\n"
    assert "there is no /dev/fuse" in machine.run("/opt/archimed/bin/archimed", "doctor", check=False).stdout


def test_a_configuration_that_cannot_be_used_is_told_in_the_log(set_up: list[Path], new_machine: NewMachine) -> None:
    machine = new_machine(set_up)
    machine.boot()
    appliance.stop(machine)
    machine.run("sh", "-c", "printf '[htpt]\\nport = 1\\n' >>/etc/archimed/archimed.toml")
    start(machine)
    for unit in appliance.UNITS:
        says(machine, unit, "[htpt]: unknown section; the nearest known one is [http]")
