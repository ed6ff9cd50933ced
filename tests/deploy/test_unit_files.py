"""The units as files: how exposed systemd takes them to be, and what each of them must say."""

import re
from pathlib import Path

import pytest

from tests.deploy.appliance import exposure

TOP = Path(__file__).parents[2]
UNITS = sorted(TOP.joinpath("systemd").glob("*.service"))
MOUNTS = [unit for unit in UNITS if "archimed-fuse-mount" in unit.read_text()]
DAEMONS = [unit for unit in UNITS if "archimed serve" in unit.read_text()]
PERIODIC = [unit for unit in UNITS if "Type=oneshot" in unit.read_text()]
TARGET = TOP / "systemd" / "archimed.target"


def lines(unit: Path) -> list[str]:
    return [line for line in unit.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("unit", DAEMONS, ids=lambda unit: unit.stem)
def test_a_network_daemon_is_little_exposed(unit: Path) -> None:
    assert exposure(unit) <= 1.5


@pytest.mark.parametrize("unit", MOUNTS, ids=lambda unit: unit.stem)
def test_a_mount_is_hardly_exposed(unit: Path) -> None:
    assert exposure(unit) <= 1.0


def test_every_unit_is_of_a_kind_that_these_tests_know() -> None:
    assert sorted([*DAEMONS, *MOUNTS, *PERIODIC]) == UNITS


@pytest.mark.parametrize("unit", PERIODIC, ids=lambda unit: unit.stem)
def test_what_runs_now_and_then_is_little_exposed_and_has_a_timer_of_the_targets(unit: Path) -> None:
    assert exposure(unit) <= 1.5
    assert "PartOf=archimed.target" in lines(unit.with_suffix(".timer"))
    assert unit.with_suffix(".timer").name in TARGET.read_text(encoding="utf-8")


@pytest.mark.parametrize("unit", [*DAEMONS, *MOUNTS], ids=lambda unit: unit.stem)
def test_every_service_is_watched_restarted_for_ever_and_belongs_to_the_target(unit: Path) -> None:
    said = set(lines(unit))
    assert {"Type=notify", "Restart=always", "StartLimitIntervalSec=0", "User=archimed", "PartOf=archimed.target"} <= said
    assert {"LimitCORE=0", "UMask=0077", "StateDirectory=archimed"} <= said
    assert any(line.startswith("WatchdogSec=") for line in said)
    assert unit.name in " ".join(line.removeprefix("Wants=") for line in lines(TARGET)).split()


def test_only_the_worker_knows_the_key_and_only_it_and_verification_write_to_the_store() -> None:
    for unit in UNITS:
        if unit.stem == "archimed-doctor":  # it looks whether the key is there, and whether others may read it
            continue
        text = unit.read_text(encoding="utf-8")
        is_worker = unit.stem == "archimed-worker"
        assert ("deid.key" in text) == is_worker
        assert ("InaccessiblePaths=-/var/lib/archimed/secrets" in text) != is_worker
        may_write = is_worker or unit.stem == "archimed-verify"  # which sets damaged objects aside
        assert any(f"{kind}=-/var/lib/archimed/store" in text for kind in ("ReadOnlyPaths", "InaccessiblePaths")) != may_write


def test_only_who_asks_pam_may_read_the_systems_passwords() -> None:
    for unit in UNITS:
        assert "shadow" not in " ".join(lines(unit))
        assert "SystemCallFilter=setuid" not in lines(unit)
    assert "SupplementaryGroups=shadow" in lines(TOP / "systemd/archimed-http.service.d/pam.conf")


def test_no_password_but_the_catalogues_is_handed_to_two() -> None:
    told = {unit.stem: set(re.findall(r"^LoadCredential=([^:]+):", unit.read_text(), re.MULTILINE)) for unit in UNITS}
    assert [unit for unit, names in told.items() if "ldap-password" in names] == ["archimed-http"]
    assert [unit for unit, names in told.items() if "deid.key" in names] == ["archimed-worker"]
