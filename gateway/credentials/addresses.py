"""Where a request comes from: the peer of its connection, or what a trusted proxy says it is."""

import ipaddress
from collections.abc import Collection


def client_address(peer: str, forwarded: str, proxies: Collection[str]) -> str:
    """Return the address of the client.

    Args:
        peer: address of the connection's other end.
        forwarded: header X-Forwarded-For, "" if there is none. What stands left of the last address that is no proxy of ours
            was written by the client itself.
        proxies: addresses of proxies whose header counts.
    """
    address = peer
    for hop in reversed(forwarded.split(",")):
        if address not in proxies:
            break
        try:
            address = str(ipaddress.ip_address(hop.strip()))
        except ValueError:
            break
    return address
