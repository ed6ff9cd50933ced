"""What Finder and Explorer put beside people's files in every folder: taken, and forgotten.

Refused, they would show an error for each; kept, they would wait at the gate. Other programs may bring files of such names:
what is there is a file like all others.
"""

from uuid import uuid4

from werkzeug.wrappers import Response

from catalog.pure.errors import NotFound
from gateway.http import answers, properties
from gateway.http.requests import read_xml
from gateway.http.staging.receiving import drop
from gateway.http.staging.request import StagingRequest, plain

_FINDER = ("WebDAVFS/", "WebDAVLib/")
_EXPLORER_FILES = frozenset({"desktop.ini", "thumbs.db"})
_FORGOTTEN = {"PUT": 201, "MKCOL": 201, "COPY": 201, "MOVE": 201, "DELETE": 204, "UNLOCK": 204, "OPTIONS": 200}


def is_junk(request: StagingRequest) -> bool:
    """Whether this is about such a file, and nobody has brought one."""
    return bool(request.place) and _is_named_so(request) and request.find(request.place) is None


def _is_named_so(request: StagingRequest) -> bool:
    name = request.place[-1]
    if request.environ.get("HTTP_USER_AGENT", "").startswith(_FINDER):
        return name.startswith("._") or name == ".DS_Store"
    return request.for_windows and name.lower() in _EXPLORER_FILES


def answer(request: StagingRequest) -> Response:
    """Answer as if it had been done; there is no such file afterwards.

    Raises:
        NotFound: it is asked for, or the folder it would lie in is not there.
    """
    method = request.http.method
    request.inbox.stat(request.place[:-1])
    if method == "LOCK":
        drop(request.http)
        return _locked()
    if method == "PROPPATCH":
        tags = (tag for tag, _ in properties.parse_proppatch(read_xml(request.http)))
        statuses = dict.fromkeys(tags, properties.DONE)
        return answers.xml(207, properties.patched(request.href(request.place, folder=False), statuses))
    if method not in _FORGOTTEN:
        raise NotFound("there is no such file or folder")
    drop(request.http)
    return plain(_FORGOTTEN[method])


def _locked() -> Response:
    token = f"opaquelocktoken:{uuid4()}"
    given = answers.xml(
        200,
        '<?xml version="1.0" encoding="utf-8"?>\n<D:prop xmlns:D="DAV:"><D:lockdiscovery><D:activelock><D:locktype><D:write/>'
        "</D:locktype><D:lockscope><D:exclusive/></D:lockscope><D:depth>0</D:depth><D:timeout>Second-60</D:timeout>"
        f"<D:locktoken><D:href>{token}</D:href></D:locktoken></D:activelock></D:lockdiscovery></D:prop>\n",
    )
    given.headers["Lock-Token"] = f"<{token}>"
    return given
