"""the bin, legal holds, the end and retention of studies.

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_AUTOINCREMENT = {"sqlite_autoincrement": True}
_TWINS = ("exams", "series", "results", "folders", "files", "series_values", "series_columns")


def _key(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Bring the catalogue to this revision."""
    _make_bin()
    _make_twins()
    closed = sa.Column("closed", sa.BigInteger(), nullable=True, comment="time of `study close`; null: it runs")
    years = "years to keep it behind its end; null: as configured"
    op.add_column("studies", closed)
    op.add_column("studies", sa.Column("retention_years", sa.Integer(), nullable=True, comment=years))
    with op.batch_alter_table("jobs", table_kwargs=_AUTOINCREMENT) as jobs:
        jobs.add_column(sa.Column("bin_id", _ID, nullable=True, comment="the entry of the bin it works on; null: none"))
        jobs.create_foreign_key(op.f("fk_jobs_bin_id"), "bin_entries", ["bin_id"], ["id"])
        jobs.alter_column("batch_id", existing_type=_ID, existing_nullable=True, existing_comment=_BATCH[0], comment=_BATCH[1])
        jobs.alter_column(
            "kind", existing_type=sa.String(16), existing_nullable=False, existing_comment=_KIND[0], comment=_KIND[1]
        )


_BATCH = ("the batch it works on; null: a correction", "the batch it works on; null: none")
_KIND = ("check, publish, erase or correct", "catalog.jobs.JobKind")


def downgrade() -> None:
    """Take the catalogue back to the revision before. What lies in the bin is lost with it."""
    op.execute(sa.text("delete from jobs where bin_id is not null"))
    with op.batch_alter_table("jobs", table_kwargs=_AUTOINCREMENT) as jobs:
        jobs.drop_constraint(op.f("fk_jobs_bin_id"), type_="foreignkey")
        jobs.drop_column("bin_id")
        jobs.alter_column("batch_id", existing_type=_ID, existing_nullable=True, existing_comment=_BATCH[1], comment=_BATCH[0])
        jobs.alter_column(
            "kind", existing_type=sa.String(16), existing_nullable=False, existing_comment=_KIND[1], comment=_KIND[0]
        )
    for name in ("retention_years", "closed"):
        op.drop_column("studies", name)
    for table in _TWINS:
        op.drop_table(f"bin_{table}")
    for table in ("bin_entries", "holds", "clock_watch"):
        op.drop_table(table)


def _make_bin() -> None:
    op.create_table(
        "clock_watch",
        sa.Column("seen", sa.BigInteger(), nullable=False, comment="time when the clock was looked at last"),
        sa.Column(
            "doubted_until",
            sa.BigInteger(),
            nullable=False,
            comment="time until which nothing is purged, for it jumped; 0: it did not",
        ),
        sa.PrimaryKeyConstraint("seen", name=op.f("pk_clock_watch")),
        comment="one row: whether the machine's clock can be believed",
    )
    op.create_table(
        "bin_entries",
        sa.Column("id", _ID, autoincrement=True, nullable=False, comment="the entry"),
        sa.Column("study_id", _ID, nullable=False, comment="the study it is of"),
        sa.Column("exam_id", _ID, nullable=False, comment="the exam it is of; no foreign key: that may lie in the bin too"),
        sa.Column("exam", sa.String(length=64), nullable=False, comment="code of that exam when it was put into the bin"),
        sa.Column("kind", sa.String(length=16), nullable=False, comment="catalog.pure.bin.Kind"),
        sa.Column("target", _ID, nullable=False, comment="row of the file, series or exam, or the batch"),
        sa.Column(
            "path",
            sa.Text(),
            nullable=False,
            comment="what it was called: EXAM, EXAM/SERIES ...; the exam's code alone once purged",
        ),
        sa.Column("state", sa.String(length=16), nullable=False, comment="catalog.pure.bin.State"),
        sa.Column("problem", sa.Text(), nullable=False, comment="why it was refused, or is not done; '' if nothing is wrong"),
        sa.Column("reason", sa.Text(), nullable=False, comment="why it was put there, as who did it wrote"),
        sa.Column("put_by", sa.String(length=64), nullable=False, comment="login of who put it there"),
        sa.Column("put", sa.BigInteger(), nullable=False, comment="time of that"),
        sa.Column("expires", sa.BigInteger(), nullable=True, comment="time from which it may be purged by itself; null: never"),
        sa.Column("files", sa.BigInteger(), nullable=False, comment="how many files it holds"),
        sa.Column("bytes", sa.BigInteger(), nullable=False, comment="their size"),
        sa.Column(
            "oldest", sa.BigInteger(), nullable=True, comment="time the first of them was published; null before they are there"
        ),
        sa.Column(
            "asked_by", sa.String(length=64), nullable=False, comment="login of who asked for the last change of its state"
        ),
        sa.Column("asked", sa.BigInteger(), nullable=False, comment="time of that"),
        sa.Column("put_follows", _ID, nullable=False, comment="newest correction when it was put there; 0: none"),
        sa.Column(
            "follows", _ID, nullable=False, comment="newest correction at that time, behind which the store lists it; 0: none"
        ),
        sa.Column(
            "override_by",
            sa.String(length=64),
            nullable=False,
            comment="who asked to purge it in spite of its study's retention; '' if nobody",
        ),
        sa.Column("ended", sa.BigInteger(), nullable=True, comment="time it was restored, purged or refused; null before"),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_bin_entries_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bin_entries")),
        comment="what was put into the bin, and what became of it",
        sqlite_autoincrement=True,
    )
    op.create_index("ix_bin_entries_state", "bin_entries", ["state"])
    op.create_index("ix_bin_entries_study_id", "bin_entries", ["study_id"])

    op.create_table(
        "holds",
        sa.Column("study_id", _ID, nullable=False, comment="the study"),
        sa.Column("reason", sa.Text(), nullable=False, comment="why, as who set it wrote"),
        sa.Column("set_by", sa.String(length=64), nullable=False, comment="who set it: it holds from then on"),
        sa.Column("set_at", sa.BigInteger(), nullable=False, comment="time of that"),
        sa.Column(
            "confirmed_by",
            sa.String(length=64),
            nullable=False,
            comment="the second person, who confirmed it; '' if nobody yet",
        ),
        sa.Column("lift_by", sa.String(length=64), nullable=False, comment="who asked to lift it; '' if nobody"),
        sa.Column("lift_reason", sa.Text(), nullable=False, comment="why; '' if nobody asked"),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_holds_study_id")),
        sa.PrimaryKeyConstraint("study_id", name=op.f("pk_holds")),
        comment="legal holds: nothing of such a study is purged",
    )


