"""Tables of the bin: what was put into it, and the rows that were taken out of the archive, as they were.

Rows move, so that no statement that shows the archive has to leave anything out, and names are free again. A twin has the columns
of its table and says whose they are; its rows name others by number, without foreign keys.
"""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, String, Table, Text

from catalog.database.tables.archive import exams, files, folders, results, series, series_columns, series_values
from catalog.database.tables.columns import Id, metadata, row_id

bin_entries = Table(
    "bin_entries",
    metadata,
    row_id("the entry"),
    Column("study_id", Id, ForeignKey("studies.id"), nullable=False, comment="the study it is of"),
    Column("exam_id", Id, nullable=False, comment="the exam it is of; no foreign key: that may lie in the bin too"),
    Column("exam", String(64), nullable=False, comment="code of that exam when it was put into the bin"),
    Column("kind", String(16), nullable=False, comment="catalog.pure.bin.Kind"),
    Column("target", Id, nullable=False, comment="row of the file, series or exam, or the batch"),
    Column(
        "path", Text, nullable=False, comment="what it was called: EXAM, EXAM/SERIES ...; the exam's code alone once purged"
    ),
    Column("state", String(16), nullable=False, comment="catalog.pure.bin.State"),
    Column("problem", Text, nullable=False, comment="why it was refused, or is not done; '' if nothing is wrong"),
    Column("reason", Text, nullable=False, comment="why it was put there, as who did it wrote"),
    Column("put_by", String(64), nullable=False, comment="login of who put it there"),
    Column("put", BigInteger, nullable=False, comment="time of that"),
    Column("expires", BigInteger, nullable=True, comment="time from which it may be purged by itself; null: never"),
    Column("files", BigInteger, nullable=False, comment="how many files it holds"),
    Column("bytes", BigInteger, nullable=False, comment="their size"),
    Column("oldest", BigInteger, nullable=True, comment="time the first of them was published; null before they are there"),
    Column("asked_by", String(64), nullable=False, comment="login of who asked for the last change of its state"),
    Column("asked", BigInteger, nullable=False, comment="time of that"),
    Column("put_follows", Id, nullable=False, comment="newest correction when it was put there; 0: none"),
    Column("follows", Id, nullable=False, comment="newest correction at that time, behind which the store lists it; 0: none"),
    Column(
        "override_by",
        String(64),
        nullable=False,
        comment="who asked to purge it in spite of its study's retention; '' if nobody",
    ),
    Column("ended", BigInteger, nullable=True, comment="time it was restored, purged or refused; null before"),
    Column("centre_id", Id, nullable=True, comment="the exam's centre; null: none"),
    Index("ix_bin_entries_state", "state"),
    Index("ix_bin_entries_study_id", "study_id"),
    comment="what was put into the bin, and what became of it",
    sqlite_autoincrement=True,
)


def twin_column(name: str) -> str:
    """Return what a column of the archive is called in the bin: a row's number is not the bin's own to give."""
    return "row_id" if name == "id" else name


def _twin(table: Table) -> Table:
    copies = [
        Column(
            twin_column(column.name), Id if column.foreign_keys or column.name == "id" else column.type,
            primary_key=column.primary_key, autoincrement=False, nullable=column.nullable, comment=column.comment,
        )
        for column in table.columns
    ]  # fmt: skip
    owner = Column(
        "bin_id", Id, ForeignKey("bin_entries.id"), primary_key=True, autoincrement=False, comment="the entry of the bin"
    )
    return Table(f"bin_{table.name}", metadata, owner, *copies, comment=f"rows of {table.name} in the bin")


TWINS = {table: _twin(table) for table in (exams, series, results, folders, files, series_values, series_columns)}
bin_files = TWINS[files]
Index("ix_bin_files_sha256", bin_files.c.sha256)
Index("ix_bin_files_series_id", bin_files.c.series_id)

holds = Table(
    "holds",
    metadata,
    Column("study_id", Id, ForeignKey("studies.id"), primary_key=True, autoincrement=False, comment="the study"),
    Column("reason", Text, nullable=False, comment="why, as who set it wrote"),
    Column("set_by", String(64), nullable=False, comment="who set it: it holds from then on"),
    Column("set_at", BigInteger, nullable=False, comment="time of that"),
    Column("confirmed_by", String(64), nullable=False, comment="the second person, who confirmed it; '' if nobody yet"),
    Column("lift_by", String(64), nullable=False, comment="who asked to lift it; '' if nobody"),
    Column("lift_reason", Text, nullable=False, comment="why; '' if nobody asked"),
    comment="legal holds: nothing of such a study is purged",
)

clock_watch = Table(
    "clock_watch",
    metadata,
    Column("seen", BigInteger, primary_key=True, autoincrement=False, comment="time when the clock was looked at last"),
    Column(
        "doubted_until", BigInteger, nullable=False, comment="time until which nothing is purged, for it jumped; 0: it did not"
    ),
    comment="one row: whether the machine's clock can be believed",
)
