"""The correct job: one transaction that changes rows and names, writes the audit entry and announces what is gone.

Before it, the store gets a record of where the series will stand. Killed between the two, the job runs again and writes the
same record; what cannot be done is refused with a reason, and nothing is changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from catalog import clock
from catalog.audit import record
from catalog.changes import announce_gone
from catalog.database import Database
from catalog.database.tables import corrections, exams, files, results, series, studies
from catalog.derived import date_exam, link_results, touch
from catalog.imports import imports_of
from catalog.jobs import Job, Queue, Stop
from catalog.pure.corrections import Correction, CorrectionState, Moved, Place, described_name, moved_name
from catalog.pure.errors import Conflict, NotFound, Unavailable
from catalog.pure.names import folded
from catalog.pure.nodes import Kind, NodeId
from catalog.pure.results import FILE_TYPE
from catalog.store import RecordStore, steps

_MOST_TRIES = 5


@dataclass(frozen=True, slots=True)
class _Done:
    """What a correction did: which series stand elsewhere, which names are gone from which folders, and appeared where."""

    moved: Sequence[Moved]
    gone: Sequence[tuple[NodeId, str]]
    into: NodeId | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """A correction that was asked for: of which exam and series, and what they get. `code` is the study's."""

    id: int
    kind: Correction
    study_id: int
    code: str
    exam_id: int
    series_id: int | None
    place: str
    value: str
    asked_by: str
    asked: int
    reason: str

    @property
    def about(self) -> dict[str, str]:
        """What is written to the store of it besides its steps."""
        return {"kind": self.kind, "place": self.place, "value": self.value, "reason": self.reason, "by": self.asked_by}


@dataclass(frozen=True, slots=True)
class _Exam:
    """An exam as its row says."""

    id: int
    code: str
    centre_id: int | None


@dataclass(frozen=True, slots=True)
class _Series:
    """A series as its row says, in the order of `_SERIES`."""

    id: int
    exam_id: int
    number: int
    file_type: str
    name: str
    identity: bytes
    acquired: int | None


_SERIES = [series.c[name] for name in ("id", "exam_id", "number", "file_type", "name", "identity", "acquired")]


class _RollBack(Exception):
    """What a rehearsal found out."""

    def __init__(self, asked: _Asked, moved: Sequence[Moved] | None) -> None:
        super().__init__()
        self.asked = asked
        self.moved = moved


class _ChangedMeanwhileError(Exception):
    """The study was changed between rehearsal and commit: begin again."""


class Corrector:
    """Runs correct jobs."""

    def __init__(self, database: Database, store: RecordStore, queue: Queue) -> None:
        self._database = database
        self._store = store
        self._queue = queue
        self._makers = {
            Correction.RENAME_EXAM: _rename_exam,
            Correction.MOVE_SERIES: _move_series,
            Correction.DESCRIBE_SERIES: _describe_series,
        }

    def run(self, job: Job, stop: Stop) -> None:
        """Do the job's correction.

        Raises:
            Conflict: another worker took the job over.
            OutOfSpace, Unavailable: the job can be tried again.
        """
        stop()
        for _ in range(_MOST_TRIES):
            asked, moved = self._rehearsed(job)
            if moved is None:
                steps.remove_correction(self._store, asked.code, _name(asked))
            else:
                steps.write_correction(self._store, asked.code, _name(asked), moved, asked.about)
            try:
                self._commit(job, moved)
            except _ChangedMeanwhileError:
                continue
            return
        raise Unavailable("the study was changed again and again while it was corrected; this is tried again")

    def _rehearsed(self, job: Job) -> tuple[_Asked, Sequence[Moved] | None]:
        """Return which series will stand elsewhere, None if the correction cannot be done: all is done and rolled back.

        So the store has its record before the commit, and nothing is written to it in a transaction.
        """
        try:
            with self._database.write() as connection:
                self._queue.finish(connection, job)
                asked = _asked(connection, job.correction_id)
                try:
                    moved = self._makers[asked.kind](connection, asked).moved
                except (NotFound, Conflict):
                    moved = None
                raise _RollBack(asked, moved)
        except _RollBack as rehearsed:
            return rehearsed.asked, rehearsed.moved

    def _commit(self, job: Job, moved: Sequence[Moved] | None) -> None:
        """Do the correction, if it is what was rehearsed."""
        with self._database.write() as connection:
            self._queue.finish(connection, job)
            asked = _asked(connection, job.correction_id)
            try:
                # Each looks at everything before it changes anything.
                done = self._makers[asked.kind](connection, asked)
            except (NotFound, Conflict) as error:
                if moved is not None:
                    raise _ChangedMeanwhileError from None
                _close(connection, asked, CorrectionState.REFUSED, str(error))
                return
            if done.moved != moved:
                raise _ChangedMeanwhileError
            touched = [folder for folder, _ in done.gone]
            touch(connection, touched if done.into is None else [*touched, done.into], clock.now())
            _close(connection, asked, CorrectionState.DONE, "", moved=len(done.moved))
            for folder, name in done.gone:
                announce_gone(connection, asked.study_id, folder, name)

    def give_up(self, connection: sa.Connection, job: Job, reason: str) -> None:
        """Refuse a correction in the transaction that gives up its job: nothing of it was done."""
        asked = _asked(connection, job.correction_id)
        steps.remove_correction(self._store, asked.code, _name(asked))
        _close(connection, asked, CorrectionState.REFUSED, reason)


