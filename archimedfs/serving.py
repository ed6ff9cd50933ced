"""The life of an archive mount: mounted, serving, and unmounted whatever ends it. Knows no archive.

Requests are taken by a thread of their own (`archimedfs.kernel.device`); the event loop of this one has the signals, follows
changes and speaks with the service manager.
"""

import contextlib
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import trio

from archimedfs import handover
from archimedfs import mountpoint as mountpoints
from archimedfs.handover import Manager
from archimedfs.held import HELD_SECONDS
from archimedfs.kernel import mounting
from archimedfs.kernel.device import Device
from archimedfs.session import ENDING, allow_many_files

_LOOK_SECONDS = 10.0


def run(
    device: Device,
    mountpoint: Path,
    *,
    allow_other: bool,
    on_ready: Callable[[], None],
    beside: Callable[[], Awaitable[None]],
    forget_idle: Callable[[float], None],
    manager: Manager | None = None,
) -> None:
    """Mount, serve, and return when a signal came or somebody unmounted; must be called in the main thread.

    What a worker still waits for then is given up with the process, and so is who waits for its answer.

    Args:
        device: what answers; it is attached to what is mounted here.
        mountpoint: an empty folder.
        allow_other: whether other Unix users may come in at all.
        on_ready: called once the mount answers; it may not touch the mount itself.
        beside: what runs as long as the mount answers. If it fails, the mount ends.
        forget_idle: closes files that nobody has open and that were opened before a moment of the monotonic clock.
        manager: the service manager this runs under; it may say that somebody else makes the mount.

    Raises:
        Refused: the folder cannot be mounted on, or the system refused.
    """
    manager = manager or Manager()
    if manager.on_opened is None:
        mountpoints.check(mountpoint)
    allow_many_files()
    # As the kernel will name it: then nobody here has to look at the mount to find it again.
    serving = _Serving(device, mountpoint.resolve(), manager)
    trio.run(serving.run, allow_other, on_ready, beside, forget_idle, strict_exception_groups=True)


class _Serving:
    def __init__(self, device: Device, mountpoint: Path, manager: Manager) -> None:
        self._device = device
        self._mountpoint = mountpoint
        self._manager = manager
        self._agreed = trio.Event()
        self._ended = trio.Event()
        self._is_gone = False
        self._failure: BaseException | None = None

    async def run(
        self,
        allow_other: bool,
        on_ready: Callable[[], None],
        beside: Callable[[], Awaitable[None]],
        forget_idle: Callable[[float], None],
    ) -> None:
        # The signals first: one that came between mounting and listening for it would leave a dead mount.
        with trio.open_signal_receiver(*ENDING) as signals:
            descriptor: int | None
            if self._manager.on_opened is None:
                descriptor = mounting.mount(self._mountpoint, allow_other=allow_other)
            else:
                descriptor = await handover.device_of_helper(self._manager.on_opened, signals)
                if descriptor is None:
                    return
            token = trio.lowlevel.current_trio_token()
            device = self._device
            device.attach(descriptor, lambda: token.run_sync_soon(self._agreed.set))
            threading.Thread(target=self._take_requests, args=[token], name="requests", daemon=True).start()
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._end_on_signal, signals)
                    nursery.start_soon(self._announce, on_ready)
                    nursery.start_soon(handover.tell_alive, self._manager, device.is_turning)
                    nursery.start_soon(_forget_idle, forget_idle)
                    nursery.start_soon(beside)
                    await self._ended.wait()
                    nursery.cancel_scope.cancel()
            finally:
                # Whoever made the mount takes it away; who uses it still may ask until then.
                if self._manager.on_opened is None and not self._is_gone:
                    with trio.CancelScope(shield=True):
                        await trio.to_thread.run_sync(mounting.unmount, self._mountpoint)
                device.stop()
        if self._failure is not None:
            raise self._failure

    def _take_requests(self, token: trio.lowlevel.TrioToken) -> None:
        try:
            self._device.serve()
            self._is_gone = True
        except BaseException as error:  # noqa: BLE001 - it ends the mount, and is raised where the mount was made
            self._failure = error
        with contextlib.suppress(trio.RunFinishedError):  # the mount ended before this thread
            token.run_sync_soon(self._ended.set)

    async def _end_on_signal(self, signals: AsyncIterator[int]) -> None:
        async for _ in signals:
            self._ended.set()
            return

    async def _announce(self, on_ready: Callable[[], None]) -> None:
        await self._agreed.wait()
        mountpoints.read_further_ahead(self._mountpoint)
        on_ready()


async def _forget_idle(forget_idle: Callable[[float], None]) -> None:
    while True:
        await trio.sleep(_LOOK_SECONDS)
        forget_idle(time.monotonic() - HELD_SECONDS)
