"""Storage commitment (PS3.4 annex J): what a source asks whether it may delete its own, and what is durable here of it.

A request names original UIDs, so it lies in staging until it is reported on; the catalogue knows its number alone. An instance
is committed if the source sent it and

    its staged bytes are all there, and neither the checks nor a human refused them; or
    it was published, within the last 90 days, and nothing of its import was purged since.

What only looks like it is not committed: a device deletes its own on our word. May live here: keeping requests, and this rule.
Not: the protocol.
"""

import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

import sqlalchemy as sa

from catalog.database import Database, Row
from catalog.database.tables import batches, deliveries, received_instances, staged_files
from catalog.exchange import queue_commitment
from catalog.gate.receive.intake import SourceRef
from catalog.gate.staged.area import Staging
from catalog.pure.batches import State
from catalog.pure.staged_files import FileState

_CHUNK = 500
_GONE = (State.REJECTED.value, State.ERASED.value)


class Failure(IntEnum):
    """Why an instance is not committed: Failure Reason (0008,1197), PS3.3 C.14.1.1."""

    PROCESSING = 0x0110
    NO_SUCH_INSTANCE = 0x0112


@dataclass(frozen=True, slots=True)
class Reference:
    """An instance that is asked about: SOP class and SOP instance, as its source names it."""

    sop_class: str
    sop_instance: str


@dataclass(frozen=True, slots=True)
class Request:
    """A request for storage commitment; `transaction`: the UID under which its source knows it."""

    transaction: str
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """What of a request is durable here, and what is not, each with the reason."""

    committed: tuple[Reference, ...]
    failed: tuple[tuple[Reference, Failure], ...]


class Commitments:
    """Requests for storage commitment."""

    def __init__(self, database: Database, staging: Staging) -> None:
        self._database = database
        self._staging = staging

    def keep(self, source: SourceRef, request: Request) -> int:
        """Queue a request; when this returns, it survives a power cut. Return the number of its job.

        Raises:
            OutOfSpace, Unavailable: it could not be kept.
        """
        name = secrets.token_hex(8)
        pairs = [[reference.sop_class, reference.sop_instance] for reference in request.references]
        text = json.dumps({"transaction": request.transaction, "references": pairs})
        self._staging.write_request(name, text.encode())
        with self._database.write() as connection:
            return queue_commitment(connection, source.id, source.name, name, len(pairs))

    def read(self, name: str) -> Request:
        """Return a request that was kept.

        Raises:
            NotFound: it is not there any more.
        """
        found = json.loads(self._staging.read_request(name))
        return Request(found["transaction"], tuple(Reference(*pair) for pair in found["references"]))

    def erase(self, name: str) -> None:
        """Forget a request, durably."""
        self._staging.erase_request(name)

    def judge(self, source_id: int, request: Request) -> Judged:
        """Return what of a request is durable here now.

        Raises:
            Unavailable: it cannot be found out now.
        """
        committed: list[Reference] = []
        failed: list[tuple[Reference, Failure]] = []
        for at in range(0, len(request.references), _CHUNK):
            chunk = request.references[at : at + _CHUNK]
            digests = [self._staging.digest(reference.sop_instance) for reference in chunk]
            whole, broken = self._staged(source_id, digests)
            there = whole | self._published(source_id, digests)
            for reference, digest in zip(chunk, digests, strict=True):
                if digest in there:
                    committed.append(reference)
                else:
                    failed.append((reference, Failure.PROCESSING if digest in broken else Failure.NO_SUCH_INSTANCE))
        return Judged(tuple(committed), tuple(failed))

    def _staged(self, source_id: int, digests: Sequence[bytes]) -> tuple[set[bytes], set[bytes]]:
        """Return which instances lie in staging as a whole, and which lie there and are no good."""
        statement = (
            sa.select(staged_files.c.instance, staged_files.c.file, staged_files.c.size, staged_files.c.state, batches.c.state)
            .join(batches, batches.c.id == staged_files.c.batch_id)
            .where(batches.c.source_id == source_id, batches.c.state.not_in(_GONE), staged_files.c.instance.in_(digests))
        )
        whole: set[bytes] = set()
        broken: set[bytes] = set()
        for row in self._database.rows(statement):
            (whole if self._is_whole(row) else broken).add(bytes(row.instance))
        return whole, broken

    def _is_whole(self, row: Row) -> bool:
        _, file, size, state, batch = row
        if state == FileState.BAD:
            return False
        # Of a batch that is published, the staged bytes go one after the other: what was stored is in the archive.
        if batch == State.PUBLISHED and state == FileState.STORED:
            return True
        return self._staging.size_of(file) == int(size)

    def _published(self, source_id: int, digests: Sequence[bytes]) -> set[bytes]:
        statement = (
            sa.select(received_instances.c.instance)
            .join(batches, batches.c.id == received_instances.c.batch_id)
            .where(batches.c.source_id == source_id, received_instances.c.instance.in_(digests))
        )
        return {bytes(row.instance) for row in self._database.rows(statement)}

    def forget_lost(self) -> None:
        """Erase requests that nobody was told to have been kept: their job was never queued, for we died before."""
        known = set(self._queued())
        for name in self._staging.old_requests():
            if name not in known:
                self._staging.erase_request(name)

    def _queued(self) -> Iterator[str]:
        for row in self._database.rows(sa.select(deliveries.c.request).where(deliveries.c.request != "")):
            yield row.request
