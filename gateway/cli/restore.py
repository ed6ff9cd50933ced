"""`archimed restore`: an archive back from a backup, into an empty machine or beside a store that is newer."""

import itertools
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from catalog import marks
from catalog.database import Database, migrate, shape
from catalog.lifecycle.backup import snapshot
from catalog.lifecycle.backup.folder import About, BackupFolder
from catalog.lifecycle.backup.listed import size
from catalog.lifecycle.backup.staged import add_files, mirror
from catalog.lifecycle.restore import Restore, Restored
from catalog.pure.errors import Refused
from gateway.cli.administering import actor
from gateway.cli.beside import made_beside
from gateway.cli.common import configuration, json_option
from gateway.cli.output import print_json
from gateway.cli.progress import bar
from gateway.config import Config
from gateway.records.moments import moment
from gateway.wiring import STAGING_CONTENT, database_url, open_copy, open_generations, open_staging, open_store

_AT_MOST = 20


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@click.option(
    "--staging-from",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR2",
    help="Where `archimed backup create --staging-to` put what waited at the gate.",
)
@click.option("--replace", is_flag=True, help="Move a catalogue that is there aside, and put the backup's in its place.")
@json_option
def restore(folder: Path, staging_from: Path | None, replace: bool, as_json: bool) -> None:
    """Bring an archive back from a backup that `archimed backup create` made. Stop the archive first.

    The catalogue of the backup is put in place; objects and records that the store lacks are copied; imports that the store has
    and the backup does not are brought back from their manifests. Nothing is erased or overwritten. All tokens are revoked, and
    what users may see is cut to what the store says: an older catalogue would give back what was taken from them. Put the keys
    back before the archive is started.

    \b
    Example:
      archimed restore /mnt/backup/archimed
    """
    config = configuration()
    source = BackupFolder(folder)
    source.require()
    with source.locked():
        about = source.require()
        _require_same_archive(config, about)
        with _working(config, replace=replace) as database:
            snapshot.put(source.catalogues / about.catalogue, database)
            shape.require_not_newer(database)
            migrate.upgrade(database)
            store, staging = open_store(config), open_staging(config)
            store.prepare()
            gate = BackupFolder(staging_from or config.backup.staging_path or folder).staging
            if staging_from is not None and not gate.is_dir():
                raise Refused(f"{staging_from} does not hold what waited at the gate; its disk may not be mounted")
            with_staging = gate.is_dir() and not _has_content(config.staging.path)
            if with_staging:
                mirror(gate, config.staging.path)
            staging.prepare()
            add_files(source.audit, config.audit.path)
            with bar("restoring", size(database)) as advance:
                done = 0

                def one(length: int) -> None:
                    nonlocal done
                    done += length
                    advance(done)

                found = Restore(database, store, open_copy(folder), staging).run(actor(""), one)
            open_generations(config, database).adopt()
    if as_json:
        print_json({"began": moment(about.began), "staging": with_staging, **asdict(found)})
    else:
        for line in _page(config, about, found, with_staging=with_staging):
            click.echo(line)


def _require_same_archive(config: Config, about: About) -> None:
    for what, path in (("the store", config.store.path), ("the staging folder", config.staging.path)):
        mark = marks.read(path)
        if mark is not None and mark.archive != about.mark.archive:
            raise Refused(f"{what} {path} belongs to another archive than the backup")


def _has_content(staging: Path) -> bool:
    return any(found for pattern in STAGING_CONTENT for found in staging.glob(pattern))


@contextmanager
def _working(config: Config, *, replace: bool) -> Iterator[Database]:
    """Give the catalogue to be made: a file beside its place that is put there at the end; PostgreSQL: the empty database."""
    database = Database(database_url(config))
    try:
        exists = shape.current(database) is not None
    finally:
        database.close()
    if not database.is_sqlite:
        if exists:
            raise Refused(
                f"the database {database.url.database} holds a catalogue: rename it (alter database ... rename to ...), create"
                " an empty one of that name, and try again"
            )
        with closing(database):
            yield database
        return
    target = Path(database.url.database or "")
    if target.exists() and not replace:
        raise Refused(f"there is a catalogue already: {target}; --replace moves it aside and goes on")
    _require_unused(target)
    with made_beside(target, lambda: _move_aside(target)) as made:
        yield made


def _require_unused(target: Path) -> None:
    """Check that no process has a catalogue open: it would go on writing into the file that is moved aside.

    Raises:
        Refused: one has.
    """
    if not target.exists():
        return
    try:
        with closing(sqlite3.connect(f"{target.resolve().as_uri()}?mode=rw", uri=True, timeout=1)) as connection:
            # Leaving WAL mode takes the file alone. A damaged catalogue is moved aside as it is.
            connection.execute("PRAGMA journal_mode = DELETE").fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise Refused(
                f"the archive is running: {target} is open in another process. Stop it first (systemctl stop archimed.target)"
            ) from None
    except sqlite3.DatabaseError:
        return


def _move_aside(target: Path) -> None:
    """Rename a catalogue with what lies beside it: its WAL holds committed rows, and must not be taken for the new one's."""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    names = (f"{target.name}.replaced-{moment}{'' if again == 0 else f'-{again}'}" for again in itertools.count())
    name = next(name for name in names if not target.with_name(name).exists())
    for ending in ("-wal", "-shm", ""):
        beside = target.with_name(target.name + ending)
        if beside.exists():
            beside.replace(target.with_name(name + ending))


def _page(config: Config, about: About, found: Restored, *, with_staging: bool) -> Iterator[str]:
    yield f"the archive is as it was on {moment(about.began)}: {found.studies} studies, {found.files} files"
    yield f"{found.objects} objects and {found.records} records came out of the backup; the store had the others"
    yield from _listed("imports that are newer than the backup came back from the store", found.imports)
    yield from _listed("imports in the store could NOT be brought back (their objects stay there)", found.imports_left)
    yield from _listed("objects are LOST: neither store nor backup has them", found.lost)
    yield from _listed(
        "studies were corrected, or their bin was changed, after the backup: they are as the store tells", found.remade
    )
    yield from _listed("entries of the bin could NOT be brought back (their objects stay in the store)", found.bin_left)
    yield "what waited at the gate came out of the backup" if with_staging else "what waits at the gate is what staging holds"
    yield from _listed("batches at the gate failed, for their bytes are gone", [str(number) for number in found.batches_lost])
    yield from _listed("grants that were taken back since are gone", found.grants_cut)
    yield from _listed("users got a lower role since, and have it again", found.roles_cut)
    yield f"{found.tokens} tokens were revoked: give out new ones. Look through users and grants"
    if not config.deid.key_file.exists():
        yield f"the key {config.deid.key_file} is MISSING: put its copy there before the archive is started"
    yield f"next: put back {config.staging.path / 'secret.key'} if you kept it, then archimed init, archimed verify"


def _listed(what: str, names: list[str]) -> Iterator[str]:
    if names:
        more = f" and {len(names) - _AT_MOST} more (--json has all)" if len(names) > _AT_MOST else ""
        yield f"{len(names)} {what}: {', '.join(names[:_AT_MOST])}{more}"
