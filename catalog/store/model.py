"""What a store is: objects, whose bytes never change, and records, which say what the objects are.

    ObjectStore    bytes named by their SHA-256 inside their study
    RecordStore    small files of lines beside them: what a study is, what an import brought, what was corrected

A store keeps both, so that a study can be read without a catalogue (law 5). Whoever needs only one asks for that one.
To add a store, write a class with these methods, let `catalog.store.testing` run on it, and name it in `gateway/wiring.py`.
May live here: the Protocols and their values. Not: any store.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BufferedRandom
from typing import Protocol

from catalog.pure.capacity import Capacity

PAGE = 1000


@dataclass(frozen=True, slots=True)
class StoredObject:
    """Bytes in the store: `digest` is their SHA-256 (32 bytes), `size` their number."""

    digest: bytes
    size: int


class ObjectReader(Protocol):
    """An object that is open for reading. Several threads may read it at once; the caller closes it."""

    @property
    def fd(self) -> int | None:
        """A descriptor of a local file with the object's bytes, for sendfile(2) and preadv(2); None where there is none.

        It is the reader's: `close` closes it.
        """
        ...

    def read_at(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from `offset`, fewer only where the object ends.

        Raises:
            Unavailable: the store does not answer.
        """
        ...

    def close(self) -> None:
        """Let go of it; harmless when it is closed."""
        ...


class Deposit(Protocol):
    """Objects of one import on their way into the store; one thread at a time.

    Files made by `new` are private until `settle`, which puts many in place at once.
    """

    def new(self) -> BufferedRandom:
        """Return a new private file, open for reading and writing; hand it to `add` or `discard`.

        Raises:
            OutOfSpace, Unavailable: the disk refused.
        """
        ...

    def add(self, file: BufferedRandom) -> StoredObject:
        """Close a file made by `new`, take its digest, and let it wait for `settle`.

        Raises:
            OutOfSpace, Unavailable: the disk refused; the file is discarded.
        """
        ...

    def discard(self, file: BufferedRandom) -> None:
        """Close and remove a file made by `new`."""
        ...

    def settle(self) -> None:
        """Put all that was added in place, durably. An object that is there already, with its bytes, stays as it is.

        Raises:
            OutOfSpace, Unavailable: the store refused; nothing was acknowledged, and it can be called again or the same import
                be begun again.
        """
        ...

    def close(self) -> None:
        """Remove what was not settled."""
        ...


class ObjectStore(Protocol):
    """Objects, each inside its own study: the same digest in two studies is two objects. Safe to share between threads."""

    def prepare(self) -> None:
        """Make ready a store that is new; harmless when it is in use."""
        ...

    def deposit(self, study: str, name: str) -> Deposit:
        """Begin, or begin again, to put the objects of one import in place; what an earlier attempt left half done goes."""
        ...

    def open(self, study: str, stored: StoredObject, *, fresh: bool = False) -> ObjectReader:
        """Open an object for reading.

        Args:
            study: its study's code.
            stored: which, with the size that the catalogue knows.
            fresh: read what is stored and no copy of it, such as a cache in memory or on another disk: for proofs.

        Raises:
            Damaged: the object is not there, or has another size.
            Unavailable: the store does not answer.
        """
        ...

    def stat(self, study: str, digest: bytes) -> StoredObject | None:
        """Return an object with the size that it has in the store, None if it is not there.

        Raises:
            Unavailable: the store does not answer.
        """
        ...

    def list(self, study: str, after: bytes = b"", limit: int = PAGE) -> Sequence[StoredObject]:
        """Return up to `limit` objects of a study in the order of their digests, those behind `after`; none at the end.

        Raises:
            Unavailable: the store does not answer.
        """
        ...

    def delete(self, study: str, digest: bytes) -> None:
        """Remove an object, durably; one that is not there is fine. It must work on a full disk.

        Raises:
            Unavailable: the store does not answer.
        """
        ...

    def set_aside(self, study: str, digest: bytes) -> None:
        """Take an object whose bytes are not its own out of reach, durably, and keep them for who looks into it.

        Afterwards it is as if it were not there. One that is not there is fine.

        Raises:
            Unavailable: the store does not answer.
        """
        ...

    def capacity(self) -> Capacity:
        """Return the store's size and free space.

        Raises:
            Unavailable: the store does not answer.
        """
        ...


class RecordStore(Protocol):
    """Records of each study by name, `manifests/0000000001-00000002.jsonl`. `catalog.store.records` says what they hold.

    A record is there whole or not at all. Names are ASCII without spaces; what begins with a dot is no record.
    """

    def write_record(self, study: str, name: str, chunks: Iterable[bytes]) -> None:
        """Write a record, durably, in place of what was there under that name.

        Raises:
            OutOfSpace, Unavailable: the store refused; what was there is there still.
        """
        ...

    def read_record(self, study: str, name: str) -> Iterator[bytes]:
        """Yield a record's lines, as they are read.

        Raises:
            Damaged: it is not there.
            Unavailable: the store does not answer.
        """
        ...

    def list_records(self, study: str, folder: str, after: str = "", limit: int = PAGE, *, since: int = 0) -> Sequence[str]:
        """Return up to `limit` names of a folder's records in the order of their bytes, those behind `after`; none at the end.

        Args:
            study: its study's code.
            folder: the folder, whose name stands before each: `manifests/0000000001-00000002.jsonl`.
            after: the last name of the page before; it need not be there any more.
            limit: the most names of a page.
            since: only those written or replaced at this time (seconds since 1970 UTC) or later.

        Raises:
            Unavailable: the store does not answer.
        """
        ...

    def delete_record(self, study: str, name: str) -> None:
        """Remove a record, durably; one that is not there is fine.

        Raises:
            Unavailable: the store does not answer.
        """
        ...

    def studies(self) -> Sequence[str]:
        """Return the codes of all studies that have records, in order.

        Raises:
            Unavailable: the store does not answer.
        """
        ...


class Store(ObjectStore, RecordStore, Protocol):
    """Objects and records in one place."""
