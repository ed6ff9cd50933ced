"""Files are queued for nodes and sent by jobs: DCMTK's and pynetdicom's storage providers, away, refusing and coming back."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from pynetdicom import AE, evt
from pynetdicom.sop_class import MRImageStorage

from catalog import administration
from catalog.database.tables import audit, jobs
from catalog.exchange import Delivery, find_delivery, queue_files, receipt
from catalog.gate.receive.commitments import Commitments
from catalog.jobs import JobInfo, Queue, Worker, requeue, show_job, worker_name
from catalog.pure.errors import Conflict, Refused
from catalog.pure.jobs import JobState
from gateway.dicom import Caller
from gateway.dicom.sending import files_below
from gateway.wiring import delivery_handlers
from tests.catalog.gate.conftest import STUDY, Gate, gate, intake, staging  # noqa: F401 - fixtures
from tests.gateway.dicom.node import ROOT, Node, serving
from tests.gateway.dicom.test_query import data_set, published
from tests.synthetic import image


class Sending:
    """A node that is sent to, and the worker that does it."""

    def __init__(self, node: Node) -> None:
        self.node, self.gate = node, node.gate
        queue = Queue(self.gate.database, worker_name())
        commitments = Commitments(self.gate.database, self.gate.staging)
        handlers = delivery_handlers(self.gate.database, self.gate.built.archive, commitments, queue, Caller("ARCHIMED"))
        self.worker = Worker(self.gate.database, queue, handlers)

    def queue(self, path: str, name: str = "WS1", login: str = "ada") -> int:
        (target,) = (one for one in administration.list_nodes(self.gate.database) if one.name == name)
        files = [(node.id.row, path) for path, node in files_below(self.gate.view(login), path)]
        user = administration.principal(self.gate.database, login).user_id
        with self.gate.database.write() as connection:
            _, job = queue_files(connection, target.id, target.name, user, login, files)
        return job

    def work(self) -> bool:
        return self.worker.run_one(threading.Event())

    def now(self) -> None:
        """Let what waits be due."""
        with self.gate.database.write() as connection:
            connection.execute(jobs.update().values(not_before=0))

    def told(self, job: int) -> tuple[JobInfo, Delivery, Mapping[str, str]]:
        info = show_job(self.gate.database, job)
        number = info.delivery or 0
        return info, find_delivery(self.gate.database, number), receipt(self.gate.database, number)


@pytest.fixture
def sending(gate: Gate, tmp_path: Path) -> Iterator[Sending]:  # noqa: F811 - the fixture
    """Give the node WS1 beside an archive with an exam of three images."""
    gate.published(*(image(instance=number) for number in (1, 2, 3)), exam="E001")
    folder = tmp_path / "node"
    folder.mkdir()
    with serving(gate, folder) as node:
        node.add()
        yield Sending(node)


@contextmanager
def provider(port: int, handle: Callable[[evt.Event], int]) -> Iterator[None]:
    """Run pynetdicom's storage provider."""
    entity = AE("WS1")
    entity.add_supported_context(MRImageStorage)
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, handle)])
    try:
        yield
    finally:
        server.shutdown()


def test_files_are_sent_to_a_node(sending: Sending) -> None:
    job = sending.queue(STUDY)
    with sending.node.storing("+B") as folder:
        assert sending.work()
        got = sorted(data_set(path.read_bytes()) for path in folder.iterdir())
    assert got == sorted(published(sending.node).values())
    info, delivery, failed = sending.told(job)
    assert (info.state, info.done, delivery.sent, failed) == (JobState.DONE, 3, 3, {})
    (row,) = sending.gate.database.rows(sa.select(audit).where(audit.c.action == "dicom.send"))
    assert (row.actor, row.subject) == ("ada", "WS1")


def test_a_node_that_is_away_is_tried_again_ever_less_often(sending: Sending) -> None:
    job = sending.queue(f"{STUDY}/E001")
    pauses = []
    for _ in range(3):
        assert sending.work()
        info, delivery, _ = sending.told(job)
        assert info.state is JobState.QUEUED
        assert "cannot be reached" in info.error
        pauses.append(info.not_before)
        assert not sending.work(), "not before its time"
        sending.now()
    assert delivery.tries == 3
    assert pauses == sorted(pauses)
    with sending.node.storing():
        assert sending.work()
    assert sending.told(job)[0].state is JobState.DONE


