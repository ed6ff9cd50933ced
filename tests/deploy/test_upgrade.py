"""What the role makes of an earlier release that was installed by hand, as docs/deployment.md says: nothing is lost."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy import deployed
from tests.deploy.ansible import TOP
from tests.deploy.deployed import UNITS, accept, listed, modes, send
from tests.deploy.machine import Machine

PAGE = (TOP / "docs/deployment.md").read_text(encoding="utf-8")
# The last commit before catalogues grew beyond their first revision; there were no units yet.
EARLIER = "d48bdb6"
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle of an earlier release."""
    folder = tmp_path_factory.mktemp("earlier")
    source = folder / "source"
    source.mkdir()
    git = ["git", "-c", "safe.directory=*"]
    if subprocess.run([*git, "cat-file", "-e", EARLIER], cwd=TOP, capture_output=True).returncode != 0:
        pytest.skip(f"this checkout does not reach back to {EARLIER}")
    archive = subprocess.run([*git, "archive", EARLIER], cwd=TOP, capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", source], input=archive.stdout, check=True)
    subprocess.run(
        [TOP / ".venv/bin/python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, source],
        check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    return deployed.bundle(folder, wheel)


def lines() -> list[str]:
    section = PAGE.split("\n## By hand\n")[1].split("\n## ")[0]
    blocks = re.findall(r"^```console\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    found = [line for block in blocks for line in block.splitlines()]
    assert all(line.startswith("# ") for line in found)
    return [line.removeprefix("# ") for line in found]


def installed_by_hand(machine: Machine, packed: Path, commands: list[str]) -> None:
    for file in (packed, packed.with_name(packed.name + ".sha256")):
        shutil.copy(file, machine.root / "root" / file.name)
    machine.run("sh", "-c", "\n".join(["set -ex", "cd /root", "umask 022", *commands]), timeout=400)


def test_an_upgrade_by_the_role_keeps_everything_and_there_is_no_way_back(tmp_path: Path, packed: Path, earlier: Path) -> None:
    with deployed.server(tmp_path / "machine") as made:
        # `cd` in one line is for that line only, as the page has it.
        installed_by_hand(made, earlier, [f"({line})" for line in lines()])
        made.run("sh", "-euc", """
            useradd --system --home-dir /var/lib/archimed --shell /usr/sbin/nologin archimed
            install -d -o archimed -g archimed -m 0711 /var/lib/archimed
            install -d -g archimed -m 0750 /etc/archimed
            touch /etc/archimed/archimed.toml
            cd /
            for line in 'init' 'user add ada --role standard' 'study create 2008-0003' 'grant add ada 2008-0003' \
                        'source add MR1 --ae MR_SENDER --reviewer ada'; do
                runuser -u archimed -- /opt/archimed/bin/archimed $line
            done
        """)  # fmt: skip
        _as_service(made)
        made.run(
            "systemd-run", "--unit=serving", "--uid=archimed", "--service-type=notify", "/opt/archimed/bin/archimed", "serve"
        )
        send(made, tmp_path / "sent", "1")
        accept(made, "E001")
        name = f"{deployed.STUDY}/E001/003_DCM_MR_t1_mprage_sag/00002.dcm"
        before = made.run("sh", "-c", f"{deployed.ARCHIMED} cat {name} --as ada | sha256sum").stdout
        made.run("systemctl", "stop", "serving")
        key = (made.root / "var/lib/archimed/secrets/deid.key").read_bytes()

        site = deployed.site(made, tmp_path / "site", packed, archimed_sources=deployed.PEOPLE["archimed_sources"][:0])
        site.play().require()
        made.wait(lambda: all(made.unit(unit, "ActiveState") == "active" for unit in UNITS), 100)
        assert made.run("sh", "-c", f"{deployed.ARCHIMED} cat {name} --as ada | sha256sum").stdout == before
        # The key that the earlier release kept in its own folder is the one that the worker is handed now.
        assert (made.root / "etc/archimed/deid.key").read_bytes() == key
        assert modes(made, "/etc/archimed/deid.key") == {"/etc/archimed/deid.key": "root:root 600"}
        assert made.run("sha256sum", f"/srv/archive/ada/{name}", user="ada").stdout.split()[0] == before.split()[0]
        assert [found["exam"] for found in listed(made, "staging", "list", "--as", "ada")] == ["E001"]
        (backup,) = (made.root / "var/lib/archimed/backups").iterdir()
        assert backup.name.endswith(".db")
        assert modes(made, "/var/lib/archimed/backups")[f"/var/lib/archimed/backups/{backup.name}"] == "archimed:archimed 600"
        assert site.play().require().what_changed == []

        back = site.play(archimed_bundle=str(earlier))
        assert back.failed == 1
        assert "a catalogue goes forward only. Nothing was stopped." in " ".join(back.output.split())
        assert "archimed : Stop the archive" not in back.output
        assert [made.unit(unit, "ActiveState") for unit in UNITS] == ["active"] * len(UNITS)
        about = json.loads((made.root / "opt/archimed-releases" / _current(made) / "bundle.json").read_text())
        assert about["release"] == _current(made)
    shutil.rmtree(tmp_path / "machine")


def _current(machine: Machine) -> str:
    return machine.run("readlink", "/opt/archimed").stdout.strip().rpartition("/")[2]


def _as_service(machine: Machine) -> None:
    """Let `archimed` act as the service's account, as the role's own command does."""
    machine.write("/usr/local/bin/archimed", '#!/bin/sh\nexec runuser -u archimed -- /opt/archimed/bin/archimed "$@"\n', 0o755)
