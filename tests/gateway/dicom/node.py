"""A node that asks: DCMTK's findscu, getscu and movescu, and a storescp to be sent to; each is stopped by its own process."""

import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pydicom

from catalog import administration
from catalog.administration import Actor
from gateway.dicom import Caller, KnownPeers, Receiver, Settings
from gateway.wiring import open_dicom_services
from tests.catalog.gate.conftest import Gate

ROOT = Actor("root")


def program(name: str) -> str:
    """Return DCMTK's; pynetdicom brings others of the same names."""
    found = shutil.which(name, path="/usr/bin")
    assert found, f"{name} is missing: install dcmtk"
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


class Node:
    """The node WS1, which asks with DCMTK's programs, beside a receiver on a gate's archive."""

    def __init__(self, gate: Gate, port: int, folder: Path) -> None:
        self.gate = gate
        self.port = port
        self.folder = folder
        self.storage_port = free_port()

    def add(self, name: str = "WS1", **how: object) -> None:
        """Register a node at this machine."""
        values = {"ae_title": name, "host": "127.0.0.1", "port": self.storage_port, **how}
        administration.add_node(self.gate.database, ROOT, name, **values)  # type: ignore[arg-type] # as the caller says

    def run(self, name: str, *options: str, title: str = "WS1") -> subprocess.CompletedProcess[str]:
        words = [program(name), "-aet", title, "-aec", "ARCHIMED", *options]
        return subprocess.run(words, capture_output=True, text=True, timeout=120, env={"TCP_NODELAY": "1", "PATH": "/usr/bin"})

    def find(self, level: str, *keys: str, root: str = "-S", title: str = "WS1") -> list[pydicom.Dataset]:
        """Return the answers to a C-FIND."""
        folder = self.folder / "found"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        words = [word for key in (f"QueryRetrieveLevel={level}", *keys) for word in ("-k", key)]
        done = self.run("findscu", root, "-X", "-od", str(folder), *words, "127.0.0.1", str(self.port), title=title)
        assert done.returncode == 0, done.stderr
        return [pydicom.dcmread(file, force=True) for file in sorted(folder.iterdir())]

    def status(self, level: str, *keys: str, root: str = "-S") -> str:
        """Return the final status of a C-FIND in words."""
        words = [word for key in (f"QueryRetrieveLevel={level}", *keys) for word in ("-k", key)]
        done = self.run("findscu", "-v", root, *words, "127.0.0.1", str(self.port))
        found = re.findall(r"Received Final Find Response \((.*)\)", done.stdout + done.stderr)
        return found[0] if found else done.stderr

    def get(self, *keys: str, options: tuple[str, ...] = ()) -> tuple[str, list[pydicom.FileDataset]]:
        """Return what a C-GET says in the end, and brings."""
        folder = self.folder / "got"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        words = [word for key in keys for word in ("-k", key)]
        done = self.run("getscu", "-v", "-S", *options, "-od", str(folder), *words, "127.0.0.1", str(self.port))
        return done.stdout + done.stderr, [pydicom.dcmread(file) for file in sorted(folder.iterdir())]

    def move(self, destination: str, *keys: str) -> str:
        """Return what a C-MOVE says."""
        words = [word for key in keys for word in ("-k", key)]
        done = self.run("movescu", "-v", "-S", "-aem", destination, *words, "127.0.0.1", str(self.port))
        return done.stdout + done.stderr

    def storing(self, *options: str) -> AbstractContextManager[Path]:
        """Run a storescp where nodes are sent to; give the folder that it fills."""
        return storing_at(self.storage_port, self.folder / "stored", *options)


@contextmanager
def storing_at(port: int, folder: Path, *options: str) -> Iterator[Path]:
    """Run a storescp at a port; give the folder that it fills."""
    folder.mkdir(exist_ok=True)
    words = [program("storescp"), "-od", str(folder), *options, str(port)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except ConnectionRefusedError:
                continue
        yield folder
    finally:
        process.kill()
        process.wait()


@contextmanager
def serving(gate: Gate, folder: Path) -> Iterator[Node]:
    """Serve a gate's archive."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    services = open_dicom_services(gate.intake, gate.database, gate.built.archive, gate.staging, Caller("ARCHIMED"), "ARCHIMED")
    receiver = Receiver(services, KnownPeers(gate.intake, gate.database), listener, Settings(ae_title="ARCHIMED"))
    thread = threading.Thread(target=receiver.serve)
    thread.start()
    try:
        yield Node(gate, listener.getsockname()[1], folder)
    finally:
        receiver.stop()
        thread.join(30)
        assert not thread.is_alive()
