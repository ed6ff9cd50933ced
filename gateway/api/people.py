"""Operations of administrators: studies, users, grants, sources, tokens, DICOM nodes."""

import datetime as dt
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from catalog import administration
from catalog.administration import Scope
from catalog.pure.access import Action, Role
from catalog.pure.names import folded
from gateway.api.answering import Listing, NumberedPage, Page, behind, listing
from gateway.api.gate import seconds
from gateway.api.operations import Body, Line, Named, Operations
from gateway.api.services import Call
from gateway.records import archive, people
from gateway.records.archive import StudyRecord
from gateway.records.people import CentreRecord, DicomNodeRecord, GrantRecord, SourceRecord, TokenRecord, UserRecord

OPERATIONS = Operations("administration", "Studies, users, grants, sources, tokens and nodes: for administrators.")
_LONGEST_TOKEN = 100 * 366 * 86400


class NewStudy(Body):
    """A study to be made."""

    code: Named
    description: Line = ""
    end_date: Annotated[dt.date | None, Field(description="Its planned end.")] = None


class StudyChange(Body):
    """What is changed of a study; what is not given stays as it is."""

    description: Line | None = None
    end_date: dt.date | None = None
    retention_years: Annotated[int | None, Field(ge=0, le=1000)] = None


class Closing(Body):
    """When a study ended; without a day, today."""

    end_date: dt.date | None = None


class NewUser(Body):
    """A user to be added, who sees nothing until a study is granted."""

    login: Named
    role: Role


class RoleChange(Body):
    """Another role."""

    role: Role


class NewGrant(Body):
    """Who may see which study."""

    login: Named
    study: Named
    centres: Annotated[tuple[Named, ...], Field(max_length=1000, description="Centres of it, instead of all.")] = ()
    until: Annotated[dt.datetime | None, Field(description="From then on it does not count (UTC if it names no zone).")] = None


class NewCentre(Body):
    """A centre of a study."""

    code: Named
    description: Line = ""


class NewSource(Body):
    """A scanner or centre that may send."""

    name: Named
    ae_title: Named
    reviewers: Annotated[tuple[Named, ...], Field(min_length=1, max_length=1000)]
    host: Annotated[Line, Field(description="IP address that it must call from; any without.")] = ""
    study: Annotated[Named | None, Field(description="Study its data belong to; decided at the gate without.")] = None
    centre: Annotated[Named | None, Field(description="Centre of that study.")] = None
    port: Annotated[int, Field(ge=0, le=65535, description="Where it is called back; 0: nowhere.")] = 0
    tls: bool = False
    certificate: Annotated[Line, Field(description="SHA-256 of the certificate that it must show; empty: any.")] = ""


class Reviewers(Body):
    """Who sees and decides what a source sends."""

    reviewers: Annotated[tuple[Named, ...], Field(min_length=1, max_length=1000)]


class NewToken(Body):
    """A token to be made. `seconds`: how long it holds; for good without."""

    login: Named
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1, max_length=10)] = (Scope.READ,)
    seconds: Annotated[int | None, Field(ge=1, le=_LONGEST_TOKEN)] = None


class Secret(TypedDict):
    """A new token's secret, told this once."""

    secret: str


class NewNode(Body):
    """A DICOM node that may query and retrieve, or be sent to."""

    name: Named
    ae_title: Named
    host: Named
    port: Annotated[int, Field(ge=1, le=65535)]
    studies: Annotated[tuple[Named, ...], Field(max_length=10_000)] = ()
    login: Annotated[Line, Field(description="As whom it asks; without, as a user of its own.")] = ""
    tls: bool = False
    certificate: Annotated[Line, Field(description="SHA-256 of the certificate that it must show; empty: any.")] = ""


class Removal(TypedDict):
    """What follows from removing a user: sources that nobody reviews any more."""

    without_reviewers: list[str]


def _administers(call: Call) -> None:
    call.require(Action.ADMINISTER)


@OPERATIONS.add("POST", "/studies", Scope.ADMIN, status=201, tells=True)
def create_study(call: Call, body: NewStudy) -> StudyRecord:
    """Create a study."""
    _administers(call)
    end = body.end_date.isoformat() if body.end_date else None
    administration.create_study(
        call.database, call.services.store, call.actor, body.code, description=body.description, end_date=end
    )
    return archive.study(administration.show_study(call.database, body.code).study)


