"""How far Linux reads ahead on a mount. Only root may say; others read as before."""

import contextlib
from pathlib import Path

from archimedfs import mountpoint as mountpoints

# 128 KiB on a FUSE mount unless told otherwise; 1 MiB is the most that one request carries.
_READ_AHEAD_KB = 1024


def read_further_ahead(mountpoint: Path) -> None:
    """Raise it. To be called after the first request: the kernel sets its own value when that is answered."""
    device = mountpoints.device_of(mountpoint)
    if device is not None:
        with contextlib.suppress(OSError):
            Path(f"/sys/class/bdi/{device}/read_ahead_kb").write_text(str(_READ_AHEAD_KB), encoding="ascii")
