"""Where a request comes from: the peer of its connection, or what a trusted proxy says it is."""

import ipaddress
from collections.abc import Collection

OVER_SOCKET = "socket"
"""The peer of a connection that came over the proxy's Unix socket, which nobody but the proxy can open."""


def client_address(peer: str, forwarded: str, proxies: Collection[str]) -> str:
    """Return the address of the client.

    Args:
        peer: address of the connection's other end, or `OVER_SOCKET`, which is a proxy of ours in any case.
        forwarded: header X-Forwarded-For, "" if there is none. What stands left of the last address that is no proxy of ours
            was written by the client itself.
        proxies: addresses of proxies whose header counts.
    """
    address = peer
    for hop in reversed(forwarded.split(",")):
        if address != OVER_SOCKET and address not in proxies:
            break
        try:
            address = str(ipaddress.ip_address(hop.strip()))
        except ValueError:
            break
    return address
