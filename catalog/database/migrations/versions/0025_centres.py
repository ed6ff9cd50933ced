"""centres of studies: what belongs to one, and grants for some of them or until a day.

Revision ID: 0025
Revises: 0024
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KEY = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
_ENDS = sa.text("until is not null")
_OF_CENTRE = {
    "sources": "centre of its study it stands in; null: none",
    "exams": "centre of its study it belongs to; null: none",
    "bin_exams": "centre of its study it belongs to; null: none",
    "batches": "centre of its study that it is of; null: of none",
    "corrections": "the exam's centre; null: none",
    "bin_entries": "the exam's centre; null: none",
}
_GRANTS = ("one user may see one study; individual, never by group",
           "one user may see one study, or centres of it; individual, never by group")  # fmt: skip


def upgrade() -> None:
    """Bring the catalogue to this revision. Every grant that is there stays one for its whole study."""
    op.create_table(
        "centres",
        sa.Column("id", _ID, autoincrement=True, nullable=False, comment="the centre"),
        sa.Column("study_id", _ID, nullable=False, comment="the study it is a centre of"),
        sa.Column("code", sa.String(64), nullable=False, comment="its code in that study, e.g. LYON"),
        sa.Column("code_key", _KEY, nullable=False, comment="folded code"),
        sa.Column("description", sa.Text(), nullable=False, comment="free text for people; '' if none"),
        sa.Column("created", sa.BigInteger(), nullable=False, comment="time of `centre add`"),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_centres_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_centres")),
        sa.UniqueConstraint("study_id", "code_key", name=op.f("uq_centres_study_id_code_key")),
        comment="places of multicentre studies",
        sqlite_autoincrement=True,
    )
    whole = "1: the whole study; 0: what belongs to the centres in grant_centres"
    until = "time from which it does not count any more; null: until it is removed"
    op.add_column("grants", sa.Column("whole", sa.SmallInteger(), server_default=sa.text("1"), nullable=False, comment=whole))
    op.add_column("grants", sa.Column("until", sa.BigInteger(), nullable=True, comment=until))
    op.create_index("ix_grants_until", "grants", ["until"], sqlite_where=_ENDS, postgresql_where=_ENDS)
    op.create_table(
        "grant_centres",
        sa.Column("user_id", _ID, nullable=False, comment="whose grant"),
        sa.Column("study_id", _ID, nullable=False, comment="on which study"),
        sa.Column("centre_id", _ID, nullable=False, comment="a centre of that study"),
        sa.ForeignKeyConstraint(
            ["user_id", "study_id"], ["grants.user_id", "grants.study_id"], name=op.f("fk_grant_centres_user_id_study_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["centre_id"], ["centres.id"], name=op.f("fk_grant_centres_centre_id")),
        sa.PrimaryKeyConstraint("user_id", "study_id", "centre_id", name=op.f("pk_grant_centres")),
        comment="the centres of grants that are not for the whole study",
    )  # fmt: skip
    op.create_index("ix_grant_centres_centre_id", "grant_centres", ["centre_id"])
    for table, comment in _OF_CENTRE.items():
        op.add_column(table, sa.Column("centre_id", _ID, nullable=True, comment=comment))
    op.create_index("ix_exams_centre_id", "exams", ["centre_id"])
    if op.get_context().dialect.name == "postgresql":  # SQLite keeps no comments
        op.create_table_comment("grants", _GRANTS[1], existing_comment=_GRANTS[0])


def downgrade() -> None:
    """Take the catalogue back to the revision before. Grants for some centres go: they would be for the whole study."""
    if op.get_context().dialect.name == "postgresql":
        op.create_table_comment("grants", _GRANTS[0], existing_comment=_GRANTS[1])
    op.execute(sa.text("delete from grants where whole = 0"))
    op.execute(sa.text("delete from grants where until is not null"))
    op.drop_index("ix_exams_centre_id", "exams")
    for table in _OF_CENTRE:
        op.drop_column(table, "centre_id")
    op.drop_table("grant_centres")
    op.drop_index("ix_grants_until", "grants")
    op.drop_column("grants", "until")
    op.drop_column("grants", "whole")
    op.drop_table("centres")
