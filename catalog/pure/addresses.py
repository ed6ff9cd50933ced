"""Who calls on the wire: AE titles and IP addresses in one spelling each. Nothing is resolved or connected to."""

import ipaddress
import re

from catalog.pure.errors import Invalid

_AE_TITLE = re.compile(r"[ -\[\]-~]{1,16}")


def check_ae_title(title: str) -> str:
    """Return an AE title without the blanks around it, which do not count (PS3.5 6.2).

    Raises:
        Invalid: it is not 1 to 16 printable ASCII characters, or has a backslash.
    """
    trimmed = title.strip(" ")
    if not _AE_TITLE.fullmatch(trimmed):
        raise Invalid("an AE title is 1 to 16 printable ASCII characters without a backslash")
    return trimmed


def check_host(host: str) -> str:
    """Return an IP address in its one spelling; '' (any address) stays ''.

    Raises:
        Invalid: it is neither. Names are not taken: what they stand for can change under the archive.
    """
    if not host:
        return ""
    try:
        address = ipaddress.ip_address(host.strip())
    except ValueError:
        raise Invalid("a host is an IPv4 or IPv6 address such as 192.0.2.7; host names are not taken") from None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
