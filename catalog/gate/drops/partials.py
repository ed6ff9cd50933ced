"""Large files that come in pieces, over days and broken connections, until they are whole.

    <staging>/partials/<user>/<id>/data          what has come so far; locked by whoever adds to it
    <staging>/partials/<user>/<id>/about.json    where it goes, how long it will be; "placed" once it has its name there

A piece is durable before it is acknowledged, so no piece is sent twice. A whole file is linked to its place before it goes
from here: killed in between, that is done again. What nobody adds to for a week is set aside; what was placed goes after a
day.
"""

import fcntl
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from catalog import clock, durable
from catalog.gate.drops.handles import Buffer
from catalog.gate.drops.inbox import Inbox
from catalog.gate.staged.area import Staging
from catalog.gate.staged.orphans import Kind
from catalog.pure.access import Principal
from catalog.pure.drops import Place
from catalog.pure.errors import Conflict, NotFound, OutOfSpace, Refused

KEPT_SECONDS = 7 * 86_400
PLACED_SECONDS = 86_400
MOST_PARTIALS = 1_000
_SECOND = 1_000_000_000
_BUSY = "the staging folder cannot be written"
_NAME = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Partial:
    """A file that comes in pieces: `size` bytes in the end, `offset` so far, for `place`; `expires` if nothing more comes."""

    id: str
    place: Place
    size: int
    mtime: int | None
    placed: bool
    offset: int
    expires: int

    @property
    def is_whole(self) -> bool:
        """Whether all of it has come."""
        return self.offset == self.size


