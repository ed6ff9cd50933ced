"""Times as people type them: how long (`30d`), since when (`7d`, `2026-01-01`), and until when."""

import datetime as dt
import re

import click

from catalog import clock

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}


class Duration(click.ParamType[int]):
    """A time to live: 12h, 30d, 1y."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds."""
        found = _seconds(str(value))
        if found is None:
            self.fail("write a number and a unit: 45m, 12h, 30d, 8w or 1y", param, ctx)
        return found


class Since(click.ParamType[int]):
    """A day or moment, in UTC, or how long ago: 2026-01-01, 2026-01-01T12:00, 7d."""

    name = "since"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return seconds since 1970 UTC."""
        ago = _seconds(str(value))
        if ago is not None:
            return clock.now() - ago
        try:
            moment = dt.datetime.fromisoformat(str(value))
        except ValueError:
            self.fail("write a day, 2026-01-01, or how long ago: 45m, 12h, 7d, 8w or 1y", param, ctx)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp())


class Until(click.ParamType[int]):
    """The last day on which something counts, or the moment at which it ends, in UTC: 2027-06-30, 2027-06-30T12:00."""

    name = "until"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the first second of it that is over: seconds since 1970 UTC."""
        text = str(value)
        try:
            if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
                end = dt.datetime.combine(dt.date.fromisoformat(text) + dt.timedelta(days=1), dt.time(), dt.UTC)
            else:
                end = dt.datetime.fromisoformat(text)
        except (ValueError, OverflowError):
            self.fail("write a day, 2027-06-30, or a moment, 2027-06-30T12:00", param, ctx)
        return int((end if end.tzinfo else end.replace(tzinfo=dt.UTC)).timestamp())


def _seconds(text: str) -> int | None:
    found = re.fullmatch(r"([0-9]{1,9})([smhdwy])", text)
    return int(found[1]) * _UNITS[found[2]] if found else None
