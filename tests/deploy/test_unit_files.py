"""The units as files: how exposed systemd takes them to be, and what each of them must say."""

from configparser import RawConfigParser
from pathlib import Path

import pytest

from tests.deploy.appliance import exposure

UNITS = sorted(Path(__file__).parents[2].joinpath("systemd").glob("*.service"))
MOUNTS = [unit for unit in UNITS if "archimed-fuse-mount" in unit.read_text()]
DAEMONS = [unit for unit in UNITS if "archimed serve" in unit.read_text()]
TARGET = Path(__file__).parents[2] / "systemd" / "archimed.target"


def lines(unit: Path) -> list[str]:
    return [line for line in unit.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("unit", DAEMONS, ids=lambda unit: unit.stem)
def test_a_network_daemon_is_little_exposed(unit: Path) -> None:
    assert exposure(unit) <= 1.5


@pytest.mark.parametrize("unit", MOUNTS, ids=lambda unit: unit.stem)
def test_a_mount_is_hardly_exposed(unit: Path) -> None:
    assert exposure(unit) <= 1.0


@pytest.mark.parametrize("unit", [*DAEMONS, *MOUNTS], ids=lambda unit: unit.stem)
def test_every_service_is_watched_restarted_for_ever_and_belongs_to_the_target(unit: Path) -> None:
    said = set(lines(unit))
    assert {"Type=notify", "Restart=always", "StartLimitIntervalSec=0", "User=archimed", "PartOf=archimed.target"} <= said
    assert {"LimitCORE=0", "UMask=0077", "StateDirectory=archimed"} <= said
    assert any(line.startswith("WatchdogSec=") for line in said)
    parser = RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # as configparser's documentation says
    parser.read(TARGET)
    assert unit.name in parser["Unit"]["Wants"].split()


def test_only_the_worker_may_write_to_the_store_and_know_the_key() -> None:
    for unit in [*DAEMONS, *MOUNTS]:
        text = unit.read_text(encoding="utf-8")
        is_worker = unit.stem == "archimed-worker"
        assert ("deid.key" in text) == is_worker
        assert ("InaccessiblePaths=-/var/lib/archimed/secrets" in text) != is_worker
        assert any(f"{kind}=-/var/lib/archimed/store" in text for kind in ("ReadOnlyPaths", "InaccessiblePaths")) != is_worker
