"""The life of a staging mount: mounted, serving, unmounted whatever ends it. Knows no archive; pyfuse3 allows one a process."""

import errno
import resource
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pyfuse3
import trio

from archimedfs import handover
from archimedfs import mountpoint as mountpoints
from archimedfs.handover import Manager
from archimedfs.mountpoint import read_further_ahead
from catalog.pure.errors import Refused

_OPTIONS = frozenset({"nosuid", "nodev", "noexec", "default_permissions", "fsname=archimed", "subtype=archimed"})
# HUP: the terminal that a mount was started from was closed.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Operations(pyfuse3.Operations):
    """What all mounts say of themselves; a mount's handlers are added by a subclass.

    A handler that is missing answers ENOSYS, and the kernel asks no more: no extended attributes, nothing to do on close and
    fsync, no ACCESS requests (`default_permissions` makes the kernel decide).
    """

    # Else the kernel may look up inode numbers that somebody guessed (open_by_handle_at).
    supports_dot_lookup = False
    enable_writeback_cache = False

    def __init__(self) -> None:
        self.mounted = trio.Event()

    def init(self) -> None:
        """Note that the kernel has begun to talk."""
        self.mounted.set()


def run(
    operations: Operations,
    mountpoint: Path,
    options: set[str],
    on_ready: Callable[[], None],
    beside: Callable[[], Awaitable[None]],
    manager: Manager | None = None,
) -> None:
    """Mount, serve, and return when a signal came or somebody unmounted; must be called in the main thread.

    Args:
        operations: the mount's handlers.
        mountpoint: an empty folder.
        options: mount options, besides those that every mount has.
        on_ready: called once the mount answers, on the thread that answers: it may not touch the mount itself.
        beside: what runs as long as the mount answers. If it fails, the mount ends.
        manager: the service manager this runs under; it may say that somebody else makes the mount.

    Raises:
        Refused: the folder cannot be mounted on, or the system refused.
    """
    manager = manager or Manager()
    if manager.on_opened is None:
        mountpoints.check(mountpoint)
    allow_many_files()
    # As the kernel will name it: then nobody here has to look at the mount to find it again.
    trio.run(_serve, operations, mountpoint.resolve(), options, on_ready, beside, manager, strict_exception_groups=True)


def allow_many_files() -> None:
    """Raise the limit of open files: each that any reader has open is one here, and 1,024 is a usual soft limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _serve(
    operations: Operations,
    mountpoint: Path,
    options: set[str],
    on_ready: Callable[[], None],
    beside: Callable[[], Awaitable[None]],
    manager: Manager,
) -> None:
    # The signals first: one that came between mounting and listening for it would leave a dead mount.
    with trio.open_signal_receiver(*ENDING) as signals:
        target = str(mountpoint)
        if manager.on_opened is not None:
            device = await handover.device_of_helper(manager.on_opened, signals)
            if device is None:
                return
            target = f"/dev/fd/{device}"  # libfuse's way to be handed one
        _mount(operations, target, set(_OPTIONS) | options)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_end_on_signal, signals)
                nursery.start_soon(_announce, operations, mountpoint, on_ready)
                nursery.start_soon(handover.tell_alive, manager)
                nursery.start_soon(beside)
                await _answer_requests()
                nursery.cancel_scope.cancel()
        finally:
            # Whoever made the mount takes it away.
            pyfuse3.close(unmount=manager.on_opened is None)


def _mount(operations: Operations, target: str, options: set[str]) -> None:
    try:
        pyfuse3.init(operations, target, options)
    except RuntimeError:
        raise Refused(
            f"the system refused to mount on {target}; fusermount3 says why above. To let other users in, "
            "`user_allow_other` must stand in /etc/fuse.conf"
        ) from None


async def _answer_requests() -> None:
    try:
        await pyfuse3.main()
    except* OSError as errors:
        # Unmounted by somebody else while closed files were still to be released: an end like any other.
        if errors.split(_is_end)[1] is not None:
            raise


def _is_end(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno == errno.ECONNABORTED


async def _end_on_signal(signals: AsyncIterator[int]) -> None:
    async for _ in signals:
        pyfuse3.terminate()
        return


async def _announce(operations: Operations, mountpoint: Path, on_ready: Callable[[], None]) -> None:
    await operations.mounted.wait()
    read_further_ahead(mountpoint)
    on_ready()
