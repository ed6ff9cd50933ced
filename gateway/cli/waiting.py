"""Waiting for a queued job, from the command line. May live here: that, and nothing about what is waited for."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from catalog.jobs import Worker

_Seen = TypeVar("_Seen")

_GRACE_SECONDS = 2.0
_POLL_SECONDS = 0.1


def wait(
    worker: Worker,
    look: Callable[[], _Seen],
    is_under_way: Callable[[_Seen], bool],
    *,
    batch_id: int | None = None,
    correction_id: int | None = None,
    bin_id: int | None = None,
    delivery_id: int | None = None,
) -> _Seen:
    """Return what `look` says once it is under way no more.

    The command line runs where the configuration and the secrets are, so where no worker takes the job of that batch,
    correction, entry of the bin or delivery soon, `worker` does it here.
    """
    begun = time.monotonic()
    while is_under_way(found := look()):
        if time.monotonic() - begun > _GRACE_SECONDS:
            worker.run_one(threading.Event(), batch_id, correction_id, bin_id, delivery_id)
        time.sleep(_POLL_SECONDS)
    return found
