"""An archive filled by hand, past the gate: for tests of what reads."""

import hashlib
import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from catalog.changes import ChangeKind, announce
from catalog.database import Database, migrate
from catalog.database.engine import prepare_sqlite_file
from catalog.database.tables import exams, files, folders, generation, grants, series, studies, users
from catalog.pure.access import Principal, Role
from catalog.pure.names import folded, nested_key
from catalog.store import records
from catalog.store.local import LocalStore
from catalog.view import Archive, View

ADDED = 1_700_000_000


@cache
def _empty_catalogue() -> bytes:
    """Return a SQLite catalogue of the newest shape: made once a process, as the migrations take a third of a second."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "catalog.db")
        database = Database(f"sqlite:///{made}")
        migrate.upgrade(database)
        database.close()
        return made.read_bytes()


def own_mark(database: Database) -> None:
    """Make a copied catalogue one of its own: no two archives share the id in `generation`."""
    with database.write() as connection:
        connection.execute(sa.update(generation).values(archive=secrets.token_hex(16)))


def new_catalogue(path: Path) -> Database:
    """Open an empty SQLite catalogue of the newest shape; the caller closes it."""
    database = Database(f"sqlite:///{path}")
    prepare_sqlite_file(database.url)
    path.write_bytes(_empty_catalogue())
    own_mark(database)
    return database


@contextmanager
def built_in(folder: Path) -> Iterator["BuiltArchive"]:
    """Give an empty archive with a SQLite catalogue below a folder."""
    database = new_catalogue(folder / "var/catalog.db")
    try:
        yield BuiltArchive(database, folder)
    finally:
        database.close()


class BuiltArchive:
    """A catalogue and a store below `folder/var`, with short ways to put things into them."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.store = LocalStore(folder / "var" / "store")
        self.store.prepare()
        self.archive = Archive(database, self.store)
        self.config = folder / "archimed.toml"
        self._deposits = 0
        url = database.url.render_as_string(hide_password=False)
        self.config.write_text(
            f'[catalog]\nurl = "{url}"\n'
            f'[store]\npath = "{folder}/var/store"\n'
            f'[staging]\npath = "{folder}/var/staging"\n'
            f'[deid]\nkey_file = "{folder}/var/secrets/deid.key"\n'
            '[http]\nport = 0\n[dicom]\nport = 0\n[auth]\nbackends = ["token"]\n'
        )

    def user(self, login: str, role: str = "limited") -> Principal:
        """Add a user."""
        values = {"login": login, "login_key": folded(login), "role": role, "created": ADDED}
        return Principal(self._insert(users, values), login, Role(role))

    def study(self, code: str) -> int:
        """Add a study and its folders in the store."""
        records.write_study(self.store, code, {})
        return self._insert(studies, {"code": code, "code_key": folded(code), "description": "", "created": ADDED})

    def grant(self, login: str, code: str) -> None:
        """Grant a study to a user."""
        user, study = self._user_id(login), self._study_id(code)
        with self.database.write() as connection:
            connection.execute(grants.insert(), {"user_id": user, "study_id": study, "granted": ADDED})
            announce(connection, ChangeKind.GRANTED, study, user)

    def revoke(self, login: str, code: str) -> None:
        """Take a grant away."""
        user, study = self._user_id(login), self._study_id(code)
        with self.database.write() as connection:
            connection.execute(grants.delete().where(grants.c.user_id == user, grants.c.study_id == study))
            announce(connection, ChangeKind.REVOKED, study, user)

    def add_series(self, path: str, contents: dict[str, bytes], mtime: int | None = None) -> int:
        """Add files to `<study>/<exam>/<series>`, making what is missing above them; return the series' row.

        A file's name may lead through folders of the series: `stats/left/areas.csv`.
        """
        study, exam, name = path.split("/")
        study_id = self._study_id(study)
        exam_id = self._find_or_insert(
            exams, {"study_id": study_id, "code_key": folded(exam)}, {"code": exam, "acquired": mtime, "added": ADDED}
        )
        found = re.match(r"(\d+)_([A-Z_]+?)(?:_([^A-Z].*))?$", name)
        series_id = self._find_or_insert(
            series,
            {"exam_id": exam_id, "name_key": folded(name)},
            {
                "study_id": study_id, "number": int(found[1]) if found else 0, "name": name, "acquired": mtime, "added": ADDED,
                "file_type": found[2] if found else "RAW", "description": (found[3] or "") if found else "",
                "identity": hashlib.sha256(path.encode()).digest()[:16],
            },
        )  # fmt: skip
        self._deposits += 1
        deposit = self.store.deposit(study, f"built-{self._deposits}")
        rows = []
        for file_name, content in contents.items():
            file = deposit.new()
            file.write(content)
            stored = deposit.add(file)
            *above, last = file_name.split("/")
            key = self._key(series_id, above, last)
            rows.append(
                {
                    "series_id": series_id, "name_key": key, "name": None if key == last else last,
                    "size": stored.size, "sha256": stored.digest, "acquired": mtime, "added": ADDED, "batch_id": 1,
                    "identity": hashlib.sha256(f"{path}/{file_name}".encode()).digest()[:16],
                }
            )  # fmt: skip
        deposit.settle()
        deposit.close()
        with self.database.write() as connection:
            connection.execute(files.insert(), rows)
        return series_id

    def _key(self, series_id: int, above: list[str], name: str) -> str:
        """Return the key of a name below folders of a series, which are made."""
        parent = None
        for folder in above:
            key = folded(folder) if parent is None else nested_key(parent, folded(folder))
            parent = self._find_or_insert(
                folders, {"series_id": series_id, "name_key": key}, {"parent_id": parent, "name": folder, "added": ADDED}
            )
        return folded(name) if parent is None else nested_key(parent, folded(name))

    def view(self, login: str) -> View:
        """Return the archive as that user may see it."""
        row = self.database.row(sa.select(users.c.id, users.c.role).where(users.c.login_key == folded(login)))
        assert row is not None
        return self.archive.view(Principal(row.id, login, Role(row.role)))

    def _insert(self, table: sa.Table, values: dict[str, object]) -> int:
        with self.database.write() as connection:
            key = connection.execute(table.insert().values(values)).inserted_primary_key
        assert key is not None
        return key[0]

    def _find_or_insert(self, table: sa.Table, key: dict[str, object], rest: dict[str, object]) -> int:
        row = self.database.row(sa.select(table.c.id).where(*(table.c[name] == value for name, value in key.items())))
        return row.id if row else self._insert(table, key | rest)

    def _study_id(self, code: str) -> int:
        row = self.database.row(sa.select(studies.c.id).where(studies.c.code_key == folded(code)))
        assert row is not None, f"make the study {code} first"
        return row.id

    def _user_id(self, login: str) -> int:
        row = self.database.row(sa.select(users.c.id).where(users.c.login_key == folded(login)))
        assert row is not None, f"make the user {login} first"
        return row.id
