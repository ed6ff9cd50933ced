"""DICOMweb beside Orthanc with its plug-in, both with the same 500 published images, in one run; see `benchmarks/dicomweb.md`.

    nice .venv/bin/python -m benchmarks.dicomweb [--rounds 5]

Needs Debian's orthanc and orthanc-dicomweb. Each request is made on a kept connection; figures are medians, the two in turns.
"""

import argparse
import base64
import contextlib
import http.client
import json
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from catalog.gate.receive.intake import Intake
from catalog.gate.staged.area import Staging
from tests.builders import built_in
from tests.catalog.gate.conftest import STUDY, Gate
from tests.gateway.http.serving import Serving
from tests.synthetic import image

STUDIES, IMAGES, SIDE = 5, 100, 256
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
JSON = "application/dicom+json"
STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
FRAME = 'multipart/related; type="application/octet-stream"'


@dataclass
class Server:
    """A running server: where it is, below which path, and what logs in."""

    name: str
    port: int
    root: str
    headers: Mapping[str, str]

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def get(self, path: str, accept: str) -> bytes:
        try:
            self._connection.request("GET", self.root + path, headers={"Accept": accept, **self.headers})
            answer = self._connection.getresponse()
        except http.client.RemoteDisconnected:  # it was kept for long enough
            self._connection.close()
            return self.get(path, accept)
        body = answer.read()
        assert answer.status == 200, (self.name, path, answer.status, body[:200])
        return body


def fill(gate: Gate) -> None:
    noise = np.random.default_rng(1)
    for study in range(STUDIES):
        pixels = [noise.integers(0, 4096, SIDE * SIDE, dtype=np.uint16).tobytes() for _ in range(IMAGES)]
        images = [
            image(
                study=str(study + 1), series=3 + number % 2, instance=number + 1, patient_id=f"P{study}", pixels=data,
                Rows=SIDE, Columns=SIDE,
            )
            for number, data in enumerate(pixels)
        ]  # fmt: skip
        gate.published(*images, exam=f"E{study + 1:03}")


def published(gate: Gate) -> Iterator[bytes]:
    view = gate.view()
    for exam in view.walk(view.resolve(STUDY).id):
        for series in view.walk(exam.id):
            for node in view.walk(series.id):
                opened = view.open(node.id)
                yield opened.read_at(0, node.size)
                opened.close()


@contextlib.contextmanager
def orthanc(folder: Path, files: Iterator[bytes]) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        port, dicom = one.getsockname()[1], two.getsockname()[1]
    settings = {
        "StorageDirectory": str(folder / "db"), "IndexDirectory": str(folder / "db"), "HttpPort": port, "DicomPort": dicom,
        "Plugins": [str(PLUGIN)], "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "KeepAlive": True,
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings))
    process = subprocess.Popen(
        ["/usr/sbin/Orthanc", str(folder / "orthanc.json")], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        server = Server("orthanc", port, "/dicom-web", {})
        while True:
            with contextlib.suppress(OSError, AssertionError):
                server.get("/studies", JSON)
                break
            server = Server("orthanc", port, "/dicom-web", {})
            assert process.poll() is None
            time.sleep(0.2)
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for data in files:
            connection.request("POST", "/instances", data)
            assert connection.getresponse().read()
        yield server
    finally:
        process.terminate()
        process.wait()


def rows(server: Server) -> dict[str, tuple[str, str]]:
    """Return what is measured: name -> path and Accept."""
    studies = json.loads(server.get("/studies?PatientID=E001", JSON))
    study = studies[0]["0020000D"]["Value"][0]
    series = json.loads(server.get(f"/studies/{study}/series", JSON))[0]["0020000E"]["Value"][0]
    below = f"/studies/{study}/series/{series}"
    instance = json.loads(server.get(f"{below}/instances", JSON))[0]["00080018"]["Value"][0]
    return {
        f"studies ({STUDIES})": ("/studies", JSON),
        "studies by PatientID": ("/studies?PatientID=E001", JSON),
        "series of a study (2)": (f"/studies/{study}/series", JSON),
        "instances of a series (50)": (f"{below}/instances", JSON),
        "instances?limit=500": ("/instances?limit=500", JSON),
        "series metadata (50)": (f"{below}/metadata", JSON),
        "study metadata (100)": (f"/studies/{study}/metadata", JSON),
        "series, as stored (50)": (below, STORED),
        "study, as stored (100)": (f"/studies/{study}", STORED),
        "one frame": (f"{below}/instances/{instance}/frames/1", FRAME),
        "rendered PNG": (f"{below}/instances/{instance}/rendered", "image/png"),
    }


def measure(server: Server, path: str, accept: str) -> tuple[float, int]:
    begun = time.perf_counter()
    size = len(server.get(path, accept))
    return (time.perf_counter() - begun) * 1000, size


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with built_in(folder / "built" if (folder / "built").mkdir() is None else folder) as built:
            staging = Staging(built.folder / "var" / "staging")
            staging.prepare()
            intake = Intake(built.database, staging)
            gate = Gate(built, staging, intake)
            fill(gate)
            (folder / "orthanc").mkdir()
            with Serving(built, login="ada", threads=8) as serving, orthanc(folder / "orthanc", published(gate)) as peer:
                login = base64.b64encode(f"ada:{serving.token}".encode()).decode()
                ours = Server("archimed", serving.port, "/dicomweb", {"Authorization": f"Basic {login}"})
                _report(ours, peer, rounds)
            intake.close()


def _report(ours: Server, peer: Server, rounds: int) -> None:
    mine, theirs = rows(ours), rows(peer)
    table = Table("request", "bytes", "first, ms", "archimed, ms", "orthanc, ms", "times as fast")
    for name in mine:
        first, size = measure(ours, *mine[name])
        measure(peer, *theirs[name])
        pairs = [(measure(ours, *mine[name])[0], measure(peer, *theirs[name])[0]) for _ in range(rounds)]
        here, there = (statistics.median(column) for column in zip(*pairs, strict=True))
        table.add_row(name, f"{size:,}", f"{first:.0f}", f"{here:.1f}", f"{there:.1f}", f"{there / here:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
