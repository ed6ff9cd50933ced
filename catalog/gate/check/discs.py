"""Discs that were brought whole: what their indexes name against what came. Used by the check job, when all files were seen.

May live here: reading indexes, names of one batch's files. Not: what is found (`catalog.pure.checks.discs`). An index is never
published: it names patients.
"""

from pathlib import PurePath

import sqlalchemy as sa

from catalog.database import Database
from catalog.database.tables import staged_files
from catalog.filetypes import dicomdir
from catalog.gate.staged.area import Staging
from catalog.pure.checks import Finding
from catalog.pure.checks.discs import Disc, findings_of, missing, unnamed
from catalog.pure.errors import Unavailable, Unreadable
from catalog.pure.staged_files import FileState

_MOST_LISTED = 200


def compared(database: Database, staging: Staging, batch_id: int) -> tuple[list[Finding], list[str]]:
    """Return what is to be said of a batch's discs, and the names of files that are missing, which may identify somebody."""
    discs = _discs(database, staging, batch_id)
    if not discs:
        return [], []
    columns = staged_files.c
    rows = database.rows(sa.select(columns.file, columns.identity).where(columns.batch_id == batch_id))
    names = [(staging.name_of(row.file), row.identity is not None) for row in rows]
    findings: list[Finding] = []
    lost: list[str] = []
    for disc in discs:
        lacking = missing(disc, (name for name, _ in names))
        findings += findings_of(disc, lacking, unnamed(disc, (name for name, is_image in names if is_image)))
        lost += [f"{disc.folder}/{name}" if disc.folder else name for _, name in lacking]
    return findings, lost[:_MOST_LISTED]


def _discs(database: Database, staging: Staging, batch_id: int) -> list[Disc]:
    """Return the indexes that came with a name; by network none does, and no name to compare."""
    columns = staged_files.c
    rows = database.rows(
        sa.select(columns.id, columns.file)
        .where(columns.batch_id == batch_id, columns.state == FileState.UNPACKED)
        .order_by(columns.id)
    )
    found = []
    for row in rows:
        name = PurePath(staging.name_of(row.file))
        if name.name.casefold().rstrip(".") == dicomdir.NAME:
            try:
                named = dicomdir.files_named_by(staging.path(row.file))
            except (Unreadable, Unavailable, FileNotFoundError):
                continue  # an archive of that name
            found.append(Disc(row.id, "" if str(name.parent) == "." else str(name.parent), named))
    return found
