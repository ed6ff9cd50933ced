"""A receiver process for tests that kill it: `python -m tests.gateway.dicom.serving URL STAGING PORT` says when it is ready."""

import socket
import sys
from pathlib import Path

from catalog.database import Database
from catalog.gate.receive.intake import Intake
from catalog.gate.staged.area import Staging
from catalog.store.local import LocalStore
from catalog.view import Archive
from gateway.dicom import Caller, KnownPeers, Settings, run
from gateway.wiring import open_dicom_services


def main() -> None:
    url, staging, port = sys.argv[1:]
    listener = socket.create_server(("127.0.0.1", int(port)), backlog=64)
    database = Database(url)
    intake = Intake(database, Staging(Path(staging)))
    archive = Archive(database, LocalStore(Path(staging).parent / "store"))
    services = open_dicom_services(intake, database, archive, Staging(Path(staging)), Caller("ARCHIMED"), "ARCHIMED")
    settings = Settings(ae_title="ARCHIMED")
    run(services, KnownPeers(intake, database), listener, settings, lambda: print("ready", flush=True))


if __name__ == "__main__":
    main()
