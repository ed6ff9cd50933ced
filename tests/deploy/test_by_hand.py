"""What docs/operations.md tells an administrator to type, typed."""

import re
from pathlib import Path

from tests.deploy import appliance
from tests.deploy.conftest import NewMachine

PAGE = Path(__file__).parents[2].joinpath("docs", "operations.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_setting_it_up_by_hand(installed: list[Path], new_machine: NewMachine) -> None:
    machine = new_machine(installed)
    machine.boot()
    (commands,) = blocks("sh")
    said = machine.run("sh", "-eu", text=commands, timeout=300)
    assert "BAD" not in said.stdout
    assert appliance.not_active(machine) == []
    modes = machine.run(
        "stat", "-c", "%U:%G %a %n", "/etc/archimed", "/etc/archimed/archimed.toml", "/etc/archimed/deid.key",
        "/var/lib/archimed", "/var/lib/archimed/catalog.db", "/var/lib/archimed/store", "/var/lib/archimed/staging",
    ).stdout.splitlines()  # fmt: skip
    assert modes == [
        "root:archimed 750 /etc/archimed",
        "root:archimed 640 /etc/archimed/archimed.toml",
        "root:root 600 /etc/archimed/deid.key",
        "archimed:archimed 711 /var/lib/archimed",
        "archimed:archimed 600 /var/lib/archimed/catalog.db",
        "archimed:archimed 700 /var/lib/archimed/store",
        "archimed:archimed 700 /var/lib/archimed/staging",
    ]


def test_every_drop_in_is_understood_by_systemd(installed: list[Path], new_machine: NewMachine) -> None:
    machine = new_machine(installed)
    machine.boot()
    appliance.install(machine)
    texts = blocks("ini")
    assert len(texts) == 5
    for text, unit in zip(texts, ("worker", "http", "dicom", "worker", "archive"), strict=True):
        appliance.add(machine, f"archimed-{unit}.service", text)
        said = machine.run("systemd-analyze", "verify", "--man=no", f"archimed-{unit}.service", check=False)
        assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_the_port_below_1024_of_the_page(set_up: list[Path], new_machine: NewMachine) -> None:
    machine = new_machine(set_up)
    machine.boot()
    (text,) = [text for text in blocks("ini") if "port 104" in text]
    appliance.add(machine, "archimed-dicom.service", text)
    machine.run("sh", "-c", "printf '[dicom]\\nport = 104\\n' >>/etc/archimed/archimed.toml")
    machine.run("systemctl", "restart", "archimed-dicom", timeout=120)
    assert "127.0.0.1:104 " in machine.run("ss", "-ltn").stdout
