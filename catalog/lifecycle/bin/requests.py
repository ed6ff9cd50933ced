"""What a person asks of the bin: who may, of what, and what became of it. Queues jobs; changes nothing in the tree."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from catalog import clock
from catalog.administration.changing import check_line
from catalog.audit import Actor, record
from catalog.database import Database, Row
from catalog.database.tables import (
    batches,
    bin_entries,
    corrections,
    exams,
    files,
    folders,
    jobs,
    series,
    studies,
    users,
)
from catalog.jobs import JobKind, enqueue
from catalog.lifecycle.retention import kept, kept_now, require_sane_clock
from catalog.pure.access import Action, Principal, roles_allowing
from catalog.pure.bin import Event, Kind, State, transition
from catalog.pure.errors import Invalid, NotFound, Refused
from catalog.pure.names import folded, nested_key
from catalog.pure.retention import DAY, Kept, why_not
from catalog.visible import (
    Query,
    granted_centre,
    granted_exam,
    visible_exams,
    visible_files,
    visible_folders,
    visible_series,
    visible_studies,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the bin as a list shows it. Times are seconds since 1970 UTC; `expires` None: never.

    `path` is what was put there, as it was called then (`<study>/<exam>/...`), or where it was restored to. `problem` says why
    it was refused, or why it is not done yet; `kept` why it cannot be purged now, '' if it can be.
    """

    id: int
    state: State
    kind: Kind
    study: str
    path: str
    files: int
    bytes: int
    reason: str
    put_by: str
    put: int
    expires: int | None
    problem: str
    kept: str


@dataclass(frozen=True, slots=True)
class KeepFor:
    """How long what is kept, in days (`bin`; 0: for ever; `withdraw`) and years (`study`, where it says nothing itself)."""

    bin: int = 90
    withdraw: int = 30
    study: int = 15


@dataclass(frozen=True, slots=True)
class _Target:
    """What a path or a batch names: a row of a kind, and the study and exam it is in."""

    kind: Kind
    row: int
    study: int
    exam_id: int
    exam: str
    path: str