@OPERATIONS.add("PATCH", "/studies/{study}", Scope.ADMIN, tells=True)
def change_study(call: Call, study: str, body: StudyChange) -> StudyRecord:
    """Change what is said of a study."""
    _administers(call)
    administration.set_study(
        call.database, call.services.store, call.actor, study, description=body.description,
        end_date=body.end_date.isoformat() if body.end_date else None, retention_years=body.retention_years,
    )  # fmt: skip
    return archive.study(administration.show_study(call.database, study).study)


@OPERATIONS.add("POST", "/studies/{study}/close", Scope.ADMIN, tells=True)
def close_study(call: Call, study: str, body: Closing) -> StudyRecord:
    """Say that a study has ended: from then on the years are counted for which it is kept."""
    _administers(call)
    end = body.end_date.isoformat() if body.end_date else None
    administration.close_study(call.database, call.services.store, call.actor, study, end)
    return archive.study(administration.show_study(call.database, study).study)


@OPERATIONS.add("GET", "/users", Scope.ADMIN)
def list_users(call: Call, query: Page) -> Listing[UserRecord]:
    """List all users."""
    _administers(call)
    wanted = behind(administration.list_users(call.database), query.after, lambda each: each.login, folded)
    return listing(map(people.user, wanted), query.limit, lambda each: each["login"])


@OPERATIONS.add("POST", "/users", Scope.ADMIN, status=201, tells=True)
def add_user(call: Call, body: NewUser) -> UserRecord:
    """Add a user."""
    _administers(call)
    administration.add_user(call.database, call.actor, body.login, body.role)
    return _user(call, body.login)


@OPERATIONS.add("PATCH", "/users/{login}", Scope.ADMIN, tells=True)
def change_role(call: Call, login: str, body: RoleChange) -> UserRecord:
    """Give a user another role; it holds from the next request."""
    _administers(call)
    administration.set_role(call.database, call.actor, login, body.role)
    return _user(call, login)


@OPERATIONS.add("DELETE", "/users/{login}", Scope.ADMIN, tells=True)
def remove_user(call: Call, login: str) -> Removal:
    """Remove a user with all grants and tokens; what they imported stays."""
    _administers(call)
    return Removal(without_reviewers=administration.remove_user(call.database, call.actor, login))


@OPERATIONS.add("GET", "/grants", Scope.ADMIN)
def list_grants(call: Call, query: Page) -> Listing[GrantRecord]:
    """List all grants; the key of each is `login/study`."""
    _administers(call)
    found = administration.list_grants(call.database)
    wanted = behind(found, query.after, lambda each: f"{each.login}/{each.study}", lambda key: folded(key).partition("/"))
    return listing(map(people.grant, wanted), query.limit, lambda each: f"{each['login']}/{each['study']}")


@OPERATIONS.add("POST", "/grants", Scope.ADMIN, status=201, tells=True)
def add_grant(call: Call, body: NewGrant) -> GrantRecord:
    """Let a user see a study."""
    _administers(call)
    administration.add_grant(call.database, call.actor, body.login, body.study, centres=body.centres, until=seconds(body.until))
    key = (folded(body.login), folded(body.study))
    found = administration.list_grants(call.database)
    return next(people.grant(each) for each in found if (folded(each.login), folded(each.study)) == key)


@OPERATIONS.add("DELETE", "/grants/{login}/{study}", Scope.ADMIN, status=204, tells=True)
def remove_grant(call: Call, login: str, study: str) -> None:
    """Let a user see a study no longer; what is being sent is cut off."""
    _administers(call)
    administration.remove_grant(call.database, call.actor, login, study)


@OPERATIONS.add("GET", "/studies/{study}/centres", Scope.ADMIN, tells=True)
def list_centres(call: Call, study: str, query: Page) -> Listing[CentreRecord]:
    """List the centres of a study."""
    _administers(call)
    wanted = behind(administration.list_centres(call.database, study), query.after, lambda each: each.code, folded)
    return listing(map(people.centre, wanted), query.limit, lambda each: each["code"])


@OPERATIONS.add("POST", "/studies/{study}/centres", Scope.ADMIN, status=201, tells=True)
def add_centre(call: Call, study: str, body: NewCentre) -> CentreRecord:
    """Name a centre of a study."""
    _administers(call)
    administration.add_centre(call.database, call.actor, study, body.code, body.description)
    found = administration.list_centres(call.database, study)
    return next(people.centre(each) for each in found if folded(each.code) == folded(body.code))


