"""Which batches a principal sees where in the staging tree: the SQL, with the grant and the role in every statement.

May live here: statements and their rows. Not: files.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from catalog import clock
from catalog.database import Database
from catalog.database.tables import batches, staged_files, studies
from catalog.gate import centres
from catalog.gate.visibility import may_import, visible
from catalog.pure.access import Principal
from catalog.pure.batches import State
from catalog.pure.drops import REVIEWED, SHOWN
from catalog.pure.errors import Conflict, NotFound
from catalog.visible import granted_centre, visible_studies

_ME = sa.bindparam("user", type_=sa.BigInteger)
_CODE = sa.bindparam("study", type_=sa.String)
_EXAM_CODE = sa.bindparam("exam", type_=sa.String)
_MINE = sa.and_(
    batches.c.study_id == studies.c.id,
    batches.c.uploader_id == _ME,
    batches.c.drop_folder.is_not(None),
    batches.c.state.in_(SHOWN),
    granted_centre(batches.c.study_id, batches.c.centre_id, _ME),
)
_other = batches.alias()
# Another batch lies in the same folder and was moved to a study, or a centre, that the user does not have.
_HAS_HIDDEN = sa.exists().where(
    _other.c.drop_folder == batches.c.drop_folder, _other.c.id != batches.c.id,
    sa.or_(_other.c.study_id != batches.c.study_id, _other.c.centre_id.is_distinct_from(batches.c.centre_id)),
    _other.c.state.in_((*SHOWN, State.REJECTED)),
    sa.not_(granted_centre(_other.c.study_id, _other.c.centre_id, _ME)),
)  # fmt: skip
_STUDIES = visible_studies(_ME, studies.c.id, studies.c.code, studies.c.created).where(may_import(_ME))
_STUDY = _STUDIES.where(studies.c.code == _CODE)
_ALL_STUDIES = _STUDIES.order_by(studies.c.code_key)
_EXAM = (
    visible_studies(
        _ME,
        studies.c.id.label("study"),
        batches.c.id,
        batches.c.drop_folder,
        batches.c.state,
        batches.c.opened,
        _HAS_HIDDEN.label("has_hidden"),
    )
    .outerjoin(batches, sa.and_(_MINE, batches.c.exam_code == _EXAM_CODE))
    .where(studies.c.code == _CODE, may_import(_ME))
    .order_by(batches.c.id)
)
_EXAMS = (
    visible_studies(_ME, batches.c.exam_code, sa.func.max(batches.c.opened).label("opened"))
    .join(batches, _MINE)
    .where(studies.c.code == _CODE, may_import(_ME))
    .group_by(batches.c.exam_code)
)
_REVIEWS = (
    visible_studies(_ME, batches.c.id, batches.c.drop_folder, batches.c.opened, _HAS_HIDDEN.label("has_hidden"))
    .join(batches, studies.c.id == batches.c.study_id)
    .where(
        studies.c.code == _CODE, visible(_ME), batches.c.state.in_(REVIEWED),
        batches.c.uploader_id.is_distinct_from(_ME),
    )
    .order_by(batches.c.id)
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dropped:
    """A batch whose files a user dropped: its number, its folder's name, whether the catalogue calls it open.

    `has_hidden`: files in the folder are of a batch that the user may not see.
    """

    id: int
    key: str
    is_open: bool
    opened: int
    has_hidden: bool = False


@dataclass(frozen=True, slots=True)
class ExamRow:
    """An exam's folder in staging: its study's row, its code, and the user's batches for it, oldest first."""

    study: int
    code: str
    batches: tuple[Dropped, ...]


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """A batch of somebody else, sealed; `key` None: received; `has_hidden` as a `Dropped` has it."""

    id: int
    key: str | None
    opened: int
    has_hidden: bool


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """A file of a received batch: its number, where its bytes are, and what a listing says of it."""

    id: int
    file: str
    size: int
    received: int


