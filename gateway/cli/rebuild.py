"""`archimed rebuild`: the catalogue anew from the store alone."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from catalog.database import Database, migrate, shape
from catalog.lifecycle import numbers
from catalog.lifecycle import rebuild as rebuilding
from catalog.pure.errors import Refused
from gateway.cli.administering import actor
from gateway.cli.beside import made_beside
from gateway.cli.common import configuration, json_option
from gateway.cli.output import print_record
from gateway.cli.progress import count
from gateway.config import Config
from gateway.wiring import database_url, open_generations, open_staging, open_store


@click.command()
@json_option
def rebuild(as_json: bool) -> None:
    """Make a catalogue that was lost anew from the store: studies, exams, series, files, metadata, results, and who sees them.

    Sources, tokens, the audit and what waited at the gate do not come back: bring a backup back (`archimed restore`) if there
    is one. The catalogue must be empty or not be there. Broken off, run it again (PostgreSQL: with an empty database again).
    Afterwards name sources and tokens again; `archimed staging orphans` lists what staging still holds.

    \b
    Example:
      archimed rebuild
    """
    config = configuration()
    store = open_store(config)
    if not store.studies():
        raise Refused(f"there is no study in the store {config.store.path}; is its disk mounted?")
    with _place(config) as database:
        if shape.current(database) is None:
            migrate.upgrade(database)
        shape.require_newest(database)
        with count("files") as progress:
            found = rebuilding.rebuild(database, store, actor(""), progress)
        open_staging(config).prepare()
        numbers.lift(database, store, open_staging(config).notes.highest_batch())
        open_generations(config, database).adopt()
    print_record(asdict(found), as_json=as_json)
    if found.missing and not as_json:
        click.echo(f"{found.missing} files have no bytes in the store: see `archimed verify`, then `archimed repair`", err=True)


@contextmanager
def _place(config: Config) -> Iterator[Database]:
    """Give the catalogue that is to be filled: a file beside its place if there is none yet, else the empty one."""
    with closing(Database(database_url(config))) as database:
        target = Path(database.url.database or "")
        if not database.is_sqlite or target.exists():
            yield database
            return
    with made_beside(target) as made:
        yield made
