"""Of which centre of its study a batch is: what decides who sees it, and to whom the exam that it makes belongs.

An exam that is there has its centre. Of a new one it is said at the gate, or it is the only centre of who brings or accepts it;
who may see several centres and names none is taken to speak of the first by its code. May live here: finding a batch's centre.
Not: who sees a batch (`visibility`).
"""

from dataclasses import dataclass

import sqlalchemy as sa

from catalog.database.tables import centres, exams
from catalog.pure.errors import NotFound, Refused
from catalog.pure.names import folded
from catalog.visible import granted_centre


def meant_for(connection: sa.Connection, study: int, exam: str, user: int | None) -> int | None:
    """Return the centre of what a user brings for an exam of a study, None if it is of none.

    An exam that the user may not see is as if it were not there: what is brought is of a centre of theirs.
    """
    there = _exam(connection, study, exam)
    if there is not None and _is_granted(connection, study, there.centre, user):
        return there.centre
    return _own(connection, study, user)


def of_acceptance(
    connection: sa.Connection, study: int, exam: str, user: int | None, *, said: str, before: int | None
) -> int | None:
    """Return the centre of what is accepted into an exam, None if it is of none.

    Args:
        connection: in the transaction of the decision.
        study: the study.
        exam: code of the exam, which need not be there yet.
        user: who decides; None: the machine.
        said: code of the centre that was named; '' if none was.
        before: the centre that the batch is of until now, of this study.

    Raises:
        NotFound: the study has no centre of that code, or it is not granted.
        Refused: the exam is of another centre, or is not granted.
    """
    wanted = _named(connection, study, said, user) if said else None
    there = _exam(connection, study, exam)
    if there is not None:
        if not _is_granted(connection, study, there.centre, user):
            raise Refused(f"the exam code {exam} cannot be used by you: choose another, or ask who sees the whole study")
        if said and there.centre != wanted:
            raise Refused(f"exam {exam} does not belong to centre {said}; see `archimed centre assign`")
        return there.centre
    if said:
        return wanted
    if before is not None and _is_granted(connection, study, before, user):
        return before
    return _own(connection, study, user)


def exams_of(centre: int | None) -> sa.ColumnElement[bool]:
    """Return the condition, on `exams`, for those that the checks of a batch may tell of: its centre's, if it has one."""
    return sa.true() if centre is None else exams.c.centre_id == centre


@dataclass(frozen=True, slots=True)
class _Exam:
    centre: int | None


def _exam(connection: sa.Connection, study: int, code: str) -> _Exam | None:
    found = sa.select(exams.c.centre_id).where(exams.c.study_id == study, exams.c.code_key == folded(code))
    row = connection.execute(found).first()
    return None if row is None else _Exam(row.centre_id)


def _is_granted(connection: sa.Connection, study: int, centre: int | None, user: int | None) -> bool:
    return bool(
        connection.execute(sa.select(granted_centre(sa.literal(study), sa.literal(centre, sa.BigInteger), user))).scalar()
    )


def _own(connection: sa.Connection, study: int, user: int | None) -> int | None:
    """Return the first centre of who may not see what is of none."""
    if _is_granted(connection, study, None, user):
        return None
    mine = sa.select(centres.c.id).where(centres.c.study_id == study, granted_centre(centres.c.study_id, centres.c.id, user))
    number: int | None = connection.execute(mine.order_by(centres.c.code_key).limit(1)).scalar()
    return number


def _named(connection: sa.Connection, study: int, code: str, user: int | None) -> int:
    one = sa.select(centres.c.id).where(
        centres.c.study_id == study, centres.c.code_key == folded(code), granted_centre(centres.c.study_id, centres.c.id, user)
    )
    number: int | None = connection.execute(one).scalar()
    if number is None:
        raise NotFound(f"the study has no centre {code}; see `archimed centre list`")
    return number
