"""The power goes: what an inbox called done is there, whole and under its name; the rest is not there or is marked."""

import os
import subprocess
import sys

import pytest

from catalog import administration
from catalog.gate.drops.inbox import Inbox, Inboxes
from catalog.gate.drops.quota import Limits
from catalog.gate.staged.area import Staging
from catalog.pure.drops import Place
from tests.behaviour.dropping import STUDY, fill
from tests.builders import BuiltArchive
from tests.catalog.disks import FragileDisk

# Ends without closing anything: a power cut leaves no time for that. What is done last is what nothing else makes durable.
_BRING = """
import os, sys
from pathlib import Path
from catalog import administration
from catalog.database import Database
from catalog.gate.drops.inbox import Inboxes
from catalog.gate.drops.quota import Limits
from catalog.gate.drops.partials import Partials
from catalog.gate.staged.area import Staging
url, folder, study, last = sys.argv[1:]
database, staging = Database(url), Staging(Path(folder))
anna = administration.principal(database, "anna")
inbox = Inboxes(database, staging, Limits()).of(anna)
exam = (study, "E001")
inbox.make_folder(exam)
inbox.make_folder((*exam, "sub"))
def write(name, content):
    handle = inbox.write((*exam, "sub", name), create=True)
    handle.write(content, 0)
    return handle
def upload(content):
    coming = inbox.upload((*exam, "sub", "a"))
    coming.write(content)
    coming.commit()
write("never closed", b"x" * 200_000)
if last == "close":
    write("a", b"n" * 200_000).finish()
elif last == "sync":
    write("a", b"n" * 200_000).sync()
elif last == "rename":
    write("b", b"n" * 200_000).close()
    inbox.rename((*exam, "sub", "b"), (*exam, "sub", "a"))
elif last == "folder":
    inbox.make_folder((*exam, "sub", "a"))
elif last == "upload":
    upload(b"n" * 200_000)
elif last == "replace":
    upload(b"former" * 50_000)
    upload(b"n" * 200_000)
elif last == "piece":
    partials = Partials(staging, inbox, anna)
    partial = partials.begin((*exam, "sub", "a"), 200_000, None)
    with partials.adding(partial.id, 0) as adding:
        adding.write(b"n" * 200_000)
os._exit(0)
"""


def content(inbox: Inbox, place: Place) -> bytes:
    reading = inbox.open(place)
    try:
        return os.read(reading.fd, 1 << 20)
    finally:
        reading.close()


@pytest.mark.parametrize("last", ["close", "sync", "rename", "folder", "upload", "replace", "piece"])
def test_what_was_called_done_survives(disk: FragileDisk, built: BuiltArchive, last: str) -> None:
    fill(built)
    staging = Staging(disk.folder / "staging")
    staging.prepare()
    url = built.database.url.render_as_string(hide_password=False)
    subprocess.run(
        [sys.executable, "-c", _BRING, url, disk.folder / "staging", STUDY, last],
        check=True, timeout=60, env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    disk.cut()
    inboxes = Inboxes(built.database, staging, Limits())
    inbox = inboxes.of(administration.principal(built.database, "anna"))
    folder = (STUDY, "E001", "sub")
    shown = {entry.name: entry for entry in inbox.children(folder)}
    assert "never closed" not in shown or shown["never closed"].is_unfinished
    if last == "piece":
        (data,) = staging.partials.glob("*/*/data")
        assert data.read_bytes() == b"n" * 200_000
    elif last == "folder":
        assert shown["a"].is_folder
    else:
        assert content(inbox, (*folder, "a")) == b"n" * 200_000
        assert shown["a"].is_unfinished == (last == "sync")
    inboxes.close()