def _asked(connection: sa.Connection, number: int) -> _Asked:
    statement = sa.select(corrections, studies.c.code).join(studies, studies.c.id == corrections.c.study_id)
    row = connection.execute(statement.where(corrections.c.id == number)).one()
    return _Asked(
        row.id, Correction(row.kind), row.study_id, row.code, row.exam_id, row.series_id, row.place, row.value, row.asked_by,
        row.asked, row.reason,
    )  # fmt: skip


def _name(asked: _Asked) -> str:
    # The time keeps names apart when a catalogue was put back from a backup and gives a number again.
    return f"{asked.id:08d}-{asked.asked:010d}"


def _close(connection: sa.Connection, asked: _Asked, state: CorrectionState, problem: str, moved: int = 0) -> None:
    connection.execute(
        corrections.update().where(corrections.c.id == asked.id).values(state=state, problem=problem, ended=clock.now())
    )
    detail = {"correction": asked.id} | ({"problem": problem} if problem else {}) | ({"series": moved} if moved else {})
    record(
        connection, actor="worker", acting_as=asked.asked_by, action=f"correct.{state}", study=asked.code,
        subject=asked.place, detail=detail,
    )  # fmt: skip


def _rename_exam(connection: sa.Connection, asked: _Asked) -> _Done:
    exam = _exam(connection, asked.exam_id)
    key = folded(asked.value)
    other = _exam_of_code(connection, asked.study_id, asked.value)
    if other is not None and other.id != exam.id:
        raise Conflict(f"there is an exam {other.code} already; move the series of one into the other instead")
    there = connection.execute(sa.select(series.c.id, series.c.name).where(series.c.exam_id == exam.id)).all()
    moved = [
        Moved(imports_of(connection, files.c.series_id == row.id), Place(exam.code, row.name), Place(asked.value, row.name))
        for row in there
    ]
    connection.execute(exams.update().where(exams.c.id == exam.id).values(code=asked.value, code_key=key))
    return _Done(moved, [(NodeId(Kind.STUDY, asked.study_id), exam.code)])


