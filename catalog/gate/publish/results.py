"""Results at publish: taken as they are, and put beside the series they were made of. Used by the publish job alone.

A result was made from what the archive shows, so it is not de-identified: cleaning would map its references to archived
images a second time. It is looked through all the same: what may say who it is needs the word of the reviewer who accepts it,
and DICOM among it must be of that exam by its own patient ID.
"""

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from catalog.database import Database
from catalog.database.tables import batches, files, folders, series, users
from catalog.database.tables import results as results_table
from catalog.filetypes.dicom import read_facts
from catalog.filetypes.part10 import NotDicom
from catalog.gate.batches import Batch
from catalog.gate.deidentification import Cleaner
from catalog.gate.result_look import look
from catalog.pure.errors import Held, Invalid
from catalog.pure.names import folded, nested_folder, nested_key, series_name, unique_name
from catalog.pure.nodes import Kind, NodeId
from catalog.pure.results import FILE_TYPE, Lineage, ResultPath, placed, read_lineage, sources_as_column, sources_of_column

_LARGEST_LINEAGE = 1 << 16
_IDENTITY_BYTES = 16
_ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class ResultFile:
    """A file of a result that is in the store: `staged` is its row, `lineage` what it says if it is the lineage."""

    staged: int
    made: ResultPath
    digest: bytes
    size: int
    lineage: Lineage | None


