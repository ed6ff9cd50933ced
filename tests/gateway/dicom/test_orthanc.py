"""Orthanc both ways: it sends and asks for storage commitment, queries and retrieves, and is sent to."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog import administration
from catalog.exchange import queue_files
from catalog.gate.receive.commitments import Commitments
from catalog.jobs import Queue, Worker, worker_name
from gateway.dicom import Caller
from gateway.dicom.sending import files_below
from gateway.wiring import delivery_handlers
from tests.builders import BuiltArchive
from tests.catalog.gate.conftest import STUDY, Gate, gate, intake, staging  # noqa: F401 - fixtures
from tests.gateway.dicom.node import ROOT, Node, free_port, serving
from tests.synthetic import image

PROGRAM = shutil.which("Orthanc", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="Orthanc is not installed: apt-get install orthanc")


class Orthanc:
    """A running Orthanc, beside a receiver on a gate's archive, which knows it as a source and as a node."""

    def __init__(self, node: Node, port: int, dicom: int) -> None:
        self.node, self.gate, self.dicom = node, node.gate, dicom
        self._url = f"http://127.0.0.1:{port}"
        queue = Queue(self.gate.database, worker_name())
        commitments = Commitments(self.gate.database, self.gate.staging)
        handlers = delivery_handlers(self.gate.database, self.gate.built.archive, commitments, queue, Caller("ARCHIMED"))
        self.worker = Worker(self.gate.database, queue, handlers)

    def ask(self, path: str, body: bytes | None = None) -> Any:
        with urllib.request.urlopen(f"{self._url}{path}", body, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def post(self, path: str, body: object) -> Any:
        return self.ask(path, json.dumps(body).encode())

    def work(self) -> bool:
        return self.worker.run_one(threading.Event())


@pytest.fixture
def built_anywhere(built: BuiltArchive) -> BuiltArchive:
    """Give one database: the other one shows Orthanc nothing else."""
    return built


@pytest.fixture
def orthanc(gate: Gate, tmp_path: Path) -> Iterator[Orthanc]:  # noqa: F811 - the fixture
    folder = tmp_path / "orthanc"
    folder.mkdir()
    with serving(gate, folder) as node:
        port, dicom = free_port(), free_port()
        settings = {
            "StorageDirectory": str(folder / "db"), "IndexDirectory": str(folder / "db"), "HttpPort": port, "DicomPort": dicom,
            "DicomAet": "ORTHANC", "DicomCheckCalledAet": False, "DicomAlwaysAllowStore": True, "AuthenticationEnabled": False,
            "RemoteAccessAllowed": False, "DicomModalities": {"archive": ["ARCHIMED", "127.0.0.1", node.port]}, "Plugins": [],
        }  # fmt: skip
        (folder / "orthanc.json").write_text(json.dumps(settings))
        command = [PROGRAM or "", str(folder / "orthanc.json")]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            running = Orthanc(node, port, dicom)
            while True:
                assert process.poll() is None
                with contextlib.suppress(urllib.error.URLError, ConnectionError):
                    running.ask("/system")
                    socket.create_connection(("127.0.0.1", dicom)).close()
                    break
            yield running
        finally:
            process.terminate()
            process.wait()


def test_orthanc_sends_and_is_told_what_it_may_delete(orthanc: Orthanc) -> None:
    administration.add_source(
        orthanc.gate.database, ROOT, "PACS", ae_title="ORTHANC", host="127.0.0.1", port=orthanc.dicom, reviewers=["ada"]
    )
    sent = [orthanc.ask("/instances", image(instance=number))["ID"] for number in (1, 2)]
    orthanc.post("/modalities/archive/store", sent)
    known = [orthanc.ask(f"/instances/{one}/simplified-tags") for one in sent]
    named = [{"SOPClassUID": tags["SOPClassUID"], "SOPInstanceUID": tags["SOPInstanceUID"]} for tags in known]
    never = {"SOPClassUID": named[0]["SOPClassUID"], "SOPInstanceUID": "1.2.3.4"}
    asked = orthanc.post("/modalities/archive/storage-commitment", {"DicomInstances": [*named, never]})
    assert orthanc.work()
    report = orthanc.ask(f"/storage-commitment/{asked['ID']}")
    assert report["Status"] == "Failure"
    assert len(report["Success"]) == 2
    assert [one["SOPInstanceUID"] for one in report["Failures"]] == ["1.2.3.4"]


def test_orthanc_queries_retrieves_and_is_sent_to(orthanc: Orthanc) -> None:
    gate = orthanc.gate  # noqa: F811 - the fixture's
    gate.published(*(image(instance=number) for number in (1, 2)), exam="E001")
    gate.published(image(study="3", patient_id="4713"), exam="E003")
    orthanc.node.add("ORTHANC", port=orthanc.dicom, login="ada")
    found = orthanc.post("/modalities/archive/query", {"Level": "Study", "Query": {"PatientID": "E001"}})
    assert len(orthanc.ask(f"/queries/{found['ID']}/answers")) == 1
    orthanc.ask(f"/queries/{found['ID']}/retrieve", b"ORTHANC")
    assert len(orthanc.ask("/instances")) == 2
    (target,) = administration.list_nodes(gate.database)
    files = [(node.id.row, path) for path, node in files_below(gate.view(), f"{STUDY}/E003")]
    with gate.database.write() as connection:
        user = administration.principal(gate.database, "ada").user_id
        queue_files(connection, target.id, target.name, user, "ada", files)
    assert orthanc.work()
    assert len(orthanc.ask("/instances")) == 3
