"""Listening sockets that are bound before anything starts, so that a taken port is an error and not a restart."""

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path

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


def listen_locally(path: Path, what: str) -> socket.socket:
    """Return a socket that listens at a path, for this account and the group of the path's folder (set-gid) alone.

    Args:
        path: where; a socket that a former process left there is replaced.
        what: what it is for, and where it is configured: "[http] socket".

    Raises:
        Unavailable: the folder is missing or open to others, or something else is there.
    """
    try:
        if path.parent.stat().st_mode & stat.S_IRWXO:
            raise Unavailable(f"{what}: others may look into {path.parent}; close it: chmod o= {path.parent}")
        _remove_left(path, what)
        listener = socket.socket(socket.AF_UNIX)
        with contextlib.ExitStack() as unless_it_works:
            unless_it_works.callback(listener.close)
            listener.bind(str(path))
            path.chmod(0o660)
            listener.listen(_BACKLOG)
            unless_it_works.pop_all()
    except OSError as error:
        raise Unavailable(f"{what}: cannot listen at {path}: {os.strerror(error.errno or 0)}") from None
    return listener


def _remove_left(path: Path, what: str) -> None:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise Unavailable(f"{what}: {path} is there already and is no socket; remove it, or choose another path")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(1)
        try:
            asking.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except TimeoutError:
            pass
    raise Unavailable(f"{what}: another program listens at {path}; stop that one or choose another path")


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
