"""A client's name for the audit: the product in its User-Agent header, without version, platform and what else stands there."""

import re

_PRODUCT = re.compile(r"[A-Za-z][A-Za-z0-9._+-]{0,31}")
# Browsers call themselves each other; the first of these that they name is what they are.
_BROWSERS = ("Edg", "OPR", "Firefox", "Chrome", "Safari")
_MOZILLA = "Mozilla"


def client_of(user_agent: str) -> str:
    """Return `rclone` for `rclone/v1.60.1 linux/amd64`, `Firefox` for what Firefox says, "" where no name stands first."""
    found = _PRODUCT.match(user_agent)
    if found is None:
        return ""
    name = found[0].rstrip(".-+_")
    if name == _MOZILLA:
        return next((browser for browser in _BROWSERS if f" {browser}/" in user_agent), _MOZILLA)
    return name
