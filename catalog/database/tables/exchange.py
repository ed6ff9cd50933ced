"""Tables of what goes to DICOM peers: deliveries with their files, rules that make them, and what peers may ask about later."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from catalog.database.tables.columns import Id, metadata, row_id

deliveries = Table(
    "deliveries",
    metadata,
    row_id("the delivery"),
    Column(
        "node_id", Id, ForeignKey("dicom_nodes.id", ondelete="SET NULL"), nullable=True,
        comment="the node that it goes to; null: a source, or it is no more",
    ),
    Column(
        "source_id", Id, ForeignKey("sources.id", ondelete="SET NULL"), nullable=True,
        comment="the source that asked for a commitment; null: files to a node, or it is no more",
    ),
    Column("peer", String(64), nullable=False, comment="name of that node or source when it was queued"),
    Column(
        "user_id", Id, ForeignKey("users.id", ondelete="SET NULL"), nullable=True,
        comment="whose grants count for its files; null: it has none, or the user is no more",
    ),
    Column("asked_by", String(64), nullable=False, comment="who queued it: a login, or what did so by itself"),
    Column("asked", BigInteger, nullable=False, comment="time of that"),
    Column(
        "request", String(32), nullable=False,
        comment="name of the request in the staging folder, which alone names instances; '' where files are sent",
    ),
    Column("tries", Integer, nullable=False, comment="how often its peer was called since it last took something"),
    Column("total", Integer, nullable=False, comment="files to send, or instances that are asked about"),
    Column("sent", Integer, nullable=False, comment="files that the peer has taken, or instances reported as committed"),
    Column("failed", Integer, nullable=False, comment="files that it will never take, or instances reported as not committed"),
    comment="what goes to a DICOM peer: files, or the report on a storage commitment; its job says how it stands",
    sqlite_autoincrement=True,
)  # fmt: skip

delivery_files = Table(
    "delivery_files",
    metadata,
    Column(
        "delivery_id", Id, ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True, comment="the delivery",
    ),
    Column(
        "file_id", Id, primary_key=True, autoincrement=False,
        comment="row of the file; no foreign key: it may lie in the bin meanwhile",
    ),
    Column("path", Text, nullable=False, comment="what it was called when it was queued: STUDY/EXAM/SERIES/FILE"),
    Column("state", String(8), nullable=False, comment="waiting, sent or failed"),
    Column("reason", Text, nullable=False, comment="why it failed; '' if it did not"),
    comment="files of a delivery and what became of each: its receipt",
    sqlite_with_rowid=False,
)  # fmt: skip

routes = Table(
    "routes",
    metadata,
    row_id("the rule"),
    Column("study_id", Id, ForeignKey("studies.id"), nullable=False, comment="the study"),
    Column(
        "node_id", Id, ForeignKey("dicom_nodes.id", ondelete="CASCADE"), nullable=False,
        comment="the node that is sent to, as its own user",
    ),
    Column("created", BigInteger, nullable=False, comment="time of `route add`"),
    UniqueConstraint("study_id", "node_id"),
    comment="what is published in a study goes to a node",
    sqlite_autoincrement=True,
)  # fmt: skip

received_instances = Table(
    "received_instances",
    metadata,
    Column("batch_id", Id, ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True, comment="the batch"),
    Column(
        "instance", LargeBinary(16), primary_key=True,
        comment="digest of the original SOP instance UID, keyed by staging's secret; nothing leads from it to a file",
    ),
    Column("published", BigInteger, nullable=False, comment="time when its staged bytes went, for they were published"),
    Index("ix_received_instances_instance", "instance"),
    Index("ix_received_instances_published", "published"),
    comment="what sources sent and is archived, for as long as they may ask whether they can delete theirs",
    sqlite_with_rowid=False,
)  # fmt: skip
