"""Telling the service manager how things are: sd_notify(3), which is one datagram."""

import contextlib
import os
import socket


def notify(state: str) -> None:
    """Send `state` (`READY=1`, `STOPPING=1`) to the manager, if one asked for it; nobody waits for an answer."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.sendto(state.encode(), address.replace("@", "\0", 1) if address.startswith("@") else address)
