"""The role as a sysadmin runs it: `ansible-playbook` of .venv-deploy against a booted machine, over a line instead of SSH.

A machine of the tests has no network; Ansible believes in an `ssh` that enters the machine's namespaces instead.
"""

import json
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deploy.machine import Machine

TOP = Path(__file__).parents[2]
PROGRAMS = TOP / ".venv-deploy/bin"
NAME = "archive.example.org"
_RECAP = re.compile(r"ok=(\d+) +changed=(\d+) +unreachable=(\d+) +failed=(\d+)")


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a run: its output, its counts, and how long it took."""

    status: int
    output: str
    changed: int
    failed: int
    seconds: float

    def require(self) -> "Played":
        """Fail with the output unless the run went well."""
        assert self.status == 0, self.output[-6000:]
        assert self.failed == 0, self.output[-6000:]
        return self

    @property
    def what_changed(self) -> list[str]:
        """The names of the tasks that changed something."""
        task, found = "", []
        for line in self.output.splitlines():
            if line.startswith(("TASK [", "RUNNING HANDLER [")):
                task = line.partition("[")[2].partition("]")[0]
            elif line.startswith("changed:"):
                found.append(task)
        return found


class Site:
    """A machine with the variables that its inventory gives it.

    Args:
        machine: where the role runs.
        folder: for inventory and line; must be empty.
        variables: the inventory's.
    """

    def __init__(self, machine: Machine, folder: Path, variables: Mapping[str, Any]) -> None:
        self.machine = machine
        self.variables = dict(variables)
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def play(self, *options: str, **variables: object) -> Played:
        """Run the playbook; `variables` stand over the inventory's for this run."""
        line = self._folder / "ssh"
        enter = " ".join(self.machine.enter)
        line.write_text(
            "#!/bin/sh\n# The last word is the command; who and how come before it.\nfor command; do :; done\n"
            f'exec {enter} env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c "$command"\n'
        )
        line.chmod(0o755)
        host = {
            "ansible_connection": "ssh", "ansible_ssh_executable": str(line), "ansible_ssh_transfer_method": "piped",
            "ansible_python_interpreter": "/usr/bin/python3", "ansible_become": False,
            **self.variables, **variables,
        }  # fmt: skip
        inventory = self._folder / "hosts.json"
        inventory.write_text(json.dumps({"archimed": {"hosts": {NAME: host}}}))
        began = time.monotonic()
        done = subprocess.run(
            [PROGRAMS / "ansible-playbook", "--inventory", inventory, "site.yml", *options],
            cwd=TOP / "ansible", capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL,
            env={
                "PATH": f"{PROGRAMS}:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(self._folder), "LC_ALL": "C.UTF-8",
                "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCAL_TEMP": str(self._folder / "tmp"), "ANSIBLE_FORCE_COLOR": "0",
            },
        )  # fmt: skip
        output = done.stdout + done.stderr
        recap = _RECAP.search(output)
        changed, failed = (int(recap[2]), int(recap[3]) + int(recap[4])) if recap else (0, 1)
        return Played(done.returncode, output, changed, failed, time.monotonic() - began)
