"""What de-identification would do: the first file of each series is cleaned, and nothing of it is kept but the account.

May live here: cleaning for a look. Nothing is published from here.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

import sqlalchemy as sa

from catalog.database import Database
from catalog.database.tables import staged_files
from catalog.filetypes.dicom import describe
from catalog.gate.deidentification import Cleaner
from catalog.gate.staged.area import Staging
from catalog.pure.errors import Held, Unavailable, Unreadable
from catalog.pure.staged_files import FileState

_LARGEST_FILE = 256 << 20
_MOST_SERIES = 200


@dataclass(frozen=True, slots=True)
class SeriesPreview:
    """A series as it would be published: only what the clean file says. `held` is why its first file would be held.

    `done` counts, for that file, the elements that each action is applied to, `rules` those that each rule changes.
    """

    label: str
    file_type: str = ""
    description: str = ""
    held: str = ""
    done: dict[str, int] = field(default_factory=dict)
    rules: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return asdict(self)


def previews(database: Database, staging: Staging, cleaner: Cleaner, batch_id: int) -> list[SeriesPreview]:
    """Return a preview of each series of a checked batch whose first file is not too large to be cleaned for a look."""
    columns = staged_files.c
    firsts = (
        sa.select(sa.func.min(columns.id))
        .where(columns.batch_id == batch_id, columns.series != "", columns.identity.is_not(None))
        .group_by(columns.series)
        .limit(_MOST_SERIES)
    )
    rows = database.rows(
        sa.select(columns.series, columns.file)
        .where(columns.id.in_(firsts), columns.size <= _LARGEST_FILE, columns.state != FileState.BAD)
        .order_by(columns.id)
    )
    return [_preview(staging, cleaner, row.series, row.file) for row in rows]


def _preview(staging: Staging, cleaner: Cleaner, label: str, file: str) -> SeriesPreview:
    try:
        with staging.scratch() as target:
            cleaned = cleaner.clean(staging.path(file), target)
            description = describe(cleaned.headers)
    except (Held, Unreadable, Unavailable) as error:
        return SeriesPreview(label, held=str(error))
    return SeriesPreview(
        label, description.file_type, description.series_description, "", dict(cleaned.summary()), dict(cleaned.by_rule())
    )
