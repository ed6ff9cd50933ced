"""deliveries to DICOM peers, rules that make them, storage commitments; how peers connect.

Revision ID: 0035
Revises: 0034
"""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_AUTOINCREMENT = {"sqlite_autoincrement": True}
_PEERS = ("sources", "dicom_nodes")


def upgrade() -> None:
    """Bring the catalogue to this revision."""
    port = "TCP port it is called at; 0: it is not called"
    op.add_column("sources", sa.Column("port", sa.Integer(), nullable=False, server_default=sa.text("0"), comment=port))
    tls = "1: it must use TLS with a certificate of the site, and is called by TLS; else 0"
    shown = "SHA-256 of the certificate it must show, in hexadecimal digits; '': any of the site's"
    for table in _PEERS:
        op.add_column(table, sa.Column("tls", sa.SmallInteger(), nullable=False, server_default=sa.text("0"), comment=tls))
        op.add_column(
            table, sa.Column("certificate", sa.String(64), nullable=False, server_default=sa.text("''"), comment=shown)
        )
    _make_deliveries()
    _make_rules()
    with op.batch_alter_table("jobs", table_kwargs=_AUTOINCREMENT) as jobs:
        jobs.add_column(sa.Column("delivery_id", _ID, nullable=True, comment="the delivery it makes; null: none"))
        peer = "which DICOM peer it calls: one running job for each; null: none"
        jobs.add_column(sa.Column("peer", sa.String(32), nullable=True, comment=peer))
        jobs.create_foreign_key(op.f("fk_jobs_delivery_id"), "deliveries", ["delivery_id"], ["id"])
        jobs.create_index("ix_jobs_delivery_id", ["delivery_id"])


def downgrade() -> None:
    """Take the catalogue back to the revision before. What waits to be sent is lost with it."""
    op.execute(sa.text("delete from jobs where delivery_id is not null"))
    with op.batch_alter_table("jobs", table_kwargs=_AUTOINCREMENT) as jobs:
        jobs.drop_index("ix_jobs_delivery_id")
        jobs.drop_constraint(op.f("fk_jobs_delivery_id"), type_="foreignkey")
        jobs.drop_column("peer")
        jobs.drop_column("delivery_id")
    for table in ("received_instances", "routes", "delivery_files", "deliveries"):
        op.drop_table(table)
    for table in _PEERS:
        for name in ("certificate", "tls"):
            op.drop_column(table, name)
    op.drop_column("sources", "port")


def _make_deliveries() -> None:
    node = "the node that it goes to; null: a source, or it is no more"
    source = "the source that asked for a commitment; null: files to a node, or it is no more"
    whose = "whose grants count for its files; null: it has none, or the user is no more"
    request = "name of the request in the staging folder, which alone names instances; '' where files are sent"
    sent = "files that the peer has taken, or instances reported as committed"
    failed = "files that it will never take, or instances reported as not committed"
    op.create_table(
        "deliveries",
        sa.Column("id", _ID, autoincrement=True, nullable=False, comment="the delivery"),
        sa.Column("node_id", _ID, nullable=True, comment=node),
        sa.Column("source_id", _ID, nullable=True, comment=source),
        sa.Column("peer", sa.String(64), nullable=False, comment="name of that node or source when it was queued"),
        sa.Column("user_id", _ID, nullable=True, comment=whose),
        sa.Column("asked_by", sa.String(64), nullable=False, comment="who queued it: a login, or what did so by itself"),
        sa.Column("asked", sa.BigInteger(), nullable=False, comment="time of that"),
        sa.Column("request", sa.String(32), nullable=False, comment=request),
        sa.Column("tries", sa.Integer(), nullable=False, comment="how often its peer was called since it last took something"),
        sa.Column("total", sa.Integer(), nullable=False, comment="files to send, or instances that are asked about"),
        sa.Column("sent", sa.Integer(), nullable=False, comment=sent),
        sa.Column("failed", sa.Integer(), nullable=False, comment=failed),
        sa.ForeignKeyConstraint(["node_id"], ["dicom_nodes.id"], name=op.f("fk_deliveries_node_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_deliveries_source_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_deliveries_user_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        comment="what goes to a DICOM peer: files, or the report on a storage commitment; its job says how it stands",
        sqlite_autoincrement=True,
    )
    op.create_table(
        "delivery_files",
        sa.Column("delivery_id", _ID, nullable=False, comment="the delivery"),
        sa.Column(
            "file_id", _ID, nullable=False, autoincrement=False,
            comment="row of the file; no foreign key: it may lie in the bin meanwhile",
        ),
        sa.Column("path", sa.Text(), nullable=False, comment="what it was called when it was queued: STUDY/EXAM/SERIES/FILE"),
        sa.Column("state", sa.String(8), nullable=False, comment="waiting, sent or failed"),
        sa.Column("reason", sa.Text(), nullable=False, comment="why it failed; '' if it did not"),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name=op.f("fk_delivery_files_delivery_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("delivery_id", "file_id", name=op.f("pk_delivery_files")),
        comment="files of a delivery and what became of each: its receipt",
        sqlite_with_rowid=False,
    )  # fmt: skip


def _make_rules() -> None:
    op.create_table(
        "routes",
        sa.Column("id", _ID, autoincrement=True, nullable=False, comment="the rule"),
        sa.Column("study_id", _ID, nullable=False, comment="the study"),
        sa.Column("node_id", _ID, nullable=False, comment="the node that is sent to, as its own user"),
        sa.Column("created", sa.BigInteger(), nullable=False, comment="time of `route add`"),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_routes_study_id")),
        sa.ForeignKeyConstraint(["node_id"], ["dicom_nodes.id"], name=op.f("fk_routes_node_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_routes")),
        sa.UniqueConstraint("study_id", "node_id", name=op.f("uq_routes_study_id_node_id")),
        comment="what is published in a study goes to a node",
        sqlite_autoincrement=True,
    )
    instance = "digest of the original SOP instance UID, keyed by staging's secret; nothing leads from it to a file"
    published = "time when its staged bytes went, for they were published"
    op.create_table(
        "received_instances",
        sa.Column("batch_id", _ID, nullable=False, comment="the batch"),
        sa.Column("instance", sa.LargeBinary(16), nullable=False, comment=instance),
        sa.Column("published", sa.BigInteger(), nullable=False, comment=published),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_received_instances_batch_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("batch_id", "instance", name=op.f("pk_received_instances")),
        comment="what sources sent and is archived, for as long as they may ask whether they can delete theirs",
        sqlite_with_rowid=False,
    )
    op.create_index("ix_received_instances_instance", "received_instances", ["instance"])
    op.create_index("ix_received_instances_published", "received_instances", ["published"])