@OPERATIONS.add("DELETE", "/studies/{study}/centres/{name}", Scope.ADMIN, status=204, tells=True)
def remove_centre(call: Call, study: str, name: str) -> None:
    """Take a centre away to which nothing belongs."""
    _administers(call)
    administration.remove_centre(call.database, call.actor, study, name)


@OPERATIONS.add("GET", "/sources", Scope.ADMIN)
def list_sources(call: Call, query: Page) -> Listing[SourceRecord]:
    """List all sources."""
    _administers(call)
    wanted = behind(administration.list_sources(call.database), query.after, lambda each: each.name, folded)
    return listing(map(people.source, wanted), query.limit, lambda each: each["name"])


@OPERATIONS.add("POST", "/sources", Scope.ADMIN, status=201, tells=True)
def add_source(call: Call, body: NewSource) -> SourceRecord:
    """Let a scanner or centre send."""
    _administers(call)
    administration.add_source(
        call.database,
        call.actor,
        body.name,
        ae_title=body.ae_title,
        host=body.host,
        reviewers=body.reviewers,
        study=body.study,
        centre=body.centre,
        port=body.port,
        tls=body.tls,
        certificate=body.certificate,
    )
    return _source(call, body.name)


@OPERATIONS.add("PUT", "/sources/{name}/reviewers", Scope.ADMIN, tells=True)
def set_reviewers(call: Call, name: str, body: Reviewers) -> SourceRecord:
    """Replace the people who see and decide what a source sends."""
    _administers(call)
    administration.set_reviewers(call.database, call.actor, name, body.reviewers)
    return _source(call, name)


@OPERATIONS.add("DELETE", "/sources/{name}", Scope.ADMIN, status=204, tells=True)
def remove_source(call: Call, name: str) -> None:
    """Let a source send no longer."""
    _administers(call)
    administration.remove_source(call.database, call.actor, name)


@OPERATIONS.add("GET", "/tokens", Scope.ADMIN)
def list_tokens(call: Call, query: NumberedPage) -> Listing[TokenRecord]:
    """List all tokens, expired ones too; never their secrets."""
    _administers(call)
    found = sorted(administration.list_tokens(call.database), key=lambda each: each.id)
    return listing((people.token(each) for each in found if each.id > query.after), query.limit, lambda each: each["id"])


@OPERATIONS.add("POST", "/tokens", Scope.ADMIN, status=201, tells=True)
def create_token(call: Call, body: NewToken) -> Secret:
    """Make a token and tell its secret, this once: only its digest is kept."""
    _administers(call)
    return Secret(secret=administration.create_token(call.database, call.actor, body.login, body.scopes, body.seconds))


@OPERATIONS.add("DELETE", "/tokens/{token}", Scope.ADMIN, status=204, tells=True)
def revoke_token(call: Call, token: int) -> None:
    """Make a token useless."""
    _administers(call)
    administration.revoke_token(call.database, call.actor, token)


@OPERATIONS.add("GET", "/nodes", Scope.ADMIN)
def list_nodes(call: Call, query: Page) -> Listing[DicomNodeRecord]:
    """List all DICOM nodes."""
    _administers(call)
    wanted = behind(administration.list_nodes(call.database), query.after, lambda each: each.name, folded)
    return listing(map(people.dicom_node, wanted), query.limit, lambda each: each["name"])


@OPERATIONS.add("POST", "/nodes", Scope.ADMIN, status=201, tells=True)
def add_node(call: Call, body: NewNode) -> DicomNodeRecord:
    """Let a DICOM node query, retrieve and be sent to."""
    _administers(call)
    administration.add_node(
        call.database, call.actor, body.name, ae_title=body.ae_title, host=body.host, port=body.port,
        codes=body.studies, login=body.login, tls=body.tls, certificate=body.certificate,
    )  # fmt: skip
    found = administration.list_nodes(call.database)
    return next(people.dicom_node(each) for each in found if folded(each.name) == folded(body.name))


@OPERATIONS.add("DELETE", "/nodes/{name}", Scope.ADMIN, status=204, tells=True)
def remove_node(call: Call, name: str) -> None:
    """Let a DICOM node neither ask nor be sent to."""
    _administers(call)
    administration.remove_node(call.database, call.actor, name)


def _user(call: Call, login: str) -> UserRecord:
    found = administration.list_users(call.database)
    return next(people.user(each) for each in found if folded(each.login) == folded(login))


def _source(call: Call, name: str) -> SourceRecord:
    found = administration.list_sources(call.database)
    return next(people.source(each) for each in found if folded(each.name) == folded(name))
