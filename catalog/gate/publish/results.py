"""Results at publish: taken as they are, and put beside the series they were made of. Used by the publish job alone.

A result was made from what the archive shows, so it is not de-identified: cleaning would map its references to archived
images a second time. That nobody's identity is in it is what the reviewer says who accepts it; DICOM among it must be of that
exam by its own patient ID.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from catalog import clock
from catalog.database import Row
from catalog.database.tables import batches, files, folders, series, users
from catalog.database.tables import results as results_table
from catalog.filetypes.dicom import read_facts
from catalog.filetypes.part10 import NotDicom
from catalog.pure.errors import Held, Invalid
from catalog.pure.names import folded, nested_folder, nested_key, series_name, unique_name
from catalog.pure.results import FILE_TYPE, Lineage, ResultPath, placed, read_lineage

_LARGEST_LINEAGE = 1 << 16
_IDENTITY_BYTES = 16
_RESULT = (series.c.id, series.c.name, series.c.identity)


@dataclass(frozen=True, slots=True)
class ResultFile:
    """A file of a result that is in the store: `staged` is its row, `lineage` what it says if it is the lineage."""

    staged: int
    made: ResultPath
    digest: bytes
    size: int
    lineage: Lineage | None


@dataclass(frozen=True, slots=True)
class Put:
    """What became of an import's results: one manifest entry a file, and files whose place is taken by other bytes."""

    entries: list[dict[str, Any]]
    contradicting: list[int]


