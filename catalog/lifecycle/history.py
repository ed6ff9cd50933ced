"""Corrections, and what lies in the bin, made anew from what the store's records say of one study.

May live here: from records of steps to rows. Not: the files that are shown (`study_rows`), which are there before.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import sqlalchemy as sa

from catalog.database import Database
from catalog.database.tables import TWINS, bin_entries, corrections, exams, files, jobs, series
from catalog.jobs import JobKind
from catalog.lifecycle.bin.moving import BESIDE_SERIES, Chosen, take
from catalog.lifecycle.study_rows import StudyRows
from catalog.pure.bin import Kind, State
from catalog.pure.corrections import Correction, CorrectionState, Moved
from catalog.pure.jobs import JobState
from catalog.pure.names import folded
from catalog.pure.standing import Binned
from catalog.store import RecordStore, steps
from catalog.store.records import ImportRecord, binned
from catalog.store.steps import Change

_SCRATCH = "_bin"
"""Code of the exam that files pass through on their way into the bin; no exam that people make begins so."""

_Held: TypeAlias = list[tuple[ImportRecord, Mapping[str, Any]]]


def is_known(database: Database, store: RecordStore, code: str, study: int) -> bool:
    """Whether the catalogue knows all corrections and changes of the bin that the store has written down."""
    done = sa.select(corrections).where(corrections.c.study_id == study, corrections.c.state == CorrectionState.DONE)
    known = {(row.id, row.asked) for row in database.rows(done)}
    put, ended = set(), set()
    for row in database.rows(sa.select(bin_entries).where(bin_entries.c.study_id == study)):
        if row.state not in (State.PUTTING, State.REFUSED):
            put.add((row.id, row.put))
        if row.state in (State.RESTORED, State.PURGED):
            ended.add((row.id, row.asked))
    return all(
        (change.entry, change.asked) in (ended if change.is_end else put)
        if change.entry
        else (change.follows, change.asked) in known
        for change in steps.read_all(store, code)
    )


class History:
    """What the records of one study say, on its way into a catalogue that has all that is shown of it.

    Args:
        database: the catalogue.
        store: the store.
        code: the study's code.
        rows: the study.
    """

    def __init__(self, database: Database, store: RecordStore, code: str, rows: StudyRows) -> None:
        self._database = database
        self._store = store
        self._code = code
        self._rows = rows
        # Series of which a part lies in the bin and nothing is shown: what comes later from there is of the same series.
        self._parts: dict[tuple[str, str, str], int] = {}
        self.left: list[str] = []
        """entries of the bin whose numbers are another entry's: their files stay in the store"""

    def make(self) -> int:
        """Make the rows that are not there; return how many entries of the bin there are now."""
        change = steps.read_all(self._store, self._code)
        for one in change:
            if not one.entry and any(isinstance(step, Moved) for step in one.steps):
                self._correction(one)
        held: dict[str, _Held] = {}
        for name, about, entry in binned(self._store, self._code):
            held.setdefault(name, []).append((about, entry))
        for one in change:
            if one.entry and one.is_end:
                self._end(one)
        put = {step.bin: one for one in change if not one.is_end for step in one.steps if isinstance(step, Binned)}
        return sum(self._entry(one, name, held[name]) for name, one in put.items() if name in held)

    def _correction(self, change: Change) -> None:
        moved = [step for step in change.steps if isinstance(step, Moved)]
        first, about = moved[0], change.about
        with self._database.write() as connection:
            row = connection.execute(sa.select(corrections.c.asked).where(corrections.c.id == change.follows)).first()
            if row is not None and row.asked == change.asked:
                # It was done behind the catalogue's back.
                connection.execute(
                    corrections.update()
                    .where(corrections.c.id == change.follows)
                    .values(state=CorrectionState.DONE, problem="")
                )
                _end_jobs(connection, jobs.c.correction_id == change.follows)
                return
            values = {
                "kind": about.get("kind", Correction.MOVE_SERIES), "study_id": self._rows.row,
                "exam_id": self._exam(connection, first.now.exam) or 0, "series_id": None,
                "place": about.get("place", "/".join(first.was)), "value": about.get("value", first.now.exam),
                "reason": about.get("reason", ""), "asked_by": about.get("by", ""), "asked": change.asked,
                "state": CorrectionState.DONE, "problem": "", "ended": change.asked,
            }  # fmt: skip
            connection.execute(corrections.insert().values(values | ({"id": change.follows} if row is None else {})))

    def _end(self, change: Change) -> None:
        """End an entry that the catalogue has still in the bin."""
        state = State.PURGED if change.purged else State.RESTORED
        with self._database.write() as connection:
            same = sa.and_(bin_entries.c.id == change.entry, bin_entries.c.study_id == self._rows.row)
            row = connection.execute(sa.select(bin_entries).where(same)).first()
            if row is None or row.put > change.asked:
                return
            gone = {"path": row.exam, "reason": ""} if change.purged else {}
            values = {"state": state, "problem": "", "asked": change.asked, "ended": change.asked, **gone}
            connection.execute(bin_entries.update().where(same).values(values))
            _end_jobs(connection, jobs.c.bin_id == change.entry)

    def _entry(self, change: Change, name: str, held: _Held) -> bool:
        """Put files into the bin that were never shown since the catalogue was made."""
        exam = str(held[0][1]["exam"])
        with self._database.write() as connection:
            if not self._entry_row(connection, change, exam):
                self.left.append(f"{self._code}/{name}")
                return False
            joining = {id(entry): self._joins(connection, change, entry) for _, entry in held}
            brought: dict[str, tuple[ImportRecord, list[Mapping[str, Any]]]] = {}
            for about, entry in held:
                place = {} if joining[id(entry)] is not None else {"exam": _SCRATCH}
                brought.setdefault(about.id, (about, []))[1].append({**entry, **place})
            for about, entries in brought.values():
                self._rows.add_within(connection, about, entries)
            for number in sorted({row for row in joining.values() if row is not None}):
                mine = [folded(entry["name"]) for _, entry in held if joining[id(entry)] == number]
                which = sa.and_(files.c.series_id == number, files.c.name_key.in_(mine))
                above = connection.execute(sa.select(series.c.exam_id).where(series.c.id == number)).scalar_one()
                take(connection, change.entry, above, Chosen([number], [], which))
            self._take_scratch(connection, change, exam)
        return True

    def _entry_row(self, connection: sa.Connection, change: Change, exam: str) -> bool:
        """Make an entry, or take the one that is there; return whether there was place for it."""
        about = change.about
        was = next(step for step in change.steps if isinstance(step, Binned))
        put = int(was.bin.rpartition("-")[2])
        row = connection.execute(sa.select(bin_entries).where(bin_entries.c.id == change.entry)).first()
        if row is not None and (row.put, row.study_id) != (put, self._rows.row):
            return False
        if row is not None:
            connection.execute(bin_entries.update().where(bin_entries.c.id == row.id).values(state=State.BINNED, problem=""))
            _end_jobs(connection, jobs.c.bin_id == row.id)
            return True
        kind = Kind.SERIES if was.names is None else Kind.FILE
        values = {
            "id": change.entry, "study_id": self._rows.row, "exam_id": self._exam(connection, exam) or 0, "exam": exam,
            "kind": about.get("kind", kind), "target": 0, "path": about.get("path", "/".join(was.was)), "state": State.BINNED,
            "problem": "", "reason": about.get("reason", ""), "put_by": about.get("by", ""), "put": put,
            "expires": about.get("expires"), "files": 0, "bytes": 0, "oldest": None, "asked_by": about.get("by", ""),
            "asked": put, "put_follows": change.follows, "follows": change.follows, "override_by": "", "ended": None,
        }  # fmt: skip
        connection.execute(bin_entries.insert().values(values))
        return True

    def _joins(self, connection: sa.Connection, change: Change, entry: Mapping[str, Any]) -> int | None:
        """Return the series that is shown and that a file in the bin is of; None if there is none.

        A series that went whole may have been published again, and is another one then.
        """
        place = (entry["exam"], entry["series"])
        is_part = any(isinstance(step, Binned) and step.was == place and step.names is not None for step in change.steps)
        if not is_part or "/" in entry["name"]:
            return None
        shown = connection.execute(
            sa.select(series.c.id)
            .join(exams, exams.c.id == series.c.exam_id)
            .where(
                exams.c.study_id == self._rows.row, exams.c.code_key == folded(entry["exam"]),
                series.c.name_key == folded(entry["series"]), series.c.identity == bytes.fromhex(entry["series_identity"]),
            )
        ).scalar()  # fmt: skip
        if shown is None:
            return None
        same_name = sa.select(files.c.id).where(files.c.series_id == shown, files.c.name_key == folded(entry["name"]))
        return None if connection.execute(same_name).first() is not None else int(shown)

    def _take_scratch(self, connection: sa.Connection, change: Change, exam: str) -> None:
        """Move what stands in the scratch exam into the bin, and call it by what it was called."""
        scratch = self._exam(connection, _SCRATCH)
        if scratch is None:
            return
        passing = connection.execute(sa.select(series).where(series.c.exam_id == scratch)).all()
        numbers = [row.id for row in passing]
        take(connection, change.entry, scratch, Chosen(numbers, numbers, files.c.series_id.in_(numbers)))
        twin, of_series = TWINS[exams], TWINS[series]
        real = self._exam(connection, exam) or scratch
        mine = sa.and_(twin.c.bin_id == change.entry, twin.c.row_id == scratch)
        there = connection.execute(sa.select(twin.c.row_id).where(twin.c.bin_id == change.entry, twin.c.row_id == real)).first()
        if real != scratch and there is not None:
            connection.execute(twin.delete().where(mine))
        else:
            connection.execute(twin.update().where(mine).values(row_id=real, code=exam, code_key=folded(exam)))
        in_scratch = sa.and_(of_series.c.bin_id == change.entry, of_series.c.exam_id == scratch)
        connection.execute(of_series.update().where(in_scratch).values(exam_id=real))
        connection.execute(bin_entries.update().where(bin_entries.c.id == change.entry).values(exam_id=real))
        for row in passing:
            self._share(connection, change, exam, row)

    def _share(self, connection: sa.Connection, change: Change, exam: str, row: "sa.Row[Any]") -> None:
        """Let parts of one series that went one after the other be of one series, so that they come back into one."""
        key = (exam, row.name, bytes(row.identity).hex())
        other = self._parts.get(key)
        if other is not None:
            for table in (series, files, *BESIDE_SERIES):
                twin = TWINS[table]
                column = twin.c.row_id if table is series else twin.c.series_id
                mine = sa.and_(twin.c.bin_id == change.entry, column == row.id)
                connection.execute(twin.update().where(mine).values({column.name: other}))
        is_part = any(isinstance(step, Binned) and step.was == key[:2] and step.names is not None for step in change.steps)
        if is_part:
            self._parts.setdefault(key, row.id)

    def _exam(self, connection: sa.Connection, code: str) -> int | None:
        same = sa.select(exams.c.id).where(exams.c.study_id == self._rows.row, exams.c.code_key == folded(code))
        found = connection.execute(same).scalar()
        return None if found is None else int(found)


def _end_jobs(connection: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    """End jobs whose work the store has already."""
    waits = jobs.c.state.in_((JobState.QUEUED, JobState.RUNNING))
    kinds = jobs.c.kind.in_((JobKind.CORRECT, JobKind.BIN))
    connection.execute(jobs.update().where(which, waits, kinds).values(state=JobState.DONE, lease=0))
