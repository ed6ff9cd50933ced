"""Snapshots of a catalogue: taken while it is in use, and made into a catalogue again.

SQLite by its backup API, PostgreSQL by pg_dump and pg_restore. May live here: one file that holds a catalogue. Not: where it
lies.
"""

import os
import secrets
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa

from catalog import durable
from catalog.database import Database
from catalog.pure.errors import Damaged, OutOfSpace, Refused, Unavailable

_NO_WRITING = "the snapshot of the catalogue cannot be written"


def suffix(database: Database) -> str:
    """Return how the name of a catalogue's snapshot ends."""
    return ".db" if database.is_sqlite else ".dump"


def take(database: Database, path: Path) -> None:
    """Write a snapshot of the catalogue, durably: what was committed at one moment.

    Args:
        database: the catalogue.
        path: a new file, in a folder that is there.

    Raises:
        OutOfSpace, Unavailable: the disk or the database refused.
        Refused: pg_dump is not installed.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    with durable.translated(_NO_WRITING):
        temporary.unlink(missing_ok=True)
        durable.create_file(temporary).close()
        try:
            if database.is_sqlite:
                _copy_sqlite(Path(database.url.database or ""), temporary)
            else:
                _run("pg_dump", database.url, "--format=custom", "--no-owner", "--no-privileges", f"--file={temporary}")
            durable.sync_filesystem(temporary.parent)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        durable.sync_folder(path.parent)


def put(path: Path, database: Database) -> None:
    """Make a snapshot into a catalogue, which must not be there or be empty.

    Raises:
        Damaged: the snapshot is damaged.
        OutOfSpace, Unavailable: the disk or the database refused.
        Refused: it is of another kind of database; pg_restore is not installed.
    """
    if path.suffix != suffix(database):
        raise Refused("the backup's catalogue and the configured one are of different kinds, SQLite and PostgreSQL")
    if not database.is_sqlite:
        _run("pg_restore", database.url, "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", str(path))
        return
    target = Path(database.url.database or "")
    with durable.translated("the catalogue cannot be written"):
        durable.make_folder(target.parent)
        temporary = target.with_name(f".{target.name}.restoring")
        temporary.unlink(missing_ok=True)
        try:
            durable.create_file(temporary).close()
            _copy_sqlite(path, temporary)
            _check_sqlite(temporary)
            durable.sync_filesystem(target.parent)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        durable.sync_folder(target.parent)


@contextmanager
def opened(path: Path, like: Database) -> Iterator[Database]:
    """Give a temporary catalogue made of a snapshot.

    Args:
        path: the snapshot.
        like: the archive's catalogue: a temporary PostgreSQL database is made beside it.

    Raises:
        Damaged: the snapshot is damaged.
        Refused: a database cannot be made there.
    """
    if path.suffix == ".db":
        with (
            TemporaryDirectory(prefix="archimed-") as folder,
            closing(Database(f"sqlite:///{folder}/catalog.db")) as database,
        ):
            put(path, database)
            yield database
        return
    if like.is_sqlite:
        raise Refused("the backup is of a PostgreSQL catalogue: verify it where [catalog] names a PostgreSQL server")
    name = f"archimed_verify_{secrets.token_hex(6)}"
    _administer(like, f'create database "{name}"')
    try:
        with closing(Database(like.url.set(database=name).render_as_string(hide_password=False))) as database:
            put(path, database)
            yield database
    finally:
        _administer(like, f'drop database "{name}"')


def _administer(database: Database, statement: str) -> None:
    try:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(statement)
    except sa.exc.DBAPIError:
        raise Refused(
            "a temporary database cannot be made on the catalogue's server: the catalogue's role needs CREATEDB for this"
        ) from None


def _copy_sqlite(source: Path, target: Path) -> None:
    try:
        # Not `immutable`: a catalogue in use has rows in its WAL.
        with (
            closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as reading,
            closing(sqlite3.connect(target)) as writing,
        ):
            # In one step: in several it would begin again whenever somebody writes.
            reading.backup(writing)
            writing.execute("PRAGMA journal_mode = DELETE")  # one file, none beside it
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        if name == "SQLITE_FULL":
            raise OutOfSpace(f"{_NO_WRITING}: the disk is full; free some space and try again") from None
        if name in ("SQLITE_CORRUPT", "SQLITE_NOTADB"):
            raise Damaged("the catalogue that was to be copied is damaged") from None
        raise Unavailable(f"the catalogue cannot be copied ({name or type(error).__name__}); try again") from None


def _check_sqlite(path: Path) -> None:
    try:
        with closing(sqlite3.connect(path)) as connection:
            found = connection.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.Error:
        found = "damaged"
    if found != "ok":
        raise Damaged("the backup's snapshot of the catalogue is damaged; use an older one")


def _run(program: str, url: sa.URL, *arguments: str) -> None:
    """Run a program of PostgreSQL's on a database; its password is seen by nobody."""
    if shutil.which(program) is None:
        raise Refused(f"{program} is not installed; it comes with PostgreSQL's client programs (postgresql-client)")
    bare = sa.URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query)
    environment = os.environ | ({"PGPASSWORD": str(url.password)} if url.password else {})
    done = subprocess.run(  # noqa: S603 - the words are ours and the configuration's
        [program, f"--dbname={bare.render_as_string(hide_password=False)}", "--no-password", *arguments],
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if done.returncode == 0:
        return
    if "No space left" in done.stderr:
        raise OutOfSpace(f"{_NO_WRITING}: the disk is full; free some space and try again")
    if "server version mismatch" in done.stderr:
        raise Refused(f"{program} is older than the server; install that of the server's version")
    if "not appear to be a valid archive" in done.stderr or "could not read from input file" in done.stderr:
        raise Damaged("the backup's snapshot of the catalogue is damaged; use an older one")
    raise Unavailable(f"{program} failed (status {done.returncode}); run it by hand to see why")
