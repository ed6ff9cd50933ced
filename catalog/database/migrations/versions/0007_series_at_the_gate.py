"""series at the gate: a staged file's series and identity, a batch's labels.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_STATES = "staged, bad (fails a check), stored (in the store), held (publish refused it), moved"
_STATES_NOW = "staged, bad (fails a check), unpacked (an archive whose files are staged), stored (in the store), held (publish refused it)"


def upgrade() -> None:
    """Bring the catalogue to this revision."""
    op.add_column(
        "batches",
        sa.Column(
            "labels",
            sa.Text(),
            server_default="{}",
            nullable=False,
            comment="JSON object: by label of a series, the description its reviewer gave it; no identities",
        ),
    )
    op.add_column(
        "staged_files",
        sa.Column(
            "series",
            sa.String(length=24),
            server_default=sa.text("''"),
            nullable=False,
            comment="label of its series in the batch, as a reviewer chooses it; '' before the checks, and for a file of no series",
        ),
    )
    op.add_column(
        "staged_files",
        sa.Column(
            "identity",
            sa.LargeBinary(length=16),
            nullable=True,
            comment="keyed digest of the original SOP instance UID that the checks found in it; null before, "
            "and where there is none",
        ),
    )
    op.create_index(op.f("ix_staged_files_identity"), "staged_files", ["identity"])
    op.drop_index(op.f("ix_staged_files_instance"), table_name="staged_files")
    _say_of_states(_STATES_NOW, _STATES)


def downgrade() -> None:
    """Take the catalogue back to the revision before."""
    _say_of_states(_STATES, _STATES_NOW)
    op.create_index(op.f("ix_staged_files_instance"), "staged_files", ["instance"])
    op.drop_index(op.f("ix_staged_files_identity"), table_name="staged_files")
    op.drop_column("staged_files", "identity")
    op.drop_column("staged_files", "series")
    op.drop_column("batches", "labels")


def _say_of_states(comment: str, before: str) -> None:
    if op.get_bind().dialect.name == "postgresql":  # SQLite keeps no comments
        op.alter_column(
            "staged_files", "state", existing_type=sa.String(length=16), comment=comment, existing_comment=before,
        )  # fmt: skip
