"""The catalogue's tables, and nothing else. Every column says its unit, its sentinel or its invariant.

Common to all: an `id` is never reused by the application; a time is whole seconds since 1970-01-01 UTC; a `*_key` is the folded
form (`catalog.pure.names.folded`) under which names are unique. Nothing here may hold an identity: no patient name, ID, birth
date, original UID or original file name (DESIGN, law 6). What a reviewer must see of a staged file lies in the staging folder.

`files` is the one table of ten million rows: no text in it repeats, and it has two indexes only.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite's rowid alias must be spelled INTEGER; it holds 64 bits all the same.
_Id = BigInteger().with_variant(Integer, "sqlite")


def _key(length: int) -> TypeEngine[str]:
    # Collation C: both databases sort by code point, so paging by key gives the same order.
    return String(length).with_variant(String(length, collation="C"), "postgresql")


# `sqlite_autoincrement`: without it SQLite would give the number of a removed last row to the next one.
def _id(comment: str) -> Column[int]:
    return Column("id", _Id, primary_key=True, autoincrement=True, comment=comment)


_OPEN = text("state = 'open'")
_OPEN_DROP = text("state = 'open' and drop_folder is not null")
_STILL_GROWS = text("entry is null")

users = Table(
    "users",
    metadata,
    _id("the user, for good: a login that is removed and added again gets a new one"),
    Column("login", String(64), nullable=False, comment="as typed at `user add`; also the Unix login on the analysis server"),
    Column("login_key", _key(64), nullable=False, unique=True, comment="folded login"),
    Column("role", String(16), nullable=False, comment="limited, standard, power or administrator"),
    Column("created", BigInteger, nullable=False, comment="time of `user add`"),
    CheckConstraint("role in ('limited', 'standard', 'power', 'administrator')", name="role"),
    comment="people who may log in; what they see is in grants",
    sqlite_autoincrement=True,
)

studies = Table(
    "studies",
    metadata,
    _id("the study"),
    Column("code", String(64), nullable=False, comment="study code, also the name of its folder in tree and store"),
    Column("code_key", _key(64), nullable=False, unique=True, comment="folded code"),
    Column("description", Text, nullable=False, comment="free text for people; '' if none"),
    Column("end_date", String(10), nullable=True, comment="planned end, YYYY-MM-DD; null if open"),
    Column("profile", Text, nullable=True, comment="text of the de-identification profile; null: the default profile"),
    Column("created", BigInteger, nullable=False, comment="time of `study create`"),
    comment="research protocols",
    sqlite_autoincrement=True,
)

grants = Table(
    "grants",
    metadata,
    Column("user_id", _Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, comment="who may see"),
    Column("study_id", _Id, ForeignKey("studies.id"), primary_key=True, comment="what may be seen"),
    Column("granted", BigInteger, nullable=False, comment="time of `grant add`"),
    Index("ix_grants_study_id", "study_id"),
    comment="one user may see one study; individual, never by group",
)

exams = Table(
    "exams",
    metadata,
    _id("the exam"),
    Column("study_id", _Id, ForeignKey("studies.id"), nullable=False, comment="the study it belongs to"),
    Column("code", String(64), nullable=False, comment="exam code, also its folder's name: the only trace of an inclusion"),
    Column("code_key", _key(64), nullable=False, comment="folded code"),
    Column(
        "acquired", BigInteger, nullable=True, comment="earliest acquisition in it, as published (shifted); null if unknown"
    ),
    Column("added", BigInteger, nullable=False, comment="time of its first publish"),
    Column("last_read", BigInteger, nullable=True, comment="time one of its files was opened last; null: never yet"),
    UniqueConstraint("study_id", "code_key"),
    comment="one inclusion's visit in a study",
    sqlite_autoincrement=True,
)

series = Table(
    "series",
    metadata,
    _id("the series"),
    Column("exam_id", _Id, ForeignKey("exams.id"), nullable=False, comment="the exam it belongs to"),
    Column(
        "study_id",
        _Id,
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
    Column("name_key", _key(255), nullable=False, comment="folded name"),
    Column(
        "acquired", BigInteger, nullable=True, comment="earliest acquisition in it, as published (shifted); null if unknown"
    ),
    Column("added", BigInteger, nullable=False, comment="time of its first publish"),
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
        "series_id", _Id, ForeignKey("series.id"), primary_key=True, autoincrement=False, comment="the series that is a result"
    ),
    Column(
        "source_id", _Id, ForeignKey("series.id"), nullable=True, comment="the series it was made of; null: none of its number"
    ),
    Column("program", Text, nullable=False, comment="program and version that made it, as who brought it says; '' if not said"),
    Column("sources", Text, nullable=False, comment="JSON array: names of series it was made of, as who brought it says"),
    Column("brought_by", String(64), nullable=False, comment="login of who brought it"),
    comment="where results come from",
)

folders = Table(
    "folders",
    metadata,
    _id("the folder"),
    Column("series_id", _Id, ForeignKey("series.id"), nullable=False, comment="the series it lies in, at any depth"),
    Column("parent_id", _Id, ForeignKey("folders.id"), nullable=True, comment="the folder it lies in; null: the series itself"),
    Column("name", String(255), nullable=False, comment="folder name, decided at publish"),
    Column("name_key", _key(255), nullable=False, comment="folded name; in a folder, catalog.pure.names.nested_key of it"),
    Column("added", BigInteger, nullable=False, comment="time of publish"),
    UniqueConstraint("series_id", "name_key"),
    comment="folders within a series that is a result",
    sqlite_autoincrement=True,
)

files = Table(
    "files",
    metadata,
    _id("the file"),
    Column("series_id", _Id, ForeignKey("series.id"), nullable=False, comment="the series it lies in"),
    Column(
        "name_key",
        _key(255),
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
        _Id,
        nullable=False,
        comment="the batch it came with; no foreign key: batches may be forgotten before files are",
    ),
    Index("uq_files_series_id_name_key", "series_id", "name_key", unique=True),
    comment="archived files; a row's bytes never change",
    sqlite_autoincrement=True,
)

fields = Table(
    "fields",
    metadata,
    _id("the field"),
    Column("name", _key(255), nullable=False, unique=True, comment="DICOM keyword, or as its file type or a profile calls it"),
    Column("indexed", SmallInteger, nullable=False, comment="1: `archimed query --index` made an index of it; else 0"),
    comment="what metadata there are: a new one needs no migration",
    sqlite_autoincrement=True,
)

series_values = Table(
    "series_values",
    metadata,
    Column("series_id", _Id, ForeignKey("series.id", ondelete="CASCADE"), primary_key=True, comment="the series"),
    Column("field_id", _Id, ForeignKey("fields.id"), primary_key=True, comment="the field"),
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
    Column("series_id", _Id, ForeignKey("series.id", ondelete="CASCADE"), primary_key=True, comment="the series"),
    Column(
        "packed",
        LargeBinary,
        nullable=False,
        comment="values that differ between its files, a column a field: catalog.metadata.columns",
    ),
    comment="metadata of files, for series in which not all are the same",
    sqlite_with_rowid=False,
)

sources = Table(
    "sources",
    metadata,
    _id("the source"),
    Column("name", String(64), nullable=False, comment="name for people, e.g. MR1"),
    Column("name_key", _key(64), nullable=False, unique=True, comment="folded name"),
    Column("ae_title", String(16), nullable=False, comment="calling AE title, without padding"),
    Column("host", String(255), nullable=False, comment="IP address it must call from; '' for any"),
    Column(
        "study_id", _Id, ForeignKey("studies.id"), nullable=True, comment="study its data belong to; null: decided at the gate"
    ),
    Column("created", BigInteger, nullable=False, comment="time of `source add`"),
    UniqueConstraint("ae_title", "host"),
    comment="scanners and centres that may send DICOM",
    sqlite_autoincrement=True,
)

source_reviewers = Table(
    "source_reviewers",
    metadata,
    Column("source_id", _Id, ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True, comment="the source"),
    Column(
        "user_id",
        _Id,
        ForeignKey("users.id", ondelete="CASCADE"),
        primary_key=True,
        comment="who may see and decide its batches",
    ),
    comment="received batches hold identities: only these people see them",
)

profiles = Table(
    "profiles",
    metadata,
    _id("one text of a profile as it was used"),
    Column("hash", String(64), nullable=False, comment="hash of the compiled profile, hexadecimal"),
    Column("engine", String(64), nullable=False, comment="name and version of the de-identification that used it"),
    Column("text", Text, nullable=True, comment="TOML text; null: the engine's default profile"),
    UniqueConstraint("hash", "engine"),
    comment="de-identification profiles that imports were made with, kept for good",
    sqlite_autoincrement=True,
)

batches = Table(
    "batches",
    metadata,
    _id("the batch, as typed at `staging show`"),
    Column("state", String(16), nullable=False, comment="catalog.pure.batches.State"),
    Column(
        "source_id",
        _Id,
        ForeignKey("sources.id", ondelete="SET NULL"),
        nullable=True,
        comment="the source that sent it; null: uploaded by a user",
    ),
    Column(
        "uploader_id",
        _Id,
        ForeignKey("users.id", ondelete="SET NULL"),
        nullable=True,
        comment="the user who uploaded it; null: received",
    ),
    Column(
        "study_id",
        _Id,
        ForeignKey("studies.id"),
        nullable=True,
        comment="study it is meant for or was accepted into; null: not known yet",
    ),
    Column(
        "exam_code", String(64), nullable=False, comment="exam code it is meant for or was accepted into; '' if not known yet"
    ),
    Column(
        "drop_folder",
        String(16),
        nullable=True,
        comment="its folder in staging where a user dropped the files; null: received, or brought file by file",
    ),
    Column("follows", _Id, nullable=True, comment="the batch it is late for, or holds the left-overs of; null: none"),
    Column("files", Integer, nullable=False, comment="how many files it has had"),
    Column("bytes", BigInteger, nullable=False, comment="their size"),
    Column("findings", Text, nullable=False, comment="JSON array of what the checks and the publish job found; no identities"),
    Column("summary", Text, nullable=False, comment="JSON array, one object per modality and series: counts; no identities"),
    Column("profile_id", _Id, ForeignKey("profiles.id"), nullable=True, comment="profile it was published with; null: not yet"),
    Column(
        "approved",
        SmallInteger,
        nullable=False,
        comment="sum of 1: who accepted it looked at pixels that may show identities; 2: vouches for files nothing can look through",
    ),
    Column("reason", Text, nullable=False, comment="why it was rejected, failed or accepted against findings; '' if none"),
    Column("opened", BigInteger, nullable=False, comment="time of its first file"),
    Column("last_write", BigInteger, nullable=False, comment="time of its newest file, for the quiet time"),
    Column("decided_by", String(64), nullable=False, comment="login of who accepted or rejected it; '' if nobody yet"),
    Column("decided", BigInteger, nullable=True, comment="time of that decision; null if none yet"),
    Column(
        "labels",
        Text,
        nullable=False,
        server_default="{}",
        comment="JSON object: by label of a series, the description its reviewer gave it; no identities",
    ),
    Index("ix_batches_state", "state"),
    # One open batch a source: several receiver processes agree on it by this index.
    Index("uq_batches_open_source", "source_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
    # One open dropped batch for a user and exam: mounts and gateways agree on it by this index.
    Index(
        "uq_batches_open_drop",
        "uploader_id",
        "study_id",
        "exam_code",
        unique=True,
        sqlite_where=_OPEN_DROP,
        postgresql_where=_OPEN_DROP,
    ),
    comment="files staged together, waiting at the gate",
    sqlite_autoincrement=True,
)

staged_files = Table(
    "staged_files",
    metadata,
    _id("the staged file, as findings name it"),
    Column("batch_id", _Id, ForeignKey("batches.id"), nullable=False, comment="the batch"),
    Column("file", String(64), nullable=False, unique=True, comment="where its bytes are in staging: a name of our own"),
    Column(
        "instance",
        LargeBinary(16),
        nullable=False,
        comment="keyed digest of the original SOP instance UID; of the upload where there is none",
    ),
    Column(
        "variant", SmallInteger, nullable=False, comment="0, or 1, 2 … for different bytes that claim to be the same instance"
    ),
    Column("size", BigInteger, nullable=False, comment="bytes"),
    Column("received", BigInteger, nullable=False, comment="time its bytes were durable"),
    Column(
        "state",
        String(16),
        nullable=False,
        comment="staged, bad (fails a check), unpacked (an archive whose files are staged), stored (in the store), "
        "held (publish refused it)",
    ),
    Column("reason", Text, nullable=False, comment="why it is bad or held, for its reviewer; '' if neither; no identities"),
    Column(
        "result",
        Text,
        nullable=False,
        comment="JSON of the stored file's digest, size and published headers; '' before it is stored",
    ),
    Column(
        "series",
        String(24),
        nullable=False,
        server_default=text("''"),
        comment="label of its series in the batch, as a reviewer chooses it; '' before the checks, and for a file of no series",
    ),
    Column(
        "identity",
        LargeBinary(16),
        nullable=True,
        comment="keyed digest of the original SOP instance UID that the checks found in it; null before, and where there is none",
    ),
    UniqueConstraint("batch_id", "instance", "variant"),
    Index("ix_staged_files_identity", "identity"),
    comment="files of a batch; rows go when the batch is published or erased",
    sqlite_autoincrement=True,
)

corrections = Table(
    "corrections",
    metadata,
    _id("the correction"),
    Column("kind", String(16), nullable=False, comment="catalog.pure.corrections.Correction"),
    Column("study_id", _Id, ForeignKey("studies.id"), nullable=False, comment="the study it is about"),
    Column("exam_id", _Id, nullable=False, comment="the exam it is about; no foreign key: an exam left empty goes"),
    Column("series_id", _Id, nullable=True, comment="the series it is about; null: the whole exam"),
    Column("place", Text, nullable=False, comment="what that was called when it was asked for: EXAM or EXAM/SERIES"),
    Column("value", Text, nullable=False, comment="the new exam code, the code of the other exam, or the new description"),
    Column("reason", Text, nullable=False, comment="why, as who asked for it wrote"),
    Column("asked_by", String(64), nullable=False, comment="login of who asked for it"),
    Column("asked", BigInteger, nullable=False, comment="time of that"),
    Column("state", String(16), nullable=False, comment="queued, done or refused"),
    Column("problem", Text, nullable=False, comment="why it was refused; '' if it was not"),
    Column("ended", BigInteger, nullable=True, comment="time it was done or refused; null before"),
    comment="changes of names and places in the archive, asked for and done",
    sqlite_autoincrement=True,
)

jobs = Table(
    "jobs",
    metadata,
    _id("the job; they run in this order"),
    Column("kind", String(16), nullable=False, comment="check, publish, erase or correct"),
    Column("batch_id", _Id, ForeignKey("batches.id"), nullable=True, comment="the batch it works on; null: a correction"),
    Column("correction_id", _Id, ForeignKey("corrections.id"), nullable=True, comment="the correction it does; null: none"),
    Column(
        "study_id",
        _Id,
        ForeignKey("studies.id"),
        nullable=True,
        comment="study it writes to: one running job per study; null: none",
    ),
    Column("state", String(16), nullable=False, comment="queued, running, done or failed"),
    Column("attempts", Integer, nullable=False, comment="how often it was begun"),
    Column("not_before", BigInteger, nullable=False, comment="time before which it is not begun (again)"),
    Column("lease", BigInteger, nullable=False, comment="time until which its worker holds it while running; 0 otherwise"),
    Column("worker", String(64), nullable=False, comment="which worker runs it; '' if none"),
    Column("done", Integer, nullable=False, comment="files worked through"),
    Column("error", Text, nullable=False, comment="why the last attempt ended; '' if it did not fail; no identities"),
    Column("created", BigInteger, nullable=False, comment="time it was queued"),
    Column("ended", BigInteger, nullable=True, comment="time it was done or failed; null before"),
    Index("ix_jobs_state_id", "state", "id"),
    comment="the transactional queue",
    sqlite_autoincrement=True,
)

tokens = Table(
    "tokens",
    metadata,
    _id("the token"),
    Column("user_id", _Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, comment="whose it is"),
    Column(
        "sha256", LargeBinary(32), nullable=False, unique=True, comment="digest of the secret, which has >= 128 random bits"
    ),
    Column("scopes", String(64), nullable=False, comment="space separated: read, staging, admin"),
    Column("created", BigInteger, nullable=False, comment="time of `token create`"),
    Column("expires", BigInteger, nullable=True, comment="time from which it is refused; null: never"),
    comment="secrets that stand for a user over HTTP, stored hashed",
    sqlite_autoincrement=True,
)

audit = Table(
    "audit",
    metadata,
    _id("the order of entries; since revision 0005 without gaps"),
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
    comment="append-only by triggers: every import, decision, change, grant and refusal",
    sqlite_autoincrement=True,
)

reads = Table(
    "reads",
    metadata,
    _id("the row"),
    Column("login", String(64), nullable=False, comment="archive login whose grants were used"),
    Column("actor", String(64), nullable=False, comment="Unix login that used that user's tree; '' if nobody else"),
    Column("face", String(16), nullable=False, comment="catalog.audit.reads.Face: mount, webdav, cli or python"),
    Column("program", String(32), nullable=False, comment="program that read, as it calls itself; (unknown), (several)"),
    Column("series_id", _Id, nullable=False, comment="the series; no foreign key: it may go; 0: more than were told apart"),
    Column("study", String(64), nullable=False, comment="study code at that time; '' if unknown"),
    Column("exam", String(64), nullable=False, comment="exam code at that time; '' if unknown"),
    Column("series", String(255), nullable=False, comment="series folder at that time; '' if unknown"),
    Column("first", BigInteger, nullable=False, comment="time of the first read"),
    Column("last", BigInteger, nullable=False, comment="time of the last read"),
    Column("files", Integer, nullable=False, comment="how often a file was opened"),
    Column("bytes", BigInteger, nullable=False, comment="bytes handed out; the kernel keeps some and asks no more"),
    Column("entry", _Id, nullable=True, comment="entry of the audit that closed it and holds its hash; null: still grows"),
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
    _id("grows: a reader remembers the last one it saw"),
    Column("at", BigInteger, nullable=False, comment="time"),
    Column("kind", String(16), nullable=False, comment="published, granted, revoked, role, user or gone"),
    Column("study_id", _Id, nullable=True, comment="study it is about; null: all"),
    Column("user_id", _Id, nullable=True, comment="user it is about; null: all who have the study"),
    Column(
        "folder_kind", SmallInteger, nullable=True, comment="gone: catalog.pure.nodes.Kind of the folder it was in; else null"
    ),
    Column("folder_id", _Id, nullable=True, comment="gone: that folder's row; else null"),
    Column("name", String(255), nullable=True, comment="gone: the name that is not in it any more; else null"),
    comment="what faces must drop from their caches",
    sqlite_autoincrement=True,
)

locks = Table(
    "locks",
    metadata,
    Column("token", String(64), primary_key=True, comment="what the client shows to use it"),
    Column("user_id", _Id, nullable=False, comment="who holds it"),
    Column("study_id", _Id, nullable=False, comment="study it lies in, granted to its holder: it goes with the grant"),
    Column("root", _key(2048), nullable=False, comment="keyed digests of the names that lead to what it is on, joined by /"),
    Column("exclusive", SmallInteger, nullable=False, comment="1: nobody else may hold one; 0: shared"),
    Column("deep", SmallInteger, nullable=False, comment="1: it reaches to everything below its root; else 0"),
    Column(
        "owner",
        Text,
        nullable=False,
        comment="what the client says of its holder, XML, <= 1024 characters; '' if longer or none",
    ),
    Column("expires", BigInteger, nullable=False, comment="time from which it does not hold any more"),
    ForeignKeyConstraint(["user_id", "study_id"], ["grants.user_id", "grants.study_id"], ondelete="CASCADE"),
    Index("ix_locks_root", "root"),
    Index("ix_locks_user_id_study_id", "user_id", "study_id"),
    comment="WebDAV locks on staged files, an hour at most; seen by every worker and gateway",
)
