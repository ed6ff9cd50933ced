"""Times of the catalogue as text."""

import datetime as dt
from typing import overload


@overload
def moment(seconds: int) -> str: ...
@overload
def moment(seconds: None) -> None: ...
@overload
def moment(seconds: int | None) -> str | None: ...
def moment(seconds: int | None) -> str | None:
    """Return a time in seconds since 1970 as ISO 8601 in UTC."""
    if seconds is None:
        return None
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
