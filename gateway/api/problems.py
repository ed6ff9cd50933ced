"""Errors as application/problem+json (RFC 9457). Nothing of a request is repeated in them."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import NotRequired

from typing_extensions import TypedDict
from werkzeug.wrappers import Response

MEDIA = "application/problem+json"
NOT_THERE = "there is nothing at this address, or it is not granted to you"


class Fault(TypedDict):
    """What is wrong with one part of a request: `where` names a parameter or a member of the body."""

    where: str
    what: str


class Problem(TypedDict):
    """Why a request was not answered (RFC 9457). `detail` is a sentence for a person."""

    type: str
    title: str
    status: int
    detail: str
    errors: NotRequired[list[Fault]]


def problem(status: int, detail: str, faults: Sequence[Fault] = (), **headers: str) -> Response:
    """Return a problem; keyword `Retry_After` becomes header `Retry-After`."""
    try:
        title = HTTPStatus(status).phrase
    except ValueError:  # such as 460, tus' own
        title = "Refused"
    about = Problem(type="about:blank", title=title, status=status, detail=detail)
    if faults:
        about["errors"] = list(faults)
    answer = Response(json.dumps(about, ensure_ascii=False) + "\n", status, content_type=MEDIA)
    answer.headers["Cache-Control"] = "no-store"
    for name, value in headers.items():
        answer.headers[name.replace("_", "-")] = value
    return answer
