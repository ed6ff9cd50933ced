"""Verifying: every object against its digest, the catalogue against the store, the manifests against the catalogue.

Findings are rows. Bytes that are not what they were are set aside, so that no face can hand them out. May live here: what is
compared, and what follows. Not: how good copies come back (`repair`), when it is run.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from catalog import clock
from catalog.changes import announce_gone
from catalog.database import Database
from catalog.database.tables import exams, files, jobs, object_findings, series, studies, verifications
from catalog.lifecycle import listed
from catalog.pure.errors import Damaged, NotFound
from catalog.pure.names import folded, nested_folder
from catalog.pure.nodes import Kind, NodeId
from catalog.store import Store, StoredObject
from catalog.store.records import manifests

_PIECE = 1 << 20
_PAGE = 500
_PAUSE_SECONDS = 0.05

Progress = Callable[[int], None]
"""Called with how many bytes were proved since the last call; raises to stop, and what was done stays done."""


class Fault(StrEnum):
    """What can be wrong with an object."""

    DAMAGED = "damaged"
    MISSING = "missing"
    UNKNOWN = "unknown"
    UNLISTED = "unlisted"

    @property
    def says(self) -> str:
        """What it means, for people."""
        return _SAYS[self]


_SAYS = {
    Fault.DAMAGED: "the bytes are not those that were archived; they were set aside and the file cannot be read",
    Fault.MISSING: "the catalogue has the file, the store does not have its bytes",
    Fault.UNKNOWN: "the store has an object that the catalogue does not know",
    Fault.UNLISTED: "a manifest in the store names a file that the catalogue does not know",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with an object of a study.

    `digest` is the SHA-256 (32 bytes) of the bytes as they were archived; `path` is a file that has them, from the exam on, ''
    if the catalogue has none; `found` is in seconds since 1970 UTC.
    """

    study: str
    digest: bytes
    fault: Fault
    path: str
    found: int


@dataclass(frozen=True, slots=True)
class Proof:
    """How far a study is proved: `objects` and `bytes` in this round so far, times in seconds since 1970 UTC."""

    study: str
    round_began: int
    ended: int | None
    objects: int
    bytes: int


