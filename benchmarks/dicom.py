"""C-STORE of many images into ArchiMed, Orthanc and DCMTK's storescp, the same sender for each, on loopback.

    python benchmarks/dicom.py [--files 1000] [--rounds 3] [--dir FOLDER] [--only archimed orthanc storescp]

Needs Debian's orthanc and dcmtk for the other two; leaves out what is missing. Every server is started and stopped here, with a
configuration in a temporary folder, on a free port of 127.0.0.1. Rounds alternate between the servers, so that what else the
machine does falls on all of them; the median of each is printed. Durability: ArchiMed syncs bytes, names and row before it
answers; Orthanc syncs the file (SyncStorageArea, its default) and not its index; storescp syncs nothing.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
ASSOCIATIONS = (1, 4)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def archimed(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, HERE / "dicom.py", "--serve", folder, str(port)]
    with running(command, port) as process:
        yield process


@contextmanager
def orthanc(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    folder.mkdir()
    configuration = {
        "Name": "bench", "StorageDirectory": str(folder / "store"), "IndexDirectory": str(folder / "store"),
        "DicomAet": "ARCHIMED", "DicomPort": port, "DicomCheckCalledAet": False, "DicomAlwaysAllowStore": True,
        "MaximumPduLength": 131072, "HttpServerEnabled": False, "Plugins": [], "DicomThreadsCount": 4,
        "StorageCompression": False, "OverwriteInstances": False, "SaveJobs": False,
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    with running([shutil.which("Orthanc"), folder / "orthanc.json"], port) as process:
        yield process


@contextmanager
def storescp(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    folder.mkdir()
    command = ["/usr/bin/storescp", "--fork", "--max-pdu", "131072", "--accept-all", "-od", folder, str(port)]
    with running(command, port) as process:
        yield process


SERVERS = {"archimed": archimed, "orthanc": orthanc, "storescp": storescp}
PROGRAMS = {"archimed": sys.executable, "orthanc": "Orthanc", "storescp": "/usr/bin/storescp"}


@contextmanager
def running(command: list[object], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until it takes connections, and end it by its own id."""
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"{command[0]} did not start") from None
                time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(60)


def serve(folder: Path, port: int) -> None:
    """Be ArchiMed's receiver with its real intake and catalogue."""
    from catalog.database import Database, migrate
    from catalog.database.tables import sources
    from catalog.gate.receive.intake import Intake
    from catalog.gate.staged.area import Staging
    from catalog.store.local import LocalStore
    from catalog.view import Archive
    from gateway.dicom import Caller, KnownPeers, Settings, run
    from gateway.wiring import open_dicom_services

    folder.mkdir()
    database, staging = Database(f"sqlite:///{folder}/catalog.db"), Staging(folder / "staging")
    migrate.upgrade(database)
    staging.prepare()
    with database.write() as connection:
        connection.execute(sources.insert().values(name="MR1", name_key="mr1", ae_title="MR1", host="", created=0))
    listener = socket.create_server(("127.0.0.1", port), backlog=64)
    intake = Intake(database, staging)
    services = open_dicom_services(
        intake, database, Archive(database, LocalStore(folder / "store")), staging, Caller("ARCHIMED"), "ARCHIMED"
    )
    run(services, KnownPeers(intake, database), listener, Settings(ae_title="ARCHIMED"), lambda: None)


def measure(name: str, associations: int, files: int, where: Path) -> float:
    """Return files a second."""
    with tempfile.TemporaryDirectory(dir=where) as folder:
        port = free_port()
        os.sync()  # what the one before left unwritten is not this one's work
        with SERVERS[name](Path(folder) / name, port):
            command = [sys.executable, HERE / "dicom_sender.py", str(port), "--files", str(files)]
            command += ["--associations", str(associations), "--pdu", "262144"]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=600).stdout)
    if found["kept"] != files:
        raise SystemExit(f"{name} kept {found['kept']} of {files} files")
    return found["files_per_second"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()), help="where everything is written")
    parser.add_argument("--only", nargs="+", choices=SERVERS, default=list(SERVERS))
    parser.add_argument("--serve", nargs=2, metavar=("FOLDER", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(Path(options.serve[0]), int(options.serve[1]))
        return
    servers = [name for name in options.only if shutil.which(PROGRAMS[name])]
    found: dict[tuple[str, int], list[float]] = {}
    for _ in range(options.rounds):
        for associations in ASSOCIATIONS:
            for name in servers:
                found.setdefault((name, associations), []).append(measure(name, associations, options.files, options.dir))
    print(f"{'files a second':<16}" + "".join(f"{count:>3} association{'s' * (count > 1):<4}" for count in ASSOCIATIONS))
    for name in servers:
        middle = [statistics.median(found[name, count]) for count in ASSOCIATIONS]
        best = [max(found[name, count]) for count in ASSOCIATIONS]
        print(f"{name:<16}" + "".join(f"{a:>9.0f} (best {b:.0f})" for a, b in zip(middle, best, strict=True)))


if __name__ == "__main__":
    main()