class Partials:
    """One principal's files that come in pieces; they become files of the principal's inbox."""

    def __init__(self, staging: Staging, inbox: Inbox, principal: Principal) -> None:
        self._folder = staging.partials / str(principal.user_id)
        self._inbox = inbox

    def begin(self, place: Place, size: int, mtime: int | None) -> Partial:
        """Expect a file.

        Raises:
            OutOfSpace: there would be no room for it beside what is expected already.
            Refused: too many are expected.
        """
        expected = [partial for partial in self._all() if not partial.placed]
        if len(expected) >= MOST_PARTIALS:
            raise Refused("too many files are expected from you; bring those to an end, or wait until they are given up")
        left = self._inbox.left()
        if left is not None and size + sum(partial.size for partial in expected) > left:
            raise OutOfSpace("that is more than your quota in staging leaves; remove files, or wait until batches are decided")
        partial = Partial(uuid.uuid4().hex, place, size, mtime, placed=False, offset=0, expires=clock.now() + KEPT_SECONDS)
        with durable.translated(_BUSY):
            folder = self._folder / partial.id
            durable.make_folder(folder)
            durable.write_file(folder / "data", [], mode=0o600)
            self._write(partial)
        return partial

    def find(self, name: str) -> Partial:
        """Return a file that is expected; what is said to have come would survive a power cut.

        Raises:
            NotFound: it is not expected (any more), or its study is not the principal's (any more).
        """
        partial = self._granted(name)
        if not partial.placed:
            with durable.translated(_BUSY), (self._folder / name / "data").open("rb") as data:
                os.fsync(data.fileno())
        return partial

    @contextmanager
    def adding(self, name: str, offset: int) -> Iterator["Adding"]:
        """Add to a file, from where it ends on; what came is durable afterwards, whatever happens.

        Raises:
            NotFound: as `find`.
            Conflict: it does not end there, or somebody else adds to it.
        """
        partial = self._granted(name)
        with durable.translated(_BUSY), (self._folder / name / "data").open("ab", buffering=0) as data:
            try:
                fcntl.flock(data, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict("another request still adds to this file; ask again where it ends") from None
            end = os.fstat(data.fileno()).st_size
            if partial.placed or end != offset:
                raise Conflict("the file does not end there; ask where it ends")
            try:
                yield Adding(data.fileno(), offset, partial.size)
            finally:
                os.fsync(data.fileno())

    def _granted(self, name: str) -> Partial:
        partial = self._read(name)
        self._inbox.stat(partial.place[:1])
        return partial

    def place(self, partial: Partial, check: Callable[[Place], None]) -> None:
        """Give a whole file its name; harmless when it has it.

        Args:
            partial: the file, all of which has come.
            check: called with its place first; raises if something may not be changed there.

        Raises:
            As `Inbox.upload` and `Upload.commit`; it stays whole, so that it can be tried again.
        """
        if partial.placed:
            return
        check(partial.place)
        upload = self._inbox.upload(partial.place)
        try:
            upload.adopt(self._folder / partial.id / "data")
            if partial.mtime is not None:
                os.utime(upload.fd, ns=(partial.mtime * _SECOND, partial.mtime * _SECOND))
            upload.commit()
        except BaseException:
            upload.discard()
            raise
        with durable.translated(_BUSY):
            self._write(replace(partial, placed=True))
            (self._folder / partial.id / "data").unlink(missing_ok=True)

    def give_up(self, name: str) -> None:
        """Forget a file and what has come of it.

        Raises:
            NotFound: it is not expected (any more).
        """
        self._read(name)
        with durable.translated(_BUSY):
            shutil.rmtree(self._folder / name)
            durable.sync_folder(self._folder)

    def _all(self) -> list[Partial]:
        found = []
        with suppress(FileNotFoundError):
            for path in self._folder.iterdir():
                with suppress(NotFound):
                    found.append(self._read(path.name))
        return found

    def _read(self, name: str) -> Partial:
        if not _NAME.fullmatch(name):
            raise NotFound("there is no such upload")
        return _read(self._folder / name)

    def _write(self, partial: Partial) -> None:
        text = json.dumps({key: value for key, value in asdict(partial).items() if key not in {"id", "offset", "expires"}})
        durable.write_file(self._folder / partial.id / "about.json", [text.encode()], mode=0o600)


class Adding:
    """A file that is being added to."""

    def __init__(self, fd: int, offset: int, size: int) -> None:
        self._fd = fd
        self._begin = self.offset = offset
        self._size = size

    def write(self, data: Buffer) -> None:
        """Add bytes.

        Raises:
            Conflict: the file would be longer than was said; nothing of these was added.
            OutOfSpace: the disk is full; what came before is there.
        """
        if self.offset + len(data) > self._size:
            raise Conflict("more bytes came than the file was said to have")
        rest = memoryview(data)
        with durable.translated(_BUSY):
            while rest:
                written = os.write(self._fd, rest)
                self.offset += written
                rest = rest[written:]

    def undo(self) -> None:
        """Take back all that was added."""
        with durable.translated(_BUSY):
            os.ftruncate(self._fd, self._begin)
        self.offset = self._begin


def set_given_up_aside(staging: Staging) -> None:
    """Set aside files that nobody adds to any more; those that were placed, or of which nothing has come, go."""
    now = clock.now()
    with durable.translated(_BUSY):
        for folder in staging.partials.glob("*/*"):
            partial = None
            with suppress(NotFound):
                partial = _read(folder)
            # Without what it says of itself: its process died while it was begun, or begins it in this moment.
            expires = partial.expires if partial is not None else int(folder.stat().st_mtime) + PLACED_SECONDS
            if expires > now:
                continue
            if partial is not None and not partial.placed and partial.offset:
                study, exam, *names = partial.place
                staging.orphans.set_aside(Kind.UPLOAD, [(folder / "data", names[-1])], study, exam)
            shutil.rmtree(folder)
            durable.sync_folder(folder.parent)


def _read(folder: Path) -> Partial:
    try:
        about = json.loads((folder / "about.json").read_bytes())
        written = (folder / "about.json").stat()
        data = None if about["placed"] else (folder / "data").stat()
    except FileNotFoundError:
        raise NotFound("there is no such upload; it may have been given up") from None
    # A clock of this machine wrote both times: the data's own time may be set when it is placed.
    last = int(written.st_mtime if data is None else max(data.st_ctime, written.st_mtime))
    return Partial(
        id=folder.name,
        place=tuple(about["place"]),
        size=about["size"],
        mtime=about["mtime"],
        placed=data is None,
        offset=about["size"] if data is None else data.st_size,
        expires=last + (PLACED_SECONDS if data is None else KEPT_SECONDS),
    )