@dataclass(frozen=True, slots=True)
class PlannedResult:
    """A result to be made, or added to where `row` is not None. `lineage`: how it was made; `placed`: where each file goes.

    `origin` is where it comes from, as its manifest says it.
    """

    row: int | None
    number: int
    label: str
    name: str
    identity: bytes
    lineage: Lineage | None
    origin: Mapping[str, Any]
    placed: Sequence[tuple[ResultFile, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class PlannedResults:
    """Where an import's results go, and the staged files whose place is taken by other bytes."""

    results: Sequence[PlannedResult] = ()
    contradicting: Sequence[int] = ()

    @property
    def files(self) -> int:
        """How many files get a place."""
        return sum(len(result.placed) for result in self.results)


def take(source: Path, target: BufferedRandom, made: ResultPath, exam: str, cleaner: Cleaner, *, vouched: bool) -> None:
    """Copy a staged file of a result into the store's private file.

    Args:
        source: the staged file.
        target: the store's.
        made: what it is.
        exam: code of its exam.
        cleaner: looks through it.
        vouched: a named human said why what looks like an identity in it is none.

    Raises:
        Held: it is DICOM that is not of this exam, a lineage that cannot be used, or it may say who it is.
        Unreadable: it is broken DICOM.
    """
    if made.is_lineage:
        lineage_of(source)
    elif _is_dicom_of_another(source, exam):
        raise Held(
            "it is DICOM whose patient ID is not this exam's code, so it may be of somebody else or not be de-identified: "
            "make results from archived images, or bring it as images"
        )
    elif not vouched and (people := look(source, made.parts[-1], exam, cleaner).people):
        raise Held(
            f"it is a result, archived as it is, and may say who it is: it holds {', '.join(people)}; somebody who knows that "
            "it identifies nobody must vouch for it with --attest REASON, where the study holds such results for it alone"
        )
    with source.open("rb") as file:
        shutil.copyfileobj(file, target, 1 << 20)


def _is_dicom_of_another(source: Path, exam: str) -> bool:
    """Whether a file is DICOM, whatever a site's own file type takes it for, and not of this exam.

    Raises:
        Unreadable: it is broken DICOM.
    """
    if source.stat().st_size == 0:
        return False  # programs leave empty files behind as marks
    try:
        return read_facts(source).patient_id != exam
    except NotDicom:
        return False


def lineage_of(path: Path) -> Lineage:
    """Return what a lineage file says.

    Raises:
        Held: it cannot be used.
    """
    with path.open("rb") as file:
        text = file.read(_LARGEST_LINEAGE)
    try:
        return read_lineage(text)
    except Invalid as error:
        raise Held(str(error)) from None


def plan_results(
    database: Database, batch: Batch, exam_id: int | None, others: Iterable[str], brought: Sequence[ResultFile]
) -> PlannedResults:
    """Decide where the files of an import's results go in an exam. Reads only.

    Files that are late for a result join it; the same label in another import makes another version beside the first.

    Args:
        exam_id: the exam; None if it is not there yet.
        others: names of series that the import makes beside.
    """
    by_result: dict[tuple[int, str], list[ResultFile]] = {}
    for file in brought:
        by_result.setdefault((file.made.number, file.made.label), []).append(file)
    if not by_result:
        return PlannedResults()
    root = _first_of(database, batch)
    there = _of_exam(database, exam_id)
    taken = {*map(folded, others), *(folded(row.name) for row in there.values())}
    planned, contradicting = [], []
    for (number, label), members in sorted(by_result.items()):
        identity = _identity(f"result {root} {number} {label}")
        known = there.get(identity)
        name = known.name if known is not None else unique_name(series_name(number, FILE_TYPE, label), taken)
        taken.add(folded(name))
        lineage = next((member.lineage for member in reversed(members) if member.lineage is not None), None)
        row = known.id if known is not None else None
        placed_files, refused = _placed(database, row, [member for member in members if member.lineage is None])
        contradicting += refused
        origin = _origin(database, batch, row, lineage)
        planned.append(PlannedResult(row, number, label, name, identity, lineage, origin, placed_files))
    return PlannedResults(planned, contradicting)


def manifest_entries(planned: PlannedResults, exam_code: str) -> Iterator[dict[str, Any]]:
    """Yield the manifest's entry of each file."""
    for result in planned.results:
        for file, way in result.placed:
            path = "/".join(way)
            yield {
                "exam": exam_code, "series": result.name, "name": path, "sha256": file.digest.hex(),
                "size": file.size, "file_type": FILE_TYPE, "identity": _identity(path).hex(),
                "series_identity": result.identity.hex(), "number": result.number, "description": result.label,
                "acquired": None, "headers": {}, "lineage": result.origin,
            }  # fmt: skip


def put(connection: sa.Connection, batch: Batch, exam_id: int, planned: PlannedResults, now: int) -> set[NodeId]:
    """Make the series, folders and files of an import's results in an exam, as planned.

    Returns:
        The folders in which something appeared and that were not made here.
    """
    touched = set()
    for result in planned.results:
        row = result.row if result.row is not None else _make(connection, batch, exam_id, result, now)
        if result.lineage is not None:
            values = {"program": result.lineage.program, "sources": sources_as_column(result.lineage.sources)}
            connection.execute(results_table.update().where(results_table.c.series_id == row).values(values))
        folders_of = FolderRows(connection, row, now)
        for at in range(0, len(result.placed), _ROWS_AT_ONCE):
            chunk = result.placed[at : at + _ROWS_AT_ONCE]
            connection.execute(files.insert(), [_file_row(folders_of, row, batch.id, file, way, now) for file, way in chunk])
        made = result.row is None
        touched |= folders_of.touched - ({NodeId(Kind.SERIES, row)} if made else set())
        if made:
            touched.add(NodeId(Kind.EXAM, exam_id))
    return touched


def _file_row(
    folders_of: "FolderRows", series_id: int, batch_id: int, file: ResultFile, way: tuple[str, ...], now: int
) -> dict[str, Any]:
    *above, name = way
    key = folders_of.key(above, name)
    return {
        "series_id": series_id, "name_key": key, "name": None if key == name else name, "size": file.size,
        "sha256": file.digest, "identity": _identity("/".join(way)), "acquired": None, "added": now, "batch_id": batch_id,
    }  # fmt: skip


def _first_of(database: Database, batch: Batch) -> int:
    """Return the first of the batches that follow each other up to this one."""
    number, follows = batch.id, batch.follows
    while follows is not None:
        number = follows
        row = database.row(sa.select(batches.c.follows).where(batches.c.id == number))
        follows = row.follows if row is not None else None
    return number


@dataclass(frozen=True, slots=True)
class _Known:
    """A series that an exam has."""

    id: int
    name: str


def _of_exam(database: Database, exam_id: int | None) -> dict[bytes, _Known]:
    rows = database.rows(sa.select(series.c.id, series.c.name, series.c.identity).where(series.c.exam_id == exam_id))
    return {row.identity: _Known(row.id, row.name) for row in rows}


def _make(connection: sa.Connection, batch: Batch, exam_id: int, result: PlannedResult, now: int) -> int:
    values = {
        "exam_id": exam_id, "study_id": batch.study_id, "number": result.number, "file_type": FILE_TYPE,
        "description": result.label, "identity": result.identity, "name": result.name, "name_key": folded(result.name),
        "acquired": None, "added": now,
    }  # fmt: skip
    made = int(connection.execute(series.insert().values(values).returning(series.c.id)).scalar_one())
    origin = {**result.origin, "program": "", "sources": ()}
    connection.execute(results_table.insert().values(origin_row(connection, made, exam_id, result.number, origin)))
    return made


def origin_row(connection: sa.Connection, made: int, exam_id: int, number: int, origin: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of where a result comes from; the series of its number in its exam is the one it was made of.

    Args:
        made: the series that is the result.
        number: its number.
        origin: as its manifest says it.
    """
    source = connection.execute(
        sa.select(series.c.id)
        .where(series.c.exam_id == exam_id, series.c.number == number, series.c.file_type != FILE_TYPE)
        .order_by(series.c.name_key)
        .limit(1)
    ).scalar()
    return {
        "series_id": made, "source_id": source, "program": origin["program"],
        "sources": sources_as_column(tuple(origin["sources"])), "brought_by": origin["brought_by"],
    }  # fmt: skip


def _placed(
    database: Database, series_id: int | None, members: Sequence[ResultFile]
) -> tuple[list[tuple[ResultFile, tuple[str, ...]]], list[int]]:
    """Return where the files of a result go that are not there yet, and those whose place is taken by something else."""
    standing, folders_there = _standing(database, series_id)
    ways = placed({member.staged: member.made.parts for member in members}, list(standing))
    digests = {_folded(way): digest for way, digest in standing.items()}
    found: list[tuple[ResultFile, tuple[str, ...]]] = []
    contradicting = []
    for member in sorted(members, key=lambda member: ways[member.staged]):
        way = ways[member.staged]
        key = _folded(way)
        above = [key[:depth] for depth in range(1, len(key))]
        if any(one in digests for one in above) or key in folders_there or digests.get(key, member.digest) != member.digest:
            contradicting.append(member.staged)
        elif key not in digests:
            folders_there.update(above)
            found.append((member, way))
    return found, contradicting


def _standing(database: Database, series_id: int | None) -> tuple[dict[tuple[str, ...], bytes], set[tuple[str, ...]]]:
    """Return the ways to the files that a result has, each with its digest, and the folded ways to its folders."""
    rows = database.rows(sa.select(folders).where(folders.c.series_id == series_id).order_by(folders.c.id))
    above: dict[int | None, tuple[str, ...]] = {None: ()}
    for row in rows:
        above[row.id] = (*above[row.parent_id], row.name)
    found = database.rows(sa.select(files.c.name_key, files.c.name, files.c.sha256).where(files.c.series_id == series_id))
    ways = {(*above[nested_folder(row.name_key)], row.name or row.name_key): row.sha256 for row in found}
    return ways, {_folded(way) for number, way in above.items() if number is not None}


def _folded(way: Iterable[str]) -> tuple[str, ...]:
    return tuple(folded(name) for name in way)


def _origin(database: Database, batch: Batch, series_id: int | None, lineage: Lineage | None) -> dict[str, Any]:
    """Return where a result comes from, as its manifest says it."""
    row = database.row(sa.select(results_table).where(results_table.c.series_id == series_id)) if series_id else None
    if row is None:
        user = database.row(sa.select(users.c.login).where(users.c.id == batch.uploader_id))
        origin: dict[str, Any] = {"program": "", "sources": [], "brought_by": (user.login if user else "") or batch.decided_by}
    else:
        sources = list(sources_of_column(row.sources))
        origin = {"program": row.program, "sources": sources, "brought_by": row.brought_by}
    return origin if lineage is None else origin | {"program": lineage.program, "sources": list(lineage.sources)}


class FolderRows:
    """The folders of one result: those it has, and those it gets.

    Args:
        series_id: the result.
        now: since when new ones count as archived.
    """

    def __init__(self, connection: sa.Connection, series_id: int, now: int) -> None:
        self._connection = connection
        self._series = series_id
        self._now = now
        found = connection.execute(sa.select(folders.c.name_key, folders.c.id).where(folders.c.series_id == series_id))
        self._ids: dict[str, int] = {row.name_key: row.id for row in found}
        self._made: set[int] = set()
        self.touched: set[NodeId] = set()
        """The series and folders in which something appeared, but for folders that were made here."""

    def key(self, above: Sequence[str], name: str) -> str:
        """Return the key of a file, making the folders above it."""
        parent: int | None = None
        for folder in above:
            key = folded(folder) if parent is None else nested_key(parent, folded(folder))
            if key not in self._ids:
                values = {
                    "series_id": self._series, "parent_id": parent, "name": folder, "name_key": key, "added": self._now,
                }  # fmt: skip
                made = self._connection.execute(folders.insert().values(values).returning(folders.c.id)).scalar_one()
                self._ids[key] = int(made)
                self._touch(parent)
                self._made.add(int(made))
            parent = self._ids[key]
        self._touch(parent)
        return folded(name) if parent is None else nested_key(parent, folded(name))

    def _touch(self, folder: int | None) -> None:
        if folder is None:
            self.touched.add(NodeId(Kind.SERIES, self._series))
        elif folder not in self._made:
            self.touched.add(NodeId(Kind.FOLDER, folder))


def _identity(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=_IDENTITY_BYTES).digest()
