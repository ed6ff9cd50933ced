"""`archimed backup`: copies of the archive, made while it works, and the proof that they would do."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import click

from catalog import clock, marks
from catalog.lifecycle import backup as backups
from catalog.lifecycle.backup import check as checking
from catalog.lifecycle.backup import create as creating
from catalog.lifecycle.backup import repository
from catalog.lifecycle.backup.folder import BackupFolder
from catalog.pure.errors import Refused
from gateway.cli.administering import actor, catalogue
from gateway.cli.common import configuration, json_option
from gateway.cli.frame import FAILED
from gateway.cli.output import print_json
from gateway.cli.progress import bar
from gateway.config import Config
from gateway.records.moments import moment
from gateway.wiring import open_copy, open_generations, open_store

_DIR = click.Path(file_okay=False, path_type=Path)


@click.group()
def backup() -> None:
    """Make a backup while everything runs, and verify one; `archimed restore` brings it back.

    \b
    Example:
      archimed backup create /mnt/backup/archimed
    """


@backup.command()
@click.argument("folder", type=_DIR, metavar="DIR", required=False)
@click.option(
    "--with-staging", is_flag=True, help="Copy what waits at the gate, too: it holds names, so keep DIR as safe as staging."
)
@click.option("--staging-to", type=_DIR, metavar="DIR2", help="Copy it to a folder of its own, on an encrypted disk, say.")
@click.option("--keep", type=click.IntRange(1), help="How many older catalogues stay in DIR.  [default: 7]")
@click.option("--scheduled", is_flag=True, help="As the timer runs it: without [backup] path, do nothing.")
@json_option
def create(
    folder: Path | None, with_staging: bool, staging_to: Path | None, keep: int | None, scheduled: bool, as_json: bool
) -> None:
    """Make a backup in DIR, or bring the one in it up to date: what is new is copied, and nothing else is read.

    Where options and DIR are not given, those of [backup] in the configuration count.

    Each object is compared with its digest on the way; what is damaged in the store is named, does not stop the rest, and ends
    it with status 1. Broken off, run it again. Purging waits meanwhile. Keys are never copied: keep them apart.

    \b
    Example:
      archimed backup create /mnt/backup/archimed
    """
    config = configuration()
    folder = folder or config.backup.path
    if folder is None and scheduled:
        click.echo("[backup] path is not set: no backup is made")
        return
    if folder is None:
        raise click.UsageError("name DIR, or set [backup] path in the configuration")
    staging_to = staging_to or config.backup.staging_path
    with_staging = with_staging or config.backup.with_staging or staging_to is not None
    keep = keep or config.backup.keep_catalogues
    marks.require(config.store.path, "the store")
    if with_staging:
        marks.require(config.staging.path, "the staging folder")
    target = BackupFolder(folder)
    with catalogue() as database:
        if scheduled and backups.newest(database) is not None and not target.is_marked():
            raise Refused(
                f"{folder} has no backup, though one was made before: is its disk mounted? (by hand, one can be begun)"
            )
        mark = open_generations(config, database).mark()
        own = [config.store.path, config.staging.path]
        target.prepare(mark.archive, own)
        if staging_to is not None:
            apart = BackupFolder(staging_to)
            apart.claim(mark.archive, own)
        with target.locked(), bar("copying", creating.left(database, target)) as advance:
            copy = open_copy(folder)
            copy.prepare()
            made = creating.create(
                database, open_store(config), target, copy, mark, actor(""),
                staging=(config.staging.path, apart.staging if staging_to else target.staging) if with_staging else None,
                closed=config.audit.path, keep=keep, progress=_summed(advance),
            )  # fmt: skip
    if config.backup.repository:
        repository.put(config.backup.repository, config.backup.repository_password_file, folder.resolve())
    not_copied = [{"study": study, "sha256": digest, "size": size} for study, digest, size in made.about.not_copied]
    if as_json:
        print_json(
            {
                "folder": str(folder), "catalogue": made.about.catalogue, "generation": mark.generation,
                "began": moment(made.about.began), "objects": made.copied.objects, "bytes": made.copied.bytes,
                "records": made.records, "with_staging": with_staging, "staging_to": str(staging_to) if staging_to else None,
                "not_copied": not_copied,
            }
        )  # fmt: skip
    else:
        click.echo(
            f"{made.copied.objects} objects ({made.copied.bytes} bytes), {made.records} records and the catalogue"
            f" {made.about.catalogue} copied to {folder}"
        )
        click.echo(_of_staging(with_staging, apart=staging_to))
        click.echo(_of_keys(config))
    if not_copied:
        for one in not_copied:
            click.echo(f"not copied, damaged or missing in the store: {one['study']} {one['sha256']}", err=True)
        click.echo("see `archimed verify`, then `archimed repair`; the next backup tries them again", err=True)
        raise click.exceptions.Exit(FAILED)


@backup.command()
@click.argument("folder", type=_DIR, metavar="DIR")
@click.option("--deep", is_flag=True, help="Read every object and compare its digest, not its size alone.")
@json_option
def verify(folder: Path, deep: bool, as_json: bool) -> None:
    """Prove a backup: make its catalogue anew in a temporary place, and look for every object that it names.

    Ends with status 1 if it lacks anything. A PostgreSQL catalogue is put into a temporary database of the configured server.

    \b
    Example:
      archimed backup verify --deep /mnt/backup/archimed
    """
    target = BackupFolder(folder)
    target.require()
    with catalogue() as database, target.locked(), ExitStack() as stack:
        found = checking.check(
            target, open_copy(folder), database, deep=deep,
            bar=lambda total: _summed(stack.enter_context(bar("verifying", total))),
        )  # fmt: skip
    lacking = [{"study": one.study, "sha256": one.digest.hex(), "fault": one.fault} for one in found.lacking]
    about = found.about
    hours = max(0, clock.now() - about.began) // 3600
    if as_json:
        print_json(
            {
                "folder": str(folder), "catalogue": about.catalogue, "generation": about.mark.generation,
                "began": moment(about.began), "age_hours": hours, "studies": found.studies, "files": found.files,
                "with_staging": about.with_staging, "deep": deep, "lacking": lacking,
            }
        )  # fmt: skip
    else:
        how = "with the right digest" if deep else "with the right size"
        click.echo(f"backup of {moment(about.began)}, {hours} hours old: {found.studies} studies, {found.files} files")
        click.echo(
            f"the catalogue {about.catalogue} can be used; {len(lacking)} objects are lacking, the others are there {how}"
        )
        for one in lacking:
            click.echo(f"{one['fault']}: {one['study']} {one['sha256']}")
    if lacking:
        raise click.exceptions.Exit(FAILED)


def _summed(advance: Callable[[int], None]) -> Callable[[int], None]:
    """Return what takes pieces for a bar, which takes how far it is."""
    done = 0

    def add(size: int) -> None:
        nonlocal done
        done += size
        advance(done)

    return add


def _of_staging(with_staging: bool, *, apart: Path | None) -> str:
    if apart is not None:
        return f"what waits at the gate was copied to {apart}: that holds names and needs the same care as the staging folder"
    if with_staging:
        return "what waits at the gate was copied: the backup holds names and needs the same care as the staging folder"
    return "what waits at the gate was not copied (--with-staging does that)"


def _of_keys(config: Config) -> str:
    keys = f"{config.deid.key_file}, {config.staging.path / 'secret.key'} and the folder of the configuration (/etc/archimed)"
    return f"keys are not copied; keep copies of {keys} apart from this backup"
