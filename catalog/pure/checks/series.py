"""Which series a batch holds, and by which label a reviewer chooses one.

The label is the series number, 0 where it has none; a second series of the same number is `3.2`. Labels follow the order in
which files are seen, so checking a batch again gives the same.
"""

from dataclasses import dataclass, field
from typing import Any

MIXED, NOBODY = 0, -1
"""The patient of a series whose files are of several; of one whose files say nothing of patients."""


@dataclass(slots=True)
class Series:
    """One series of a batch. `description` is as the scanner gave it and may tell; it stays in staging.

    `patient` counts the batch's patients from 1, in the order they are seen. `siblings` are the sizes of the same series in
    other exams of the study, `archived` how many files
    of it its own exam has already, `again` how many of these are in the batch. `uid` is its UID as the scanner gave it.
    """

    label: str
    number: int | None
    modality: str
    file_type: str
    description: str
    patient: int
    first: int
    files: int = 0
    uid: str = ""
    archived: int = 0
    again: int = 0
    siblings: list[int] = field(default_factory=list)

    @property
    def whole(self) -> int:
        """How many files its exam has of it with those of the batch."""
        return self.files + self.archived - self.again

    def summary(self) -> dict[str, Any]:
        """Return what the catalogue keeps of it."""
        return {
            "label": self.label, "modality": self.modality, "series": self.number, "file_type": self.file_type,
            "files": self.files, "patient": self.patient,
        }  # fmt: skip


class SeriesTable:
    """The series of a batch, while its files are seen."""

    def __init__(self) -> None:
        self._series: dict[str, Series] = {}
        self._labels: dict[int, int] = {}
        self._patients: dict[str, int] = {}

    def place(
        self, key: str, patient: str, file: int, *, number: int | None, modality: str, file_type: str, description: str
    ) -> Series:
        """Return the series that a file belongs to, which counts it.

        Args:
            key: what makes it one series.
            patient: digest of whose file it is; '' for a kind of file that does not say.
            file: the staged file's number.
        """
        whose = self._patients.setdefault(patient, len(self._patients) + 1) if patient else NOBODY
        series = self._series.get(key)
        if series is None:
            series = Series(self._label(number), number, modality, file_type, description, whose, file)
            self._series[key] = series
        elif series.patient != whose:
            series.patient = MIXED
        series.files += 1
        return series

    def sorted(self) -> list[Series]:
        """Return all, by number and label."""
        return sorted(self._series.values(), key=lambda one: (one.number or 0, one.modality, one.first))

    def _label(self, number: int | None) -> str:
        base = number or 0
        count = self._labels[base] = self._labels.get(base, 0) + 1
        return str(base) if count == 1 else f"{base}.{count}"
