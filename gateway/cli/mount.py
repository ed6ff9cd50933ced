"""`archimed mount`: the archive as a read-only folder, for one user or all, in the foreground or behind the terminal."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import click

from catalog import durable, marks
from catalog.administration import principal
from catalog.pure.errors import Refused, Unavailable
from gateway.cli.common import configuration, unix_login
from gateway.cli.frame import FAILED
from gateway.config import Config
from gateway.supervisor.notify import ALIVE, READY, alive_seconds, notify

_MOUNTED = b"ready"


@click.command()
@click.argument("mountpoint", type=Path)
@click.option("--user", "login", metavar="LOGIN", help="Whose tree; your own Unix login without.")
@click.option("--all-users", is_flag=True, help="A folder for each user, open to the Unix user of that name alone.")
@click.option("--foreground", is_flag=True, help="Stay, and unmount on Ctrl-C or SIGTERM.")
@click.option("--allow-other", is_flag=True, help="Let in the Unix user LOGIN when another one mounts, such as root.")
@click.option(
    "--await-mount", is_flag=True,
    help="Only open /dev/fuse, tell systemd, and wait until archimed-fuse-mount has mounted it: for a sandboxed service.",
)  # fmt: skip
@click.option(
    "--log-file", type=Path, metavar="FILE",
    help="Where a mount in the background writes its log; nowhere without.",
)  # fmt: skip
def mount(
    mountpoint: Path,
    login: str | None,
    all_users: bool,
    foreground: bool,
    allow_other: bool,
    await_mount: bool,
    log_file: Path | None,
) -> None:
    """Mount the archive as a read-only folder, as one user sees it, or with a folder for each user.

    The folder must be there and empty. Without --foreground the command ends as soon as the mount can be used.

    \b
    Examples:
      archimed mount ~/archive
      archimed mount /srv/archive/ada --user ada --allow-other --foreground
      archimed mount /srv/archive --all-users
    """
    if all_users and (login or allow_other):
        raise click.UsageError("--all-users lets every user in to their own folder: leave --user and --allow-other out")
    if await_mount and not foreground:
        raise click.UsageError("--await-mount needs --foreground")
    config, where = configuration(), mountpoint.absolute()
    user = None if all_users else login or unix_login()
    who = user or "all users"
    if foreground:
        _serve(config, where, user, allow_other, lambda: _say_mounted(where, who), await_mount)
        return
    log = _open_log(log_file)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.setsid()
        # Until it is ready it keeps this terminal, and writes there why it failed.
        _serve(config, where, user, allow_other, lambda: _detach(log, writing))
        return
    os.close(writing)
    _await_ready(child, reading)
    click.echo(f"mounted {where} for {who}; unmount with: fusermount3 -u {where}")


def _say_mounted(mountpoint: Path, who: str) -> None:
    click.echo(f"mounted {mountpoint} for {who}; Ctrl-C unmounts")
    notify(READY)


def _serve(
    config: Config,
    mountpoint: Path,
    login: str | None,
    allow_other: bool,
    on_ready: Callable[[], None],
    await_mount: bool = False,
) -> None:
    # Late: nothing that makes threads may be loaded before the fork.
    from archimedfs import mountpoint as mountpoints
    from archimedfs.handover import Manager
    from archimedfs.mounting import mount_for_all, mount_for_one
    from archimedfs.slots import Account, unix_account
    from gateway import logs
    from gateway.wiring import open_archive, open_database

    if not await_mount:
        mountpoints.check(mountpoint)
    manager = Manager((lambda: notify(READY)) if await_mount else None, lambda: notify(ALIVE), alive_seconds())
    logs.configure("mount", "text" if sys.stderr.isatty() else config.log.format, config.log.level)
    marks.require(config.store.path, "the store")
    database = open_database(config)
    try:
        archive = open_archive(config, database)
        if login is None:
            mount_for_all(archive, database, mountpoint, accounts=unix_account, on_ready=on_ready, manager=manager)
            return
        user = principal(database, login)
        owner = unix_account(user.login) if allow_other else Account(os.getuid(), os.getgid())
        if owner is None:
            raise Refused(f"there is no Unix user {user.login} on this machine to let in; mount without --allow-other")
        mount_for_one(
            archive, database, mountpoint, user=user, owner=owner, allow_other=allow_other, on_ready=on_ready, manager=manager
        )
    finally:
        database.close()


def _open_log(file: Path | None) -> int:
    with durable.translated(f"the log file {file} cannot be written"):
        return os.open(file or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _detach(log: int, writing: int) -> None:
    """Let go of the terminal and tell the waiting command that the mount answers."""
    os.chdir("/")
    for target, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, log), (2, log)):
        os.dup2(source, target)
    os.write(writing, _MOUNTED)
    os.close(writing)


def _await_ready(child: int, reading: int) -> None:
    try:
        with os.fdopen(reading, "rb") as pipe:
            if pipe.read() == _MOUNTED:
                return
        _, status = os.waitpid(child, 0)
    except KeyboardInterrupt:
        os.kill(child, signal.SIGTERM)
        raise
    if os.WIFEXITED(status):
        raise click.exceptions.Exit(os.WEXITSTATUS(status) or FAILED)
    raise Unavailable("the mount was killed before it was ready; see why with --foreground")
