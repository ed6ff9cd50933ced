"""What an administrator decides: studies and their centres, users, grants, sources, DICOM nodes, tokens.

Each change is one write transaction that holds the change, its audit entry and, where a face must hear of it, its announcement.
Nothing here knows a face; refusals are the errors of `catalog.pure.errors`.
"""

from catalog.administration.centres import Centre, add_centre, assign, list_centres, remove_centre
from catalog.administration.changing import User
from catalog.administration.grants import Grant, add_grant, list_grants, remove_grant
from catalog.administration.nodes import (
    DicomNode,
    add_node,
    calling_node,
    destination,
    list_nodes,
    own_login,
    remove_node,
)
from catalog.administration.routes import Route, add_route, list_routes, remove_route
from catalog.administration.sources import (
    Source,
    SourceAddress,
    add_source,
    address_of_source,
    list_sources,
    remove_source,
    set_reviewers,
    set_source,
)
from catalog.administration.studies import Study, StudyDetails, close_study, create_study, list_studies, set_study, show_study
from catalog.administration.tokens import (
    Scope,
    Token,
    create_own_token,
    create_token,
    list_tokens,
    revoke_own_token,
    revoke_token,
    token_digest,
)
from catalog.administration.users import add_user, list_users, principal, remove_user, set_role
from catalog.administration.web_sessions import WebSession, begin_session, end_sessions, find_session, list_sessions
from catalog.audit import Actor

__all__ = [
    "Actor", "Centre", "DicomNode", "Grant", "Route", "Scope", "Source", "SourceAddress", "Study", "StudyDetails",
    "Token", "User", "WebSession", "add_centre", "add_grant", "add_node", "add_route", "add_source", "add_user",
    "address_of_source", "assign", "begin_session", "calling_node", "close_study", "create_own_token", "create_study",
    "create_token", "destination", "end_sessions", "find_session", "list_centres", "list_grants", "list_nodes",
    "list_routes", "list_sessions", "list_sources", "list_studies", "list_tokens", "list_users", "own_login",
    "principal", "remove_centre", "remove_grant", "remove_node", "remove_route", "remove_source", "remove_user",
    "revoke_own_token", "revoke_token", "set_reviewers", "set_role", "set_source", "set_study", "show_study",
    "token_digest",
]  # fmt: skip
