"""The part at /dicomweb: finds the resource that is asked for, and who sees what of it. Nothing ungranted is there."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from catalog.administration import Scope as TokenScope
from catalog.audit import Face
from catalog.database import Database
from catalog.pure.access import Action, role_allows
from catalog.pure.errors import Invalid, NotFound, Refused
from catalog.pure.nodes import ROOT_ID
from catalog.retrieve import Answer, Level, Scope, search
from catalog.view import Archive, View
from catalog.visible import visible_study
from gateway.dicomweb import searching
from gateway.dicomweb.frames import Frames, numbers, viewport
from gateway.dicomweb.headers import Headers
from gateway.dicomweb.media import JSON, Wanted, accepted, accepts
from gateway.dicomweb.retrieving import Chosen, Retrieving, not_acceptable
from gateway.dicomweb.searching import Searches
from gateway.dicomweb.storing import Storing
from gateway.drawing.processes import Drawing
from gateway.http import answers
from gateway.http.answers import Answer as HttpAnswer
from gateway.http.app import Part
from gateway.http.files import Files
from gateway.http.requests import Request, client_of

DICOMWEB, OF_STUDY = "dicomweb", "studies-of"
_LONGEST_QUERY = 64 * 1024
_MOST_PARAMETERS = 200
_NAMES = (("studies", "StudyInstanceUID"), ("series", "SeriesInstanceUID"), ("instances", "SOPInstanceUID"))
_LEVELS = {"studies": Level.STUDY, "series": Level.SERIES, "instances": Level.IMAGE}
_NOTHING = "there is nothing of that kind here"


@dataclass(frozen=True, slots=True)
class DicomwebServices:
    """What DICOMweb works on.

    Args:
        database: the catalogue.
        archive: what is read.
        storing: takes instances.
        drawing: decodes pixels.
    """

    database: Database
    archive: Archive
    storing: Storing
    drawing: Drawing


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request: whose archive, confined to which study, and the path behind that."""

    request: Request
    scope: Scope
    view: View
    study: str
    path: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...]
    wanted: tuple[Wanted, ...]
    base: str

    @property
    def program(self) -> str:
        """What asks, for the audit."""
        return client_of(self.request.environ.get("HTTP_USER_AGENT", ""))


@dataclass(frozen=True, slots=True)
class _Resource:
    """What a path names: a study, series or instance by its UIDs, and what of it."""

    uids: Mapping[str, str]
    what: tuple[str, ...]


