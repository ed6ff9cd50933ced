"""The channel on which the desk's side orders pictures: messages over a socket, with which an open file can be handed over."""

import json
import os
import socket
from collections.abc import Iterator
from typing import Any

_LONGEST = 64 * 1024


def pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a channel."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(channel: socket.socket, order: dict[str, Any], fd: int | None) -> None:
    """Send an order, and the descriptor of the file it is about, if there is one."""
    socket.send_fds(channel, [json.dumps(order).encode()], [] if fd is None else [fd])


def received(channel: socket.socket) -> Iterator[dict[str, Any]]:
    """Yield orders until nobody gives any more; a file that was handed over stands at its path until the next is asked for."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, _LONGEST, 1)
        if not message:
            return
        order: dict[str, Any] = json.loads(message)
        if descriptors:
            order["path"] = f"/proc/self/fd/{descriptors[0]}"
        try:
            yield order
        finally:
            for fd in descriptors:
                os.close(fd)
