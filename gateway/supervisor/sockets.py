"""Listening sockets that are bound before anything starts, so that a taken port is an error and not a restart."""

import errno
import os
import socket

from catalog.pure.errors import Unavailable

_BACKLOG = 1024


def listen(host: str, port: int, what: str) -> socket.socket:
    """Return a socket that listens on TCP; port 0 is any free one.

    Args:
        host: an address, or a name that has one.
        port: the port.
        what: what it is for, and where it is configured: "[http] port".

    Raises:
        Unavailable: the address is not this machine's, or the port is taken or not allowed.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError:
        raise Unavailable(f"{what}: the host {host} has no address here; name one of this machine's addresses") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise Unavailable(f"{what}: {_reason(error, host, port)}") from None
    return listener


def address_of(listener: socket.socket) -> str:
    """Return HOST:PORT as a client writes it."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reason(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is taken by another program; stop that one or choose another port"
    if error.errno == errno.EACCES:
        return f"port {port} needs a privilege (CAP_NET_BIND_SERVICE); choose one above 1023 or give it"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine"
    return f"cannot listen on port {port} of {host}: {os.strerror(error.errno or 0)}"
