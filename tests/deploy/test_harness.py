"""The machines themselves: they boot, keep what was written, have nothing in common, and go."""

from pathlib import Path

from tests.deploy.conftest import NewMachine


def test_boots_with_no_failed_unit_and_keeps_what_was_written_over_a_reboot(
    debian: list[Path], new_machine: NewMachine
) -> None:
    machine = new_machine(debian)
    machine.boot()
    assert machine.run("systemctl", "--failed", "--plain", "--no-legend").stdout == ""
    machine.write("/etc/kept", "kept")
    first = machine.run("cat", "/proc/sys/kernel/random/boot_id", "/proc/1/stat").stdout
    machine.reboot()
    assert machine.run("cat", "/etc/kept").stdout == "kept"
    assert machine.run("cat", "/proc/sys/kernel/random/boot_id", "/proc/1/stat").stdout != first


def test_two_machines_disturb_each_other_in_nothing(debian: list[Path], new_machine: NewMachine) -> None:
    one, other = new_machine(debian), new_machine(debian)
    one.boot()
    one.run("systemd-run", "--unit=sleeper", "sleep", "1000")
    other.boot()
    other.run("systemd-run", "--unit=sleeper", "sleep", "1000")
    one.power_off()
    assert other.unit("sleeper", "ActiveState") == "active"
    assert "lo" in other.run("ip", "-br", "link").stdout
    assert len(other.run("ip", "-br", "link").stdout.splitlines()) <= 3  # lo, and what the kernel adds to each network


def test_the_program_runs_where_it_was_installed_without_a_network(installed: list[Path], new_machine: NewMachine) -> None:
    machine = new_machine(installed)
    machine.boot()
    assert machine.run("/opt/archimed/bin/archimed", "--version").stdout.startswith("archimed ")
    assert machine.run("ls", "-l", "/dev/fuse").stdout.startswith("crw-rw-rw-")


def test_runs_as_another_user_and_without_fuse(debian: list[Path], new_machine: NewMachine) -> None:
    machine = new_machine(debian, fuse=False)
    machine.boot()
    assert machine.run("id", "-un", user="daemon").stdout == "daemon\n"
    assert machine.run("test", "-e", "/dev/fuse", check=False).returncode == 1
