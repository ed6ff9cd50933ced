"""How the catalogue is reached: one engine for SQLite and PostgreSQL, short write transactions, cheap reads.

May live here: connections, transactions, pragmas, and what differs between the two databases. No statement about the archive.
"""

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import ConnectionPoolEntry

from catalog import clock
from catalog.database.prepared import Prepared
from catalog.pure.errors import OutOfSpace, Unavailable

Row: TypeAlias = sa.Row[*tuple[Any, ...]]

_BUSY_SECONDS = 30
_MOST_KNOWN = 256
_WRITE = "archimed_write"
_POSTGRESQL_DISK_FULL = "53100"
_POSTGRESQL_TURN = 0x6172636869  # "archi": any number that no other program uses in this database
# By the beginning of SQLite's own name of the error.
_MESSAGES = {
    "SQLITE_BUSY": f"the catalogue is locked: another process is writing and did not end within {_BUSY_SECONDS} s; try again",
    "SQLITE_NOTADB": "the catalogue's file is no database; see `url` under [catalog] in the configuration",
    "SQLITE_CORRUPT": "the catalogue's file is damaged; stop the archive and restore a backup",
}


class wall_clock(sa.sql.functions.FunctionElement[int]):  # noqa: N801 - a function of SQL, as SQLAlchemy writes them
    """The database's own clock, in SQL: whole seconds since 1970-01-01 UTC, as the catalogue keeps times."""

    type = sa.BigInteger()
    inherit_cache = True


@compiles(wall_clock, "sqlite")
def _sqlite_clock(_element: wall_clock, _compiler: sa.sql.compiler.SQLCompiler, **_named: Any) -> str:
    return "CAST(strftime('%s', 'now') AS INTEGER)"


@compiles(wall_clock, "postgresql")
def _postgresql_clock(_element: wall_clock, _compiler: sa.sql.compiler.SQLCompiler, **_named: Any) -> str:
    # clock_timestamp, unlike now(), goes on within a transaction; floor, as `catalog.clock` rounds.
    return "CAST(floor(extract(epoch FROM clock_timestamp())) AS BIGINT)"


@dataclass(slots=True)
class _Known:
    """What one thread's reader answered while the database had this version, in this second."""

    version: tuple[int, int]
    answers: dict[tuple[Any, ...], Sequence[Row]]


