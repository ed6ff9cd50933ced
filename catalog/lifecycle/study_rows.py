"""The rows of one study, made of its folder in the store: what is shown.

May live here: from manifests to rows. Not: what happened to files since (`history`), nor which studies (`rebuild`, `restore`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from catalog import clock
from catalog.database import Database
from catalog.database.tables import TWINS, batches, bin_entries, exams, files, profiles, results, series, studies
from catalog.derived import touch
from catalog.gate.publish.results import FolderRows, origin_row
from catalog.lifecycle.bin.moving import BESIDE_SERIES
from catalog.metadata.keeping import keep, prepare
from catalog.pure.batches import State
from catalog.pure.names import folded, safe_label
from catalog.pure.nodes import Kind, NodeId
from catalog.pure.results import FILE_TYPE
from catalog.store import Store
from catalog.store.records import ImportRecord, read_study

_ROWS_AT_ONCE = 1000
_NUMBER_DIGITS = "0123456789"


class StudyRows:
    """One study on its way from the store into the catalogue, which may know it already.

    Raises:
        Damaged: its record is missing or cannot be read.
    """

    def __init__(self, database: Database, store: Store, code: str) -> None:
        self._database = database
        self._store = store
        self._code = code
        # Folders that an import made, and those in which something of it appeared.
        self._made: set[NodeId] = set()
        self._touched: set[NodeId] = set()
        about = read_study(store, code)
        values = {
            "code": code, "code_key": folded(code), "description": about.description, "end_date": about.end_date,
            "profile": about.profile, "created": about.created or clock.now(), "closed": about.closed,
            "retention_years": about.retention_years,
        }  # fmt: skip
        with database.write() as connection:
            found = connection.execute(sa.select(studies.c.id).where(studies.c.code_key == folded(code))).scalar()
            insert = studies.insert().values(values).returning(studies.c.id)
            self.row = int(connection.execute(insert).scalar_one() if found is None else found)

    def clear(self) -> None:
        """Delete all that the catalogue has of the study's files, shown and in the bin; entries of the bin and batches stay."""
        mine = sa.select(series.c.id).where(series.c.study_id == self.row)
        entries = sa.select(bin_entries.c.id).where(bin_entries.c.study_id == self.row)
        with self._database.write() as connection:
            connection.execute(files.delete().where(files.c.series_id.in_(mine)))
            for table in BESIDE_SERIES:
                connection.execute(table.delete().where(table.c.series_id.in_(mine)))
            connection.execute(series.delete().where(series.c.study_id == self.row))
            connection.execute(exams.delete().where(exams.c.study_id == self.row))
            for twin in TWINS.values():
                connection.execute(twin.delete().where(twin.c.bin_id.in_(entries)))

    def add(self, about: ImportRecord, entries: Iterable[Mapping[str, Any]]) -> int:
        """Add the files of one import; return how many."""
        with self._database.write() as connection:
            found = self.add_within(connection, about, entries)
            touch(connection, self._touched - self._made, about.added)
        return found

    def add_within(self, connection: sa.Connection, about: ImportRecord, entries: Iterable[Mapping[str, Any]]) -> int:
        """Add the files of one import in the caller's transaction; return how many."""
        # Results last: they look for the series that they were made of.
        found = sorted(entries, key=lambda entry: (entry["file_type"] == FILE_TYPE, entry["exam"], entry["series"]))
        self._made, self._touched = set(), set()
        about = replace(about, number=self._add_batch(connection, about, found))
        for (exam, name), members in groupby(found, key=lambda entry: (entry["exam"], entry["series"])):
            self._add_series(connection, about, exam, name, list(members))
        return len(found)

    def _add_batch(self, connection: sa.Connection, about: ImportRecord, entries: list[Mapping[str, Any]]) -> int:
        """Return the row of an import's batch, which gets another number if its own was given to another import."""
        known = connection.execute(sa.select(batches.c.id).where(batches.c.import_id == about.id)).scalar()
        if known is not None:
            return int(known)
        profile = None
        if about.profile_hash:
            key = {"hash": about.profile_hash, "engine": about.engine}
            insert = self._database.insert_new(profiles).values(key | {"text": about.profile})
            connection.execute(insert.on_conflict_do_nothing())
            same = (profiles.c[name] == value for name, value in key.items())
            profile = connection.execute(sa.select(profiles.c.id).where(*same)).scalar_one()
        values: dict[str, Any] = {
            "import_id": about.id, "state": State.PUBLISHED, "study_id": self.row, "files": len(entries),
            "exam_code": entries[0]["exam"] if entries else "", "bytes": sum(entry["size"] for entry in entries),
            "findings": "[]", "summary": "[]", "approved": 0, "reason": "", "opened": about.opened, "last_write": about.opened,
            "decided_by": about.decided_by, "decided": about.decided, "profile_id": profile,
        }  # fmt: skip
        taken = connection.execute(sa.select(batches.c.id).where(batches.c.id == about.number)).first() is not None
        own = {} if taken or not about.number else {"id": about.number}
        return int(connection.execute(batches.insert().values(values | own).returning(batches.c.id)).scalar_one())

    def _add_series(
        self, connection: sa.Connection, about: ImportRecord, exam: str, name: str, members: list[Mapping[str, Any]]
    ) -> None:
        acquired = min((entry["acquired"] for entry in members if entry["acquired"] is not None), default=None)
        exam_row = self._exam(connection, about, exam, acquired)
        row = self._series(connection, about, exam_row, name, members[0], acquired)
        is_result = members[0]["file_type"] == FILE_TYPE
        if is_result:
            self._origin(connection, row, exam_row, members)
        folders = FolderRows(connection, row, about.added)
        rows = [_file_row(folders, row, about, entry, is_result=is_result) for entry in members]
        for at in range(0, len(rows), _ROWS_AT_ONCE):
            connection.execute(files.insert(), rows[at : at + _ROWS_AT_ONCE])
        self._touched |= folders.touched
        if not is_result:
            numbers = connection.execute(sa.select(files.c.name_key, files.c.id).where(files.c.series_id == row))
            known = {found.name_key: found.id for found in numbers}
            ordered = sorted(members, key=lambda entry: known[folded(entry["name"])])
            keep(
                connection, row, [known[folded(entry["name"])] for entry in ordered],
                prepare(entry["headers"] for entry in ordered),
            )  # fmt: skip

    def _exam(self, connection: sa.Connection, about: ImportRecord, code: str, acquired: int | None) -> int:
        found = sa.select(exams.c.id).where(exams.c.study_id == self.row, exams.c.code_key == folded(code))
        row = connection.execute(found).scalar()
        if row is None:
            values = {
                "study_id": self.row, "code": code, "code_key": folded(code), "acquired": acquired, "added": about.added,
            }  # fmt: skip
            row = connection.execute(exams.insert().values(values).returning(exams.c.id)).scalar_one()
            self._made.add(NodeId(Kind.EXAM, row))
            self._touched.add(NodeId(Kind.STUDY, self.row))
        elif acquired is not None:
            # Of the import that made it: several series of one import come one after the other.
            connection.execute(
                exams.update()
                .where(
                    exams.c.id == row, exams.c.added == about.added,
                    sa.or_(exams.c.acquired.is_(None), exams.c.acquired > acquired),
                )
                .values(acquired=acquired)
            )  # fmt: skip
        return int(row)

    def _series(
        self, connection: sa.Connection, about: ImportRecord, exam: int, name: str, first: Mapping[str, Any],
        acquired: int | None,
    ) -> int:  # fmt: skip
        found = sa.select(series.c.id).where(series.c.exam_id == exam, series.c.name_key == folded(name))
        row = connection.execute(found).scalar()
        if row is None:
            number, description = _number_and_description(name, first)
            values = {
                "exam_id": exam, "study_id": self.row, "number": number, "file_type": first["file_type"],
                "description": description, "identity": bytes.fromhex(first["series_identity"]), "name": name,
                "name_key": folded(name), "acquired": acquired, "added": about.added,
            }  # fmt: skip
            row = connection.execute(series.insert().values(values).returning(series.c.id)).scalar_one()
            self._made.add(NodeId(Kind.SERIES, row))
            self._touched.add(NodeId(Kind.EXAM, exam))
        return int(row)

    def _origin(self, connection: sa.Connection, row: int, exam: int, members: list[Mapping[str, Any]]) -> None:
        """Keep where a result comes from, as the newest of its imports says."""
        lineage = members[0]["lineage"]
        number = connection.execute(sa.select(series.c.number).where(series.c.id == row)).scalar_one()
        connection.execute(results.delete().where(results.c.series_id == row))
        connection.execute(results.insert().values(origin_row(connection, row, exam, number, lineage)))


def _file_row(
    folders: FolderRows, row: int, about: ImportRecord, entry: Mapping[str, Any], *, is_result: bool
) -> dict[str, Any]:
    *above, name = entry["name"].split("/") if is_result else [entry["name"]]
    key = folders.key(above, name)
    return {
        "series_id": row, "name_key": key, "name": None if key == name else name, "size": entry["size"],
        "sha256": bytes.fromhex(entry["sha256"]), "identity": bytes.fromhex(entry["identity"]),
        "acquired": entry["acquired"], "added": about.added, "batch_id": about.number,
    }  # fmt: skip


def _number_and_description(name: str, entry: Mapping[str, Any]) -> tuple[int, str]:
    """Return a series' number and description: as its manifest says, unless a correction gave it another name since."""
    digits, _, rest = name.partition("_")
    label = rest.removeprefix(str(entry["file_type"])).removeprefix("_")
    number = int(digits) if digits and not set(digits) - set(_NUMBER_DIGITS) else 0
    description = entry.get("description")
    if description is None or folded(label) not in folded(safe_label(description)):
        description = label
    return int(entry.get("number", number)), description
