"""What clients send, made plain: paths, small bodies, names nobody means."""

import ipaddress
import re
from typing import Any
from urllib.parse import quote

from catalog.pure.errors import Invalid, NotFound
from catalog.pure.names import MAX_NAME_BYTES
from catalog.view import View

Environ = dict[str, Any]

LARGEST_XML = 65_536
METHODS = frozenset({
    "OPTIONS", "GET", "HEAD", "PROPFIND", "PROPPATCH", "PUT", "DELETE", "COPY", "MOVE", "MKCOL", "LOCK", "UNLOCK", "POST",
    "PATCH",
})  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PROBES = frozenset({"desktop.ini", "folder.jpg", "folder.gif", "thumbs.db", "autorun.inf", ".ds_store"})


def view_of(environ: Environ) -> View:
    """Return the archive as this request's principal may see it; the front put it there."""
    view: View = environ["archimed.view"]
    return view


def method_of(environ: Environ) -> str:
    """Return the method if it is one that clients send, else `other`: for figures and log lines."""
    method: str = environ["REQUEST_METHOD"]
    return method if method in METHODS else "other"


def is_from_this_machine(environ: Environ) -> bool:
    """Whether who asks is a program of this machine that has not been sent on by a proxy."""
    if "HTTP_X_FORWARDED_FOR" in environ:
        return False
    try:
        address = ipaddress.ip_address(environ.get("REMOTE_ADDR", "").removeprefix("::ffff:"))
    except ValueError:  # over a socket comes the proxy
        return False
    return address.is_loopback


def first_name(environ: Environ) -> str:
    """Return the first name in a request's path, which says what part of the door it is for; `""` for the root."""
    path: str = environ.get("PATH_INFO", "")
    return path.lstrip("/").partition("/")[0]


def segments(environ: Environ) -> list[str]:
    """Return the names in a request's path; empty and doubled slashes do not count.

    Raises:
        Invalid: the path is not UTF-8.
        NotFound: a name in it cannot be any file's.
    """
    try:
        path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8")
    except UnicodeError:
        raise Invalid("the path is not UTF-8") from None
    names = [name for name in path.split("/") if name]
    if _CONTROL.search(path) or any(len(name.encode()) > MAX_NAME_BYTES or name in {".", ".."} for name in names):
        raise NotFound("there is no such file or folder")
    return names


def href(names: list[str], *, folder: bool) -> str:
    """Return the path of a node as it stands in an answer; a folder's ends in a slash."""
    path = "/" + "/".join(quote(name) for name in names)
    return path + "/" if folder and names else path


def is_probe(environ: Environ) -> bool:
    """Whether this asks for what Explorer and Finder look for in each folder they show, and no archive has."""
    name = environ.get("PATH_INFO", "").rpartition("/")[2]
    return name.startswith("._") or name.lower() in _PROBES


def has_body(environ: Environ) -> bool:
    """Whether the request announces a body."""
    return environ.get("CONTENT_LENGTH", "") not in {"", "0"} or "HTTP_TRANSFER_ENCODING" in environ


def read_xml(environ: Environ) -> bytes:
    """Return the body of a request that carries a little XML, empty if there is none.

    Raises:
        Invalid: it is too long to be one.
    """
    if not has_body(environ):
        return b""
    try:
        body: bytes = environ["wsgi.input"].read(LARGEST_XML + 1)
    except TimeoutError:
        raise
    except Exception:  # noqa: BLE001 - each server has errors of its own for a body that is cut off or framed wrongly
        raise Invalid("the request's body cannot be read") from None
    if len(body) > LARGEST_XML:
        raise Invalid("the request's XML is too long")
    environ["archimed.body_read"] = True
    return body
