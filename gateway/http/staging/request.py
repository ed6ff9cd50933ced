"""One request on the staging tree: whose tree, which place, what the client shows, and how a refusal is said.

Names go in and out here and nowhere else: clients percent-encode bytes, Windows cannot show some names at all.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from urllib.parse import quote, unquote_to_bytes, urlsplit

from werkzeug.wrappers import Response

from catalog.gate.drops.inbox import Inbox
from catalog.gate.drops.locks import Locks
from catalog.gate.drops.staging_view import Located
from catalog.pure.drops import REVIEW, Entry, Place
from catalog.pure.errors import Conflict, Invalid, NotADirectory, NotFound
from catalog.pure.nodes import Kind, Node, NodeId
from gateway.http import answers
from gateway.http.requests import Environ, Request

STAGING = "staging"
_BATCH_DEPTH = 3  # study/_review/batch

_SECOND = 1_000_000_000
_LAST_SECOND = 253_402_300_799  # of the year 9999, where dates end
_NOT_THERE = "there is no such file or folder"
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NOT_WINDOWS = re.compile(
    r"""[\x01-\x1f<>:"\\|?*%\udc80-\udcff]|[. ]+$|^(?=(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$))[a-z]""", re.IGNORECASE
)
_PRIVATE = 0xF000  # of Unicode's private use area, as other file servers do


class Declined(Exception):
    """A request ends with this answer."""

    def __init__(self, status: int, sentence: str, **headers: str) -> None:
        super().__init__(sentence)
        self.answer = answers.text(status, sentence, **headers)


@dataclass(frozen=True, slots=True)
class StagingRequest:
    """A request, by a principal whose `inbox` and `locks` these are, for a place in the staging tree."""

    http: Request
    inbox: Inbox
    locks: Locks
    place: Place

    @property
    def environ(self) -> Environ:
        """Its headers, as WSGI has them."""
        return self.http.environ

    @property
    def for_windows(self) -> bool:
        """Whether names must be such as Windows can show."""
        return is_windows(self.environ)

    def href(self, place: Place, *, folder: bool) -> str:
        """Return the path of a place as it stands in an answer; a folder's ends in a slash."""
        names = [_for_windows(name) for name in place] if self.for_windows else place
        path = "/".join(["", STAGING, *(quote(name, errors="surrogateescape") for name in names)])
        return path + "/" if folder else path

    def destination(self) -> Place:
        """Return the place that the Destination header names: for Windows by the names that are there, in whatever case.

        Raises:
            Declined, NotFound: as the function `destination`.
        """
        named = destination(self.environ)
        there = self.inbox.as_there(named) if self.for_windows else named
        return named if there == self.place else there  # its own name in another case

    def find(self, place: Place) -> Entry | None:
        """Return what is at a place, None if nothing: neither is there anything below a file."""
        try:
            return self.inbox.stat(place)
        except (NotFound, NotADirectory):
            return None

    def entry(self) -> Entry:
        """Return what is at this place.

        Raises:
            NotFound: nothing.
        """
        found = self.find(self.place)
        if found is None:
            raise NotFound(_NOT_THERE)
        return found

    def locate(self, place: Place) -> Located:
        """Return what is at a place, which may be new: the catalogue is asked once.

        Raises:
            Declined: nothing is there, nor the folder that it should lie in.
            NotFound: not even the study is there for this principal.
        """
        found = self.inbox.locate(place)
        if found.entry is None and not (len(place) > 1 and found.parent is not None and found.parent.is_folder):
            self.inbox.stat(place[:1])
            raise Declined(409, "the folder that it should lie in is not there; make it first")
        return found

    def is_still_granted(self) -> bool:
        """Whether grant, role and login are what they were when the request began; so, too, the review of another's batch."""
        depth = _BATCH_DEPTH if REVIEW in self.place[1:2] else 1
        return self.find(self.place[:depth]) is not None and self.http.still_authenticated()

    def require_still_granted(self) -> None:
        """Check that grant, role and login are what they were when the request began.

        Raises:
            NotFound: they are not.
        """
        if not self.is_still_granted():
            raise NotFound(_NOT_THERE)

    def check_locks(self, place: Place, tokens: Sequence[str], *, deep: bool = False, new: bool = False) -> None:
        """Check that no lock forbids a change at a place; `new`: of what its folder holds, too.

        Raises:
            Declined: one does.
        """
        try:
            if place:
                self.locks.check(place, tokens, deep=deep, new=new)
        except Conflict as error:
            raise Declined(423, str(error)) from None

    def members(self, place: Place) -> Iterator[tuple[Place, Entry]]:
        """Yield what lies in a folder."""
        for entry in self.inbox.children(place):
            yield (*place, entry.name), entry


