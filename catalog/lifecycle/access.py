"""Who may see what, written into the store and brought back from there, so that grants survive the loss of the catalogue.

May live here: from grants and centres to records, and back. Not: what else is made anew (`rebuild`, `restore`).
"""

from collections.abc import Sequence

import sqlalchemy as sa

from catalog import changes
from catalog.database import Database
from catalog.database.tables import (
    TWINS,
    bin_entries,
    centres,
    corrections,
    exams,
    grant_centres,
    grants,
    studies,
    users,
)
from catalog.pure.names import folded
from catalog.store import RecordStore
from catalog.store.records import AccessRecord, CentreRecord, read_access, read_centres, write_access

_bin_exams = TWINS[exams]


class AccessWriter:
    """Writes down who may see what. A chore of the worker: it does something only after a change was announced."""

    def __init__(self, database: Database, store: RecordStore) -> None:
        self._database = database
        self._store = store
        self._seen = -1

    def write(self) -> None:
        """Bring the records of all studies up to date.

        Raises:
            OutOfSpace, Unavailable: the store refused; the next call goes on.
        """
        newest = changes.newest(self._database)
        if newest == self._seen:
            return
        for study in self._database.rows(sa.select(studies.c.id, studies.c.code)):
            write_access(self._store, study.code, self._users(study.id), self._centres(study.id))
        self._seen = newest

    def _users(self, study: int) -> list[AccessRecord]:
        named: dict[int, list[str]] = {}
        statement = sa.select(grant_centres.c.user_id, centres.c.code).join(centres, centres.c.id == grant_centres.c.centre_id)
        for row in self._database.rows(statement.where(grant_centres.c.study_id == study).order_by(centres.c.code_key)):
            named.setdefault(row.user_id, []).append(row.code)
        granted = (
            sa.select(grants, users.c.login, users.c.role, users.c.created)
            .join(users, users.c.id == grants.c.user_id)
            .where(grants.c.study_id == study)
            .order_by(users.c.login_key)
        )
        return [
            AccessRecord(
                row.login, row.role, row.created, row.granted, bool(row.whole), row.until, tuple(named.get(row.user_id, ()))
            )
            for row in self._database.rows(granted)
        ]

    def _centres(self, study: int) -> list[CentreRecord]:
        codes: dict[int, set[str]] = {}
        of_exams = sa.select(exams.c.centre_id, exams.c.code).where(exams.c.study_id == study)
        of_bin = sa.select(bin_entries.c.centre_id, bin_entries.c.exam).where(bin_entries.c.study_id == study)
        for statement in (of_exams, of_bin):
            for centre, exam in self._database.rows(statement):
                codes.setdefault(centre, set()).add(exam)
        found = self._database.rows(sa.select(centres).where(centres.c.study_id == study).order_by(centres.c.code_key))
        return [CentreRecord(row.code, row.description, row.created, tuple(sorted(codes.get(row.id, ())))) for row in found]


def bring_centres_back(database: Database, store: RecordStore, code: str, study: int) -> None:
    """Make the centres of a study that the catalogue does not have, and give them their exams that are of none.

    Raises:
        Unavailable, OutOfSpace: catalogue or store refused.
    """
    for centre in read_centres(store, code):
        with database.write() as connection:
            number = _centre(connection, study, centre)
            keys = [folded(exam) for exam in centre.exams]
            for table in (exams, _bin_exams):
                mine = _in_bin(study) if table is _bin_exams else exams.c.study_id == study
                connection.execute(
                    table.update().where(mine, table.c.code_key.in_(keys), table.c.centre_id.is_(None)).values(centre_id=number)
                )
            connection.execute(
                bin_entries.update()
                .where(bin_entries.c.study_id == study, bin_entries.c.exam.in_(centre.exams), bin_entries.c.centre_id.is_(None))
                .values(centre_id=number)
            )
            of_it = sa.select(exams.c.id).where(exams.c.centre_id == number)
            connection.execute(
                corrections.update()
                .where(corrections.c.exam_id.in_(of_it), corrections.c.centre_id.is_(None))
                .values(centre_id=number)
            )


def bring_grants_back(database: Database, store: RecordStore, code: str, study: int) -> None:
    """Make the users and grants of a study that the catalogue does not have; centres are there.

    Raises:
        Unavailable, OutOfSpace: catalogue or store refused.
    """
    for user in read_access(store, code):
        with database.write() as connection:
            row = connection.execute(sa.select(users.c.id).where(users.c.login_key == folded(user.login))).scalar()
            if row is None:
                values = {"login": user.login, "login_key": folded(user.login), "role": user.role, "created": user.created}
                row = connection.execute(users.insert().values(values).returning(users.c.id)).scalar_one()
            granted = {
                "user_id": row, "study_id": study, "granted": user.granted, "whole": int(user.whole), "until": user.until,
            }  # fmt: skip
            insert = database.insert_new(grants).values(granted).on_conflict_do_nothing()
            if connection.execute(insert.returning(grants.c.user_id)).first() is not None:
                _name_centres(connection, int(row), study, user.centres)


def narrow(connection: sa.Connection, user: int, study: int, told: AccessRecord) -> bool:
    """Let a grant be no wider than the store says; return whether it was."""
    mine = sa.and_(grants.c.user_id == user, grants.c.study_id == study)
    row = connection.execute(sa.select(grants).where(mine)).one()
    statement = sa.select(centres.c.code).join(grant_centres, grant_centres.c.centre_id == centres.c.id)
    has = set(connection.execute(statement.where(grant_centres.c.user_id == user, grant_centres.c.study_id == study)).scalars())
    whole = bool(row.whole) and told.whole
    until = min((each for each in (row.until, told.until) if each is not None), default=None)
    may = set() if whole else set(told.centres) if row.whole else has if told.whole else has & set(told.centres)
    if (whole, until, may) == (bool(row.whole), row.until, has):
        return False
    connection.execute(grants.update().where(mine).values(whole=int(whole), until=until))
    connection.execute(grant_centres.delete().where(grant_centres.c.user_id == user, grant_centres.c.study_id == study))
    _name_centres(connection, user, study, sorted(may))
    return True


def _centre(connection: sa.Connection, study: int, centre: CentreRecord) -> int:
    same = sa.select(centres.c.id).where(centres.c.study_id == study, centres.c.code_key == folded(centre.code))
    found = connection.execute(same).scalar()
    if found is not None:
        return int(found)
    values = {
        "study_id": study, "code": centre.code, "code_key": folded(centre.code), "description": centre.description,
        "created": centre.created,
    }  # fmt: skip
    return int(connection.execute(centres.insert().values(values).returning(centres.c.id)).scalar_one())


def _name_centres(connection: sa.Connection, user: int, study: int, codes: Sequence[str]) -> None:
    keys = [folded(code) for code in codes]
    found = connection.execute(sa.select(centres.c.id).where(centres.c.study_id == study, centres.c.code_key.in_(keys)))
    for number in found.scalars().all():
        connection.execute(grant_centres.insert().values(user_id=user, study_id=study, centre_id=number))


def _in_bin(study: int) -> sa.ColumnElement[bool]:
    return _bin_exams.c.bin_id.in_(sa.select(bin_entries.c.id).where(bin_entries.c.study_id == study))
