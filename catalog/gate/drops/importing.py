"""Bringing files of this machine into an inbox, for commands: each whole or not at all, and none twice.

A file that is there with the same size and time is not read again, so whatever was cut short is simply done again. May live
here: from files to places. Not: which files (`local_files`); who may, what is taken where: that is the inbox's.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

from catalog.audit import Actor, record
from catalog.database import Database
from catalog.gate.drops.inbox import Inbox
from catalog.gate.drops.local_files import LocalFiles, counted_kinds, open_file
from catalog.pure.drops import EXAM_DEPTH, Place
from catalog.pure.errors import Conflict, Invalid, NotFound, Refused

_CHUNK = 1 << 20


def bring(inbox: Inbox, folder: Place, local: LocalFiles, progress: Callable[[int], None]) -> int:
    """Bring files into a folder of an inbox, made with those between; return how many came, without those that were there.

    Args:
        inbox: whose it becomes.
        folder: `study/exam/...`.
        local: which, and where below the folder; what is left out of them is noted with the batch.
        progress: called after each with how many are done.

    Raises:
        Invalid: there is no file.
        Refused: one cannot be read, or changed while it was; what came before it stays.
        ArchimedError: as `Inbox.upload` and `Upload.commit`; likewise.
    """
    files = local.files
    if not files:
        without = f": {counted_kinds(local.left_out.values())} cannot be brought" if local.left_out else ""
        raise Invalid(f"there is no file in what was named{without}")
    inbox.note_left_out(folder, local.left_out)
    made: set[Place] = set()
    came = 0
    for count, found in enumerate(files, 1):
        place = (*folder, *found.place)
        try:
            with open_file(found) as file:
                if not _is_there(inbox, place, os.fstat(file.fileno())):
                    _make_folders(inbox, place, made)
                    put(inbox, place, file)
                    came += 1
        except OSError as error:
            raise _unreadable(os.strerror(error.errno or 0), count, len(files)) from None
        except _Changed:
            raise _unreadable("it changed while it was read", count, len(files)) from None
        progress(count)
    return came


def put(inbox: Inbox, place: Place, source: BinaryIO) -> None:
    """Write a file whole or not at all; a file of this machine keeps its time.

    Raises:
        ArchimedError: as `Inbox.upload` and `Upload.commit`; nothing is left of it.
    """
    before = _stat(source)
    upload = inbox.upload(place)
    try:
        while chunk := source.read(_CHUNK):
            upload.write(chunk)
        if before is not None:
            after = os.fstat(source.fileno())
            if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
                raise _Changed
            os.utime(upload.fd, ns=(before.st_mtime_ns, before.st_mtime_ns))
        upload.commit()
    except BaseException:
        upload.discard()
        raise


def note(database: Database, inbox: Inbox, actor: Actor, folder: Place, files: int) -> int:
    """Write down in the audit who brought files for whom; return the number of the batch that they wait in.

    Raises:
        NotFound: it was decided on meanwhile.
    """
    batch = inbox.batch(folder[:EXAM_DEPTH])
    with database.write() as connection:
        record(
            connection, actor=actor.name, acting_as=actor.acting_as, action="batch.upload", study=folder[0],
            subject=f"batch {batch}", detail={"files": files},
        )  # fmt: skip
    return batch


class _Changed(Exception):
    """A file changed while it was read."""


def _unreadable(why: str, count: int, files: int) -> Refused:
    # Not its name: that may tell who it is about.
    return Refused(
        f"file {count} of {files} cannot be read: {why}; nothing of it was taken. Mend that and run this again: what came stays"
    )


def _is_there(inbox: Inbox, place: Place, found: os.stat_result) -> bool:
    with suppress(NotFound):
        entry = inbox.stat(place)
        is_same = (entry.size, entry.mtime_ns) == (found.st_size, found.st_mtime_ns)
        return is_same and not entry.is_folder and not entry.is_unfinished
    return False


def _make_folders(inbox: Inbox, place: Place, made: set[Place]) -> None:
    for depth in range(EXAM_DEPTH, len(place)):
        if place[:depth] not in made:
            with suppress(Conflict):
                inbox.make_folder(place[:depth])
            made.add(place[:depth])


def _stat(source: BinaryIO) -> os.stat_result | None:
    try:
        return os.fstat(source.fileno())
    except OSError:
        return None  # in memory
