"""What can go wrong, each with the sentence that the archive says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx


class ArchimedError(Exception):
    """Base of all errors of this package. `status` is the HTTP status, 0 where there was no answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class NotFound(ArchimedError):
    """It is not there, or not granted to you: the archive tells no difference."""


class Refused(ArchimedError):
    """Your login, role or token does not allow it, or the thing's state does not."""


class Invalid(ArchimedError):
    """What was asked cannot be understood: a wrong question, a wrong value."""


class Unavailable(ArchimedError):
    """The archive does not answer now; trying again may help."""


class Damaged(ArchimedError):
    """What came does not have the digest that the archive names."""


_KINDS = {400: Invalid, 401: Refused, 403: Refused, 404: NotFound, 409: Refused, 416: Invalid, 503: Unavailable}


def raise_for(response: httpx.Response) -> None:
    """Raise what an answer with an error status says.

    Raises:
        ArchimedError: it has one.
    """
    if response.status_code < 400:
        return
    response.read()
    try:
        told: Any = response.json()
        parts = [str(told["detail"]), *(f"{each['where']}: {each['what']}" for each in told.get("errors", ()))]
        sentence = "; ".join(parts)
    except (ValueError, KeyError, TypeError, AttributeError):
        sentence = response.text.strip()[:500] or response.reason_phrase
    kind = _KINDS.get(response.status_code, Unavailable if response.status_code >= 500 else ArchimedError)
    raise kind(sentence, response.status_code)