def take(source: Path, target: BufferedRandom, made: ResultPath, exam: str) -> None:
    """Copy a staged file of a result into the store's private file.

    Raises:
        Held: it is DICOM that is not of this exam, or a lineage that cannot be used.
        Unreadable: it is broken DICOM.
    """
    if made.is_lineage:
        lineage_of(source)
    elif _is_dicom_of_another(source, exam):
        raise Held(
            "it is DICOM whose patient ID is not this exam's code, so it may be of somebody else or not be de-identified: "
            "make results from archived images, or bring it as images"
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


def put(connection: sa.Connection, batch: Row, exam_id: int, brought: Sequence[ResultFile]) -> Put:
    """Make the series, folders and files of an import's results in an exam.

    Files that are late for a result join it; the same label in another import makes another version beside the first.
    """
    root = _first_of(connection, batch)
    by_result: dict[tuple[int, str], list[ResultFile]] = {}
    for file in brought:
        by_result.setdefault((file.made.number, file.made.label), []).append(file)
    done = Put([], [])
    for (number, label), members in sorted(by_result.items()):
        identity = _identity(f"result {root} {number} {label}")
        row = connection.execute(sa.select(*_RESULT).where(series.c.exam_id == exam_id, series.c.identity == identity)).first()
        if row is None:
            row = _make(connection, batch, exam_id, number, label, identity)
        for member in members:
            if member.lineage is not None:
                _keep_lineage(connection, row.id, member.lineage)
        _put_files(connection, batch, row, [member for member in members if member.lineage is None], done)
    return done


def _first_of(connection: sa.Connection, batch: Row) -> int:
    """Return the first of the batches that follow each other up to this one."""
    number, follows = int(batch.id), batch.follows
    while follows is not None:
        number = int(follows)
        follows = connection.execute(sa.select(batches.c.follows).where(batches.c.id == number)).scalar()
    return number


def _make(connection: sa.Connection, batch: Row, exam_id: int, number: int, label: str, identity: bytes) -> Row:
    there = connection.execute(
        sa.select(series.c.id, series.c.name, series.c.number, series.c.file_type)
        .where(series.c.exam_id == exam_id)
        .order_by(series.c.name_key)
    ).all()
    name = unique_name(series_name(number, FILE_TYPE, label), {folded(one.name) for one in there})
    now = clock.now()
    made: Row = connection.execute(
        series.insert()
        .values(
            exam_id=exam_id, study_id=batch.study_id, number=number, file_type=FILE_TYPE, description=label,
            identity=identity, name=name, name_key=folded(name), acquired=None, added=now,
        )
        .returning(*_RESULT)
    ).one()  # fmt: skip
    of = next((one.id for one in there if one.number == number and one.file_type != FILE_TYPE), None)
    brought_by = connection.execute(sa.select(users.c.login).where(users.c.id == batch.uploader_id)).scalar()
    values = {
        "series_id": made.id, "source_id": of, "program": "", "sources": "[]", "brought_by": brought_by or batch.decided_by,
    }  # fmt: skip
    connection.execute(results_table.insert().values(values))
    return made


def _keep_lineage(connection: sa.Connection, series_id: int, lineage: Lineage) -> None:
    values = {"program": lineage.program, "sources": json.dumps(lineage.sources)}
    connection.execute(results_table.update().where(results_table.c.series_id == series_id).values(values))


def _put_files(connection: sa.Connection, batch: Row, result: Row, members: Sequence[ResultFile], done: Put) -> None:
    ways = placed({member.staged: member.made.parts for member in members}, _standing(connection, result.id))
    makes = _Folders(connection, result.id)
    known = {
        row.name_key: row.sha256
        for row in connection.execute(sa.select(files.c.name_key, files.c.sha256).where(files.c.series_id == result.id))
    }
    lineage = _lineage(connection, result.id)
    rows = []
    for member in sorted(members, key=lambda member: ways[member.staged]):
        *above, name = ways[member.staged]
        key = makes.key(above, name)
        if key is None or key in makes.keys or known.get(key, member.digest) != member.digest:
            done.contradicting.append(member.staged)
            continue
        if key in known:
            continue
        path = "/".join(ways[member.staged])
        rows.append(
            {
                "series_id": result.id, "name_key": key, "name": None if key == name else name, "size": member.size,
                "sha256": member.digest, "identity": _identity(path), "acquired": None, "added": clock.now(),
                "batch_id": batch.id,
            }
        )  # fmt: skip
        done.entries.append(
            {
                "exam": batch.exam_code, "series": result.name, "name": path, "sha256": member.digest.hex(),
                "size": member.size, "file_type": FILE_TYPE, "identity": _identity(path).hex(),
                "series_identity": result.identity.hex(), "acquired": None, "headers": {}, "lineage": lineage,
            }
        )  # fmt: skip
    if rows:
        connection.execute(files.insert(), rows)


def _standing(connection: sa.Connection, series_id: int) -> list[tuple[str, ...]]:
    """Return the ways to the files that a result has already."""
    rows = connection.execute(sa.select(folders).where(folders.c.series_id == series_id).order_by(folders.c.id))
    above: dict[int | None, tuple[str, ...]] = {None: ()}
    for row in rows:
        above[row.id] = (*above[row.parent_id], row.name)
    found = connection.execute(sa.select(files.c.name_key, files.c.name).where(files.c.series_id == series_id))
    return [(*above[nested_folder(row.name_key)], row.name or row.name_key) for row in found]


def _lineage(connection: sa.Connection, series_id: int) -> dict[str, Any]:
    """Return where a result comes from, as its manifest says it."""
    found = connection.execute(sa.select(results_table).where(results_table.c.series_id == series_id)).one()
    return {"program": found.program, "sources": json.loads(found.sources), "brought_by": found.brought_by}


class _Folders:
    """The folders of one result: those it has, and those it gets."""

    def __init__(self, connection: sa.Connection, series_id: int) -> None:
        self._connection = connection
        self._series = series_id
        self._files: set[str] = set(
            connection.execute(sa.select(files.c.name_key).where(files.c.series_id == series_id)).scalars()
        )
        found = connection.execute(sa.select(folders.c.name_key, folders.c.id).where(folders.c.series_id == series_id))
        self.keys: dict[str, int] = {row.name_key: row.id for row in found}

    def key(self, above: Sequence[str], name: str) -> str | None:
        """Return the key of a file, making the folders above it; None if a file stands where one of them should."""
        parent: int | None = None
        for folder in above:
            key = folded(folder) if parent is None else nested_key(parent, folded(folder))
            if key in self._files:
                return None
            if key not in self.keys:
                values = {
                    "series_id": self._series, "parent_id": parent, "name": folder, "name_key": key, "added": clock.now(),
                }  # fmt: skip
                made = self._connection.execute(folders.insert().values(values).returning(folders.c.id)).scalar_one()
                self.keys[key] = int(made)
            parent = self.keys[key]
        return folded(name) if parent is None else nested_key(parent, folded(name))


def _identity(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=_IDENTITY_BYTES).digest()