def is_windows(environ: Environ) -> bool:
    """Whether Windows' own client asks."""
    return "MiniRedir" in environ.get("HTTP_USER_AGENT", "")


def names_in(environ: Environ) -> Sequence[str]:
    """Return the names in a request's path, the part of the door first; bytes that are no UTF-8 stay as they are.

    Raises:
        NotFound: a name in it cannot be any file's.
        Invalid: it goes on with a fragment, which is the client's own business: it may mean something else than what is here.
    """
    if "#" in environ.get("RAW_URI", ""):
        raise Invalid("an address is sent without its fragment (`#...`)")
    return _names(environ.get("PATH_INFO", "").encode("latin-1"), environ)


def destination(environ: Environ) -> Place:
    """Return the place that the Destination header of a COPY or MOVE names.

    Raises:
        Declined: there is none, or it is not in the staging tree of this server.
        NotFound: it cannot be any file's.
    """
    header = environ.get("HTTP_DESTINATION")
    if header is None:
        raise Declined(400, "a COPY or MOVE says where to in a Destination header")
    try:
        parts = urlsplit(header)
        path = unquote_to_bytes(parts.path.encode("latin-1"))
    except ValueError:
        raise Declined(400, "the Destination header is no address") from None
    hosts = {environ.get("HTTP_HOST"), environ.get("HTTP_X_FORWARDED_HOST")}
    if parts.netloc and parts.netloc.lower() not in {host.lower() for host in hosts if host}:
        raise Declined(502, "the Destination is on another server")
    names = _names(path, environ)
    if len(names) < 2 or names[0] != STAGING:
        raise Declined(403, "the Destination is not in the staging tree")
    return tuple(names[1:])


def as_node(entry: Entry) -> Node:
    """Return a staged file or folder as listings and file answers know them: its tag changes whenever its bytes may have."""
    mtime = min(max(entry.mtime_ns // _SECOND, 0), _LAST_SECOND)
    return Node(
        id=NodeId(Kind.FOLDER if entry.is_folder else Kind.FILE, entry.inode),
        name=_NOT_XML.sub("\ufffd", entry.name),
        mtime=mtime,
        changed=mtime,
        size=entry.size,
        digest=b"" if entry.is_folder else bytes.fromhex(tag(entry.inode, entry.mtime_ns, entry.size)),
    )


def tag(inode: int, mtime_ns: int, size: int) -> str:
    """Return the entity tag of a staged file, without its quotes."""
    return blake2b(f"{inode}:{mtime_ns}:{size}".encode(), digest_size=16).hexdigest()


def plain(status: int, **headers: str) -> Response:
    """Return an answer without a body; keyword `Oc_Mtime` becomes header `Oc-Mtime`."""
    answer = Response(status=status)
    for name, value in headers.items():
        answer.headers[name.replace("_", "-")] = value
    return answer


def _names(path: bytes, environ: Environ) -> list[str]:
    names = [name for name in path.decode("utf-8", "surrogateescape").split("/") if name]
    if any("\0" in name or name in {".", ".."} for name in names):
        raise NotFound(_NOT_THERE)
    return [_from_windows(name) for name in names] if is_windows(environ) else names


def _for_windows(name: str) -> str:
    """Return a name with what Windows cannot show moved to the private use area: one such name would hide its whole folder."""
    return _NOT_WINDOWS.sub(lambda found: "".join(chr(_PRIVATE + (ord(c) & 0xFFF)) for c in found.group()), name)


def _from_windows(name: str) -> str:
    return "".join(_original(ord(c)) if _PRIVATE < ord(c) < _PRIVATE + 0xD00 else c for c in name)


def _original(code: int) -> str:
    # A byte that is no UTF-8 is U+DC80 to U+DCFF in a name.
    low = code - _PRIVATE
    return chr(low) if low < 0x80 else chr(0xD000 + low) if 0xC80 <= low <= 0xCFF else chr(code)
