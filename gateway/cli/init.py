"""`archimed init`: the catalogue, the folders and the key, so that everything else finds them."""

import os
import secrets
from pathlib import Path

import click
import sqlalchemy as sa

from catalog import durable, marks
from catalog.database import Database, migrate, shape
from catalog.database.tables import files
from catalog.lifecycle import numbers
from catalog.pure.errors import Refused
from gateway.cli.common import configuration
from gateway.config import Config
from gateway.wiring import database_url, open_generations, open_staging, open_store

_KEY_BYTES = 32


@click.command()
@click.option(
    "--adopt", is_flag=True, help="Take catalogue, staging and store as one archive, though they do not fit together."
)
def init(*, adopt: bool) -> None:
    """Create or upgrade the catalogue, its folders and the key.

    Harmless when all is there: nothing is emptied, and the key is never replaced. A catalogue that is older than the files, or
    new though there are files, is refused: `--adopt` goes on with all three as they are. Nothing is erased by that, either:
    files that the catalogue does not know are set aside, see `archimed staging orphans`.

    \b
    Example:
      archimed --config ./archimed.toml init
    """
    for line in prepare(configuration(), adopt=adopt):
        click.echo(line)


def prepare(config: Config, *, adopt: bool = False) -> list[str]:
    """Bring everything the configuration names into being and return what was done, a line each.

    Args:
        config: the configuration.
        adopt: take catalogue, staging and store as they are, though they are not of one age.

    Raises:
        Refused: the key or a folder is missing though files were published with it, or is not a key; the three places are not
            one archive.
        Unavailable, OutOfSpace: the disk or the database refuses.
    """
    database = Database(database_url(config))
    generations = open_generations(config, database)
    try:
        if shape.current(database) is None and not adopt:
            generations.require_empty()
        done = [_upgrade(database)]
        if _knows_files(database):
            marks.refuse_to_begin_anew(config.store.path, "the store")
        open_store(config).prepare()
        done.append(f"store {config.store.path}")
        open_staging(config).prepare()
        done.append(f"staging {config.staging.path}")
        if adopt:
            generations.adopt()
            numbers.lift(database, open_store(config), open_staging(config).notes.highest_batch())
            done.append("catalogue, staging and store go on as one archive; see `archimed staging orphans`")
        else:
            generations.mark_new()
        done.append(_prepare_key(config.deid.key_file, database))
    finally:
        database.close()
    return done


def _upgrade(database: Database) -> str:
    with durable.translated("the catalogue cannot be made"):
        before, after = shape.current(database), shape.newest()
        shape.require_not_newer(database)
        migrate.upgrade(database)
    where = database.url.render_as_string(hide_password=True)
    if before is None:
        return f"catalogue {where} created at revision {after}"
    return f"catalogue {where} " + (f"upgraded from {before} to {after}" if before != after else f"is at revision {after}")


def _prepare_key(file: Path, database: Database) -> str:
    if _is_kept_from_us(file):
        return f"key {file} left unread: it is another user's, for the service manager to hand to the worker"
    if _is_key(file):
        return f"key {file} kept"
    if _knows_files(database):
        raise Refused(
            f"the key {file} is missing though files were published with it; bring it back from the backup: with another key"
            " the same patient gets other pseudonyms"
        )
    with durable.translated("the key cannot be made"):
        _write_new(file, secrets.token_bytes(_KEY_BYTES).hex().encode() + b"\n")
    return f"key {file} created; keep a copy of it apart from the archive"


def _knows_files(database: Database) -> bool:
    return database.row(sa.select(files.c.id).limit(1)) is not None


def _is_kept_from_us(file: Path) -> bool:
    return os.access(file, os.F_OK) and not os.access(file, os.R_OK)


def _is_key(file: Path) -> bool:
    with durable.translated("the key cannot be read"):
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            return False
    try:
        if len(bytes.fromhex(content.decode("ascii"))) == _KEY_BYTES:
            return True
    except ValueError:
        pass
    raise Refused(f"{file} is no key: 64 hexadecimal digits are needed; bring it back from the backup")


def _write_new(file: Path, content: bytes) -> None:
    # A link, not a rename: it fails where a rename would replace the key that another `init` has just made.
    durable.make_folder(file.parent)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        with durable.create_file(temporary) as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        file.hardlink_to(temporary)
    finally:
        temporary.unlink(missing_ok=True)
    durable.sync_folder(file.parent)
