"""Storage commitment with pynetdicom as the device: asked for, reported on our own association, for what is durable alone."""

import os
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydicom import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import MRImageStorage, StorageCommitmentPushModel, StorageCommitmentPushModelInstance

from catalog import administration
from catalog.database.tables import audit, jobs, staged_files
from catalog.exchange import find_delivery
from catalog.gate.receive.commitments import Commitments, Reference, Request
from catalog.gate.receive.intake import SourceRef
from catalog.jobs import Queue, Worker, list_jobs, show_job, worker_name
from catalog.pure.jobs import JobState
from gateway.dicom import Caller
from gateway.dicom.commitment import read_request, report_data
from gateway.wiring import delivery_handlers
from tests.catalog.gate.conftest import Gate, gate, intake, staging  # noqa: F401 - fixtures
from tests.gateway.dicom.node import ROOT, Node, free_port, serving
from tests.synthetic import image

Reports = "queue.Queue[tuple[int, Dataset]]"


class Device:
    """The source MR1, which asks and is called back."""

    def __init__(self, gate: Gate, node: Node) -> None:  # noqa: F811 - the fixture
        self.gate, self.node = gate, node
        self.port = free_port()
        self.reports: queue.Queue[tuple[int, Dataset]] = queue.Queue()
        self.commitments = Commitments(gate.database, gate.staging)
        jobs_queue = Queue(gate.database, worker_name())
        handlers = delivery_handlers(
            gate.database, gate.built.archive, self.commitments, jobs_queue, Caller("ARCHIMED")
        )  # fmt: skip
        self.worker = Worker(gate.database, jobs_queue, handlers)

    @contextmanager
    def listening(self, status: int = 0) -> Iterator[None]:
        """Take reports, as the provider of nothing: we are called by one that is."""

        def handle(event: evt.Event) -> tuple[int, None]:
            self.reports.put((event.request.EventTypeID, event.event_information))
            return status, None

        entity = AE("MR1")
        entity.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
        server = entity.start_server(("127.0.0.1", self.port), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, handle)])
        try:
            yield
        finally:
            server.shutdown()

    def ask(self, *instances: str, transaction: str = "", dataset: Dataset | None = None, action: int = 1) -> int:
        """Ask for storage commitment; return the status of the answer."""
        if dataset is None:
            dataset = Dataset()
            dataset.TransactionUID = transaction or generate_uid()
            dataset.ReferencedSOPSequence = [_item(uid) for uid in instances]
        entity = AE("MR1")
        entity.add_requested_context(StorageCommitmentPushModel)
        association = entity.associate("127.0.0.1", self.node.port, ae_title="ARCHIMED")
        assert association.is_established
        status, _ = association.send_n_action(
            dataset, action, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )  # fmt: skip
        association.release()
        return int(status.Status)

    def deliver(self) -> bool:
        return self.worker.run_one(threading.Event())

    def report(self) -> tuple[int, list[str], list[tuple[str, int]]]:
        """Return the next report: its type, what is committed, and what is not, with the reason."""
        event, found = self.reports.get(timeout=30)
        committed = [item.ReferencedSOPInstanceUID for item in found.get("ReferencedSOPSequence", [])]
        failed = [(item.ReferencedSOPInstanceUID, item.FailureReason) for item in found.get("FailedSOPSequence", [])]
        return event, committed, failed

    def send(self, *uids: str) -> None:
        """Send an image under each UID."""
        for uid in uids:
            incoming = self.gate.intake.begin(self.gate.source)
            os.write(incoming.fd, image(instance=len(uid)))
            incoming.commit(uid)

    def state(self) -> JobState:
        return list_jobs(self.gate.database)[-1].state


