"""The power goes: what an inbox called done is there, whole and under its name; the rest is not there or is marked."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog import administration
from catalog.gate.drops.inbox import Inbox
from catalog.gate.drops.inboxes import Inboxes
from catalog.gate.drops.ledger import Limits
from catalog.gate.staging import Staging
from tests.behaviour.dropping import STUDY, fill
from tests.builders import BuiltArchive
from tests.catalog.disks import FragileDisk

# Ends without closing anything: a power cut leaves no time for that. What is open holds the disk only as long as this runs.
_BRING = """
import os, sys
from pathlib import Path
from catalog import administration
from catalog.database import Database
from catalog.gate.drops.inboxes import Inboxes
from catalog.gate.drops.ledger import Limits
from catalog.gate.drops.partials import Partials
from catalog.gate.staging import Staging
url, folder, study = sys.argv[1:]
database, staging = Database(url), Staging(Path(folder))
anna = administration.principal(database, "anna")
inbox = Inboxes(database, staging, Limits()).of(anna)
exam = (study, "E001")
inbox.make_folder(exam)
inbox.make_folder((*exam, "sub"))
def write(*names, content=b"w" * 200_000, done=True):
    handle = inbox.write((*exam, *names), create=True)
    handle.write(content, 0)
    if done:
        handle.finish()
    return handle
def upload(*names, content=b"u" * 200_000):
    coming = inbox.upload((*exam, *names))
    coming.write(content)
    return coming
write("sub", "closed").close()
write("renamed.tmp").close()
inbox.rename((*exam, "renamed.tmp"), (*exam, "sub", "renamed"))
upload("sub", "uploaded").commit()
upload("replaced", content=b"former").commit()
upload("replaced", content=b"n" * 300_000).commit()
synced = write("synced", done=False)
synced.sync()
partials = Partials(staging, inbox, anna)
partial = partials.begin((*exam, "in pieces"), 1000, None)
with partials.adding(partial.id, 0) as adding:
    adding.write(b"p" * 600)
write("never closed", done=False)
upload("never committed")
print(partial.id, flush=True)
os._exit(0)
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FragileDisk]:
    made = FragileDisk(tmp_path)
    try:
        yield made
    finally:
        made.unmount()


def read(inbox: Inbox, *names: str) -> bytes:
    reading = inbox.open((STUDY, "E001", *names))
    try:
        return os.read(reading.fd, 1 << 20)
    finally:
        reading.close()


def test_what_was_called_done_survives(disk: FragileDisk, built: BuiltArchive) -> None:
    fill(built)
    staging = Staging(disk.folder / "staging")
    staging.prepare()
    url = built.database.url.render_as_string(hide_password=False)
    told = subprocess.run(
        [sys.executable, "-c", _BRING, url, disk.folder / "staging", STUDY],
        check=True, timeout=60, capture_output=True, text=True, env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    disk.cut()
    inboxes = Inboxes(built.database, staging, Limits())
    inbox = inboxes.of(administration.principal(built.database, "anna"))
    shown = {entry.name: entry for entry in inbox.children((STUDY, "E001"))}
    below = {entry.name: entry.is_unfinished for entry in inbox.children((STUDY, "E001", "sub"))}
    assert below == {"closed": False, "renamed": False, "uploaded": False}
    assert read(inbox, "sub", "closed") == read(inbox, "sub", "renamed") == b"w" * 200_000
    assert read(inbox, "sub", "uploaded") == b"u" * 200_000
    assert read(inbox, "replaced") == b"n" * 300_000
    assert (read(inbox, "synced"), shown["synced"].is_unfinished) == (b"w" * 200_000, True)
    assert shown.keys() <= {"sub", "replaced", "synced", "never closed"}
    assert "never closed" not in shown or shown["never closed"].is_unfinished
    (data,) = staging.partials.glob(f"*/{told.stdout.strip()}/data")
    assert data.read_bytes() == b"p" * 600
    inboxes.close()
    for drop in staging.all_drops():
        staging.erase_drop(drop)
