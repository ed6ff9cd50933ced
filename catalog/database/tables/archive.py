"""Tables of what is archived: exams, series, files, and their metadata.

`files` is the one table of ten million rows: no text in it repeats, and it has few indexes.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from catalog.database.tables.columns import Id, key, metadata, row_id

exams = Table(
    "exams",
    metadata,
    row_id("the exam"),
    Column("study_id", Id, ForeignKey("studies.id"), nullable=False, comment="the study it belongs to"),
    Column("code", String(64), nullable=False, comment="exam code, also its folder's name: the only trace of an inclusion"),
    Column("code_key", key(64), nullable=False, comment="folded code"),
    Column(
        "acquired", BigInteger, nullable=True, comment="earliest acquisition in it, as published (shifted); null if unknown"
    ),
    Column("added", BigInteger, nullable=False, comment="time of its first publish"),
    Column("last_read", BigInteger, nullable=True, comment="time one of its files was opened last; null: never yet"),
    Column(
        "changed",
        BigInteger,
        nullable=True,
        comment="time something appeared in it or left it last; null: not since it is there",
    ),
    Column("centre_id", Id, nullable=True, comment="centre of its study it belongs to; null: none"),
    UniqueConstraint("study_id", "code_key"),
    Index("ix_exams_centre_id", "centre_id"),
    comment="one inclusion's visit in a study",
    sqlite_autoincrement=True,
)

series = Table(
    "series",
    metadata,
    row_id("the series"),
    Column("exam_id", Id, ForeignKey("exams.id"), nullable=False, comment="the exam it belongs to"),
    Column(
        "study_id",
        Id,
        ForeignKey("studies.id"),
        nullable=False,
        comment="that exam's study, so that a look-up of a file needs one join",
    ),
    Column("number", Integer, nullable=False, comment="series number as published; 0 if it had none"),
    Column("file_type", String(32), nullable=False, comment="file type of all its files, e.g. DCM_MR"),
    Column("description", Text, nullable=False, comment="series description as published; '' if none"),
    Column(
        "identity",
        LargeBinary(16),
        nullable=False,
        comment="keyed digest of what makes it one series (its published UID and file type)",
    ),
    Column("name", String(255), nullable=False, comment="folder name, decided at publish"),
    Column("name_key", key(255), nullable=False, comment="folded name"),
    Column(
        "acquired", BigInteger, nullable=True, comment="earliest acquisition in it, as published (shifted); null if unknown"
    ),
    Column("added", BigInteger, nullable=False, comment="time of its first publish"),
    Column(
        "changed",
        BigInteger,
        nullable=True,
        comment="time something appeared in it or left it last; null: not since it is there",
    ),
    UniqueConstraint("exam_id", "name_key"),
    UniqueConstraint("exam_id", "identity"),
    Index("ix_series_study_id", "study_id"),
    comment="files of one acquisition in an exam, all of one file type",
    sqlite_autoincrement=True,
)

results = Table(
    "results",
    metadata,
    Column(
        "series_id", Id, ForeignKey("series.id"), primary_key=True, autoincrement=False, comment="the series that is a result"
    ),
    Column(
        "source_id", Id, ForeignKey("series.id"), nullable=True, comment="the series it was made of; null: none of its number"
    ),
    Column("program", Text, nullable=False, comment="program and version that made it, as who brought it says; '' if not said"),
    Column("sources", Text, nullable=False, comment="JSON array: names of series it was made of, as who brought it says"),
    Column("brought_by", String(64), nullable=False, comment="login of who brought it"),
    comment="where results come from",
)

folders = Table(
    "folders",
    metadata,
    row_id("the folder"),
    Column("series_id", Id, ForeignKey("series.id"), nullable=False, comment="the series it lies in, at any depth"),
    Column("parent_id", Id, ForeignKey("folders.id"), nullable=True, comment="the folder it lies in; null: the series itself"),
    Column("name", String(255), nullable=False, comment="folder name, decided at publish"),
    Column("name_key", key(255), nullable=False, comment="folded name; in a folder, catalog.pure.names.nested_key of it"),
    Column("added", BigInteger, nullable=False, comment="time of publish"),
    Column(
        "changed",
        BigInteger,
        nullable=True,
        comment="time something appeared in it or left it last; null: not since it is there",
    ),
    UniqueConstraint("series_id", "name_key"),
    comment="folders within a series that is a result",
    sqlite_autoincrement=True,
)

files = Table(
    "files",
    metadata,
    row_id("the file"),
    Column("series_id", Id, ForeignKey("series.id"), nullable=False, comment="the series it lies in"),
    Column(
        "name_key",
        key(255),
        nullable=False,
        comment="folded file name, decided at publish; in a folder of its series, catalog.pure.names.nested_key of it",
    ),
    Column("name", String(255), nullable=True, comment="file name where it differs from name_key, else null"),
    Column("size", BigInteger, nullable=False, comment="bytes"),
    Column("sha256", LargeBinary(32), nullable=False, comment="digest of the bytes: the object's name in the study's folder"),
    Column(
        "identity",
        LargeBinary(16),
        nullable=False,
        comment="keyed digest of what makes it one file (its published SOP instance UID)",
    ),
    Column("acquired", BigInteger, nullable=True, comment="acquisition as published (shifted); null if unknown"),
    Column("added", BigInteger, nullable=False, comment="time of publish"),
    Column(
        "batch_id",
        Id,
        nullable=False,
        comment="the batch it came with; no foreign key: batches may be forgotten before files are",
    ),
    Index("uq_files_series_id_name_key", "series_id", "name_key", unique=True),
    Index("ix_files_sha256", "sha256"),
    # One instance, one place: whether any exam of a study has it.
    Index("ix_files_identity", "identity"),
    comment="archived files; a row's bytes never change",
    sqlite_autoincrement=True,
)

fields = Table(
    "fields",
    metadata,
    row_id("the field"),
    Column("name", key(255), nullable=False, unique=True, comment="DICOM keyword, or as its file type or a profile calls it"),
    Column("indexed", SmallInteger, nullable=False, comment="1: `archimed query --index` made an index of it; else 0"),
    comment="what metadata there are: a new one needs no migration",
    sqlite_autoincrement=True,
)

series_values = Table(
    "series_values",
    metadata,
    Column("series_id", Id, ForeignKey("series.id", ondelete="CASCADE"), primary_key=True, comment="the series"),
    Column("field_id", Id, ForeignKey("fields.id"), primary_key=True, comment="the field"),
    Column(
        "spread",
        SmallInteger,
        nullable=False,
        comment="0: every file has this one value; 1: every file has a number from low to high; 2: anything else",
    ),
    Column("low", Double, nullable=True, comment="smallest number in it, in the field's unit; null if it has none"),
    Column("high", Double, nullable=True, comment="largest number in it; null if it has none"),
    Column(
        "text",
        Text().with_variant(Text(collation="C"), "postgresql"),
        nullable=True,
        comment="the text that every file has, as published; null if it is no text, or differs",
    ),
    comment="metadata of the files of a series, once for all of them; covers also files that are gone since",
    sqlite_with_rowid=False,
)

series_columns = Table(
    "series_columns",
    metadata,
    Column("series_id", Id, ForeignKey("series.id", ondelete="CASCADE"), primary_key=True, comment="the series"),
    Column(
        "packed",
        LargeBinary,
        nullable=False,
        comment="values that differ between its files, a column a field: catalog.metadata.columns",
    ),
    comment="metadata of files, for series in which not all are the same",
    sqlite_with_rowid=False,
)

object_findings = Table(
    "object_findings",
    metadata,
    Column("study_id", Id, ForeignKey("studies.id"), primary_key=True, autoincrement=False, comment="the study"),
    Column("digest", LargeBinary(32), primary_key=True, comment="SHA-256 of the bytes as they were archived"),
    Column("fault", String(16), nullable=False, comment="catalog.lifecycle.verify.Fault"),
    Column("found", BigInteger, nullable=False, comment="time it was found"),
    comment="what is wrong with objects of the store; a row goes when it is repaired",
)

verifications = Table(
    "verifications",
    metadata,
    Column("study_id", Id, ForeignKey("studies.id"), primary_key=True, autoincrement=False, comment="the study"),
    Column("round_began", BigInteger, nullable=False, comment="time the round through all studies began that this is part of"),
    Column("position", LargeBinary(32), nullable=False, comment="digest of the last object that was proved; empty: none yet"),
    Column("ended", BigInteger, nullable=True, comment="time all its objects were proved; null: under way, or broken off"),
    Column("objects", BigInteger, nullable=False, comment="objects that were proved in this round"),
    Column("bytes", BigInteger, nullable=False, comment="their size"),
    comment="how far each study's objects are proved",
)
