"""Asking for a correction: who may, of what, and what became of it. Queues a job; changes nothing in the tree."""

from dataclasses import dataclass

import sqlalchemy as sa

from catalog import clock
from catalog.administration.changing import check_line
from catalog.audit import Actor, record
from catalog.database import Database, Row
from catalog.database.tables import corrections, exams, jobs, series, studies, users
from catalog.jobs import JobKind, enqueue
from catalog.pure.access import Action, Principal, roles_allowing
from catalog.pure.corrections import Correction, CorrectionState
from catalog.pure.errors import Invalid, NotFound, Refused
from catalog.pure.names import check_code, folded
from catalog.visible import Query, granted_centre, granted_exam, visible_exams, visible_series, visible_studies

_LONGEST_DESCRIPTION = 200


@dataclass(frozen=True, slots=True)
class CorrectionInfo:
    """A correction as a list shows it. Times are seconds since 1970 UTC.

    `place` is what it was asked of, as it was called then; `value` the new exam code or description. `state` is queued, done or
    refused; `problem` says why it was refused, or why it is not done yet.
    """

    id: int
    kind: Correction
    study: str
    place: str
    value: str
    reason: str
    asked_by: str
    asked: int
    state: CorrectionState
    problem: str
    ended: int | None


@dataclass(frozen=True, slots=True)
class _Target:
    """What a correction is asked of: an exam, or (`series_id`) a series in it. `place`: below its study."""

    study_id: int
    study: str
    exam_id: int
    exam: str
    series_id: int | None = None
    series: str = ""

    @property
    def place(self) -> str:
        return f"{self.exam}/{self.series}" if self.series else self.exam


