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
from catalog.gate.centres import exams_of
from catalog.gate.check.examine import Examined
from catalog.gate.deidentification import Cleaner
from catalog.pure.checks.series import Series
from catalog.pure.names import folded
from catalog.pure.results import FILE_TYPE

_MOST_EXAMS = 20


class ArchiveLookup:
    """What one study has of a batch's files.

    Args:
        cleaner: of that study; returns published names.
        centre: the batch's centre; only its exams are told of, for who reviews it may see no others. None: all.
    """

    def __init__(self, database: Database, study_id: int, cleaner: Cleaner, centre: int | None = None) -> None:
        self._database = database
        self._study_id = study_id
        self._cleaner = cleaner
        self._shown = exams_of(centre)

    def archived(self, seen: Iterable[Examined]) -> dict[int, str]:
        """Return the exam that has each file's instance, in whatever series, by the staged file's number; others are left out.

        Args:
            seen: one chunk of the batch.
        """
        by_identity: dict[bytes, list[int]] = {}
        for one in seen:
            if one.facts is not None and one.series is not None:
                uid = self._cleaner.published_uid(one.facts.sop_instance)
                by_identity.setdefault(published_instance(uid), []).append(one.file.id)
        there = (
            sa.select(files.c.identity, exams.c.code)
            .join(series, series.c.id == files.c.series_id)
            .join(exams, exams.c.id == series.c.exam_id)
            .where(files.c.identity.in_(by_identity), series.c.study_id == self._study_id, self._shown)
        )
        return {number: row.code for row in self._database.rows(there) for number in by_identity[row.identity]}

    def standing(self, one: Series, exam: str) -> list[int]:
        """Return the numbers that an exam's files of a series of the batch are called by; those of instances are theirs."""
        if not one.uid:
            return []
        identity = published_series(one.modality, self._cleaner.published_uid(one.uid))
        there = (
            sa.select(files.c.name_key)
            .join(series, series.c.id == files.c.series_id)
            .join(exams, exams.c.id == series.c.exam_id)
            .where(
                exams.c.study_id == self._study_id, exams.c.code_key == folded(exam), series.c.identity == identity, self._shown
            )
        )
        stems = (row.name_key.partition(".")[0] for row in self._database.rows(there))
        return [int(stem) for stem in stems if stem.isdecimal()]

    def numbers(self, exam: str) -> set[int]:
        """Return the numbers of the series that an exam has, without results."""
        there = (
            sa.select(series.c.number)
            .join(exams, exams.c.id == series.c.exam_id)
            .where(
                exams.c.study_id == self._study_id,
                exams.c.code_key == folded(exam),
                series.c.file_type != FILE_TYPE,
                self._shown,
            )
            .distinct()
        )
        return {row.number for row in self._database.rows(there)}

    def sizes(self, file_type: str, description: str, exam: str) -> list[int]:
        """Return how many files the series of that kind and published description have in the study's newest other exams."""
        same = (
            sa.select(series.c.id, series.c.exam_id)
            .join(exams, exams.c.id == series.c.exam_id)
            .where(series.c.study_id == self._study_id, series.c.file_type == file_type, series.c.description == description)
            .where(exams.c.code_key != folded(exam), self._shown)
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
