"""What the archive knows already of what is staged: which instances it has, how large the same series is in other exams.

The archive knows published names only. A staged file's published name follows from the study's key, so it is known without
keeping any original. May live here: look-ups by published identities, for the checks of one batch. All are bounded by what the
batch and a few exams hold, never by what the archive holds.
"""

from collections.abc import Iterable

import sqlalchemy as sa

from catalog.database import Database
from catalog.database.tables import exams, files, series
from catalog.filetypes.dicom import published_instance, published_series
from catalog.gate.check.examine import Examined
from catalog.gate.deidentification import Cleaner
from catalog.pure.names import folded

_MOST_EXAMS = 20
_SHORT = 8


class ArchiveLookup:
    """What one study has of a batch's files.

    Args:
        cleaner: of that study; returns published names.
    """

    def __init__(self, database: Database, study_id: int, cleaner: Cleaner) -> None:
        self._database = database
        self._study_id = study_id
        self._cleaner = cleaner
        self._known: dict[str, list[tuple[str, frozenset[bytes]]]] = {}

    def archived(self, seen: Iterable[Examined]) -> dict[int, str]:
        """Return the exam that has each file's instance, by the staged file's number; others are left out."""
        found = {}
        for one in seen:
            if one.facts is None or one.series is None:
                continue
            places = self._places(one.series.label, one.facts.modality, one.facts.series)
            if places:
                instance = published_instance(self._cleaner.published_uid(one.facts.sop_instance))[:_SHORT]
                for exam, instances in places:
                    if instance in instances:
                        found[one.file.id] = exam
        return found

    def sizes(self, file_type: str, description: str, exam: str) -> list[int]:
        """Return how many files the series of that kind and published description have in the study's newest other exams."""
        same = (
            sa.select(series.c.id, series.c.exam_id)
            .join(exams, exams.c.id == series.c.exam_id)
            .where(series.c.study_id == self._study_id, series.c.file_type == file_type, series.c.description == description)
            .where(exams.c.code_key != folded(exam))
            .order_by(series.c.id.desc())
            .limit(_MOST_EXAMS)
        )
        newest = {row.exam_id: row.id for row in reversed(self._database.rows(same))}
        if not newest:
            return []
        counts = (
            sa.select(sa.func.count())
            .select_from(files)
            .where(files.c.series_id.in_(newest.values()))
            .group_by(files.c.series_id)
        )
        return [row[0] for row in self._database.rows(counts)]

    def _places(self, label: str, modality: str, uid: str) -> list[tuple[str, frozenset[bytes]]]:
        """Return the exams that have a series already, each with (the first bytes of) its files' identities."""
        if label not in self._known:
            identity = published_series(modality, self._cleaner.published_uid(uid))
            rows = self._database.rows(
                sa.select(series.c.id, exams.c.code)
                .select_from(series.join(exams, exams.c.id == series.c.exam_id))
                .where(series.c.study_id == self._study_id, series.c.identity == identity)
            )
            self._known[label] = [(row.code, self._instances(row.id)) for row in rows]
        return self._known[label]

    def _instances(self, series_id: int) -> frozenset[bytes]:
        rows = self._database.rows(sa.select(files.c.identity).where(files.c.series_id == series_id))
        return frozenset(row.identity[:_SHORT] for row in rows)