class Corrections:
    """Corrections as one principal may ask for them; `principal` None is the machine itself, which may correct everything."""

    def __init__(self, database: Database, actor: Actor, principal: Principal | None) -> None:
        self._database = database
        self._actor = actor
        self._principal = principal

    def rename_exam(self, path: str, code: str, reason: str) -> CorrectionInfo:
        """Ask that the exam at `<study>/<exam>` gets another code.

        Raises:
            NotFound: there is no such exam, or its study is not granted.
            Refused: the role does not allow it.
            Invalid: the path, the code or the reason cannot be used.
        """
        check_code(code, "exam")
        return self._ask(Correction.RENAME_EXAM, self._find(path, parts=2), code, reason)

    def move_series(self, path: str, exam_code: str, reason: str) -> CorrectionInfo:
        """Ask that the series at `<study>/<exam>/<series>` moves to another exam of its study, made if it is not there.

        Raises:
            NotFound, Refused, Invalid: as `rename_exam`.
        """
        check_code(exam_code, "exam")
        return self._ask(Correction.MOVE_SERIES, self._find(path, parts=3), exam_code, reason)

    def describe_series(self, path: str, description: str, reason: str) -> CorrectionInfo:
        """Ask that the series at `<study>/<exam>/<series>` gets another description, and so another folder name.

        Raises:
            NotFound, Refused, Invalid: as `rename_exam`.
        """
        check_line(description, "a description")
        if len(description) > _LONGEST_DESCRIPTION:
            raise Invalid(f"a description has at most {_LONGEST_DESCRIPTION} characters")
        return self._ask(Correction.DESCRIBE_SERIES, self._find(path, parts=3), description, reason)

    def list(self) -> list[CorrectionInfo]:
        """Return the corrections of the studies that may be seen, oldest first."""
        return [_info(row) for row in self._database.rows(self._visible().order_by(corrections.c.id))]

    def info(self, correction: int) -> CorrectionInfo:
        """Return one correction.

        Raises:
            NotFound: there is none of that number, or its study is not granted.
        """
        row = self._database.row(self._visible().where(corrections.c.id == correction))
        if row is None:
            raise NotFound(f"there is no correction {correction}; see `archimed correct list`")
        return _info(row)

    def _find(self, path: str, parts: int) -> _Target:
        """Return what a path names: of two parts an exam, of three a series."""
        names = [name for name in path.split("/") if name]
        if len(names) != parts:
            raise Invalid("name it as the tree does: " + ("STUDY/EXAM" if parts == 2 else "STUDY/EXAM/SERIES"))
        study = self._database.row(visible_studies(self._user, studies.c.id, studies.c.code).where(studies.c.code == names[0]))
        exam = study and self._database.row(
            visible_exams(self._user, exams.c.id, exams.c.code).where(
                exams.c.study_id == study.id, exams.c.code_key == folded(names[1])
            )
        )
        if study is None or exam is None or exam.code != names[1]:
            raise NotFound(f"there is no exam {names[0]}/{names[1]}; see `archimed ls`")
        if parts == 2:
            return _Target(study.id, study.code, exam.id, exam.code)
        one = self._database.row(
            visible_series(self._user, series.c.id, series.c.name).where(
                series.c.exam_id == exam.id, series.c.name_key == folded(names[2])
            )
        )
        if one is None or one.name != names[2]:
            raise NotFound(f"there is no such series in {names[0]}/{names[1]}; see `archimed ls {names[0]}/{names[1]}`")
        return _Target(study.id, study.code, exam.id, exam.code, one.id, one.name)

    def _ask(self, kind: Correction, target: _Target, value: str, reason: str) -> CorrectionInfo:
        if self._principal is not None and not self._principal.may(Action.CHANGE):
            raise Refused(f"{self._principal.login} may not change what is archived: that takes the role power or above")
        if not reason.strip():
            raise Invalid("say why: --reason TEXT")
        values = {
            "kind": kind, "study_id": target.study_id, "exam_id": target.exam_id, "series_id": target.series_id,
            "place": target.place,
            "value": value, "reason": check_line(reason, "a reason"),
            "asked_by": self._actor.acting_as or self._actor.name, "asked": clock.now(), "problem": "",
            "state": CorrectionState.QUEUED,
            "centre_id": sa.select(exams.c.centre_id).where(exams.c.id == target.exam_id).scalar_subquery(),
        }  # fmt: skip
        with self._database.write() as connection:
            if self._principal is not None:
                self._require_still(connection, target.study_id, target.exam_id)
            number = connection.execute(corrections.insert().values(values).returning(corrections.c.id)).scalar_one()
            enqueue(connection, JobKind.CORRECT, study_id=target.study_id, correction_id=number)
            record(
                connection, actor=self._actor.name, acting_as=self._actor.acting_as, action=f"correct.{kind}",
                study=target.study, subject=target.place, detail={"correction": number, "to": value, "reason": reason},
            )  # fmt: skip
        return self.info(number)

    def _require_still(self, connection: sa.Connection, study: int, exam: int) -> None:
        """Check role and grant in the transaction that rests on them."""
        may_change = users.c.role.in_(roles_allowing(Action.CHANGE))
        allowed = sa.select(users.c.id).where(users.c.id == self._user, may_change, granted_exam(study, exam, self._user))
        if connection.execute(allowed).first() is None:
            raise Refused("your role or grant was changed in this moment; look again")

    @property
    def _user(self) -> int | None:
        return self._principal.user_id if self._principal is not None else None

    def _visible(self) -> Query:
        return (
            sa.select(corrections, studies.c.code, jobs.c.error)
            .join(studies, studies.c.id == corrections.c.study_id)
            .outerjoin(jobs, jobs.c.correction_id == corrections.c.id)
            .where(granted_centre(corrections.c.study_id, corrections.c.centre_id, self._user))
        )


def _info(row: Row) -> CorrectionInfo:
    return CorrectionInfo(
        id=row.id,
        kind=Correction(row.kind),
        study=row.code,
        place=row.place,
        value=row.value,
        reason=row.reason,
        asked_by=row.asked_by,
        asked=row.asked,
        state=CorrectionState(row.state),
        problem=row.problem or (row.error or "" if row.state == CorrectionState.QUEUED else ""),
        ended=row.ended,
    )