def _move_series(connection: sa.Connection, asked: _Asked) -> _Done:
    """Move a series, and what was made of it: results stand beside their series."""
    one = _series(connection, asked.series_id)
    former = _exam(connection, one.exam_id)
    target = _exam_of_code(connection, asked.study_id, asked.value)
    if target is not None and target.id == former.id:
        raise Conflict("the series is in that exam already")
    moving = [one, *_results_of(connection, one)]
    for each in moving:
        if target is not None and _has_identity(connection, target.id, each.identity):
            what = "this very series" if each.id == one.id else f"its result {each.name}"
            raise Conflict(f"exam {target.code} has files of {what} already; it stays where it is")
    code = asked.value if target is None else target.code
    number = _make_exam(connection, asked, former, one.acquired) if target is None else target.id
    moved = [_put(connection, each, former.code, number, code) for each in moving]
    if one.file_type == FILE_TYPE:
        link_results(connection, results.c.series_id == one.id)
    gone = [(NodeId(Kind.EXAM, former.id), each.name) for each in moving]
    if _names(connection, former.id):
        date_exam(connection, former.id)
    else:
        connection.execute(exams.delete().where(exams.c.id == former.id))
        gone.append((NodeId(Kind.STUDY, asked.study_id), former.code))
    date_exam(connection, number)
    return _Done(moved, gone, NodeId(Kind.STUDY, asked.study_id) if target is None else NodeId(Kind.EXAM, number))


def _put(connection: sa.Connection, one: _Series, former: str, exam: int, code: str) -> Moved:
    """Move one series' row to an exam, under a name that is free there."""
    name = moved_name(one.name, _names(connection, exam))
    connection.execute(series.update().where(series.c.id == one.id).values(exam_id=exam, name=name, name_key=folded(name)))
    return Moved(imports_of(connection, files.c.series_id == one.id), Place(former, one.name), Place(code, name))


def _results_of(connection: sa.Connection, one: _Series) -> Sequence[_Series]:
    """Return the results that were made of a series and stand in its exam, in the order of their names."""
    rows = connection.execute(
        sa.select(*_SERIES)
        .join(results, results.c.series_id == series.c.id)
        .where(results.c.source_id == one.id, series.c.exam_id == one.exam_id)
        .order_by(series.c.name_key)
    )
    return [_Series(*row) for row in rows]


def _describe_series(connection: sa.Connection, asked: _Asked) -> _Done:
    one = _series(connection, asked.series_id)
    exam = _exam(connection, one.exam_id)
    others = [name for name in _names(connection, exam.id) if name != one.name]
    name = described_name(one.number, one.file_type, asked.value, others)
    connection.execute(
        series.update().where(series.c.id == one.id).values(description=asked.value, name=name, name_key=folded(name))
    )
    was, now = Place(exam.code, one.name), Place(exam.code, name)
    moved = Moved(imports_of(connection, files.c.series_id == one.id), was, now, asked.value)
    return _Done([moved], [] if was == now else [(NodeId(Kind.EXAM, exam.id), one.name)])


def _exam(connection: sa.Connection, number: int) -> _Exam:
    row = connection.execute(sa.select(exams.c.id, exams.c.code, exams.c.centre_id).where(exams.c.id == number)).first()
    if row is None:
        raise NotFound("the exam is not there any more")
    return _Exam(*row)


def _exam_of_code(connection: sa.Connection, study: int, code: str) -> _Exam | None:
    same = sa.select(exams.c.id, exams.c.code, exams.c.centre_id).where(
        exams.c.study_id == study, exams.c.code_key == folded(code)
    )
    row = connection.execute(same).first()
    return None if row is None else _Exam(*row)


def _make_exam(connection: sa.Connection, asked: _Asked, former: _Exam, acquired: int | None) -> int:
    """Make the exam that a series is moved to; it is of the centre of the one that it comes from."""
    values = {
        "study_id": asked.study_id, "code": asked.value, "code_key": folded(asked.value), "acquired": acquired,
        "added": clock.now(), "centre_id": former.centre_id,
    }  # fmt: skip
    return int(connection.execute(exams.insert().values(values).returning(exams.c.id)).scalar_one())


def _series(connection: sa.Connection, number: int | None) -> _Series:
    row = connection.execute(sa.select(*_SERIES).where(series.c.id == number)).first()
    if row is None:
        raise NotFound("the series is not there any more")
    return _Series(*row)


def _names(connection: sa.Connection, exam: int) -> list[str]:
    return list(connection.execute(sa.select(series.c.name).where(series.c.exam_id == exam)).scalars())


def _has_identity(connection: sa.Connection, exam: int, identity: bytes) -> bool:
    same = sa.select(series.c.id).where(series.c.exam_id == exam, series.c.identity == identity)
    return connection.execute(same).first() is not None