class Database:
    """One catalogue. Safe to share between threads; not to be carried over a fork.

    Args:
        url: SQLAlchemy URL, `sqlite:////path` or `postgresql+psycopg://...`.
    """

    def __init__(self, url: str) -> None:
        self.url = sa.engine.make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        # Size 0 is "no limit": readers stay open, one a thread, and the number of threads is bounded by whoever makes them.
        self.engine = sa.create_engine(self.url, pool_size=0, pool_pre_ping=not self.is_sqlite, hide_parameters=True)
        self._local = threading.local()
        self._readers: weakref.WeakSet[sa.Connection] = weakref.WeakSet()
        if self.is_sqlite:
            sa.event.listen(self.engine, "connect", _prepare_sqlite)
            sa.event.listen(self.engine, "begin", _begin_sqlite)
        self._writer = self.engine.execution_options(**{_WRITE: True})
        self._reader = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Give a connection in a transaction that commits durably at the end, or leaves nothing behind.

        Raises:
            Unavailable: the database does not answer or stayed locked too long.
            OutOfSpace: its disk is full.
        """
        try:
            with self._writer.begin() as connection:
                yield connection
        except sa.exc.DBAPIError as error:
            _raise_translated(error)

    def rows(self, statement: sa.Executable, values: Mapping[str, Any] | None = None) -> Sequence[Row]:
        """Run one reading statement on this thread's own connection and return all its rows.

        Each statement sees what was committed before it began. A connection that broke is replaced once.

        Raises:
            Unavailable: the database does not answer.
        """
        return self._ask(statement, values)

    def cached_rows(self, statement: sa.Executable, values: Mapping[str, Any]) -> Sequence[Row]:
        """Return what `rows` returns, for a statement that is asked over and over: a constant, its values hashable.

        SQLite knows in a moment whether anybody has committed anything since; if nobody has, this thread's last answer is
        still the answer, and to ask anew would cost twenty times as much. It is for a second, for a grant may end by the
        clock alone. PostgreSQL is asked each time.

        Raises:
            Unavailable: the database does not answer.
        """
        version = self._version() if self.is_sqlite else None
        if version is None:
            return self._ask(statement, values)
        known: _Known | None = getattr(self._local, "known", None)
        if known is None or known.version != version or len(known.answers) >= _MOST_KNOWN:
            known = self._local.known = _Known(version, {})
        key = (statement, *values.items())
        answer = known.answers.get(key)
        if answer is None:
            answer = known.answers[key] = self._ask(statement, values)
        return answer

    def cached_row(self, statement: sa.Executable, values: Mapping[str, Any]) -> Row | None:
        """Return the first row of `cached_rows`, or None."""
        rows = self.cached_rows(statement, values)
        return rows[0] if rows else None

    def _version(self) -> tuple[int, int] | None:
        """Return what changes when anybody but this thread's reader commits, and each second; None if that is not known."""
        connection = getattr(self._local, "reader", None)
        driver = connection.connection.driver_connection if connection is not None else None
        if driver is None:
            return None
        try:
            found: int = driver.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error:
            return None  # the question itself will say what is wrong
        return found, clock.now()

    def _ask(self, statement: sa.Executable, values: Mapping[str, Any] | None) -> Sequence[Row]:
        for attempt in (1, 2):
            connection = getattr(self._local, "reader", None)
            if connection is None:
                connection = self._local.reader = self._connect()
                self._readers.add(connection)
            try:
                return connection.execute(statement, values).all()
            except sa.exc.DBAPIError as error:
                self.drop_reader()
                if attempt == 2 or not error.connection_invalidated:
                    _raise_translated(error)
        raise AssertionError  # pragma: no cover - the loop returns or raises

    def prepared_rows(self, prepared: Prepared, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Return what `rows` returns, as plain tuples, at a fifth of the cost: for what is asked for every file.

        Raises:
            Unavailable: the database does not answer.
        """
        connection: sa.Connection | None = getattr(self._local, "reader", None)
        asked = prepared.on(self.engine.dialect, values) if connection is not None else None
        if connection is None or asked is None:
            return self._ask(prepared.statement, values)
        try:
            driver = connection.connection.driver_connection
            if driver is None:
                return self._ask(prepared.statement, values)
            answer: Sequence[Sequence[Any]] = driver.execute(*asked).fetchall()
        except (self.engine.dialect.dbapi.Error, sa.exc.DBAPIError):  # type: ignore[union-attr]  # an engine has a driver
            # The usual way says what is wrong, and connects anew where the connection broke.
            return self._ask(prepared.statement, values)
        return answer

    def prepared_row(self, prepared: Prepared, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """Return the first row of `prepared_rows`, or None."""
        rows = self.prepared_rows(prepared, values)
        return rows[0] if rows else None

    def row(self, statement: sa.Executable, values: Mapping[str, Any] | None = None) -> Row | None:
        """Return the first row of `rows`, or None."""
        rows = self.rows(statement, values)
        return rows[0] if rows else None

    def insert_new(self, table: sa.Table) -> "sqlite.Insert | postgresql.Insert":
        """Return an INSERT that can say `on_conflict_do_nothing`, in the dialect of this database."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def drop_reader(self) -> None:
        """Close this thread's reading connection; the next read opens another."""
        connection = getattr(self._local, "reader", None)
        self._local.reader = self._local.known = None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Close what is open, in every thread; nobody may be using it."""
        for connection in list(self._readers):
            connection.close()
        self._local = threading.local()
        self.engine.dispose()

    def _connect(self) -> sa.Connection:
        try:
            return self._reader.connect()
        except sa.exc.DBAPIError as error:
            _raise_translated(error)


def take_turn(connection: sa.Connection) -> None:
    """Let no other transaction pass here until this one ends: what is numbered behind it is committed in that order.

    Call it when nothing else is left to be changed: two that wait for each other's rows and for their turn would both fail.
    """
    if connection.dialect.name == "postgresql":  # SQLite has one writer at a time anyhow
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_POSTGRESQL_TURN)))


def prepare_sqlite_file(url: sa.engine.URL) -> None:
    """Make sure that a SQLite catalogue's folder exists and that its file is its owner's alone."""
    if url.database and url.database != ":memory:":
        path = Path(url.database)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.fchmod(fd, 0o600)  # SQLite gives the files beside it the same mode
        os.close(fd)


def _prepare_sqlite(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    # None: the driver begins no transaction of its own; _begin_sqlite does, and says which kind.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL: a row of an acknowledged file survives a power cut; NORMAL loses rows (recipes, measured).
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA cache_size = -16384")
    connection.execute("PRAGMA mmap_size = 1073741824")


def _begin_sqlite(connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    if options.get("isolation_level") == "AUTOCOMMIT":
        return
    # IMMEDIATE: a transaction that reads and then writes would otherwise fail when another wrote in between.
    immediate = options.get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _raise_translated(error: sa.exc.DBAPIError) -> NoReturn:
    """Raise the archive's own error for what the database or its disk is to blame for; a fault of ours stays as it is."""
    name = getattr(error.orig, "sqlite_errorname", "") or ""
    if name == "SQLITE_FULL" or getattr(error.orig, "sqlstate", None) == _POSTGRESQL_DISK_FULL:
        raise OutOfSpace("the catalogue's disk is full; free some space and try again") from None
    for begins, text in _MESSAGES.items():
        if name.startswith(begins):
            raise Unavailable(text) from error
    if isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError):
        raise Unavailable(f"the catalogue does not answer ({type(error.orig).__name__}); try again") from error
    raise error
