"""The process that reads and writes HDF5 files: libhdf5 is C and crashes on some broken files, so it does so alone.

It knows neither key nor profile: it tells the parent what a file holds, is told what to write, and writes. It may use little
memory, time and disk, loads no plug-ins and inherits no secrets. Started by `deid.formats.hdf5.process`.
"""

from __future__ import annotations

import errno
import os
import resource
import sys
from pathlib import Path
from typing import Any

from deid.formats.hdf5 import limits
from deid.formats.hdf5.nodes import orders_from, receive, send


def main() -> None:
    """Serve one file: its path, and the descriptor to write to, are the arguments."""
    path, descriptor = sys.argv[1], int(sys.argv[2])
    size = Path(path).stat().st_size
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, limits.MEMORY_BYTES),
        (resource.RLIMIT_CPU, limits.seconds(size)),
        (resource.RLIMIT_FSIZE, limits.output_bytes(size)),
    ):
        resource.setrlimit(what, (most, most))
    send(sys.stdout.buffer, _description(path, descriptor))


def _description(path: str, descriptor: int) -> dict[str, Any]:
    """Do the work, and say how it ended without a value of the file."""
    from deid.formats.hdf5.refusal import Damaged, Leak, Refused

    try:
        _serve(path, descriptor)
    except Refused as refused:
        return {"refused": str(refused)}
    except Damaged as damaged:
        return {"damaged": str(damaged)}
    except Leak as leak:
        return {"leak": leak.number}
    except MemoryError:
        return {"damaged": "it needs too much memory"}
    except Exception as error:  # noqa: BLE001  its text may hold a value of the file, and libhdf5 raises of every kind
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS):
            return {"target": error.errno}
        return {"damaged": f"HDF5 cannot read it ({type(error).__name__})"}
    return {"written": True}


def _serve(path: str, descriptor: int) -> None:
    import h5py  # after the limits are set

    from deid.formats.hdf5.copying import Copy
    from deid.formats.hdf5.reading import Tree
    from deid.formats.hdf5.refusal import Damaged

    with h5py.File(path, "r", locking=False) as source:
        tree = Tree(h5py.h5g.open(source.id, b"/"))
        send(sys.stdout.buffer, {"nodes": tree.nodes, "userblock": source.userblock_size})
        message = receive(sys.stdin.buffer)
        if message is None:
            return
        orders = orders_from(message)
        with os.fdopen(descriptor, "r+b") as stream:
            with h5py.File(
                stream, "w", libver=("earliest", "v108"), userblock_size=orders.userblock, track_order=False
            ) as target:
                Copy(source, target, tree, orders).run()
            stream.flush()
            if os.fstat(stream.fileno()).st_size >= limits.output_bytes(Path(path).stat().st_size):
                raise Damaged("it unfolds to more than a file of its size can hold")


if __name__ == "__main__":
    main()
