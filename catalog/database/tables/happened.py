"""Tables of what happened: changes in a chain, reads, what faces must hear of, and how old the catalogue is."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, SmallInteger, String, Table, Text, text

from catalog.database.tables.columns import Id, metadata, row_id

_STILL_GROWS = text("entry is null")

audit = Table(
    "audit",
    metadata,
    row_id("the order of entries; since revision 0005 without gaps"),
    Column("at", BigInteger, nullable=False, comment="time"),
    Column("actor", String(64), nullable=False, comment="Unix login or service that did it, e.g. root or dicom"),
    Column(
        "acting_as",
        String(64),
        nullable=False,
        comment="archive login whose role and grants were used; '' if the machine's own",
    ),
    Column("action", String(32), nullable=False, comment="what was done, e.g. grant.add, batch.accept, dicom.refused"),
    Column("study", String(64), nullable=False, comment="study code; '' if none"),
    Column("subject", String(128), nullable=False, comment="what it was done to: a login, a batch number, an exam code"),
    Column("detail", Text, nullable=False, comment="JSON object with the rest; no identities"),
    Column(
        "hash",
        LargeBinary(32),
        nullable=False,
        comment="SHA-256 over the hash of the entry before and all of this one: a chain",
    ),
    Index("ix_audit_study", "study"),
    comment="append-only by triggers: every import, decision, change, grant and refusal",
    sqlite_autoincrement=True,
)

audit_closed = Table(
    "audit_closed",
    metadata,
    Column("year", Id, primary_key=True, autoincrement=False, comment="the year, as of UTC"),
    Column("first", BigInteger, nullable=False, comment="number of its first entry"),
    Column("last", BigInteger, nullable=False, comment="number of its last entry"),
    Column("hash", LargeBinary(32), nullable=False, comment="hash of that one: the next entry follows it"),
    Column("sha256", String(64), nullable=False, comment="digest of the file of its entries, hexadecimal"),
    Column("reads_sha256", String(64), nullable=False, comment="digest of the file of its reads, hexadecimal"),
    Column("closed", BigInteger, nullable=False, comment="time it was closed"),
    comment="append-only by triggers: years of the audit that lie in files",
)

reads = Table(
    "reads",
    metadata,
    row_id("the row"),
    Column("login", String(64), nullable=False, comment="archive login whose grants were used"),
    Column("actor", String(64), nullable=False, comment="Unix login that used that user's tree; '' if nobody else"),
    Column("face", String(16), nullable=False, comment="catalog.audit.reads.Face: mount, webdav, cli or python"),
    Column("program", String(32), nullable=False, comment="program that read, as it calls itself; (unknown), (several)"),
    Column("series_id", Id, nullable=False, comment="the series; no foreign key: it may go; 0: more than were told apart"),
    Column("study", String(64), nullable=False, comment="study code at that time; '' if unknown"),
    Column("exam", String(64), nullable=False, comment="exam code at that time; '' if unknown"),
    Column("series", String(255), nullable=False, comment="series folder at that time; '' if unknown"),
    Column("first", BigInteger, nullable=False, comment="time of the first read"),
    Column("last", BigInteger, nullable=False, comment="time of the last read"),
    Column("files", Integer, nullable=False, comment="how often a file was opened"),
    Column("bytes", BigInteger, nullable=False, comment="bytes handed out; the kernel keeps some and asks no more"),
    Column("entry", Id, nullable=True, comment="entry of the audit that closed it and holds its hash; null: still grows"),
    Index(
        "uq_reads_open", "series_id", "login", "actor", "face", "program", "study", "exam", "series", unique=True,
        sqlite_where=_STILL_GROWS, postgresql_where=_STILL_GROWS,
    ),
    Index("ix_reads_entry", "entry"),
    comment="who read what: a row for reader, program, series and day; closed rows are guarded by triggers",
    sqlite_autoincrement=True,
)  # fmt: skip

changes = Table(
    "changes",
    metadata,
    row_id("grows: a reader remembers the last one it saw"),
    Column("at", BigInteger, nullable=False, comment="time"),
    Column("kind", String(16), nullable=False, comment="published, granted, revoked, role, user or gone"),
    Column("study_id", Id, nullable=True, comment="study it is about; null: all"),
    Column("user_id", Id, nullable=True, comment="user it is about; null: all who have the study"),
    Column(
        "folder_kind", SmallInteger, nullable=True, comment="gone: catalog.pure.nodes.Kind of the folder it was in; else null"
    ),
    Column("folder_id", Id, nullable=True, comment="gone: that folder's row; else null"),
    Column("name", String(255), nullable=True, comment="gone: the name that is not in it any more; else null"),
    comment="what faces must drop from their caches",
    sqlite_autoincrement=True,
)

generation = Table(
    "generation",
    metadata,
    Column(
        "archive",
        String(32),
        primary_key=True,
        comment="the archive's random id, 32 hexadecimal digits; staging and store know it",
    ),
    Column(
        "number", BigInteger, nullable=False, comment="grows while the archive works; staging and store are never ahead of it"
    ),
    comment="one row: whose catalogue this is, and how old (catalog/generation.py)",
)

backups = Table(
    "backups",
    metadata,
    row_id("the backup"),
    Column("began", BigInteger, nullable=False, comment="time it began"),
    Column("beat", BigInteger, nullable=False, comment="time it was last seen at work"),
    Column("ended", BigInteger, nullable=True, comment="time it was complete; null: it runs, or was broken off"),
    Column("objects", BigInteger, nullable=False, comment="objects that were copied"),
    Column("bytes", BigInteger, nullable=False, comment="their size"),
    Column("damaged", BigInteger, nullable=False, comment="objects that could not be copied: damaged or missing in the store"),
    comment="backups that were begun: while one runs nothing is purged",
    sqlite_autoincrement=True,
)
