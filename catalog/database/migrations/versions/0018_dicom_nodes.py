"""DICOM peers that may ask, or be sent to.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KEY = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")


def upgrade() -> None:
    """Bring the catalogue to this revision."""
    asks = "as whom it asks: what this user is granted it sees; null: it may only be sent to"
    title = "AE title, without padding: how a C-MOVE names it"
    own = "1: that user was made for it, and goes with it; else 0"
    confined = "1: it sees the studies in dicom_node_studies alone; else 0"
    op.create_table(
        "dicom_nodes",
        sa.Column("id", _ID, autoincrement=True, nullable=False, comment="the DICOM node"),
        sa.Column("name", sa.String(64), nullable=False, comment="name for people, e.g. WORKSTATION1"),
        sa.Column("name_key", _KEY, nullable=False, comment="folded name"),
        sa.Column("ae_title", sa.String(16), nullable=False, comment=title),
        sa.Column("host", sa.String(255), nullable=False, comment="IP address it calls from and is called at"),
        sa.Column("port", sa.Integer(), nullable=False, comment="TCP port it is called at"),
        sa.Column("user_id", _ID, nullable=True, comment=asks),
        sa.Column("own_user", sa.SmallInteger(), nullable=False, comment=own),
        sa.Column("confined", sa.SmallInteger(), nullable=False, comment=confined),
        sa.Column("created", sa.BigInteger(), nullable=False, comment="time of `node add`"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_dicom_nodes_user_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dicom_nodes")),
        sa.UniqueConstraint("name_key", name=op.f("uq_dicom_nodes_name_key")),
        sa.UniqueConstraint("ae_title", name=op.f("uq_dicom_nodes_ae_title")),
        comment="DICOM peers that may ask, or be sent to",
        sqlite_autoincrement=True,
    )
    op.create_table(
        "dicom_node_studies",
        sa.Column("node_id", _ID, nullable=False, comment="the DICOM node"),
        sa.Column("study_id", _ID, nullable=False, comment="a study it is confined to"),
        sa.ForeignKeyConstraint(
            ["node_id"], ["dicom_nodes.id"], name=op.f("fk_dicom_node_studies_node_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_dicom_node_studies_study_id")),
        sa.PrimaryKeyConstraint("node_id", "study_id", name=op.f("pk_dicom_node_studies")),
        comment="which of its user's studies a confined DICOM node sees",
    )


def downgrade() -> None:
    """Take the catalogue back to the revision before."""
    op.drop_table("dicom_node_studies")
    op.drop_table("dicom_nodes")
