"""PAM: passwords of the machine's own users, or of whatever its service file names.

One authenticator per call: it is not made for threads. A wrong password takes PAM two seconds or more; who calls sees to it
that only some wait for it (`gateway.credentials.asking`).
"""

import ctypes
import logging
from pathlib import Path
from typing import Any

import pam

from catalog.pure.errors import Unavailable
from gateway.config.model import Pam
from gateway.credentials.asking import Proof

_log = logging.getLogger(__name__)

# From <security/_pam_types.h>: what says "no" about the login, apart from what says that it cannot be found out.
_NO = {
    6: "denied",
    7: "wrong password",
    8: "credentials insufficient",
    10: "unknown user",
    11: "too many tries",
    12: "password has to be changed",
    13: "account expired",
    16: "credentials expired",
    17: "credentials refused",
    27: "password expired",
}


class PamBackend:
    """Checks passwords through the PAM service that the configuration names."""

    name = "pam"
    admits = False

    def __init__(self, settings: Pam) -> None:
        self._service = settings.service
        self._folder = settings.folder

    def check(self, login: str, secret: str) -> Proof | None:
        """Return a proof if PAM authenticates the login and its account may be used; see `PasswordBackend`."""
        if not secret or "\0" in login + secret:
            return None
        authenticator = pam.PamAuthenticator()
        if self._folder is not None:
            authenticator.pam_start = _start_from(self._folder, authenticator)
        # resetcreds: nobody gets a session on this machine, so there are no credentials to set up.
        if authenticator.authenticate(login, secret, service=self._service, resetcreds=False):
            return Proof()
        if authenticator.code not in _NO:
            _log.warning("PAM cannot check passwords: code %d for service %s", authenticator.code, self._service)
            raise Unavailable("passwords cannot be checked at this moment; try again, or use a token")
        _log.info("PAM says no: %s", _NO[authenticator.code])
        return None


def _start_from(folder: Path, authenticator: Any) -> Any:
    """Return a `pam_start` that looks for service files in a folder of our own."""
    start = ctypes.CDLL("libpam.so.0").pam_start_confdir
    start.restype = ctypes.c_int
    *first, handle_type = authenticator.pam_start.argtypes
    start.argtypes = [*first, ctypes.c_char_p, handle_type]
    confdir = str(folder).encode()
    return lambda service, user, conversation, handle: start(service, user, conversation, confdir, handle)