def _item(uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = MRImageStorage
    item.ReferencedSOPInstanceUID = uid
    return item


@pytest.fixture
def device(gate: Gate, tmp_path: Path) -> Iterator[Device]:  # noqa: F811 - the fixture
    folder = tmp_path / "device"
    folder.mkdir()
    with serving(gate, folder) as node:
        device = Device(gate, node)
        administration.set_source(gate.database, ROOT, "MR1", host="127.0.0.1", port=device.port)
        yield device


def test_what_is_staged_is_committed_and_what_never_came_is_not(device: Device) -> None:
    device.send("1.2.3.1", "1.2.3.22")
    with device.listening():
        assert device.ask("1.2.3.1", "1.2.3.22", transaction="1.2.9") == 0
        assert device.deliver()
        assert device.report() == (1, ["1.2.3.1", "1.2.3.22"], [])
        assert device.ask("1.2.3.1", "1.2.3.999") == 0
        assert device.deliver()
        assert device.report() == (2, ["1.2.3.1"], [("1.2.3.999", 0x0112)])
    assert device.state() is JobState.DONE
    assert not list(device.gate.staging._root.glob("commitments/*")), "the request named original UIDs"
    rows = device.gate.database.rows(sa.select(audit.c.subject, audit.c.detail).where(audit.c.action == "dicom.commitment"))
    assert [(row.subject, "1.2.3" in row.detail) for row in rows] == [("MR1", False), ("MR1", False)]


def test_what_is_published_stays_committed_until_it_is_purged(device: Device, gate: Gate) -> None:  # noqa: F811
    gate.published(image(instance=1))
    (uid,) = (f"0 {hash(image(instance=1))}",)  # what `Gate.receive` calls it
    asked = Request("1.2.9", (Reference(MRImageStorage, uid),))
    assert not gate.database.rows(sa.select(staged_files.c.id))
    judged = device.commitments.judge(gate.source.id, asked)
    assert [each.sop_instance for each in judged.committed] == [uid]
    administration.add_source(gate.database, ROOT, "MR2", ae_title="MR2", reviewers=["ada"])
    other = gate.intake.source_for("MR2", "127.0.0.1")
    assert other is not None
    assert not device.commitments.judge(other.id, asked).committed, "another source never sent it"


def test_what_was_rejected_or_is_damaged_is_not_committed(device: Device, gate: Gate) -> None:  # noqa: F811
    device.send("1.2.3.1", "1.2.3.22")
    asked = Request("1.2.9", (Reference(MRImageStorage, "1.2.3.1"), Reference(MRImageStorage, "1.2.3.22")))
    (first, _) = gate.database.rows(sa.select(staged_files.c.file).order_by(staged_files.c.id))
    path = gate.staging.path(first.file)
    path.write_bytes(path.read_bytes()[:-1])  # a disk that lies
    judged = device.commitments.judge(gate.source.id, asked)
    assert [(each.sop_instance, reason) for each, reason in judged.failed] == [("1.2.3.1", 0x0110)]
    gate.review.reject(gate.review.list()[-1].id, "not ours")
    judged = device.commitments.judge(gate.source.id, asked)
    assert not judged.committed
    assert {reason for _, reason in judged.failed} == {0x0112}


def test_a_device_that_is_off_is_called_again(device: Device, gate: Gate) -> None:  # noqa: F811
    device.send("1.2.3.1")
    assert device.ask("1.2.3.1") == 0
    device.deliver()
    (info,) = list_jobs(gate.database)
    assert info.state is JobState.QUEUED
    assert "cannot be reached" in info.error
    assert find_delivery(gate.database, info.delivery or 0).tries == 1
    assert not device.deliver(), "it waits"
    with device.listening(status=0x0110):
        _now(gate)
        device.deliver()
        assert "0x0110" in show_job(gate.database, info.id).error
        device.reports.get(timeout=30)
    with device.listening():
        _now(gate)
        device.deliver()
        assert device.report() == (1, ["1.2.3.1"], [])
    assert device.state() is JobState.DONE


def _now(gate: Gate) -> None:  # noqa: F811
    with gate.database.write() as connection:
        connection.execute(jobs.update().values(not_before=0))


def test_a_report_whose_worker_dies_is_sent_by_the_next(device: Device, gate: Gate) -> None:  # noqa: F811
    device.send("1.2.3.1")
    assert device.ask("1.2.3.1") == 0
    with gate.database.write() as connection:  # claimed by a process that is no more
        machine, pid, _ = worker_name().split(":")
        connection.execute(jobs.update().values(state="running", worker=f"{machine}:{pid}:1", lease=1 << 40))
    with device.listening():
        assert device.deliver()
        assert device.report() == (1, ["1.2.3.1"], [])


def test_a_device_without_an_address_is_refused_at_once(device: Device, gate: Gate) -> None:  # noqa: F811
    administration.set_source(gate.database, ROOT, "MR1", port=0)
    assert device.ask("1.2.3.1") == 0x0124
    assert not list_jobs(gate.database)
    device.node.add("MR1")  # its address is known from elsewhere
    assert device.ask("1.2.3.1") == 0


def test_requests_that_make_no_sense(device: Device) -> None:
    no_references = Dataset()
    no_references.TransactionUID = "1.2.9"
    assert device.ask(dataset=no_references) == 0x0115
    no_transaction = Dataset()
    no_transaction.ReferencedSOPSequence = [_item("1.2.3")]
    assert device.ask(dataset=no_transaction) == 0x0115
    assert device.ask("1.2.3.1", action=7) == 0x0123


def test_a_full_disk_refuses_the_request(device: Device, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    device.send("1.2.3.1")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("catalog.durable.write_file", full)
    assert device.ask("1.2.3.1") == 0x0213
    assert not list_jobs(gate.database)


def test_a_request_that_was_never_queued_is_forgotten(device: Device, gate: Gate) -> None:  # noqa: F811
    staging_area = gate.staging
    staging_area.write_request("aaaa", b"{}")
    job = device.commitments.keep(SourceRef(gate.source.id, "MR1"), Request("1.2", (Reference("1.2", "1.3"),)))
    device.commitments.forget_lost()
    assert len(staging_area.old_requests()) == 0, "both are young"
    for path in staging_area._root.glob("commitments/*.json"):
        os.utime(path, (0, 0))
    device.commitments.forget_lost()
    assert staging_area.old_requests() == [find_delivery(gate.database, show_job(gate.database, job).delivery or 0).request]


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"])
def test_long_identifiers_come_back_as_they_were_sent(syntax: str) -> None:
    long = "1." + "2" * 70
    request = Request(long, (Reference(MRImageStorage, long),))
    from catalog.gate.receive.commitments import Judged

    data = report_data(request, Judged(request.references, ()), syntax)
    assert read_request(data, syntax) == request
