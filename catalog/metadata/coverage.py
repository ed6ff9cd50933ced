"""What is kept of which field: a question about what nobody kept is refused, for "none" would be a wrong answer.

What the catalogue and the file types know is always kept. Any other element of DICOM is kept where `[extract]` of a study's
profile names it, from the import on that was made with that profile. Only studies that the user may see are looked at: what
others have is nobody's news. May live here: who keeps what. Not: what a question means.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from catalog.database import Database
from catalog.database.tables import batches, fields, profiles, series, series_values, studies
from catalog.metadata.known import cannot_be_kept, find, is_always_kept, listed
from catalog.pure.errors import Invalid
from catalog.pure.query import Kind, Node, QueryField, fields_of
from catalog.visible import UserId, visible_series, visible_studies

# What the profile of a study that names none extracts, beyond what is always kept; a test compares it with that profile.
OF_THE_DEFAULT_PROFILE = frozenset({"(0019,xx0C)@SIEMENS MR HEADER"})
_NAMED = 5
_OF_EVERY_SERIES = frozenset({"study", "exam", "series", "file_type", "SeriesNumber", "SeriesDescription", "size", "added"})


@dataclass(frozen=True, slots=True)
class Kept:
    """Of how many DICOM series of a study something is kept under a name. `is_whole`: all imports were to keep it."""

    study: str
    kept: int
    of: int
    is_named: bool
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Coverage:
    """A field, and in how many series that the user may see at least one file has it."""

    field: QueryField
    series: int


def require_kept(database: Database, user: UserId, question: Node) -> list[str]:
    """Return a sentence for each field of a question that some of the user's studies do not keep.

    Raises:
        Invalid: a field is kept by no study that the user may see.
    """
    asked = {field.name: field for field in fields_of(question) if not is_always_kept(field)}
    notes = []
    for field in asked.values():
        if cannot_be_kept(field):
            raise Invalid(f"{field.name} is a sequence or bytes, of which the catalogue keeps nothing: it cannot be asked for")
        kept = kept_by_study(database, user, field.name)
        if not any(each.kept or each.is_named for each in kept):
            raise Invalid(
                f"{field.name} is not kept by any study that you may see, so which files have it is not known: an administrator"
                " names it in [extract] of the study's profile (docs/query.md), and files published from then on have it"
            )
        notes += _note(field, kept)
    return notes


def _note(field: QueryField, kept: Sequence[Kept]) -> list[str]:
    without = [each.study for each in kept if not each.kept and not each.is_named]
    partly = [f"{each.kept} of {each.of} DICOM series of {each.study}" for each in kept
              if (each.kept or each.is_named) and not each.is_whole and each.kept < each.of]  # fmt: skip
    notes = (
        [f"{field.name} is not kept by {_listed(without)}: files there do not answer, whatever they have"] if without else []
    )
    if partly:
        notes.append(
            f"{field.name} is known of {_listed(partly)}: what was published before its profile named it does not answer"
        )
    return notes


def kept_by_study(database: Database, user: UserId, name: str) -> list[Kept]:
    """Return what each study with DICOM files keeps of a field, in the order of the tree."""
    number = database.row(sa.select(fields.c.id).where(fields.c.name == name))
    has_field = sa.exists().where(
        series_values.c.series_id == series.c.id, series_values.c.field_id == (number.id if number else 0)
    )
    counted = database.rows(
        visible_series(
            user, studies.c.id, sa.func.count().label("of_all"), sa.func.sum(sa.case((has_field, 1), else_=0)).label("kept")
        )
        .join(studies, studies.c.id == series.c.study_id)
        .where(series.c.file_type.like("DCM!_%", escape="!"))
        .group_by(studies.c.id)
    )
    counts = {row.id: (int(row.kept), row.of_all) for row in counted}
    rows = database.rows(visible_studies(user, studies.c.id, studies.c.code, studies.c.profile).order_by(studies.c.code_key))
    used = _profiles_used(database)
    found = []
    for row in rows:
        kept, of = counts.get(row.id, (0, 0))
        if not of:
            continue
        is_whole = all(_names(text, name) for text in used.get(row.id, [row.profile]))
        found.append(Kept(row.code, kept, of, _names(row.profile, name), is_whole))
    return found


def coverage(database: Database, user: UserId) -> list[Coverage]:
    """Return every field that is worth a list and every other that something is kept of or shall be, with its series."""
    counted = database.rows(
        visible_series(user, fields.c.name, sa.func.count().label("kept"))
        .join(series_values, series_values.c.series_id == series.c.id)
        .join(fields, fields.c.id == series_values.c.field_id)
        .group_by(fields.c.name)
    )
    counts: dict[str, int] = {row.name: row.kept for row in counted}
    every = database.row(
        visible_series(user, sa.func.count().label("of_all"), sa.func.count(series.c.acquired).label("acquired"))
    )
    if every is not None:
        counts |= dict.fromkeys(_OF_EVERY_SERIES, every.of_all) | {"acquired": every.acquired}
    texts = database.rows(visible_studies(user, studies.c.profile).distinct())
    named = {name for row in texts for name in _extracted(row.profile)}
    known = {field.name: field for field in listed()}
    more = sorted((counts.keys() | named) - known.keys())
    every_field = [*known.values(), *(find(name) or QueryField(name, Kind.ANY) for name in more)]
    return [Coverage(field, counts.get(field.name, 0)) for field in every_field]


def _profiles_used(database: Database) -> Mapping[int, list[str | None]]:
    """Return by study the texts of the profiles that its imports were made with; None is the default profile."""
    rows = database.rows(
        sa.select(batches.c.study_id, profiles.c.text)
        .join(profiles, profiles.c.id == batches.c.profile_id)
        .where(batches.c.study_id.is_not(None))
        .distinct()
    )
    found: dict[int, list[str | None]] = {}
    for row in rows:
        found.setdefault(row.study_id, []).append(row.text)
    return found


def _names(profile: str | None, name: str) -> bool:
    return name in _extracted(profile)


def _extracted(profile: str | None) -> frozenset[str]:
    """Return the fields that a profile's text extracts, called as questions call them."""
    if profile is None:
        return OF_THE_DEFAULT_PROFILE
    try:
        named = tomllib.loads(profile).get("extract", {}).get("fields", [])
    except tomllib.TOMLDecodeError:  # nothing was ever imported with it
        return frozenset()
    return frozenset(field.name for name in named if (field := find(str(name))) is not None)


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return ", ".join(every[:_NAMED]) + more
