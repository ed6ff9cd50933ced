"""The wall clock, read at the moment something is written down and nowhere else.

Code that decides takes a time as an argument; constructors read no clock.
"""

import time


def now() -> int:
    """Return the time in whole seconds since 1970-01-01 UTC, as the catalogue keeps it."""
    return int(time.time())
