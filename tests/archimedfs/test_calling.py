"""Threads of a mount: what one user waits for leaves some to others."""

import threading

import trio

from archimedfs.calling import InThreadOfUser


class User:
    """Somebody."""


def test_one_user_does_not_get_all_threads() -> None:
    call, greedy, other = InThreadOfUser(threads=4), User(), User()
    release, running = threading.Event(), []

    def wait() -> None:
        running.append(1)
        release.wait(30)

    async def both() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(call, greedy, wait)
            assert await call(other, lambda: "answered") == "answered"
            release.set()

    trio.run(both)
    assert len(running) == 8
