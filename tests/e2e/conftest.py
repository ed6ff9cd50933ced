"""A whole appliance on loopback, driven only from outside: by its command line, its ports and its mount."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
READY = re.compile(r"ready http=127\.0\.0\.1:(\d+) dicom=127\.0\.0\.1:(\d+)")


@dataclass
class Appliance:
    """An archive in a folder, with `archimed serve` running over it."""

    folder: Path
    serving: subprocess.Popen[str] | None = None
    http: int = 0
    dicom: int = 0
    mounts: list[Path] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"ARCHIMED_CONFIG": str(self.folder / "archimed.toml"), "PYTHONPATH": str(PROJECT)}

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `archimed` and return what it said."""
        return subprocess.run(
            [sys.executable, "-m", "gateway.cli", *arguments],
            env=self.environment, check=check, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    def json(self, *arguments: str) -> list[dict] | dict:
        """Run `archimed ... --json` and return the value."""
        return json.loads(self.run(*arguments, "--json").stdout)

    def start(self) -> None:
        """Start all three parts and wait until they accept work."""
        with (self.folder / "log").open("a") as log:
            self.serving = subprocess.Popen(
                [sys.executable, "-m", "gateway.cli", "serve"],
                env=self.environment, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        assert self.serving.stdout is not None
        line = self.serving.stdout.readline()
        found = READY.match(line)
        assert found, (line, (self.folder / "log").read_text())
        self.http, self.dicom = int(found[1]), int(found[2])

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop serving and return the exit status."""
        if self.serving is None:
            return 0
        self.serving.send_signal(how)
        status = self.serving.wait(timeout=60)
        self.serving.stdout.close()  # type: ignore[union-attr] # it is a pipe
        self.serving = None
        return status

    def mount(self, login: str, name: str = "mnt") -> Path:
        """Mount the archive for a user."""
        place = self.folder / name
        place.mkdir()
        self.run("mount", str(place), "--user", login)
        self.mounts.append(place)
        return place

    def store(self, *files: Path, sender: str = "SCANNER1", program: str = "storescu") -> subprocess.CompletedProcess[str]:
        """Send files with DCMTK."""
        return subprocess.run(
            [program, "-aet", sender, "-aec", "ARCHIMED", "127.0.0.1", str(self.dicom), "+sd", "+r", *map(str, files)],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    def publish(self, exam: str, study: str = "2008-0003") -> int:
        """Seal, accept and publish the newest batch; return its number."""
        number = self.json("staging", "list")[-1]["id"]
        self.run("staging", "seal", str(number), "--as", "ada")
        self.run("staging", "accept", str(number), "--study", study, "--exam", exam, "--as", "ada", "--wait")
        return number

    def end(self) -> None:
        """Unmount everything and stop serving."""
        for place in self.mounts:
            subprocess.run(["fusermount3", "-u", str(place)], check=True)
        self.stop()


@pytest.fixture
def appliance(tmp_path: Path) -> Iterator[Appliance]:
    """Give a running appliance with a study, a reviewer, a reader without grant, and a source."""
    made = Appliance(tmp_path)
    (tmp_path / "archimed.toml").write_text(
        f'[catalog]\nurl = "sqlite:///{tmp_path}/var/catalog.db"\n[store]\npath = "var/store"\n'
        '[staging]\npath = "var/staging"\nquiet_seconds = 600\n[deid]\nkey_file = "var/deid.key"\n'
        "[http]\nport = 0\nworkers = 1\nthreads = 4\n[dicom]\nport = 0\n"
    )
    made.run("init")
    made.run("study", "create", "2008-0003", "--description", "Knee study")
    made.run("user", "add", "ada", "--role", "standard")
    made.run("user", "add", "eve", "--role", "standard")
    made.run("grant", "add", "ada", "2008-0003")
    made.run("source", "add", "MR1", "--ae", "SCANNER1", "--reviewer", "ada")
    made.start()
    try:
        yield made
    finally:
        made.end()