class Verifier:
    """Verifies studies; one process at a time is enough.

    Args:
        database: the catalogue.
        store: the store.
        bytes_per_second: read no faster than this; 0: as fast as the disk gives.
        round_began: when the round began that this is part of, in seconds since 1970 UTC.
    """

    def __init__(self, database: Database, store: Store, *, round_began: int, bytes_per_second: int = 0) -> None:
        self._database = database
        self._store = store
        self._round = round_began
        self._rate = bytes_per_second

    def verify(self, study: str, progress: Progress, *, resume: bool = False) -> None:
        """Verify one study.

        Args:
            study: its code.
            progress: called with how many bytes were proved; raises to stop.
            resume: go on behind the last object that an earlier call proved, if that did not come to its end.

        Raises:
            NotFound: there is no such study.
            Unavailable: catalogue or store do not answer.
        """
        row = self._study_row(study)
        after = self._begin(row, resume=resume)
        self._compare_catalogue(row, study)
        while page := self._store.list(study, after, _PAGE):
            known = self._known(row, [stored.digest for stored in page])
            proved = 0
            for stored in page:
                self._prove(row, study, stored, known, progress)
                proved += stored.size
            after = page[-1].digest
            self._note(row, after, len(page), proved)
        self._compare_manifests(row, study)
        self._end(row)

    def _prove(self, row: int, study: str, stored: StoredObject, known: dict[bytes, int], progress: Progress) -> None:
        try:
            is_good = self._digest(study, stored, progress) == stored.digest
        except Damaged:
            return  # removed meanwhile
        if not is_good:
            self._store.set_aside(study, stored.digest)
            self._find(row, stored.digest, Fault.DAMAGED)
        elif stored.digest in known:
            self._clear(row, stored.digest)
        elif not self._is_being_published(row):
            self._find(row, stored.digest, Fault.UNKNOWN)

    def _digest(self, study: str, stored: StoredObject, progress: Progress) -> bytes:
        digest, began, done = hashlib.sha256(), time.monotonic(), 0
        reader = self._store.open(study, stored, fresh=True)
        try:
            while piece := reader.read_at(done, _PIECE):
                digest.update(piece)
                done += len(piece)
                progress(len(piece))
                self._slow_down(began, done)
        finally:
            reader.close()
        return digest.digest()

    def _slow_down(self, began: float, done: int) -> None:
        while self._rate and (left := done / self._rate - (time.monotonic() - began)) > 0:
            time.sleep(min(left, _PAUSE_SECONDS))

    def _compare_catalogue(self, row: int, study: str) -> None:
        """Find files whose object is not in the store, or has another size."""
        for statement, number in (listed.archived(row), listed.binned(row)):
            after = 0
            while rows := self._database.rows(statement.where(number > after).order_by(number).limit(_PAGE)):
                for file in rows:
                    self._compare(row, study, file.sha256, file.size)
                after = rows[-1].row

    def _compare(self, row: int, study: str, digest: bytes, size: int) -> None:
        found = self._store.stat(study, digest)
        if found is None:
            self._find_missing(row, digest)
        elif found.size != size:
            self._store.set_aside(study, digest)
            self._find(row, digest, Fault.DAMAGED)

    def _find_missing(self, row: int, digest: bytes) -> None:
        """Note a missing object, unless it is one that was set aside for its damage."""
        key = (object_findings.c.study_id == row, object_findings.c.digest == digest)
        known = self._database.row(sa.select(object_findings.c.fault).where(*key))
        if known is None or known.fault != Fault.DAMAGED:
            self._find(row, digest, Fault.MISSING)

    def _compare_manifests(self, row: int, study: str) -> None:
        """Find files that the store lists and the catalogue does not have."""
        if self._is_being_published(row):
            return
        for digests in _chunks(bytes.fromhex(entry["sha256"]) for entry in manifests(self._store, study)):
            known = self._known(row, digests)
            for digest in digests:
                if digest not in known:
                    self._find(row, digest, Fault.UNLISTED)

    def _known(self, row: int, digests: Sequence[bytes]) -> dict[bytes, int]:
        """Return which objects the catalogue has in a study or its bin, with their sizes."""
        return {bytes(found.sha256): found.size for found in self._database.rows(listed.objects(row, digests))}

    def _is_being_published(self, row: int) -> bool:
        """Whether a job may be putting objects into the store whose rows come later."""
        waits = jobs.c.state.in_(("queued", "running"))
        return self._database.row(sa.select(jobs.c.id).where(jobs.c.study_id == row, waits).limit(1)) is not None

    def _find(self, row: int, digest: bytes, fault: Fault) -> None:
        """Note a finding; faces forget what they hold of files whose bytes are wrong."""
        key = (object_findings.c.study_id == row, object_findings.c.digest == digest)
        with self._database.write() as connection:
            known = connection.execute(sa.select(object_findings.c.fault).where(*key)).scalar()
            if known == fault:
                return
            connection.execute(object_findings.delete().where(*key))
            values = {"study_id": row, "digest": digest, "fault": fault, "found": clock.now()}
            connection.execute(object_findings.insert().values(values))
            if fault in (Fault.DAMAGED, Fault.MISSING):
                for folder, name in _places(connection, row, digest):
                    announce_gone(connection, row, folder, name)

    def _clear(self, row: int, digest: bytes) -> None:
        """Forget what was wrong with an object that is good now."""
        key = (object_findings.c.study_id == row, object_findings.c.digest == digest)
        if self._database.row(sa.select(object_findings.c.fault).where(*key)) is not None:
            with self._database.write() as connection:
                connection.execute(object_findings.delete().where(*key))

    def _study_row(self, study: str) -> int:
        row = self._database.row(sa.select(studies.c.id).where(studies.c.code_key == folded(study)))
        if row is None:
            raise NotFound(f"there is no study {study}; see `archimed study list`")
        return int(row.id)

    def _begin(self, row: int, *, resume: bool) -> bytes:
        found = self._database.row(sa.select(verifications).where(verifications.c.study_id == row))
        if resume and found is not None and found.ended is None:
            return bytes(found.position)
        with self._database.write() as connection:
            connection.execute(verifications.delete().where(verifications.c.study_id == row))
            values = {"study_id": row, "round_began": self._round, "position": b"", "ended": None, "objects": 0, "bytes": 0}
            connection.execute(verifications.insert().values(values))
            # What was only seen missing or unknown is seen anew; what was set aside stays known until it is repaired.
            seen_anew = (Fault.MISSING, Fault.UNKNOWN, Fault.UNLISTED)
            connection.execute(
                object_findings.delete().where(object_findings.c.study_id == row, object_findings.c.fault.in_(seen_anew))
            )
        return b""

    def _note(self, row: int, position: bytes, objects: int, size: int) -> None:
        columns = verifications.c
        values = {"position": position, "objects": columns.objects + objects, "bytes": columns.bytes + size}
        with self._database.write() as connection:
            connection.execute(verifications.update().where(columns.study_id == row).values(values))

    def _end(self, row: int) -> None:
        with self._database.write() as connection:
            connection.execute(
                verifications.update().where(verifications.c.study_id == row).values(ended=clock.now(), position=b"")
            )


