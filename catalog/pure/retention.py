"""How long a study is to be kept, and what stands in the way of a purge: decisions over frozen values.

May live here: the rules. Not: who is asked, nor where the values come from (`catalog/lifecycle/retention.py`).
"""

import datetime as dt
from dataclasses import dataclass

DAY = 86400
_LEAP_DAY = (2, 29)


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold. `confirmed_by` and `lift_by` are '' while nobody did."""

    study: str
    reason: str
    set_by: str
    set_at: int
    confirmed_by: str = ""
    lift_by: str = ""
    lift_reason: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """How a study is kept: its `end_date` (YYYY-MM-DD; None: not said), for how many years behind it, and under which hold."""

    end_date: str | None
    years: int
    hold: Hold | None = None

    @property
    def until(self) -> dt.date | None:
        """The day from which it may go; None: it has no end, so it is kept."""
        if self.end_date is None:
            return None
        end = dt.date.fromisoformat(self.end_date)
        year = min(end.year + self.years, dt.MAXYEAR)
        is_leap_day = (end.month, end.day) == _LEAP_DAY
        return dt.date(year, 3, 1) if is_leap_day else end.replace(year=year)

    def may_go(self, today: dt.date) -> bool:
        """Whether nothing keeps it any more."""
        return self.hold is None and self.until is not None and self.until <= today


def why_not(kept: Kept, *, published: int, put: int, now: int, withdraw_days: int, overridden: bool) -> str:
    """Return why files must not be purged, and what can be done; '' if they may be.

    Args:
        kept: how their study is kept.
        published: when the first of them was published, in seconds since 1970 UTC.
        put: when they were put into the bin.
        now: the time.
        withdraw_days: a publication that was put into the bin within so many days may be withdrawn.
        overridden: whether two administrators want it in spite of the retention.
    """
    if kept.hold is not None:
        hold = kept.hold
        return (
            f"a legal hold stands above it, set by {hold.set_by}: {hold.reason}; nothing goes before two people have lifted it"
            f" (`archimed hold lift {hold.study}`)"
        )
    if overridden or put - published <= withdraw_days * DAY or kept.may_go(dt.datetime.fromtimestamp(now, dt.UTC).date()):
        return ""
    until = kept.until
    why = f"its study is kept until {until.isoformat()}" if until else "its study has no end date, so it is kept"
    return f"{why}, and it was archived for more than {withdraw_days} days; two administrators can purge it with --override"


@dataclass(frozen=True, slots=True)
class Watch:
    """What is known of the machine's clock: when it was `seen` last, and until when it is doubted (0: it is not)."""

    seen: int
    doubted_until: int = 0


def watched(before: Watch | None, now: int) -> Watch:
    """Return what is known of the clock now: one that jumped forward by more than a day is doubted for a day.

    A machine that was off for longer looks the same: purging waits for a day then, which costs nothing.
    """
    if before is None:
        return Watch(now)
    if now - before.seen > DAY:
        return Watch(now, now + DAY)
    if now < before.seen:
        return Watch(before.seen, before.doubted_until)
    return Watch(now, before.doubted_until if now < before.doubted_until else 0)


def clock_problem(watch: Watch, newest_entry: int, now: int) -> str:
    """Return why the clock cannot be believed; '' if it can.

    Args:
        watch: what is known of it.
        newest_entry: time of the newest entry of the audit.
        now: what it says.
    """
    if now < max(newest_entry, watch.seen):
        return "the machine's clock is behind what was written down already; correct it, then nothing is purged too early"
    if now < watch.doubted_until:
        until = dt.datetime.fromtimestamp(watch.doubted_until, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
        return f"the machine's clock jumped by more than a day, or it was off; nothing is purged before {until}"
    return ""
