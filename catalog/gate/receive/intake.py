"""Receiving: bytes into staging, a row into the catalogue, both durable before it is acknowledged (docs/laws.md, law 4).

May live here: what every door that receives shares. Not: protocols, checks, decisions.
"""

import contextlib
import filecmp
import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from catalog import clock, durable
from catalog.audit import Refusals
from catalog.audit.refusals import REFUSALS_SECONDS
from catalog.database import Database, Row
from catalog.database.tables import batches, sources, staged_files
from catalog.gate.staged.area import Staging
from catalog.pure.batches import State
from catalog.pure.errors import ArchimedError, Unavailable
from catalog.pure.staged_files import FileState

_BUSY = "the staging folder cannot be written"

_RIVAL = sa.select(staged_files.c.file).where(
    *(staged_files.c[name] == sa.bindparam(name) for name in ("batch_id", "instance", "variant"))
)
_GROWN = batches.update().values(
    files=batches.c.files + sa.bindparam("count"),
    bytes=batches.c.bytes + sa.bindparam("size", type_=sa.BigInteger),
    last_write=sa.bindparam("now", type_=sa.BigInteger),
)
_CORRECT = _GROWN.where(batches.c.id == sa.bindparam("batch"))


_OPEN_ONE = sa.select(sa.func.min(batches.c.id)).where(
    batches.c.state == State.OPEN, batches.c.source_id == sa.bindparam("of_source", type_=sa.BigInteger)
)
# The state once more: where another sealed the batch while we waited for its row, there is no open one.
_GROW_OPEN = _GROWN.where(batches.c.id == _OPEN_ONE.scalar_subquery(), batches.c.state == State.OPEN).returning(batches.c.id)


@dataclass(frozen=True, slots=True)
class SourceRef:
    """A source that is known: its row, its name for people, the study its data belong to (None: decided at the gate).

    `tls`: it must use TLS; `certificate`: SHA-256 of the certificate that it must show, '' for any of the site's. `centre` is
    the centre of that study it stands in, None if it has none.
    """

    id: int
    name: str
    study: int | None = None
    tls: bool = False
    certificate: str = ""
    centre: int | None = None


_REF = (sources.c.id, sources.c.name, sources.c.study_id, sources.c.tls, sources.c.certificate, sources.c.centre_id)


def _ref(row: Row) -> SourceRef:
    return SourceRef(row.id, row.name, row.study_id, bool(row.tls), row.certificate, row.centre_id)


