"""A mount that somebody else makes: the daemon opens /dev/fuse, and a helper with root's rights mounts that very descriptor.

A sandboxed service sees its own mounts alone, and everybody else sees none of them; so it is not the service that mounts. May
live here: the daemon's side, and what it tells the service manager. The other side is `archimedfs.mounter`.
"""

import os
import select
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import trio

from catalog.pure.errors import Refused

DEVICE = Path("/dev/fuse")

_LOOK_SECONDS = 0.02


def _nothing() -> None:
    """Say nothing: nobody asked."""


@dataclass(frozen=True, slots=True)
class Manager:
    """The service manager that a mount runs under, if any.

    Args:
        on_opened: if given, the mount is made by somebody else, who is told here that the device is open.
        alive: called again and again by the loop that answers requests, as long as it turns.
        alive_seconds: how often; 0 for never.
    """

    on_opened: Callable[[], None] | None = None
    alive: Callable[[], None] = _nothing
    alive_seconds: float = 0.0


def open_device() -> int:
    """Open the device that a helper is to mount.

    Raises:
        Refused: there is none, or this process may not open it.
    """
    try:
        return os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(f"{DEVICE} cannot be opened: {os.strerror(error.errno or 0)}; load it with `modprobe fuse`") from None


async def wait_until_mounted(device: int) -> None:
    """Wait until somebody has mounted the device; the kernel has no event for that."""
    poll = select.poll()
    poll.register(device, select.POLLIN)
    while any(event & select.POLLERR for _, event in poll.poll(0)):
        await trio.sleep(_LOOK_SECONDS)


async def device_of_helper(on_opened: Callable[[], None], signals: AsyncIterator[int]) -> int | None:
    """Open the device and return it once somebody has mounted it; None if a signal came first.

    Raises:
        Refused: as `open_device`.
    """
    device = open_device()
    on_opened()
    mounted = False
    async with trio.open_nursery() as nursery:

        async def cancel_on_signal() -> None:
            await anext(signals)
            nursery.cancel_scope.cancel()

        nursery.start_soon(cancel_on_signal)
        await wait_until_mounted(device)
        mounted = True
        nursery.cancel_scope.cancel()
    if mounted:
        return device
    os.close(device)
    return None


async def tell_alive(manager: Manager, is_turning: Callable[[], bool] = lambda: True) -> None:
    """Tell the manager, until cancelled, that this loop turns, and so does whatever else is asked."""
    while manager.alive_seconds:
        if is_turning():
            manager.alive()
        await trio.sleep(manager.alive_seconds)
