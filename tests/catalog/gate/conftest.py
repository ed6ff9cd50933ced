"""A gate over an empty archive, on each database: a source with its reviewer, a study, an intake, a desk, a worker."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from catalog import administration
from catalog.audit import Actor
from catalog.gate.deadlines import Deadlines
from catalog.gate.drops.inbox import Inbox, Inboxes
from catalog.gate.drops.quota import Limits
from catalog.gate.receive.intake import Intake, SourceRef
from catalog.gate.review.decisions import Review
from catalog.gate.review.queries import BatchInfo
from catalog.gate.staged.area import Staging
from catalog.pure.access import Role
from catalog.view import View
from gateway.deidentification import StandardDeidentification
from gateway.wiring import make_worker
from tests.builders import BuiltArchive

ROOT = Actor("root")
STUDY = "2008-0003"


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    staging = Staging(tmp_path / "var" / "staging")
    staging.prepare()
    return staging


@pytest.fixture
def intake(built_anywhere: BuiltArchive, staging: Staging) -> Iterator[Intake]:
    intake = Intake(built_anywhere.database, staging)
    yield intake
    intake.close()


class Gate:
    """What happens at the gate, in few words."""

    def __init__(self, built: BuiltArchive, staging: Staging, intake: Intake) -> None:
        self.built, self.staging, self.intake = built, staging, intake
        self.database, self.store = built.database, built.store
        administration.create_study(self.database, self.store, ROOT, STUDY)
        administration.create_study(self.database, self.store, ROOT, "other")
        for login, role in (("ada", Role.STANDARD), ("bob", Role.STANDARD), ("lea", Role.LIMITED)):
            administration.add_user(self.database, ROOT, login, role)
            administration.add_grant(self.database, ROOT, login, STUDY)
        administration.add_source(self.database, ROOT, "MR1", ae_title="MR1", reviewers=["ada"])
        source = intake.source_for("MR1", "127.0.0.1")
        assert source is not None
        self.source: SourceRef = source
        key = built.folder / "deid.key"
        key.write_text("ab" * 32)
        self.deidentification = StandardDeidentification(key)
        self.deadlines = Deadlines(self.database, staging, quiet_seconds=60, keep_rejected_seconds=0)
        self.worker = make_worker(self.database, staging, self.store, self.deidentification, self.deadlines)
        self.review = Review(self.database, staging, ROOT, None)

    def receive(self, *contents: bytes) -> int:
        """Receive files from the scanner and return their batch."""
        for number, content in enumerate(contents):
            incoming = self.intake.begin(self.source)
            os.write(incoming.fd, content)
            incoming.commit(f"{number} {hash(content)}")
        return self.review.list()[-1].id

    def bring(self, *contents: bytes, exam: str = "E001", login: str = "ada") -> int:
        """Bring files as a user does, and return their batch."""
        inboxes = Inboxes(self.database, self.staging, Limits())
        inbox = inboxes.of(administration.principal(self.database, login))
        inbox.make_folder((STUDY, exam))
        for number, content in enumerate(contents):
            upload = inbox.upload((STUDY, exam, f"brought-{number}"))
            upload.write(content)
            upload.commit()
        inboxes.close()
        return inbox.batch((STUDY, exam))

    def work(self) -> None:
        """Run all jobs that may run now."""
        while self.worker.run_one(threading.Event()):
            pass

    def checked(self, *contents: bytes) -> BatchInfo:
        """Receive files, seal them and have them checked."""
        batch = self.receive(*contents)
        self.review.seal(batch)
        self.work()
        return self.review.info(batch)

    def published(self, *contents: bytes, exam: str = "E001", study: str = STUDY, **how: object) -> BatchInfo:
        """Receive files and have them published."""
        batch = self.checked(*contents).id
        self.review.accept(batch, study, exam, **how)  # type: ignore[arg-type] # as the caller says
        self.work()
        return self.review.info(batch)

    def review_of(self, login: str) -> Review:
        """Return the gate as a user sees it."""
        principal = administration.principal(self.database, login)
        return Review(self.database, self.staging, Actor("root", login), principal)

    def view(self, login: str = "ada") -> View:
        """Return the archive as a user sees it."""
        return self.built.view(login)

    def names(self, path: str, login: str = "ada") -> list[str]:
        """Return what a folder of the archive holds."""
        view = self.view(login)
        return [node.name for node in view.walk(view.resolve(path).id)]

    def read(self, path: str, login: str = "ada") -> bytes:
        """Return the bytes of an archived file."""
        view = self.view(login)
        opened = view.open(view.resolve(path).id)
        try:
            return opened.read_at(0, opened.node.size)
        finally:
            opened.close()


@pytest.fixture
def gate(built_anywhere: BuiltArchive, staging: Staging, intake: Intake) -> Gate:
    return Gate(built_anywhere, staging, intake)


@pytest.fixture
def inboxes(gate: Gate) -> Iterator[Inboxes]:
    opened = Inboxes(gate.database, gate.staging, Limits())
    yield opened
    opened.close()


@pytest.fixture
def inbox_of(gate: Gate, inboxes: Inboxes) -> Callable[[str], Inbox]:
    return lambda login: inboxes.of(administration.principal(gate.database, login))


@pytest.fixture
def inbox(inbox_of: Callable[[str], Inbox]) -> Inbox:
    """Ada's, with an exam begun."""
    found = inbox_of("ada")
    found.make_folder((STUDY, "E001"))
    return found


def put(inbox: Inbox, name: str, content: bytes, exam: str = "E001") -> None:
    """Write a file into an exam, with the folders above it."""
    place = (STUDY, exam, *name.split("/"))
    for depth in range(3, len(place)):
        if place[depth - 1] not in [entry.name for entry in inbox.children(place[: depth - 1])]:
            inbox.make_folder(place[:depth])
    handle = inbox.write(place, create=True)
    handle.write(content, 0)
    handle.close()
