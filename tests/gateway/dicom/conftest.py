"""`door`: a receiver in this process, with the real intake and catalogue behind it."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from catalog.database.tables import audit, sources, staged_files
from catalog.gate.receive.intake import Intake
from catalog.gate.staged.area import Staging
from catalog.store.local import LocalStore
from catalog.view import Archive
from gateway.dicom import Caller, KnownPeers, Receiver, Settings
from gateway.wiring import open_dicom_services
from tests.builders import new_catalogue
from tests.gateway.dicom.peer import Peer


class Place:
    """A catalogue and a staging folder, with the source MR1."""

    def __init__(self, folder: Path, staging: Path | None = None) -> None:
        self.url = f"sqlite:///{folder}/catalog.db"
        self.folder = staging or folder / "staging"
        self.database = new_catalogue(folder / "catalog.db")
        self.staging = Staging(self.folder)
        self.staging.prepare()
        self.add_source("MR1")

    def add_source(self, ae_title: str, host: str = "") -> None:
        values = {"name": ae_title, "name_key": ae_title.lower(), "ae_title": ae_title, "host": host, "created": 0}
        with self.database.write() as connection:
            connection.execute(sources.insert().values(values))

    def staged(self) -> list[bytes]:
        """Return the bytes of each file the catalogue knows."""
        rows = self.database.rows(sa.select(staged_files.c.file).order_by(staged_files.c.id))
        return [self.staging.path(row.file).read_bytes() for row in rows]

    def data_sets(self) -> list[bytes]:
        """Return what follows preamble and file meta information in each of them."""
        return [data[144 + int.from_bytes(data[140:144], "little") :] for data in self.staged()]

    def on_disk(self) -> list[Path]:
        """Return the files that lie in staging, known or not."""
        return sorted(self.folder.glob("received/*/[0-9]*"))

    def audited(self) -> list[tuple[str, str]]:
        return [(row.action, row.subject) for row in self.database.rows(sa.select(audit).order_by(audit.c.id))]


def listen() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=1024)


class Door(Place):
    """A receiver that runs in a thread."""

    def __init__(self, folder: Path, settings: Settings, staging: Path | None = None) -> None:
        super().__init__(folder, staging)
        self.intake = Intake(self.database, self.staging)
        archive = Archive(self.database, LocalStore(folder / "store"))
        services = open_dicom_services(
            self.intake, self.database, archive, self.staging, Caller(settings.ae_title), settings.ae_title
        )
        listener = listen()
        self.port: int = listener.getsockname()[1]
        self.receiver = Receiver(services, KnownPeers(self.intake, self.database), listener, settings)
        self.thread = threading.Thread(target=self.receiver.serve)
        self.thread.start()

    def peer(self) -> Peer:
        return Peer(self.port)

    def settle(self) -> None:
        """Wait until every association has ended."""
        for thread in list(self.receiver._open.values()):
            thread.join(30)
            assert not thread.is_alive()

    def stop(self) -> None:
        self.receiver.stop()
        self.thread.join(30)
        assert not self.thread.is_alive()

    def close(self) -> None:
        self.stop()
        self.intake.close()
        self.database.close()


@pytest.fixture
def open_door(tmp_path: Path) -> Iterator[Callable[..., Door]]:
    """Give a function that starts a receiver with these settings."""
    doors = []

    def start(staging: Path | None = None, **settings: object) -> Door:
        doors.append(Door(tmp_path, Settings(ae_title="ARCHIMED", **settings), staging))  # type: ignore[arg-type]
        return doors[-1]

    yield start
    for door in doors:
        door.close()


@pytest.fixture
def door(open_door: Callable[..., Door]) -> Door:
    """Give a running receiver."""
    return open_door()
