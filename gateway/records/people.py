"""Users, grants, sources, tokens and DICOM nodes as JSON objects."""

from typing_extensions import TypedDict

from catalog.administration import Centre, DicomNode, Grant, Route, Scope, Source, Token, User
from catalog.pure.access import Role
from gateway.records.moments import moment


class UserRecord(TypedDict):
    """A user and the role that counts in the studies that are granted."""

    id: int
    login: str
    role: Role
    created: str


class GrantRecord(TypedDict):
    """One user may see one study. `centres` empty: all of it. `until` null: until it is removed; past: it has ended."""

    login: str
    study: str
    granted: str
    centres: list[str]
    until: str | None


class SourceRecord(TypedDict):
    """A scanner or centre that may send. `host` '' is any address; `study` null is decided at the gate; `centre` is of it.

    `port` 0: it is not called back. `tls`: it must use TLS; `certificate` the SHA-256 of the one it must show, '' any.
    """

    id: int
    name: str
    ae_title: str
    host: str
    study: str | None
    reviewers: list[str]
    created: str
    port: int
    tls: bool
    certificate: str
    centre: str | None


class CentreRecord(TypedDict):
    """A centre of a study: how many exams are of it, its sources, and the users whose grants name it."""

    study: str
    code: str
    description: str
    exams: int
    sources: list[str]
    users: list[str]
    created: str


class TokenRecord(TypedDict):
    """A token without its secret. `expires` null: never."""

    id: int
    login: str
    scopes: list[Scope]
    created: str
    expires: str | None


class DicomNodeRecord(TypedDict):
    """A DICOM node. `login` null: it may only be sent to. `studies` null: all that this login is granted."""

    id: int
    name: str
    ae_title: str
    host: str
    port: int
    login: str | None
    studies: list[str] | None
    created: str
    tls: bool
    certificate: str


class RouteRecord(TypedDict):
    """What is published in a study goes to a DICOM node."""

    id: int
    study: str
    node: str
    created: str


def user(found: User) -> UserRecord:
    """Return a user's object."""
    return UserRecord(id=found.id, login=found.login, role=found.role, created=moment(found.created))


def grant(found: Grant) -> GrantRecord:
    """Return a grant's object."""
    return GrantRecord(
        login=found.login, study=found.study, granted=moment(found.granted), centres=list(found.centres),
        until=moment(found.until),
    )  # fmt: skip


def centre(found: Centre) -> CentreRecord:
    """Return a centre's object."""
    return CentreRecord(
        study=found.study, code=found.code, description=found.description, exams=found.exams, sources=list(found.sources),
        users=list(found.users), created=moment(found.created),
    )  # fmt: skip


def source(found: Source) -> SourceRecord:
    """Return a source's object."""
    return SourceRecord(
        id=found.id, name=found.name, ae_title=found.ae_title, host=found.host, study=found.study,
        reviewers=list(found.reviewers), created=moment(found.created), port=found.port, tls=found.tls,
        certificate=found.certificate, centre=found.centre,
    )  # fmt: skip


def token(found: Token) -> TokenRecord:
    """Return a token's object."""
    return TokenRecord(
        id=found.id, login=found.login, scopes=list(found.scopes), created=moment(found.created), expires=moment(found.expires)
    )


def dicom_node(found: DicomNode) -> DicomNodeRecord:
    """Return a DICOM node's object."""
    return DicomNodeRecord(
        id=found.id, name=found.name, ae_title=found.ae_title, host=found.host, port=found.port,
        login=found.principal.login if found.principal else None,
        studies=None if found.studies is None else list(found.studies), created=moment(found.created), tls=found.tls,
        certificate=found.certificate,
    )  # fmt: skip


def route(found: Route) -> RouteRecord:
    """Return a route's object."""
    return RouteRecord(id=found.id, study=found.study, node=found.node, created=moment(found.created))
