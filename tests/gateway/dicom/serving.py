"""A receiver process for tests that kill it: `python -m tests.gateway.dicom.serving URL STAGING PORT` says when it is ready."""

import socket
import sys
from pathlib import Path

from catalog.database import Database
from catalog.gate.receive.intake import Intake
from catalog.gate.staged.area import Staging
from gateway.dicom import Settings, Sources, run
from gateway.wiring import open_dicom_services


def main() -> None:
    url, staging, port = sys.argv[1:]
    listener = socket.create_server(("127.0.0.1", int(port)), backlog=64)
    intake = Intake(Database(url), Staging(Path(staging)))
    run(
        open_dicom_services(intake),
        Sources(intake),
        listener,
        Settings(ae_title="ARCHIMED"),
        lambda: print("ready", flush=True),
    )


if __name__ == "__main__":
    main()