class Intake:
    """What receives: one a process, shared by its threads.

    Several threads that commit at once share one transaction: the first to come does the work of all that wait behind it.

    Args:
        guard: raises while nothing may be received, because catalogue and staging are not of one age.
    """

    def __init__(self, database: Database, staging: Staging, guard: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._guard = guard
        self._staging = staging
        self._session = staging.session()
        self._turn = threading.Lock()
        self._refusals = Refusals()
        self._refusals_due = 0.0
        self._waiting: deque[_Row] = deque()
        self._insert_staged = (
            database.insert_new(staged_files)
            .on_conflict_do_nothing(index_elements=["batch_id", "instance", "variant"])
            .returning(staged_files.c.id)
        )
        self._insert_batch = database.insert_new(batches).on_conflict_do_nothing()

    def source_for(self, ae_title: str, address: str) -> SourceRef | None:
        """Return the source that calls itself `ae_title` from that IP address; None if there is none."""
        statement = (
            sa.select(*_REF)
            .where(sources.c.ae_title == ae_title.strip(), sources.c.host.in_(("", address)))
            .order_by(sources.c.host.desc())
        )
        row = self._database.row(statement)
        # Who asks is often a thread made for one association: its connection goes back now, not when it is collected.
        self._database.drop_reader()
        return _ref(row) if row else None

    def source_at(self, address: str) -> SourceRef | None:
        """Return the only source that is at an IP address; None if there is none, or several."""
        statement = sa.select(*_REF).where(sources.c.host == address).limit(2)
        rows = self._database.rows(statement)
        self._database.drop_reader()
        return _ref(rows[0]) if len(rows) == 1 else None

    def refuse(self, ae_title: str, address: str) -> None:
        """Audit that somebody unknown was refused: at once, or counted with those of the same minute."""
        self._refusals.note(ae_title.strip(), address)
        if time.monotonic() >= self._refusals_due:
            self._refusals_due = time.monotonic() + REFUSALS_SECONDS
            self._refusals.write(self._database, "dicom", "dicom.refused")

    def begin(self, source: SourceRef) -> "Incoming":
        """Begin to receive one file from a source.

        Raises:
            OutOfSpace, Unavailable: the disk refused.
        """
        self._guard()
        with durable.translated(_BUSY):
            file, fd = self._session.create()
        return Incoming(self, source, file, fd)

    def touch(self, source: SourceRef) -> None:
        """Say that the source still sends, so that its open batch is not sealed for being quiet."""
        with self._database.write() as connection:
            connection.execute(
                batches.update()
                .where(batches.c.source_id == source.id, batches.c.state == State.OPEN)
                .values(last_write=clock.now())
            )

    def close(self) -> None:
        """Stop receiving; what was committed stays."""
        self._session.close()
        with contextlib.suppress(ArchimedError):
            self._refusals.write(self._database, "dicom", "dicom.refused")

    def _commit(self, incoming: "Incoming", instance: str) -> None:
        with durable.translated(_BUSY):
            os.fdatasync(incoming.fd)
            self._session.wait_for_name(incoming.file)
            size = os.fstat(incoming.fd).st_size
        row = _Row(incoming.source, incoming.file, self._staging.digest(instance), size)
        self._insert(row)
        while row.rival is not None:
            with durable.translated(_BUSY):
                same = filecmp.cmp(self._staging.path(row.rival), self._staging.path(incoming.file), shallow=False)
            if same:
                self._session.remove(incoming.file)
                return
            # Other bytes under the same UID: both are kept, and the checks report it.
            row = _Row(row.source, row.file, row.instance, row.size, variant=row.variant + 1)
            self._insert(row)

    def _has_row(self, file: str) -> bool | None:
        """Return whether a file has its row; None if the catalogue does not say.

        A COMMIT whose answer was lost may have happened: bytes go only if there is no row. Else they are set aside later.
        """
        try:
            return self._database.row(sa.select(staged_files.c.id).where(staged_files.c.file == file)) is not None
        except ArchimedError:
            return None

    def _insert(self, row: "_Row") -> None:
        self._waiting.append(row)
        with self._turn:
            if not row.settled:
                self._insert_group([self._waiting.popleft() for _ in range(len(self._waiting))])
        if row.error is not None:
            raise row.error

    def _insert_group(self, group: Sequence["_Row"]) -> None:
        """Insert rows in one transaction; where that fails for one of them, each in its own."""
        try:
            self._insert_together(group)
        except ArchimedError as error:
            for row in group:
                row.error = error
        except sa.exc.SQLAlchemyError:
            # Say, the source of one was removed meanwhile. Its text quotes values, so nobody gets to see it.
            if len(group) > 1:
                for row in group:
                    self._insert_group([row])
        else:
            for row in group:
                row.error = None
        for row in group:
            row.settled = True

    def _insert_together(self, group: Sequence["_Row"]) -> None:
        now = clock.now()
        with self._database.write() as connection:
            for _, found in itertools.groupby(sorted(group, key=_by_source), key=_by_source):
                rows = list(found)
                batch = self._grow(
                    connection, rows[0].source, {"count": len(rows), "size": sum(row.size for row in rows), "now": now}
                )
                twice = [row.size for row in rows if not self._insert_row(connection, batch, row, now)]
                if twice:
                    connection.execute(_CORRECT, {"batch": batch, "count": -len(twice), "size": -sum(twice), "now": now})

    def _insert_row(self, connection: sa.Connection, batch: int, row: "_Row", now: int) -> bool:
        key = {"batch_id": batch, "instance": row.instance, "variant": row.variant}
        values = {"file": row.file, "size": row.size, "received": now, "state": FileState.STAGED, "reason": "", "result": ""}
        row.rival = None
        if connection.execute(self._insert_staged, key | values).scalar() is not None:
            return True
        row.rival = connection.execute(_RIVAL, key).scalar_one()
        return False

    def _grow(self, connection: sa.Connection, source: SourceRef, by: Mapping[str, int]) -> int:
        """Count files into the open batch of a source, made if there is none; return it."""
        values = {"of_source": source.id, **by}
        found = connection.execute(_GROW_OPEN, values).scalar()
        if found is None:
            fresh = {
                "state": State.OPEN, "source_id": source.id, "study_id": source.study, "centre_id": source.centre,
                "exam_code": "", "files": 0, "bytes": 0,
                "findings": "[]", "summary": "[]", "reason": "", "approved": 0, "decided_by": "",
                "opened": by["now"], "last_write": by["now"],
            }  # fmt: skip
            # Another process may have made it meanwhile: then this makes none.
            connection.execute(self._insert_batch, fresh)
            found = connection.execute(_GROW_OPEN, values).scalar_one()
        return int(found)


class Incoming:
    """One file on its way in: write the bytes to `fd`, then `commit` or `discard`, once."""

    def __init__(self, intake: Intake, source: SourceRef, file: str, fd: int) -> None:
        self._intake = intake
        self.source = source
        self.file = file
        self.fd = fd

    def commit(self, instance_uid: str) -> None:
        """Keep the file: when this returns, bytes and row survive a power cut.

        The same instance with the same bytes in the same batch is one file; this one goes.

        Args:
            instance_uid: the original SOP instance UID, or whatever makes the file one; kept as a keyed digest only.

        Raises:
            OutOfSpace, Unavailable: it could not be kept.
        """
        try:
            self._intake._commit(self, instance_uid)  # noqa: SLF001 - the two classes are one thing
        except Unavailable:
            is_kept = self._intake._has_row(self.file)  # noqa: SLF001
            if is_kept is False:
                self.discard()
                raise
            os.close(self.fd)
            if is_kept is None:
                raise
            return
        except BaseException:
            self.discard()
            raise
        os.close(self.fd)

    def discard(self) -> None:
        """Leave nothing behind."""
        os.close(self.fd)
        self._intake._session.remove(self.file)  # noqa: SLF001 - the two classes are one thing


@dataclass(slots=True)
class _Row:
    """A row that waits to be inserted, and what became of it: not kept, until somebody says that it was."""

    source: SourceRef
    file: str
    instance: bytes
    size: int
    variant: int = 0
    settled: bool = False
    rival: str | None = None  # the file that has this instance and variant already
    error: ArchimedError | None = field(
        default_factory=lambda: Unavailable("the catalogue did not take the file; send it again")
    )


def _by_source(row: _Row) -> int:
    return row.source.id
