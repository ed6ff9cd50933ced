"""The process that draws staged files for the desk. Decoders are C and meet what anybody sent, so they run alone.

It has the libraries loaded, and forks for each file a child that may use little memory and time, writes no file, and is gone
afterwards with whatever the file did to it. It knows no catalogue, no key and no password.

Asked by messages (`gateway.drawing.orders`); answers with a line of JSON, in which `length` says how many bytes of picture or
text follow.
"""

import json
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy.ma  # noqa: F401 - which numpy loads when it is first used

from catalog.filetypes import Sample, dicom_picture, recognise, registry
from catalog.filetypes.model import Look
from catalog.filetypes.plain_text import bytes_preview
from catalog.pure.errors import ArchimedError, Unreadable
from gateway.drawing import limits, orders

_READ = 1 << 20
_DICOM = "DCM"
_BYTES = "application/octet-stream"
_PICTURE, FRAME = "picture", "frame"
_NO_PICTURE: dict[str, Any] = {"frame": 0, "frames": 1, "columns": 0, "rows": 0, "window": None}
_WHY: dict[int, str] = {
    signal.SIGALRM: "it takes too long to draw it",
    signal.SIGXCPU: "it takes too long to draw it",
    signal.SIGKILL: "it takes too much to draw it",
}


def main() -> None:
    """Serve until nobody asks any more."""
    registry.file_types()
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as channel:
        for order in orders.received(channel):
            sys.stdout.buffer.write(_alone(order))
            sys.stdout.buffer.flush()


def _alone(order: dict[str, Any]) -> bytes:
    """Have a child of its own carry out an order, and return its answer."""
    hears, says = os.pipe()
    child = os.fork()
    if not child:
        os.close(hears)
        _carry_out(order, says)
    os.close(says)
    with os.fdopen(hears, "rb") as pipe:
        answer = _read(pipe)
    _, status = os.waitpid(child, 0)
    if not answer or os.waitstatus_to_exitcode(status) != 0:
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        return _packed({"why": _WHY.get(number, "its reader breaks down at it")})
    return answer


def _read(pipe: BinaryIO) -> bytes | None:
    answer = bytearray()
    while piece := pipe.read(_READ):
        answer += piece
        if len(answer) > limits.ANSWER_BYTES:
            return None
    return bytes(answer)


def _carry_out(order: dict[str, Any], says: int) -> None:
    """Draw, answer and end: this is the child, which never returns."""
    status = 1
    try:
        for what, most in (
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_AS, limits.MEMORY_BYTES),
            (resource.RLIMIT_CPU, limits.CPU_SECONDS),
            (resource.RLIMIT_FSIZE, 0),
        ):
            resource.setrlimit(what, (most, most))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(limits.SECONDS)
        with os.fdopen(says, "wb") as pipe:
            pipe.write(_drawn(order))
        status = 0
    finally:
        os._exit(status)


def _drawn(order: dict[str, Any]) -> bytes:
    path, look = Path(order["path"]), Look(**order["look"])
    try:
        path.stat()  # before a type is asked: what is gone is not damaged
        if order.get("want", _PICTURE) != _PICTURE:
            return _packed({"media_type": _BYTES, **_NO_PICTURE}, _decoded(path, order["want"], look))
        label = order["type"]
        kind = registry.named(_DICOM) if label.startswith(_DICOM) else recognise(Sample(path))
        found = registry.preview_of(kind, path, look) if kind is not None else None
        if found is None:  # nothing that its type draws: its bytes are shown, so that somebody sees what is in it
            with path.open("rb") as file:
                found = bytes_preview(file, f"A file of type {kind.name}" if kind else "A file of no known type")
    except FileNotFoundError:
        return _packed({"why": "its bytes are not there any more"})
    except MemoryError:
        return _packed({"why": "it takes too much memory to show it"})
    except Unreadable as error:
        return _packed({"why": str(error)})
    except ArchimedError:
        return _packed({"why": "the disk does not give its bytes"})
    answer = {
        "media_type": found.media_type, "frame": found.frame, "frames": found.frames, "columns": found.columns,
        "rows": found.rows, "window": found.window,
    }  # fmt: skip
    return _packed(answer, found.data)


def _decoded(path: Path, want: str, look: Look) -> bytes:
    with path.open("rb") as file:
        return dicom_picture.frame_bytes(file, look.frame or 0) if want == FRAME else dicom_picture.uncompressed(file)


def _packed(answer: dict[str, Any], data: bytes = b"") -> bytes:
    return json.dumps(answer | {"length": len(data)}).encode() + b"\n" + data


if __name__ == "__main__":
    main()
