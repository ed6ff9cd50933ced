"""corrections of what is archived, their jobs, and names that are gone.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_AUTOINCREMENT = {"sqlite_autoincrement": True}


def upgrade() -> None:
    """Bring the catalogue to this revision."""
    op.create_table(
        "corrections",
        sa.Column("id", _ID, autoincrement=True, nullable=False, comment="the correction"),
        sa.Column("kind", sa.String(length=16), nullable=False, comment="catalog.pure.corrections.Correction"),
        sa.Column("study_id", _ID, nullable=False, comment="the study it is about"),
        sa.Column("exam_id", _ID, nullable=False, comment="the exam it is about; no foreign key: an exam left empty goes"),
        sa.Column("series_id", _ID, nullable=True, comment="the series it is about; null: the whole exam"),
        sa.Column(
            "place", sa.Text(), nullable=False, comment="what that was called when it was asked for: EXAM or EXAM/SERIES"
        ),
        sa.Column(
            "value",
            sa.Text(),
            nullable=False,
            comment="the new exam code, the code of the other exam, or the new description",
        ),
        sa.Column("reason", sa.Text(), nullable=False, comment="why, as who asked for it wrote"),
        sa.Column("asked_by", sa.String(length=64), nullable=False, comment="login of who asked for it"),
        sa.Column("asked", sa.BigInteger(), nullable=False, comment="time of that"),
        sa.Column("state", sa.String(length=16), nullable=False, comment="queued, done or refused"),
        sa.Column("problem", sa.Text(), nullable=False, comment="why it was refused; '' if it was not"),
        sa.Column("ended", sa.BigInteger(), nullable=True, comment="time it was done or refused; null before"),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_corrections_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
        comment="changes of names and places in the archive, asked for and done",
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("jobs", table_kwargs=_AUTOINCREMENT) as jobs:
        jobs.add_column(sa.Column("correction_id", _ID, nullable=True, comment="the correction it does; null: none"))
        jobs.create_foreign_key(op.f("fk_jobs_correction_id"), "corrections", ["correction_id"], ["id"])
        jobs.alter_column(
            "batch_id",
            existing_type=_ID,
            nullable=True,
            comment="the batch it works on; null: a correction",
            existing_comment="what it works on",
        )
        jobs.alter_column(
            "kind",
            existing_type=sa.String(length=16),
            existing_nullable=False,
            comment="check, publish, erase or correct",
            existing_comment="check, publish or erase",
        )
    with op.batch_alter_table("changes", table_kwargs=_AUTOINCREMENT) as changes:
        changes.add_column(
            sa.Column(
                "folder_kind",
                sa.SmallInteger(),
                nullable=True,
                comment="gone: catalog.pure.nodes.Kind of the folder it was in; else null",
            )
        )
        changes.add_column(sa.Column("folder_id", _ID, nullable=True, comment="gone: that folder's row; else null"))
        changes.add_column(
            sa.Column(
                "name", sa.String(length=255), nullable=True, comment="gone: the name that is not in it any more; else null"
            )
        )
        changes.alter_column(
            "kind",
            existing_type=sa.String(length=16),
            existing_nullable=False,
            comment="published, granted, revoked, role, user or gone",
            existing_comment="published, granted, revoked, role or user",
        )


def downgrade() -> None:
    """Take the catalogue back to the revision before."""
    with op.batch_alter_table("changes", table_kwargs=_AUTOINCREMENT) as changes:
        for name in ("name", "folder_id", "folder_kind"):
            changes.drop_column(name)
        changes.alter_column(
            "kind",
            existing_type=sa.String(length=16),
            existing_nullable=False,
            comment="published, granted, revoked, role or user",
            existing_comment="published, granted, revoked, role, user or gone",
        )
    op.execute(sa.text("delete from jobs where batch_id is null"))
    with op.batch_alter_table("jobs", table_kwargs=_AUTOINCREMENT) as jobs:
        jobs.drop_constraint(op.f("fk_jobs_correction_id"), type_="foreignkey")
        jobs.drop_column("correction_id")
        jobs.alter_column(
            "batch_id",
            existing_type=_ID,
            nullable=False,
            comment="what it works on",
            existing_comment="the batch it works on; null: a correction",
        )
        jobs.alter_column(
            "kind",
            existing_type=sa.String(length=16),
            existing_nullable=False,
            comment="check, publish or erase",
            existing_comment="check, publish, erase or correct",
        )
    op.drop_table("corrections")
