"""Who may see each study, written into the store, so that grants survive the loss of the catalogue.

May live here: from grants to records. Not: what is done with them (`rebuild`).
"""

import sqlalchemy as sa

from catalog import changes
from catalog.database import Database
from catalog.database.tables import grants, studies, users
from catalog.store import RecordStore
from catalog.store.records import AccessRecord, write_access


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
        statement = (
            sa.select(grants.c.study_id, users.c.login, users.c.role, users.c.created, grants.c.granted)
            .join(users, users.c.id == grants.c.user_id)
            .order_by(users.c.login_key)
        )
        by_study: dict[int, list[AccessRecord]] = {}
        for row in self._database.rows(statement):
            by_study.setdefault(row.study_id, []).append(AccessRecord(row.login, row.role, row.created, row.granted))
        for study in self._database.rows(sa.select(studies.c.id, studies.c.code)):
            write_access(self._store, study.code, by_study.get(study.id, []))
        self._seen = newest
