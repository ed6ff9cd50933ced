"""Who asks over HTTP: the Authorization header of a request -> a session, or `Unauthenticated`, or `Unavailable`.

basic      Basic -> login and secret; refuses what no backend should be bothered with
sessions   the chain of backends in its configured order; users and roles are the catalogue's, read for every request
tokens     tokens of the catalogue
unix       PAM
directory  LDAP and Active Directory; groups decides what a group there means here
asking     what stands before PAM and LDAP: remembered right passwords, one question at a time, bounded waiting
failures   wrong passwords, counted by all worker processes together, so that a stale drive mapping locks no account
addresses  where a request comes from, behind a proxy too
opening    from the configuration to the chain
"""

from gateway.credentials.basic import CHALLENGE, Unauthenticated, parse_basic, to_basic
from gateway.credentials.opening import Opener
from gateway.credentials.sessions import Authenticator, Credentials, Session
from gateway.credentials.tokens import TokenBackend

__all__ = [
    "CHALLENGE", "Authenticator", "Credentials", "Opener", "Session", "TokenBackend", "Unauthenticated", "parse_basic",
    "to_basic",
]  # fmt: skip
