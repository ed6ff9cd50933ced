"""The role on Debian 13, with its Python, PAM and PostgreSQL; in this order, on one machine."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import deployed, images
from tests.deploy.ansible import Site
from tests.deploy.deployed import STUDY, UNITS, accept, curl, outside, send

VARIABLES = {"archimed_postgresql": True, "archimed_nginx": True, "archimed_pam": True, **deployed.PEOPLE}
FILE = f"{STUDY}/E001/003_DCM_MR_t1_mprage_sag/00001.dcm"
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("debian13")


@pytest.fixture(scope="module")
def site(place: Path, packed: Path) -> Iterator[Site]:
    bundle = images.bundle(images.TRIXIE, deployed.wheel_of(packed, place), place / "bundle")
    with deployed.server(place / "machine", suite=images.TRIXIE) as made:
        yield deployed.site(made, place / "site", bundle, **VARIABLES)
    shutil.rmtree(place / "machine")


@pytest.fixture
def authority(site: Site) -> Path:
    return site.machine.root / "etc/archimed/tls/ca.pem"


def test_a_bundle_for_another_release_is_refused_before_anything_changes(site: Site, packed: Path) -> None:
    played = site.play(archimed_bundle=str(packed))
    assert (played.failed, played.changed) == (1, 0)
    assert "the bundle was made on debian 12, for Python 3.11 on x86_64; this machine is Debian 13" in " ".join(
        played.output.split()
    )


def test_converges_with_every_unit_at_work(site: Site) -> None:
    assert site.machine.run("sh", "-c", ". /etc/os-release && echo $VERSION_ID").stdout == "13\n"
    played = site.play().require()
    print(f"converge: {played.seconds:.1f} s")
    assert [site.machine.unit(unit, "ActiveState") for unit in UNITS] == ["active"] * len(UNITS)
    assert site.machine.run("systemctl", "--failed", "--plain", "--no-legend").stdout == ""
    assert site.machine.run("/opt/archimed/bin/python", "--version").stdout.startswith("Python 3.13.")
    said = site.machine.run(
        "sh", "-c", "cd /etc/systemd/system && systemd-analyze verify --man=no archimed*.service", check=False
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_the_second_run_changes_nothing(site: Site) -> None:
    assert site.play().require().what_changed == []


def test_unix_users_log_in_through_the_web_server(site: Site, authority: Path) -> None:
    def asked(login: str, *more: str) -> str:
        return curl(site.machine, authority, f"/archive/{STUDY}/", login, *more, "-o", "/dev/null", "-w", "%{http_code}").stdout

    assert asked("ada") == "200"
    assert asked("lea") == "404"
    assert asked("ada", "--user", "ada:secret-of-lea") == "401"


def test_what_a_scanner_sends_is_read_by_those_who_may(site: Site, place: Path, authority: Path) -> None:
    send(site.machine, place / "sent", "1")
    accept(site.machine, "E001")
    copied = place / "by-webdav.dcm"
    curl(site.machine, authority, f"/archive/{FILE}", "ada", "--fail", "--output", str(copied))
    mounted = site.machine.run("sha256sum", f"/srv/archive/ada/{FILE}", user="ada").stdout
    assert mounted.split()[0] == outside(site.machine, "sha256sum", copied).stdout.split()[0]
    assert site.machine.run("cat", f"/srv/archive/lea/{FILE}", user="lea", check=False).returncode == 1
