"""Whose pseudonyms an import goes on with: those of the first import into its exam, which may be older than today's rules.

May live here: finding that import. What its pseudonyms are is de-identification's to know.
"""

import sqlalchemy as sa

from catalog.database import Database
from catalog.database.tables import batches, exams, files, profiles, series
from catalog.gate.deidentification import FirstImport
from catalog.pure.names import folded


def begun_by(database: Database, study_id: int | None, exam: str) -> FirstImport | None:
    """Return the first import into an exam of which a file is there, None if there is none.

    An exam that got another code since goes on as it was begun: its import knows the code of that time.
    """
    if study_id is None:
        return None
    row = database.row(
        sa.select(batches.c.exam_code, profiles.c.engine, profiles.c.text)
        .select_from(exams)
        .join(series, series.c.exam_id == exams.c.id)
        .join(files, files.c.series_id == series.c.id)
        .join(batches, batches.c.id == files.c.batch_id)
        .join(profiles, profiles.c.id == batches.c.profile_id)
        .where(exams.c.study_id == study_id, exams.c.code_key == folded(exam))
        .order_by(files.c.batch_id)
        .limit(1)
    )
    return None if row is None else FirstImport(row.exam_code, row.engine, row.text)