class DicomwebPart:
    """DICOMweb. One a process, shared by its threads."""

    def __init__(self, services: DicomwebServices) -> None:
        self._services = services
        headers = Headers()
        self._searches = Searches(services.database, headers)
        self._retrieving = Retrieving(headers, services.drawing, Files())
        self._frames = Frames(self._retrieving)

    def registration(self) -> Part:
        """Return it as a part of the door."""
        return Part(DICOMWEB, self.answer, close=self._services.drawing.close)

    def answer(self, request: Request) -> HttpAnswer:
        """Return the answer to a request for something below `dicomweb/`.

        Raises:
            ArchimedError: what is to be answered instead.
        """
        if request.method not in {"GET", "HEAD", "POST"}:
            return answers.text(405, "there is nothing to do here in that way", Allow="GET, HEAD, POST")
        request.require(TokenScope.STAGING if request.method == "POST" else TokenScope.READ)
        asked = self._asked(request)
        return self._store(asked) if request.method == "POST" else self._read(asked)

    def _asked(self, request: Request) -> _Asked:
        user = request.principal.user_id
        path, study, confined = request.path, "", None
        root = [*request.environ.get("SCRIPT_NAME", "").strip("/").split("/"), DICOMWEB]
        if path[:1] == (OF_STUDY,) and len(path) > 1:
            found = visible_study(self._services.database, path[1], user)
            study, confined, path = found.code, frozenset({found.id}), path[2:]
            root += [OF_STUDY, found.code]
        text = request.environ.get("QUERY_STRING", "")
        if len(text) > _LONGEST_QUERY:
            raise Invalid("the query is too long")
        try:
            parameters = tuple(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS))
        except ValueError:
            raise Invalid("the query has too many parameters") from None
        wanted = tuple(accepted(request.environ.get("HTTP_ACCEPT"), dict(parameters).get("accept")))
        view = self._services.archive.view(request.principal, Face.DICOMWEB)
        base = _origin(request.environ) + "/" + "/".join(filter(None, root))
        return _Asked(request, Scope(user, confined), view, study, path, parameters, wanted, base)

    def _read(self, asked: _Asked) -> HttpAnswer:
        resource = _resource(asked.path)
        if len(resource.what) == 1 and resource.what[0] in _LEVELS:
            return self._search(asked, resource)
        return self._retrieve(asked, resource)

    def _search(self, asked: _Asked, resource: _Resource) -> HttpAnswer:
        if not accepts(list(asked.wanted), JSON, "application/json"):
            return not_acceptable("answers are application/dicom+json")
        level = _LEVELS[resource.what[0]]
        wanted = searching.asked(level, asked.parameters, resource.uids)
        found = self._searches.find(wanted, asked.scope, asked.view, asked.program, asked.base)
        sent = answers.streamed(asked.request.environ, 200, JSON, _listed(found.objects))
        sent.headers["Cache-Control"] = "private, no-cache"
        warnings = [*wanted.warnings, *(["there are more results: ask by limit and offset, or for less"] if found.more else [])]
        for warning in warnings:
            sent.headers.add("Warning", f'299 archimed "{warning}"')
        return sent

    def _retrieve(self, asked: _Asked, resource: _Resource) -> HttpAnswer:
        handler = self._handler(asked, resource)
        instances = list(self._instances(asked, resource))
        if not instances:
            raise NotFound(_NOTHING)
        return handler(Chosen(asked.request, asked.view, instances))

    def _handler(self, asked: _Asked, resource: _Resource) -> Callable[[Chosen], HttpAnswer]:
        """Return what answers a resource.

        Raises:
            NotFound: there is none of that kind.
        """
        what, depth = resource.what, len(resource.uids)
        if depth == 0:
            raise NotFound(_NOTHING)
        if what == ():
            return lambda chosen: self._retrieving.instances(chosen, asked.wanted)
        if what == ("metadata",):
            if not accepts(list(asked.wanted), JSON, "application/json"):
                return lambda _: not_acceptable("metadata are application/dicom+json")
            return lambda chosen: self._retrieving.metadata(chosen, lambda answer, uid: _address(asked.base, answer, uid))
        if what in {("rendered",), ("thumbnail",)} and (depth == len(_NAMES) or what == ("thumbnail",)):
            how = viewport(asked.parameters, small=what == ("thumbnail",))
            return lambda chosen: self._frames.picture(_middle(chosen), None, how, asked.wanted)
        if depth == len(_NAMES):
            return self._of_instance(asked, what)
        raise NotFound(_NOTHING)

    def _of_instance(self, asked: _Asked, what: tuple[str, ...]) -> Callable[[Chosen], HttpAnswer]:
        if what[0] == "frames" and len(what) == 2:
            frames = numbers(what[1])
            return lambda chosen: self._frames.frames(chosen, frames, asked.wanted)
        if what[0] == "frames" and len(what) == 3 and what[2] in {"rendered", "thumbnail"}:
            (frame, *more) = numbers(what[1])
            if more:
                raise NotFound("one frame at a time is drawn")
            how = viewport(asked.parameters, small=what[2] == "thumbnail")
            return lambda chosen: self._frames.picture(chosen, frame, how, asked.wanted)
        if what[0] == "bulkdata" and len(what) > 1:
            return lambda chosen: self._retrieving.bulkdata(chosen, what[1:], asked.wanted)
        raise NotFound(_NOTHING)

    def _instances(self, asked: _Asked, resource: _Resource) -> Iterator[Answer]:
        query = searching.below(Level.IMAGE, resource.uids)
        return (found for found in search(self._services.database, asked.scope, query) if found.instance is not None)

    def _store(self, asked: _Asked) -> HttpAnswer:
        names, uid = asked.path[:1], "".join(asked.path[1:2])
        if names != ("studies",) or len(asked.path) > 2:
            raise NotFound(_NOTHING)
        if not accepts(list(asked.wanted), JSON, "application/json"):
            return not_acceptable("answers are application/dicom+json")
        if not role_allows(asked.request.principal.role, Action.IMPORT):
            raise Refused("your role does not import")
        exam = dict(asked.parameters).get("exam", "")
        return self._services.storing.store(asked.request, asked.study or self._only_study(asked), exam, uid)

    def _only_study(self, asked: _Asked) -> str:
        """Return the study that instances go into where the path names none: the only one that is granted."""
        codes = [node.name for node in asked.view.walk(ROOT_ID) if not node.name.startswith("_")]
        if len(codes) != 1:
            raise Invalid(f"say for which study: POST to /{DICOMWEB}/{OF_STUDY}/CODE/studies")
        return codes[0]


def _resource(path: Sequence[str]) -> _Resource:
    """Return what a path names."""
    uids: dict[str, str] = {}
    at = 0
    for name, keyword in _NAMES:
        if len(path) >= at + 2 and path[at] == name and path[at + 1] not in _LEVELS:
            uids[keyword] = path[at + 1]
            at += 2
        else:
            break
    return _Resource(uids, tuple(path[at:]))


def _middle(chosen: Chosen) -> Chosen:
    return Chosen(chosen.request, chosen.view, [chosen.instances[len(chosen.instances) // 2]])


def _address(base: str, answer: Answer, instance: str) -> str:
    above = "".join(f"/{name}/{answer.values.get(keyword, ('',))[0]}" for name, keyword in _NAMES[:-1])
    return f"{base}{above}/{_NAMES[-1][0]}/{instance}"


def _origin(environ: Mapping[str, Any]) -> str:
    """Return scheme and host of our URLs, as the client sees them; what a proxy says of the scheme only makes a URL."""
    scheme = environ.get("HTTP_X_FORWARDED_PROTO", environ.get("wsgi.url_scheme", "http"))
    host, port = environ.get("HTTP_HOST", "localhost"), environ.get("SERVER_PORT", "")
    behind_proxy = "HTTP_X_FORWARDED_PROTO" in environ or "HTTP_X_FORWARDED_FOR" in environ
    if not behind_proxy and ":" not in host.rpartition("]")[2] and port not in {"", "80", "443"}:
        host += f":{port}"  # dicomweb-client leaves it out
    return f"{scheme if scheme in {'http', 'https'} else 'http'}://{host}"


def _listed(objects: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "["
    for number, each in enumerate(objects):
        yield ("," if number else "") + json.dumps(each, separators=(",", ":"))
    yield "]"
