"""How a mount calls what is synchronous: on its own thread, or on another where the call may wait for a server.

A look-up in a local SQLite catalogue takes less time than the way to another thread and back. One that waits for a database
server would make every reader of the mount wait with it.
"""

from collections.abc import Awaitable, Callable
from typing import ParamSpec, Protocol, TypeVar
from weakref import WeakKeyDictionary

import trio

_Parameters = ParamSpec("_Parameters")
_Answer = TypeVar("_Answer")

# As many database connections: each thread keeps one open.
THREADS = 8


class Caller(Protocol):
    """Calls a synchronous function for a handler."""

    def __call__(
        self, function: Callable[_Parameters, _Answer], /, *args: _Parameters.args, **named: _Parameters.kwargs
    ) -> Awaitable[_Answer]:
        """Return what the function returns, or raise what it raises."""
        ...


async def inline(function: Callable[_Parameters, _Answer], /, *args: _Parameters.args, **named: _Parameters.kwargs) -> _Answer:
    """Call on this thread: for a catalogue and store on this machine's own disks."""
    return function(*args, **named)


class InThread:
    """Calls on other threads, a few at a time: for whatever may wait."""

    def __init__(self, threads: int = THREADS) -> None:
        self._limiter = trio.CapacityLimiter(threads)

    async def __call__(
        self, function: Callable[_Parameters, _Answer], /, *args: _Parameters.args, **named: _Parameters.kwargs
    ) -> _Answer:
        """Return what the function returns, or raise what it raises; others are served meanwhile."""
        return await trio.to_thread.run_sync(lambda: function(*args, **named), limiter=self._limiter)


class InThreadOfUser:
    """Calls on other threads, half of them at most for one user: whose batch is being sealed keeps nobody else waiting."""

    def __init__(self, threads: int = THREADS) -> None:
        self._call = InThread(threads)
        self._most = max(1, threads // 2)
        self._shares: WeakKeyDictionary[object, trio.CapacityLimiter] = WeakKeyDictionary()

    async def __call__(
        self,
        user: object,
        function: Callable[_Parameters, _Answer],
        /,
        *args: _Parameters.args,
        **named: _Parameters.kwargs,
    ) -> _Answer:
        """Return what the function returns, or raise what it raises.

        Args:
            user: as whom it is called: one object for each user, which is not kept alive.
        """
        share = self._shares.get(user)
        if share is None:
            share = self._shares[user] = trio.CapacityLimiter(self._most)
        async with share:
            return await self._call(function, *args, **named)