class Exams:
    """What the catalogue says of one principal's staging tree. Safe to share between threads."""

    def __init__(self, database: Database, principal: Principal) -> None:
        self._database = database
        self._user = principal.user_id

    def studies(self) -> list[tuple[str, int, int]]:
        """Return code, time of making and row of each study that the user may import into."""
        return [(row.code, row.created, row.id) for row in self._database.rows(_ALL_STUDIES, {"user": self._user})]

    def study(self, code: str) -> tuple[int, int]:
        """Return row and time of making of a study.

        Raises:
            NotFound: there is none that the user may import into.
        """
        row = self._database.cached_row(_STUDY, {"user": self._user, "study": code})
        if row is None:
            raise NotFound("there is no such file or folder")
        return row.id, row.created

    def exams(self, study: str) -> list[tuple[str, int]]:
        """Return the codes of the exams that the user brought something for, each with its newest batch's time."""
        return [(row.exam_code, row.opened) for row in self._database.rows(_EXAMS, {"user": self._user, "study": study})]

    def exam(self, study: str, code: str) -> ExamRow:
        """Return an exam; without batches, its folder is not there.

        Raises:
            NotFound: no such study that the user may import into.
        """
        rows = self._database.cached_rows(_EXAM, {"user": self._user, "study": study, "exam": code})
        if not rows:
            raise NotFound("there is no such file or folder")
        found = [
            Dropped(row.id, row.drop_folder, row.state == State.OPEN, row.opened, bool(row.has_hidden))
            for row in rows
            if row.id is not None
        ]
        return ExamRow(rows[0].study, code, tuple(found))

    def exam_folder(self, study: str, code: str) -> ExamRow:
        """Return an exam that has batches.

        Raises:
            NotFound: it has none, or no such study that the user may import into.
        """
        row = self.exam(study, code)
        if not row.batches:
            raise NotFound("there is no such file or folder")
        return row

    def begin(self, study: int, exam: str, key: str, follows: int | None) -> Dropped | None:
        """Make an open batch of the user's for an exam; None if another was made in the same moment."""
        now = clock.now()
        values = {
            "state": State.OPEN, "uploader_id": self._user, "study_id": study, "exam_code": exam, "drop_folder": key,
            "follows": follows, "files": 0, "bytes": 0, "findings": "[]", "summary": "[]", "reason": "", "approved": 0,
            "opened": now, "last_write": now, "decided_by": "",
        }  # fmt: skip
        with self._database.write() as connection:
            values["centre_id"] = centres.meant_for(connection, study, exam, self._user)
            insert = self._database.insert_new(batches).values(values).on_conflict_do_nothing().returning(batches.c.id)
            number = connection.execute(insert).scalar()
        return None if number is None else Dropped(number, key, is_open=True, opened=now)

    def end(self, batch: int) -> None:
        """Forget an open batch that holds nothing and whose folder is closed to writers."""
        with self._database.write() as connection:
            connection.execute(batches.delete().where(batches.c.id == batch, batches.c.state == State.OPEN))

    def rename(self, batch: int, exam: str) -> None:
        """Mean an open batch for another exam of its study.

        Raises:
            Conflict: the user has an open batch for that one.
        """
        try:
            with self._database.write() as connection:
                this = sa.and_(batches.c.id == batch, batches.c.state == State.OPEN)
                study = connection.execute(sa.select(batches.c.study_id).where(this)).scalar()
                centre = centres.meant_for(connection, study, exam, self._user) if study is not None else None
                connection.execute(batches.update().where(this).values(exam_code=exam, centre_id=centre))
        except sa.exc.IntegrityError:
            raise Conflict("there is something of that name already") from None

    def reviews(self, study: str) -> list[ReviewRow]:
        """Return the sealed batches of others that the user reviews in a study."""
        return [
            ReviewRow(row.id, row.drop_folder, row.opened, bool(row.has_hidden))
            for row in self._database.rows(_REVIEWS, {"user": self._user, "study": study})
        ]

    def stocked(self, key: str) -> list[int]:
        """Return the numbers of the files in a dropped batch's folder that are of batches for studies that the user has."""
        statement = (
            sa.select(staged_files.c.file)
            .join(batches, batches.c.id == staged_files.c.batch_id)
            .where(batches.c.drop_folder == key, granted_centre(batches.c.study_id, batches.c.centre_id, self._user))
        )
        prefix = f"drops/{key}/"
        found = (row.file for row in self._database.rows(statement))
        return [int(file.removeprefix(prefix)) for file in found if file.startswith(prefix)]

    def received(self, batch: int) -> list[ReceivedFile]:
        """Return the files of a received batch that `reviews` gave."""
        columns = staged_files.c
        statement = sa.select(columns.id, columns.file, columns.size, columns.received).where(columns.batch_id == batch)
        rows = self._database.rows(statement.order_by(columns.id))
        return [ReceivedFile(row.id, row.file, row.size, row.received) for row in rows]
