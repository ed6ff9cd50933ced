"""Studies: creating and looking at them. Their folders in the store are made with them."""

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from catalog import clock
from catalog.administration.changing import changing, check_line, find_study, no_study
from catalog.audit import Actor
from catalog.database import Database, Row
from catalog.database.tables import exams, grants, studies, users
from catalog.pure.errors import Conflict, Invalid
from catalog.pure.names import check_code, folded
from catalog.store import RecordStore, Store, records
from catalog.visible import visible_studies


@dataclass(frozen=True, slots=True)
class Study:
    """A study as a list shows it.

    `end_date` is YYYY-MM-DD or None; `own_profile`: it is not the default. `closed` is a time, None while it
    runs; `retention_years` is None where the configuration says how long it is kept behind its end.
    """

    id: int
    code: str
    description: str
    end_date: str | None
    own_profile: bool
    created: int
    closed: int | None = None
    retention_years: int | None = None


@dataclass(frozen=True, slots=True)
class StudyDetails:
    """One study with what belongs to it: the text of its profile (None: the default), who sees it, how many exams it has."""

    study: Study
    profile: str | None
    users: list[str]
    exams: int


def create_study(
    database: Database,
    store: Store,
    actor: Actor,
    code: str,
    *,
    description: str = "",
    end_date: str | None = None,
    profile: str | None = None,
) -> None:
    """Create a study and its folders in the store.

    Args:
        database: the catalogue.
        store: the store.
        actor: who does it.
        code: study code; stays its name for good.
        description: one line for people.
        end_date: planned end, YYYY-MM-DD.
        profile: TOML text of its de-identification profile, which the caller has checked; None: the default.

    Raises:
        Invalid: a value cannot be used.
        Conflict: there is a study of that code, or of one that differs in case only, in the catalogue or in the store.
    """
    check_code(code, "study")
    about = {
        "description": check_line(description, "a description"),
        "end_date": _checked_day(end_date),
        "profile": profile,
        "created": clock.now(),
    }
    values = {"code": code, "code_key": folded(code), **about}
    with changing(database, actor) as (connection, note):
        insert = database.insert_new(studies).values(values).on_conflict_do_nothing(index_elements=["code_key"])
        if connection.execute(insert.returning(studies.c.id)).first() is None:
            raise _taken(connection, code)
        _refuse_archived(store, code)
        detail = {"end_date": end_date, "own_profile": profile is not None}
        note(action="study.create", study=code, subject=code, detail=detail)
        # Before the commit: a study in the catalogue always has its folders. Folders without a study are harmless.
        records.write_study(store, code, about)


def list_studies(database: Database, user: int | None = None) -> list[Study]:
    """Return the studies that a user has, all for None, in the order of their codes."""
    statement = visible_studies(user, studies).order_by(studies.c.code_key)
    return [_study(row) for row in database.rows(statement)]


def show_study(database: Database, code: str, user: int | None = None) -> StudyDetails:
    """Return one study, if a user has it; None has all.

    Raises:
        NotFound: there is none of that code, or the user does not have it.
    """
    row = database.row(visible_studies(user, studies).where(studies.c.code_key == folded(code)))
    if row is None:
        raise no_study(code)
    logins = (
        sa.select(users.c.login)
        .join(grants, grants.c.user_id == users.c.id)
        .where(grants.c.study_id == row.id, sa.or_(grants.c.until.is_(None), grants.c.until > clock.now()))
    ).order_by(users.c.login_key)
    count = database.row(sa.select(sa.func.count()).select_from(exams).where(exams.c.study_id == row.id))
    return StudyDetails(
        _study(row),
        row.profile,
        [found.login for found in database.rows(logins)],
        int(count[0]) if count else 0,
    )