class Bin:
    """The bin as one principal may see and use it; `principal` None is the machine itself, which may all.

    Args:
        database: the catalogue.
        actor: who asks.
        principal: with whose role and grants.
        keep: how long what is kept.
    """

    def __init__(self, database: Database, actor: Actor, principal: Principal | None, keep: KeepFor) -> None:
        self._database = database
        self._actor = actor
        self._principal = principal
        self._keep = keep

    def put(self, paths: Sequence[str], reason: str) -> list[Entry]:
        """Ask that exams, series or files are put into the bin, an entry a path, named as the tree does.

        Raises:
            NotFound: one of them is not there, or its study is not granted; then none is put there.
            Refused: the role does not allow it.
            Invalid: a path or the reason cannot be used.
        """
        return self._put([self._find(path) for path in dict.fromkeys(paths)], reason)

    def put_batch(self, batch: int, reason: str) -> list[Entry]:
        """Ask that all that a batch brought into the archive is put into the bin, an entry an exam.

        Raises:
            NotFound: there is no such batch, its study is not granted, or nothing of it is in the archive.
            Refused, Invalid: as `put`.
        """
        rows = self._database.rows(
            visible_exams(self._user, exams.c.id, exams.c.code, exams.c.study_id)
            .join(batches, batches.c.study_id == exams.c.study_id)
            .where(
                batches.c.id == batch,
                sa.exists().where(files.c.series_id == series.c.id, series.c.exam_id == exams.c.id, files.c.batch_id == batch),
            )
            .order_by(exams.c.code_key)
        )
        if not rows:
            raise NotFound(f"nothing of a batch {batch} is in the archive; see `archimed staging list`")
        return self._put([_Target(Kind.BATCH, batch, row.study_id, row.id, row.code, row.code) for row in rows], reason)

    def entries(self, *, with_ended: bool = False) -> list[Entry]:
        """Return the entries of exams that may be seen, oldest first: those in the bin, or besides those that were ended."""
        statement = self._visible().order_by(bin_entries.c.id)
        if not with_ended:
            statement = statement.where(bin_entries.c.state.in_([State.BINNED, *(one for one in State if one.is_under_way)]))
        return [self._info(row) for row in self._database.rows(statement)]

    def of_batch(self, batch: int) -> list[Entry]:
        """Return the entries that hold, or will hold, what a batch brought, as far as they may be seen; oldest first."""
        live = bin_entries.c.state.in_([State.BINNED, *(one for one in State if one.is_under_way)])
        statement = self._visible().where(bin_entries.c.kind == Kind.BATCH, bin_entries.c.target == batch, live)
        return [self._info(row) for row in self._database.rows(statement.order_by(bin_entries.c.id))]

    def info(self, number: int) -> Entry:
        """Return one entry.

        Raises:
            NotFound: there is none of that number, or its study is not granted.
        """
        return self._info(self._entry(number))

    def restore(self, number: int) -> Entry:
        """Ask that an entry is brought back to where it was, or beside it where that place is taken.

        Raises:
            NotFound: there is none of that number, or its study is not granted.
            Refused: the role does not allow it.
            Conflict: it is not in the bin.
        """
        entry = self._entry(number)
        self._require(Action.CHANGE, "bring back what is in the bin", "power or above")
        with self._database.write() as connection:
            self._require_still(connection, Action.CHANGE, entry)
            self._ask(connection, entry, Event.RESTORE, "bin.restore", {})
        return self.info(number)

    def purge(self, number: int, reason: str, *, override: bool = False) -> Entry:
        """Ask that an entry is deleted for good.

        Args:
            number: the entry.
            reason: why; the audit keeps it.
            override: in spite of its study's retention. The first who says so is noted, the second purges.

        Raises:
            NotFound: there is none of that number, or its study is not granted.
            Refused: the role does not allow it, or it has to be kept.
            Conflict: it is not in the bin.
            Invalid: there is no reason.
            Unavailable: the machine's clock cannot be believed.
        """
        entry = self._entry(number)
        self._require(Action.ADMINISTER, "purge", "administrator")
        _require_reason(reason)
        require_sane_clock(self._database)
        transition(State(entry.state), Event.PURGE)
        with self._database.write() as connection:
            self._require_still(connection, Action.ADMINISTER, entry)
            who = folded(self._who)
            second = override and entry.override_by not in ("", who)
            keeps = kept(connection, entry.study_id, self._keep.study)
            if problem := self._why_not(keeps, entry, overridden=second):
                is_noted = override and not self._why_not(keeps, entry, overridden=True)
                if is_noted:
                    connection.execute(bin_entries.update().where(bin_entries.c.id == number).values(override_by=who))
                    self._record(connection, "bin.override", entry.code, number, {"exam": entry.exam, "reason": reason})
                    problem = f"it is noted that {who} wants it; another administrator has to say the same ({problem})"
            else:
                self._ask(connection, entry, Event.PURGE, "bin.purge", {"reason": reason})
        if problem:
            raise Refused(f"bin {number} is not purged: {problem}")
        return self.info(number)

    def _put(self, targets: Sequence[_Target], reason: str) -> list[Entry]:
        self._require(Action.CHANGE, "put anything into the bin", "power or above")
        _require_reason(reason)
        now = clock.now()
        made = []
        with self._database.write() as connection:
            for target in targets:
                self._require_still(connection, Action.CHANGE, target)
                follows = _newest_correction(connection)
                values = {
                    "study_id": target.study, "exam_id": target.exam_id, "exam": target.exam, "kind": target.kind,
                    "target": target.row, "path": target.path, "state": State.PUTTING, "problem": "", "reason": reason,
                    "put_by": self._who, "put": now, "expires": now + self._keep.bin * DAY if self._keep.bin else None,
                    "files": 0, "bytes": 0, "oldest": None, "asked_by": self._who, "asked": now, "put_follows": follows,
                    "follows": follows, "override_by": "", "ended": None,
                    "centre_id": sa.select(exams.c.centre_id).where(exams.c.id == target.exam_id).scalar_subquery(),
                }  # fmt: skip
                number = connection.execute(bin_entries.insert().values(values).returning(bin_entries.c.id)).scalar_one()
                enqueue(connection, JobKind.BIN, study_id=target.study, bin_id=number)
                code = connection.execute(sa.select(studies.c.code).where(studies.c.id == target.study)).scalar_one()
                detail = {"exam": target.exam, "kind": target.kind, "reason": reason}
                self._record(connection, "bin.put", code, number, detail)
                made.append(number)
        return [self.info(number) for number in made]

    def _ask(self, connection: sa.Connection, entry: Row, event: Event, action: str, detail: dict[str, str]) -> None:
        """Give an entry its next state, and queue the job that does it."""
        # Its state is in the condition: somebody else may have asked for something else in this moment.
        after = transition(State(entry.state), event)
        values = {
            "state": after, "problem": "", "asked_by": self._who, "asked": clock.now(),
            "follows": _newest_correction(connection),
        }  # fmt: skip
        same = sa.and_(bin_entries.c.id == entry.id, bin_entries.c.state == entry.state)
        if connection.execute(bin_entries.update().where(same).values(values)).rowcount != 1:
            raise Refused("somebody else asked for something else of it in this moment; look again")
        enqueue(connection, JobKind.BIN, study_id=entry.study_id, bin_id=entry.id)
        self._record(connection, action, entry.code, entry.id, {"exam": entry.exam, "kind": entry.kind, **detail})

    def _record(self, connection: sa.Connection, action: str, study: str, number: int, detail: dict[str, str]) -> None:
        record(
            connection, actor=self._actor.name, acting_as=self._actor.acting_as, action=action, study=study,
            subject=f"bin {number}", detail=detail,
        )  # fmt: skip

    def _why_not(self, keeps: Kept, entry: Row, *, overridden: bool = False) -> str:
        """Return why an entry must not be purged; '' if it may be."""
        if entry.oldest is None:
            return ""
        return why_not(
            keeps, published=entry.oldest, put=entry.put, now=clock.now(), withdraw_days=self._keep.withdraw,
            overridden=overridden,
        )  # fmt: skip

    def _find(self, path: str) -> _Target:
        """Return what a path of the tree names."""
        names = [name for name in path.split("/") if name]
        if len(names) < 2:
            raise Invalid("name it as the tree does: STUDY/EXAM, STUDY/EXAM/SERIES or STUDY/EXAM/SERIES/FILE")
        missing = NotFound(f"there is no {path}; see `archimed ls`")
        study = self._database.row(
            visible_studies(self._user, studies.c.id, studies.c.code).where(studies.c.code_key == folded(names[0]))
        )
        exam = study and self._database.row(
            visible_exams(self._user, exams.c.id, exams.c.code).where(
                exams.c.study_id == study.id, exams.c.code_key == folded(names[1])
            )
        )
        if study is None or exam is None or (study.code, exam.code) != (names[0], names[1]):
            raise missing
        where = "/".join(names[1:])
        if len(names) == 2:
            return _Target(Kind.EXAM, exam.id, study.id, exam.id, exam.code, where)
        one = self._database.row(
            visible_series(self._user, series.c.id, series.c.name).where(
                series.c.exam_id == exam.id, series.c.name_key == folded(names[2])
            )
        )
        if one is None or one.name != names[2]:
            raise missing
        if len(names) == 3:
            return _Target(Kind.SERIES, one.id, study.id, exam.id, exam.code, where)
        file = self._find_file(one.id, names[3:])
        if file is None:
            raise missing
        return _Target(Kind.FILE, file, study.id, exam.id, exam.code, where)

    def _find_file(self, number: int, names: Sequence[str]) -> int | None:
        """Return the row of a file of a series, which may lie in folders of it."""
        *above, last = names
        inside: int | None = None
        for name in above:
            key = folded(name) if inside is None else nested_key(inside, folded(name))
            found = self._database.row(
                visible_folders(self._user, folders.c.id, folders.c.name).where(
                    folders.c.series_id == number, folders.c.name_key == key
                )
            )
            if found is None or found.name != name:
                return None
            inside = found.id
        key = folded(last) if inside is None else nested_key(inside, folded(last))
        shown = sa.func.coalesce(files.c.name, files.c.name_key)
        row = self._database.row(
            visible_files(self._user, files.c.id, shown.label("name")).where(
                files.c.series_id == number, files.c.name_key == key
            )
        )
        return row.id if row is not None and (inside is not None or row.name == last) else None

    def _entry(self, number: int) -> Row:
        row = self._database.row(self._visible().where(bin_entries.c.id == number))
        if row is None:
            raise NotFound(f"there is nothing of number {number} in the bin; see `archimed bin list`")
        return row

    def _visible(self) -> Query:
        each = jobs.alias()
        newest = sa.select(sa.func.max(each.c.id)).where(each.c.bin_id == bin_entries.c.id).scalar_subquery()
        return (
            sa.select(bin_entries, studies.c.code, jobs.c.error)
            .join(studies, studies.c.id == bin_entries.c.study_id)
            .outerjoin(jobs, jobs.c.id == newest)
            .where(granted_centre(bin_entries.c.study_id, bin_entries.c.centre_id, self._user))
        )

    def _info(self, row: Row) -> Entry:
        state = State(row.state)
        keeps = ""
        if state is State.BINNED:
            keeps = self._why_not(kept_now(self._database, row.study_id, self._keep.study), row)
        return Entry(
            row.id, state, Kind(row.kind), row.code, f"{row.code}/{row.path}", row.files, row.bytes, row.reason, row.put_by,
            row.put, row.expires, row.problem or (row.error or "" if state.is_under_way else ""), keeps,
        )  # fmt: skip

    def _require(self, action: Action, what: str, role: str) -> None:
        if self._principal is not None and not self._principal.may(action):
            raise Refused(f"{self._principal.login} may not {what}: that takes the role {role}")

    def _require_still(self, connection: sa.Connection, action: Action, about: "_Target | Row") -> None:
        """Check role and grant in the transaction that rests on them."""
        if self._principal is None:
            return
        if isinstance(about, _Target):
            may_see = granted_exam(about.study, about.exam_id, self._user)
        else:
            may_see = granted_centre(about.study_id, about.centre_id, self._user)
        allowed = sa.select(users.c.id).where(users.c.id == self._user, users.c.role.in_(roles_allowing(action)), may_see)
        if connection.execute(allowed).first() is None:
            raise Refused("your role or grant was changed in this moment; look again")

    @property
    def _who(self) -> str:
        return self._actor.acting_as or self._actor.name

    @property
    def _user(self) -> int | None:
        return self._principal.user_id if self._principal is not None else None


def _newest_correction(connection: sa.Connection) -> int:
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(corrections.c.id), 0))).scalar_one())


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid("say why: --reason TEXT")
    check_line(reason, "a reason")
