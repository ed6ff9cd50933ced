"""What de-identification would do: the first file of each series is cleaned, and nothing of it is kept but the account.

May live here: cleaning for a look. Nothing is published from here.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from catalog.filetypes.dicom import describe
from catalog.gate.deidentification import Cleaner
from catalog.gate.staging import Staging
from catalog.pure.checks.series import Series
from catalog.pure.errors import Held, Unavailable, Unreadable

_LARGEST_FILE = 256 << 20
_MOST_SERIES = 200


@dataclass(frozen=True, slots=True)
class SeriesPreview:
    """A series as it would be published: only what the clean file says. `held` is why its first file would be held.

    `done` counts, for that file, the elements that each action is applied to.
    """

    label: str
    file_type: str = ""
    description: str = ""
    held: str = ""
    done: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return asdict(self)


def previews(
    staging: Staging, cleaner: Cleaner, series: list[Series], file_of: Callable[[int], tuple[str, int] | None]
) -> list[SeriesPreview]:
    """Return a preview of each series that has a file of a size to be cleaned for a look.

    Args:
        file_of: returns name and size of a staged file by its number; None if it is gone.
    """
    found = []
    for one in series[:_MOST_SERIES]:
        file = file_of(one.first)
        if file is not None and file[1] <= _LARGEST_FILE:
            found.append(_preview(staging, cleaner, one.label, file[0]))
    return found


def _preview(staging: Staging, cleaner: Cleaner, label: str, file: str) -> SeriesPreview:
    try:
        with staging.scratch() as target:
            cleaned = cleaner.clean(staging.path(file), target)
            description = describe(cleaned.headers)
    except (Held, Unreadable, Unavailable) as error:
        return SeriesPreview(label, held=str(error))
    return SeriesPreview(label, description.file_type, description.series_description, "", dict(cleaned.summary()))