def _refuse_archived(store: Store, code: str) -> None:
    """Check that no catalogue before this one has archived files under the code: what their study was stays written there.

    Raises:
        Conflict: it has.
    """
    for archived in store.studies():
        if folded(archived) == folded(code) and (
            store.list(archived, limit=1) or store.list_records(archived, "manifests", limit=1)
        ):
            raise Conflict(
                f"the store holds files of a study {archived} that the catalogue does not know: bring the catalogue back"
                " (`archimed restore`), or make it anew from the store (`archimed rebuild`)"
            )


def set_study(
    database: Database,
    store: RecordStore,
    actor: Actor,
    code: str,
    *,
    description: str | None = None,
    end_date: str | None = None,
    profile: str | None = None,
    retention_years: int | None = None,
) -> None:
    """Change what is said of a study; None leaves a value as it is.

    Args:
        database: the catalogue.
        store: the store, whose record of the study is changed too.
        actor: who does it.
        code: the study.
        description: one line for people.
        end_date: its end, YYYY-MM-DD.
        profile: TOML text of its de-identification profile, which the caller has checked; for what is published from now on.
        retention_years: for how many years behind its end it is kept.

    Raises:
        NotFound: there is no such study.
        Invalid: a value cannot be used, or none is given.
    """
    wanted: dict[str, str | int | None] = {
        "description": None if description is None else check_line(description, "a description"),
        "end_date": _checked_day(end_date),
        "profile": profile,
        "retention_years": retention_years,
    }
    changed = {name: value for name, value in wanted.items() if value is not None}
    if not changed:
        raise Invalid("say what is to be changed, such as --end-date 2031-12-31")
    if retention_years is not None and retention_years < 0:
        raise Invalid("a study is kept for 0 years or more")
    detail = {name: True if name == "profile" else value for name, value in changed.items()}
    _change(database, store, actor, code, changed, "study.set", detail)


def close_study(database: Database, store: RecordStore, actor: Actor, code: str, end_date: str | None = None) -> None:
    """Say that a study has ended: on a day that is not to come, today if none is given. From then on its years are counted.

    Raises:
        NotFound: there is no such study.
        Invalid: the day cannot be used.
        Conflict: it is closed already.
    """
    now = clock.now()
    today = dt.datetime.fromtimestamp(now, dt.UTC).date().isoformat()
    ended = _checked_day(end_date) or today
    if ended > today:
        raise Invalid("a study that ends on a day to come is not closed yet; say so with `archimed study set CODE --end-date`")
    values: dict[str, str | int] = {"end_date": ended, "closed": now}
    _change(database, store, actor, code, values, "study.close", {"end_date": ended})


def _change(
    database: Database,
    store: RecordStore,
    actor: Actor,
    code: str,
    values: dict[str, str | int],
    action: str,
    detail: dict[str, str | int],
) -> None:
    with changing(database, actor) as (connection, note):
        row = find_study(connection, code)
        if "closed" in values and row.closed is not None:
            raise Conflict(f"the study {row.code} is closed already; its end is changed by `archimed study set`")
        connection.execute(studies.update().where(studies.c.id == row.id).values(values))
        after = find_study(connection, code)
        note(action=action, study=row.code, subject=row.code, detail=detail)
        names = ("description", "end_date", "profile", "created", "closed", "retention_years")
        records.write_study(store, row.code, {name: getattr(after, name) for name in names})


def _study(row: Row) -> Study:
    return Study(
        row.id, row.code, row.description, row.end_date, row.profile is not None, row.created, row.closed, row.retention_years
    )


def _taken(connection: sa.Connection, code: str) -> Conflict:
    existing = connection.execute(sa.select(studies.c.code).where(studies.c.code_key == folded(code))).scalar_one()
    if existing == code:
        return Conflict(f"there is a study {code} already")
    return Conflict(f"there is a study {existing} already; codes must differ in more than upper and lower case")


def _checked_day(day: str | None) -> str | None:
    if day is None:
        return None
    try:
        written = dt.date.fromisoformat(day).isoformat()
    except ValueError:
        written = None
    if written != day:  # ISO 8601 has other forms, which sort differently
        raise Invalid("an end date is a day of the calendar written YYYY-MM-DD")
    return day