def findings(database: Database, study: str = "") -> list[Finding]:
    """Return what is wrong with objects, of all studies or of one, in the order of studies."""
    statement = sa.select(object_findings, studies.c.code).join(studies, studies.c.id == object_findings.c.study_id)
    if study:
        statement = statement.where(studies.c.code_key == folded(study))
    rows = database.rows(statement.order_by(studies.c.code_key, object_findings.c.digest))
    return [
        Finding(row.code, bytes(row.digest), Fault(row.fault), _path(database, row.study_id, bytes(row.digest)), row.found)
        for row in rows
    ]


def size(database: Database, codes: Sequence[str]) -> int:
    """Return how many bytes the catalogue has in studies: about what is read to verify them."""
    statement = (
        sa.select(sa.func.coalesce(sa.func.sum(files.c.size), 0))
        .join(series, series.c.id == files.c.series_id)
        .join(studies, studies.c.id == series.c.study_id)
        .where(studies.c.code.in_(codes))
    )
    row = database.row(statement)
    return int(row[0]) if row is not None else 0


def count(database: Database) -> int:
    """Return how many findings there are."""
    row = database.row(sa.select(sa.func.count()).select_from(object_findings))
    return int(row[0]) if row is not None else 0


def proofs(database: Database) -> list[Proof]:
    """Return how far each study is proved; a study that was never verified is not among them."""
    statement = sa.select(verifications, studies.c.code).join(studies, studies.c.id == verifications.c.study_id)
    return [
        Proof(row.code, row.round_began, row.ended, row.objects, row.bytes)
        for row in database.rows(statement.order_by(studies.c.code_key))
    ]


def unproved(database: Database, round_began: int) -> list[str]:
    """Return the codes of the studies that were not verified to their end in a round, those whose proof is oldest first."""
    is_done = sa.and_(verifications.c.round_began == round_began, verifications.c.ended.is_not(None))
    statement = (
        sa.select(studies.c.code)
        .outerjoin(verifications, verifications.c.study_id == studies.c.id)
        .where(sa.or_(verifications.c.study_id.is_(None), ~is_done))
        .order_by(sa.func.coalesce(verifications.c.ended, 0), studies.c.code_key)
    )
    return [row.code for row in database.rows(statement)]


def broken_off(database: Database) -> int | None:
    """Return when the round began that has not come to its end; None if there is none."""
    statement = sa.select(sa.func.max(verifications.c.round_began)).where(verifications.c.ended.is_(None))
    row = database.row(statement)
    return row[0] if row is not None else None


def _places(connection: sa.Connection, row: int, digest: bytes) -> Iterator[tuple[NodeId, str]]:
    """Yield folder and name of each file of a study that has these bytes."""
    statement = (
        sa.select(files.c.series_id, files.c.name_key, sa.func.coalesce(files.c.name, files.c.name_key).label("name"))
        .join(series, series.c.id == files.c.series_id)
        .where(files.c.sha256 == digest, series.c.study_id == row)
    )
    for file in connection.execute(statement).all():
        inside = nested_folder(file.name_key)
        folder = NodeId(Kind.SERIES, file.series_id) if inside is None else NodeId(Kind.FOLDER, inside)
        yield folder, file.name


def _path(database: Database, row: int, digest: bytes) -> str:
    statement = (
        sa.select(exams.c.code, series.c.name, sa.func.coalesce(files.c.name, files.c.name_key).label("file"))
        .select_from(files.join(series, series.c.id == files.c.series_id).join(exams, exams.c.id == series.c.exam_id))
        .where(files.c.sha256 == digest, series.c.study_id == row)
        .order_by(files.c.id)
        .limit(1)
    )
    found = database.row(statement)
    return f"{found.code}/{found.name}/{found.file}" if found is not None else ""


def _chunks(digests: Iterator[bytes]) -> Iterator[list[bytes]]:
    chunk: list[bytes] = []
    for digest in digests:
        chunk.append(digest)
        if len(chunk) == _PAGE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
