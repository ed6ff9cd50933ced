"""What the commands that mount share: their options, and staying in the foreground or going behind the terminal."""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from catalog import durable
from catalog.pure.errors import Refused, Unavailable
from gateway.cli.common import configuration, unix_login
from gateway.cli.frame import FAILED
from gateway.config import Config
from gateway.supervisor.notify import ALIVE, READY, alive_seconds, notify

if TYPE_CHECKING:
    from archimedfs.handover import Manager
    from archimedfs.user_roots import Account, Accounts

_MOUNTED = b"ready"

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a mounting command was asked for; `login` None: all users."""

    config: Config
    mountpoint: Path
    login: str | None
    allow_other: bool
    await_mount: bool


Serve = Callable[[Wanted, "Manager", Callable[[], None]], None]
"""Mounts and serves until the end; calls its last argument once the mount answers."""


def mount_options(command: F) -> F:
    """Add the argument and options that every mounting command has."""
    for decorate in (
        click.option(
            "--log-file", type=Path, metavar="FILE",
            help="Where a mount in the background writes its log; nowhere without.",
        ),
        click.option(
            "--await-mount", is_flag=True,
            help="Only open /dev/fuse, notify systemd, and wait until archimed-fuse-mount mounts it: for a sandboxed service.",
        ),
        click.option("--allow-other", is_flag=True, help="Let in the Unix user LOGIN when another one mounts, such as root."),
        click.option("--foreground", is_flag=True, help="Stay, and unmount on Ctrl-C or SIGTERM."),
        click.option("--all-users", is_flag=True, help="A folder for each user, open to the Unix user of that name alone."),
        click.option("--user", "login", metavar="LOGIN", help="Whose tree; your own Unix login without."),
        click.argument("mountpoint", type=Path),
    ):  # fmt: skip
        command = decorate(command)
    return command


def run(
    serve: Serve,
    *,
    mountpoint: Path,
    login: str | None,
    all_users: bool,
    foreground: bool,
    allow_other: bool,
    await_mount: bool,
    log_file: Path | None,
) -> None:
    """Mount, and stay or go behind the terminal, as the options say."""
    if all_users and (login or allow_other):
        raise click.UsageError("--all-users lets every user in to their own folder: leave --user and --allow-other out")
    if await_mount and not foreground:
        raise click.UsageError("--await-mount needs --foreground")
    where = mountpoint.absolute()
    user = None if all_users else login or unix_login()
    wanted = Wanted(configuration(), where, user, allow_other, await_mount)
    who = user or "all users"
    if foreground:
        _serve(serve, wanted, lambda: _say_mounted(where, who))
        return
    log = _open_log(log_file)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.setsid()
        # Until it is ready it keeps this terminal, and writes there why it failed.
        _serve(serve, wanted, lambda: _detach(log, writing))
        return
    os.close(writing)
    _await_ready(child, reading)
    click.echo(f"mounted {where} for {who}; unmount with: fusermount3 -u {where}")


def owner_of(login: str, accounts: "Accounts", *, allow_other: bool) -> "Account":
    """Return the Unix user to whom a user's tree belongs: who mounts, or who is let in.

    Raises:
        Refused: there is no such Unix user.
    """
    from archimedfs.user_roots import Account

    owner = accounts(login) if allow_other else Account(os.getuid(), os.getgid())
    if owner is None:
        raise Refused(f"there is no Unix user {login} on this machine to let in; mount without --allow-other")
    return owner


def _say_mounted(mountpoint: Path, who: str) -> None:
    click.echo(f"mounted {mountpoint} for {who}; Ctrl-C unmounts")
    notify(READY)


def _serve(serve: Serve, wanted: Wanted, on_ready: Callable[[], None]) -> None:
    # Late: nothing that makes threads may be loaded before the fork.
    from archimedfs import mountpoint as mountpoints
    from archimedfs.handover import Manager
    from gateway import logs

    if not wanted.await_mount:
        mountpoints.check(wanted.mountpoint)
    manager = Manager((lambda: notify(READY)) if wanted.await_mount else None, lambda: notify(ALIVE), alive_seconds())
    log = wanted.config.log
    logs.configure("mount", "text" if sys.stderr.isatty() else log.format, log.level)
    serve(wanted, manager, on_ready)


def _open_log(file: Path | None) -> int:
    with durable.translated(f"the log file {file} cannot be written"):
        return os.open(file or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _detach(log: int, writing: int) -> None:
    """Let go of the terminal and let the waiting command know that the mount answers."""
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