def _make_twins() -> None:
    op.create_table(
        "bin_exams",
        sa.Column("bin_id", _ID, autoincrement=False, nullable=False, comment="the entry of the bin"),
        sa.Column("row_id", _ID, nullable=False, comment="the exam"),
        sa.Column("study_id", _ID, nullable=False, comment="the study it belongs to"),
        sa.Column(
            "code",
            sa.String(length=64),
            nullable=False,
            comment="exam code, also its folder's name: the only trace of an inclusion",
        ),
        sa.Column("code_key", _key(64), nullable=False, comment="folded code"),
        sa.Column(
            "acquired",
            sa.BigInteger(),
            nullable=True,
            comment="earliest acquisition in it, as published (shifted); null if unknown",
        ),
        sa.Column("added", sa.BigInteger(), nullable=False, comment="time of its first publish"),
        sa.Column(
            "last_read", sa.BigInteger(), nullable=True, comment="time one of its files was opened last; null: never yet"
        ),
        sa.ForeignKeyConstraint(["bin_id"], ["bin_entries.id"], name=op.f("fk_bin_exams_bin_id")),
        sa.PrimaryKeyConstraint("bin_id", "row_id", name=op.f("pk_bin_exams")),
        comment="rows of exams in the bin",
    )
    op.create_table(
        "bin_files",
        sa.Column("bin_id", _ID, autoincrement=False, nullable=False, comment="the entry of the bin"),
        sa.Column("row_id", _ID, nullable=False, comment="the file"),
        sa.Column("series_id", _ID, nullable=False, comment="the series it lies in"),
        sa.Column(
            "name_key",
            _key(255),
            nullable=False,
            comment="folded file name, decided at publish; in a folder of its series, catalog.pure.names.nested_key of it",
        ),
        sa.Column("name", sa.String(length=255), nullable=True, comment="file name where it differs from name_key, else null"),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="bytes"),
        sa.Column(
            "sha256",
            sa.LargeBinary(length=32),
            nullable=False,
            comment="digest of the bytes: the object's name in the study's folder",
        ),
        sa.Column(
            "identity",
            sa.LargeBinary(length=16),
            nullable=False,
            comment="keyed digest of what makes it one file (its published SOP instance UID)",
        ),
        sa.Column("acquired", sa.BigInteger(), nullable=True, comment="acquisition as published (shifted); null if unknown"),
        sa.Column("added", sa.BigInteger(), nullable=False, comment="time of publish"),
        sa.Column(
            "batch_id",
            _ID,
            nullable=False,
            comment="the batch it came with; no foreign key: batches may be forgotten before files are",
        ),
        sa.ForeignKeyConstraint(["bin_id"], ["bin_entries.id"], name=op.f("fk_bin_files_bin_id")),
        sa.PrimaryKeyConstraint("bin_id", "row_id", name=op.f("pk_bin_files")),
        comment="rows of files in the bin",
    )
    op.create_index("ix_bin_files_series_id", "bin_files", ["series_id"])
    op.create_index("ix_bin_files_sha256", "bin_files", ["sha256"])

    op.create_table(
        "bin_folders",
        sa.Column("bin_id", _ID, autoincrement=False, nullable=False, comment="the entry of the bin"),
        sa.Column("row_id", _ID, nullable=False, comment="the folder"),
        sa.Column("series_id", _ID, nullable=False, comment="the series it lies in, at any depth"),
        sa.Column("parent_id", _ID, nullable=True, comment="the folder it lies in; null: the series itself"),
        sa.Column("name", sa.String(length=255), nullable=False, comment="folder name, decided at publish"),
        sa.Column(
            "name_key", _key(255), nullable=False, comment="folded name; in a folder, catalog.pure.names.nested_key of it"
        ),
        sa.Column("added", sa.BigInteger(), nullable=False, comment="time of publish"),
        sa.ForeignKeyConstraint(["bin_id"], ["bin_entries.id"], name=op.f("fk_bin_folders_bin_id")),
        sa.PrimaryKeyConstraint("bin_id", "row_id", name=op.f("pk_bin_folders")),
        comment="rows of folders in the bin",
    )
    op.create_table(
        "bin_results",
        sa.Column("bin_id", _ID, autoincrement=False, nullable=False, comment="the entry of the bin"),
        sa.Column("series_id", _ID, nullable=False, comment="the series that is a result"),
        sa.Column("source_id", _ID, nullable=True, comment="the series it was made of; null: none of its number"),
        sa.Column(
            "program",
            sa.Text(),
            nullable=False,
            comment="program and version that made it, as who brought it says; '' if not said",
        ),
        sa.Column(
            "sources", sa.Text(), nullable=False, comment="JSON array: names of series it was made of, as who brought it says"
        ),
        sa.Column("brought_by", sa.String(length=64), nullable=False, comment="login of who brought it"),
        sa.ForeignKeyConstraint(["bin_id"], ["bin_entries.id"], name=op.f("fk_bin_results_bin_id")),
        sa.PrimaryKeyConstraint("bin_id", "series_id", name=op.f("pk_bin_results")),
        comment="rows of results in the bin",
    )
    op.create_table(
        "bin_series",
        sa.Column("bin_id", _ID, autoincrement=False, nullable=False, comment="the entry of the bin"),
        sa.Column("row_id", _ID, nullable=False, comment="the series"),
        sa.Column("exam_id", _ID, nullable=False, comment="the exam it belongs to"),
        sa.Column("study_id", _ID, nullable=False, comment="that exam's study, so that a look-up of a file needs one join"),
        sa.Column("number", sa.Integer(), nullable=False, comment="series number as published; 0 if it had none"),
        sa.Column("file_type", sa.String(length=32), nullable=False, comment="file type of all its files, e.g. DCM_MR"),
        sa.Column("description", sa.Text(), nullable=False, comment="series description as published; '' if none"),
        sa.Column(
            "identity",
            sa.LargeBinary(length=16),
            nullable=False,
            comment="keyed digest of what makes it one series (its published UID and file type)",
        ),
        sa.Column("name", sa.String(length=255), nullable=False, comment="folder name, decided at publish"),
        sa.Column("name_key", _key(255), nullable=False, comment="folded name"),
        sa.Column(
            "acquired",
            sa.BigInteger(),
            nullable=True,
            comment="earliest acquisition in it, as published (shifted); null if unknown",
        ),
        sa.Column("added", sa.BigInteger(), nullable=False, comment="time of its first publish"),
        sa.ForeignKeyConstraint(["bin_id"], ["bin_entries.id"], name=op.f("fk_bin_series_bin_id")),
        sa.PrimaryKeyConstraint("bin_id", "row_id", name=op.f("pk_bin_series")),
        comment="rows of series in the bin",
    )
    op.create_table(
        "bin_series_columns",
        sa.Column("bin_id", _ID, autoincrement=False, nullable=False, comment="the entry of the bin"),
        sa.Column("series_id", _ID, nullable=False, comment="the series"),
        sa.Column(
            "packed",
            sa.LargeBinary(),
            nullable=False,
            comment="values that differ between its files, a column a field: catalog.metadata.columns",
        ),
        sa.ForeignKeyConstraint(["bin_id"], ["bin_entries.id"], name=op.f("fk_bin_series_columns_bin_id")),
        sa.PrimaryKeyConstraint("bin_id", "series_id", name=op.f("pk_bin_series_columns")),
        comment="rows of series_columns in the bin",
    )
    op.create_table(
        "bin_series_values",
        sa.Column("bin_id", _ID, autoincrement=False, nullable=False, comment="the entry of the bin"),
        sa.Column("series_id", _ID, nullable=False, comment="the series"),
        sa.Column("field_id", _ID, nullable=False, comment="the field"),
        sa.Column(
            "spread",
            sa.SmallInteger(),
            nullable=False,
            comment="0: every file has this one value; 1: every file has a number from low to high; 2: anything else",
        ),
        sa.Column("low", sa.Double(), nullable=True, comment="smallest number in it, in the field's unit; null if it has none"),
        sa.Column("high", sa.Double(), nullable=True, comment="largest number in it; null if it has none"),
        sa.Column(
            "text",
            _TEXT,
            nullable=True,
            comment="the text that every file has, as published; null if it is no text, or differs",
        ),
        sa.ForeignKeyConstraint(["bin_id"], ["bin_entries.id"], name=op.f("fk_bin_series_values_bin_id")),
        sa.PrimaryKeyConstraint("bin_id", "series_id", "field_id", name=op.f("pk_bin_series_values")),
        comment="rows of series_values in the bin",
    )