def test_a_node_that_is_away_for_a_week_is_given_up(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    job = sending.queue(f"{STUDY}/E001")
    monkeypatch.setattr(Delivery, "is_given_up", True)
    assert sending.work()
    info, _, _ = sending.told(job)
    assert info.state is JobState.FAILED
    assert "a week" in info.error


def test_what_a_node_cannot_take_is_named_and_can_be_tried_again(sending: Sending) -> None:
    node = sending.node
    administration.create_study(node.gate.database, node.gate.store, ROOT, "notes")
    administration.add_grant(node.gate.database, ROOT, "ada", "notes")
    node.gate.built.add_series("notes/E001/001_TXT_notes", {"a.txt": b"no DICOM at all"})
    job = sending.queue("notes")
    with node.storing():
        sending.work()
    info, _, failed = sending.told(job)
    assert info.state is JobState.FAILED
    assert failed == {"notes/E001/001_TXT_notes/a.txt": "it is not DICOM"}
    refused = sending.queue(f"{STUDY}/E001")
    with provider(node.storage_port, lambda _: 0xA900):
        sending.work()
    assert sending.told(refused)[0].state is JobState.FAILED
    assert len(sending.told(refused)[2]) == 3
    with node.gate.database.write() as connection:
        requeue(connection, jobs.c.id == refused)
    with node.storing():
        sending.work()
    assert sending.told(refused)[0].state is JobState.DONE


def test_a_node_that_goes_and_comes_back_gets_the_rest(sending: Sending) -> None:
    seen: list[str] = []

    def handle(event: evt.Event) -> int:
        seen.append(event.request.AffectedSOPInstanceUID)
        if len(seen) == 2:
            event.assoc.abort()
        return 0xA700 if len(seen) == 4 else 0

    job = sending.queue(f"{STUDY}/E001")
    with provider(sending.node.storage_port, handle):
        for _ in range(3):
            sending.work()
            sending.now()
    info, delivery, failed = sending.told(job)
    assert (info.state, delivery.sent, failed) == (JobState.DONE, 3, {})
    assert set(seen) == set(published(sending.node))
    assert len(seen) == 5, "what it had taken was not sent again"


def test_a_grant_that_is_gone_when_it_is_sent(sending: Sending) -> None:
    job = sending.queue(f"{STUDY}/E001")
    administration.remove_grant(sending.gate.database, ROOT, "ada", STUDY)
    with sending.node.storing("+B") as folder:
        sending.work()
        assert not list(folder.iterdir())
    info, _, failed = sending.told(job)
    assert (info.state, len(failed)) == (JobState.FAILED, 3)


def test_one_association_at_a_time_for_each_node(sending: Sending) -> None:
    first, second = sending.queue(f"{STUDY}/E001"), sending.queue(f"{STUDY}/E001")
    other = Queue(sending.gate.database, worker_name())
    held = other.claim()
    assert held is not None
    assert held.id == first
    assert other.claim() is None, "the second is for the same node"
    with sending.gate.database.write() as connection:
        other.finish(connection, held)
    following = other.claim()
    assert following is not None
    assert following.id == second


def test_what_is_published_goes_where_a_route_says(sending: Sending) -> None:
    archive = sending.gate
    administration.remove_node(archive.database, ROOT, "WS1")
    sending.node.add()
    with pytest.raises(Refused, match="is not granted"):
        administration.add_route(archive.database, ROOT, STUDY, "WS1")
    administration.add_grant(archive.database, ROOT, "node-WS1", STUDY)
    administration.add_route(archive.database, ROOT, STUDY.lower(), "ws1")
    with pytest.raises(Conflict, match="already"):
        administration.add_route(archive.database, ROOT, STUDY, "WS1")
    archive.published(image(study="7", patient_id="4717"), exam="E007")
    archive.published(image(study="8", patient_id="4718"), exam="E008", study="other")
    with sending.node.storing("+B") as folder:
        while sending.work():
            pass
        assert [data_set(path.read_bytes()) for path in folder.iterdir()] == list(published(sending.node, "E007").values())
    assert [(each.study, each.node) for each in administration.list_routes(archive.database)] == [(STUDY, "WS1")]
    administration.remove_route(archive.database, ROOT, STUDY, "WS1")
    archive.published(image(study="9", patient_id="4719"), exam="E009")
    assert not sending.work()
