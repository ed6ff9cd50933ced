"""Seconds on a booted machine: from boot to ready, and until each part is back after kill -9. benchmarks/deploy.md explains.

Usage: python -m benchmarks.deploy [ROUNDS]      as root, where `make test-deploy` works
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.deploy import appliance, images
from tests.deploy.conftest import install_program
from tests.deploy.machine import Machine

# What is compared with: the same restart, of a service that does nothing.
PEER = "[Service]\nExecStart=/usr/bin/sleep infinity\nRestart=always\nRestartSec=1s\n"


def main(rounds: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="archimed-deploy-"))
    try:
        with Machine(folder / "machine", images.debian("postgresql")) as machine:
            machine.boot()
            install_program(machine, wheels(folder / "wheels"))
            appliance.install(machine)
            appliance.archimed(machine, "init")
            appliance.people(machine)
            machine.write("/etc/systemd/system/peer.service", PEER)
            machine.run("systemctl", "daemon-reload")
            machine.run("systemctl", "start", "peer")
            machine.run("systemctl", "enable", "--now", "archimed.target", timeout=300)
            measure(machine, rounds)
    finally:
        shutil.rmtree(folder)


def wheels(folder: Path) -> Path:
    folder.mkdir()
    for wheel in images.wheels().glob("*.whl"):
        if not wheel.name.startswith("archimed-"):
            (folder / wheel.name).symlink_to(wheel)
    images.archimed_wheel(folder)
    return folder


def measure(machine: Machine, rounds: int) -> None:
    boots = []
    for _ in range(rounds):
        bare = machine.reboot()
        boots.append((bare, bare + machine.wait(lambda: appliance.all_active(machine))))
    machine.run("systemctl", "start", "peer")
    print(
        f"boot: {median([bare for bare, _ in boots])} s; until every part is ready: {median([ready for _, ready in boots])} s"
    )
    peer = [recovery(machine, "peer") for _ in range(rounds)]
    print(f"back after kill -9: {median(peer)} s for a service that only sleeps")
    for unit in appliance.UNITS:
        took = [recovery(machine, unit) for _ in range(rounds)]
        print(f"{unit}: {median(took)} s, {statistics.median(took) / statistics.median(peer):.1f} times the peer")
    for unit in sorted(Path("systemd").glob("*.service")):
        print(f"{unit.stem}: exposure {appliance.exposure(unit)}")


def recovery(machine: Machine, unit: str) -> float:
    before = machine.main_pid(unit)
    machine.run("kill", "-KILL", str(before))
    return machine.wait(lambda: machine.main_pid(unit) not in {0, before} and machine.unit(unit, "ActiveState") == "active")


def median(values: list[float]) -> str:
    return f"{statistics.median(values):.1f}"


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.cmd[0]} failed")
