"""Puts a mount together: users, handlers, and what follows changes; for one user or for all, from the same parts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from archimedfs import inodes, serving, session
from archimedfs.archive import ArchiveOperations
from archimedfs.archive_for_all import ArchiveForAll
from archimedfs.calling import THREADS, Caller, InThread, inline
from archimedfs.entrance import Entrance
from archimedfs.handover import Manager
from archimedfs.invalidation import Invalidator, Told
from archimedfs.kernel.device import Device, Handler
from archimedfs.kernel.workers import Workers
from archimedfs.multi_user import MultiUser
from archimedfs.staging import StagingOperations
from archimedfs.staging_lookup import StagedInbox
from archimedfs.user_roots import Account, Accounts, UserRoot, UserRoots
from catalog.audit import Face
from catalog.database import Database
from catalog.gate.drops.inbox import Inboxes
from catalog.pure.access import Principal
from catalog.view import Archive, Tree


def mount_for_one(
    archive: Archive,
    database: Database,
    mountpoint: Path,
    *,
    user: Principal,
    owner: Account,
    actor: str = "",
    allow_other: bool = False,
    in_thread: bool = False,
    on_ready: Callable[[], None],
    manager: Manager | None = None,
) -> None:
    """Mount the archive as one user may see it; return when a signal came or somebody unmounted.

    Args:
        archive: what is mounted.
        database: its catalogue, whose changes are followed.
        mountpoint: an empty folder.
        user: whose tree is the mount's root.
        owner: the Unix user to whom folders (0500) and files (0400) belong.
        actor: that Unix user's login where it is not the user's own, for the audit.
        allow_other: whether other Unix users than this process's may come in at all, such as the owner of a mount made by root.
        in_thread: call the catalogue in other threads even if it is SQLite, which is quicker to ask than a thread.
        on_ready: called once the mount answers; it may not touch the mount itself.
        manager: the service manager this runs under.

    Raises:
        Refused: the folder cannot be mounted on, or the system refused.
    """
    user_roots: UserRoots[Tree] = UserRoots()
    user_roots.add(UserRoot(inodes.ONLY_SLOT, user.user_id, user.login, archive.view(user, Face.MOUNT, actor), owner))
    below = _archive_operations(archive, database, user_roots, in_thread=in_thread)
    _serve_archive(
        below, below.handlers(), _Followed(database, user_roots, None), mountpoint,
        allow_other=allow_other, in_thread=in_thread, on_ready=on_ready, manager=manager,
    )  # fmt: skip


def mount_for_all(
    archive: Archive,
    database: Database,
    mountpoint: Path,
    *,
    accounts: Accounts,
    in_thread: bool = False,
    on_ready: Callable[[], None],
    manager: Manager | None = None,
) -> None:
    """Mount the archive with a folder for each user; return when a signal came or somebody unmounted.

    Args:
        archive: as in `mount_for_one`, like all that is not said here.
        database: as there.
        mountpoint: as there.
        accounts: finds the Unix user of a login; who has none has no folder.
        in_thread: as there.
        on_ready: as there.
        manager: as there.

    Raises:
        Refused: as there.
    """
    user_roots: UserRoots[Tree] = UserRoots()
    below = _archive_operations(archive, database, user_roots, in_thread=in_thread)
    entrance = Entrance(user_roots, lambda principal, _account, _slot: archive.view(principal, Face.MOUNT))
    handlers = ArchiveForAll(below, entrance, database, accounts).handlers()
    _serve_archive(
        below, handlers, _Followed(database, user_roots, accounts), mountpoint,
        allow_other=True, in_thread=in_thread, on_ready=on_ready, manager=manager,
    )  # fmt: skip


def mount_staging_for_one(
    inboxes: Inboxes,
    database: Database,
    mountpoint: Path,
    *,
    user: Principal,
    owner: Account,
    allow_other: bool = False,
    in_thread: bool = False,
    on_ready: Callable[[], None],
    manager: Manager | None = None,
) -> None:
    """Mount the staging tree of one user; return when a signal came or somebody unmounted.

    Args:
        inboxes: what is mounted.
        database: as in `mount_for_one`, like all that is not said here.
        mountpoint: as there.
        user: as there.
        owner: the Unix user to whom folders (0700) and files (0600) belong.
        allow_other: as there.
        in_thread: as there.
        on_ready: as there.
        manager: as there.

    Raises:
        Refused: as there.
    """
    user_roots: UserRoots[StagedInbox] = UserRoots()
    tree = StagedInbox(inboxes.of(user), owner, inodes.ONLY_SLOT)
    user_roots.add(UserRoot(inodes.ONLY_SLOT, user.user_id, user.login, tree, owner))
    call = _caller(database, in_thread=in_thread)
    operations = StagingOperations(inboxes, user_roots, call)
    invalidator = Invalidator(database, user_roots, call, operations, None)
    _serve_staging(
        operations, operations, invalidator, mountpoint, {"allow_other"} if allow_other else set(), on_ready, manager
    )


def mount_staging_for_all(
    inboxes: Inboxes,
    database: Database,
    mountpoint: Path,
    *,
    accounts: Accounts,
    in_thread: bool = False,
    on_ready: Callable[[], None],
    manager: Manager | None = None,
) -> None:
    """Mount staging with a folder for each user; return when a signal came or somebody unmounted.

    Args:
        inboxes: what is mounted.
        database: as in `mount_for_one`, like all that is not said here.
        mountpoint: as there.
        accounts: as in `mount_for_all`.
        in_thread: as there.
        on_ready: as there.
        manager: as there.

    Raises:
        Refused: as there.
    """
    user_roots: UserRoots[StagedInbox] = UserRoots()
    call = _caller(database, in_thread=in_thread)
    below = StagingOperations(inboxes, user_roots, call)
    operations = MultiUser(
        below, user_roots, call, database, accounts,
        lambda principal, account, slot: StagedInbox(inboxes.of(principal), account, slot),
    )  # fmt: skip
    invalidator = Invalidator(database, user_roots, call, below, accounts)
    _serve_staging(operations, below, invalidator, mountpoint, {"allow_other"}, on_ready, manager)


def _caller(database: Database, *, in_thread: bool) -> Caller:
    return InThread() if in_thread or not database.is_sqlite else inline


class _Followed(NamedTuple):
    database: Database
    user_roots: UserRoots[Tree]
    accounts: Accounts | None


def _archive_operations(
    archive: Archive, database: Database, user_roots: UserRoots[Tree], *, in_thread: bool
) -> ArchiveOperations:  # fmt: skip
    asking = Workers("asking", THREADS) if in_thread or not database.is_sqlite else None
    return ArchiveOperations(user_roots, _caller(database, in_thread=in_thread), asking, archive.capacity)


def _serve_archive(
    below: ArchiveOperations,
    handlers: dict[int, Handler],
    followed: _Followed,
    mountpoint: Path,
    *,
    allow_other: bool,
    in_thread: bool,
    on_ready: Callable[[], None],
    manager: Manager | None,
) -> None:
    database, user_roots, accounts = followed
    device = Device(handlers, below.forgotten)
    call = _caller(database, in_thread=in_thread)
    told = Told(device.forget_name, device.forget_inode)
    # Before the kernel can have cached anything.
    follower = Invalidator(database, user_roots, call, below, accounts, told)
    try:
        serving.run(
            device, mountpoint, allow_other=allow_other, on_ready=on_ready, beside=follower.run,
            forget_idle=below.forget_idle, manager=manager,
        )  # fmt: skip
    finally:
        below.close()


def _serve_staging(
    operations: session.Operations,
    below: StagingOperations,
    invalidator: Invalidator[Any],
    mountpoint: Path,
    options: set[str],
    on_ready: Callable[[], None],
    manager: Manager | None,
) -> None:
    try:
        session.run(operations, mountpoint, options, on_ready, invalidator.run, manager)
    finally:
        below.close()
