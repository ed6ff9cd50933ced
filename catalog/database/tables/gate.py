"""Tables of what waits, is decided and is done: batches, their files, corrections, jobs, and the locks of those who write."""

import secrets

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from catalog.database.tables.columns import Id, key, metadata, row_id

_OPEN = text("state = 'open'")
_OPEN_DROP = text("state = 'open' and drop_folder is not null")


def _new_import_id() -> str:
    return secrets.token_hex(16)


batches = Table(
    "batches",
    metadata,
    row_id("the batch, as typed at `staging show`"),
    Column("state", String(16), nullable=False, comment="catalog.pure.batches.State"),
    Column(
        "source_id",
        Id,
        ForeignKey("sources.id", ondelete="SET NULL"),
        nullable=True,
        comment="the source that sent it; null: uploaded by a user",
    ),
    Column(
        "uploader_id",
        Id,
        ForeignKey("users.id", ondelete="SET NULL"),
        nullable=True,
        comment="the user who uploaded it; null: received",
    ),
    Column(
        "study_id",
        Id,
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
    Column("follows", Id, nullable=True, comment="the batch it is late for, or holds the left-overs of; null: none"),
    Column("files", Integer, nullable=False, comment="how many files it has had"),
    Column("bytes", BigInteger, nullable=False, comment="their size"),
    Column("findings", Text, nullable=False, comment="JSON array of what the checks and the publish job found; no identities"),
    Column("summary", Text, nullable=False, comment="JSON array, one object per modality and series: counts; no identities"),
    Column("profile_id", Id, ForeignKey("profiles.id"), nullable=True, comment="profile it was published with; null: not yet"),
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
    Column(
        "import_id",
        String(32),
        nullable=False,
        default=_new_import_id,
        server_default=text("''"),
        comment="what the store calls the import: 32 random hexadecimal digits, never given twice, whatever becomes of numbers; "
        "before revision 0027 the name of its manifest",
    ),
    Column("centre_id", Id, nullable=True, comment="centre of its study that it is of; null: of none"),
    Index("uq_batches_import_id", "import_id", unique=True),
    Index("ix_batches_state", "state"),
    # Which other batches lie in the same folder.
    Index("ix_batches_drop_folder", "drop_folder"),
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
    row_id("the staged file, as findings name it"),
    Column("batch_id", Id, ForeignKey("batches.id"), nullable=False, comment="the batch"),
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
    Column(
        "number",
        BigInteger,
        nullable=True,
        comment="its instance number, by which a reviewer turns the pages of a series; null before the checks, and without one",
    ),
    UniqueConstraint("batch_id", "instance", "variant"),
    Index("ix_staged_files_identity", "identity"),
    comment="files of a batch; rows go when the batch is published or erased",
    sqlite_autoincrement=True,
)

looks = Table(
    "looks",
    metadata,
    Column("file_id", Id, ForeignKey("staged_files.id", ondelete="CASCADE"), primary_key=True, comment="the staged file"),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, comment="who was shown it"),
    Column(
        "frame",
        Integer,
        primary_key=True,
        autoincrement=False,
        comment="which of its pictures, from 0; -1: it was asked for, and could not be drawn",
    ),
    Column(
        "frames",
        Integer,
        nullable=False,
        comment="how many pictures the file has, as its type says; 1 where it could not be drawn",
    ),
    Column("at", BigInteger, nullable=False, comment="time it was shown first"),
    Index("ix_looks_user_id", "user_id"),
    comment="what was really drawn of staged images, for whom; rows go with the staged file",
)

batch_subjects = Table(
    "batch_subjects",
    metadata,
    Column("batch_id", Id, ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True, comment="the batch"),
    Column("series", String(24), primary_key=True, comment="label of a series in it"),
    Column(
        "subject",
        LargeBinary(16),
        primary_key=True,
        comment="digest of whose files are in that series, keyed by staging's secret, never handed out; none: they do not say",
    ),
    Index("ix_batch_subjects_subject", "subject"),
    comment="whether two imports are of one person; rows stay with what is published, so that the next import is compared",
)

corrections = Table(
    "corrections",
    metadata,
    row_id("the correction"),
    Column("kind", String(16), nullable=False, comment="catalog.pure.corrections.Correction"),
    Column("study_id", Id, ForeignKey("studies.id"), nullable=False, comment="the study it is about"),
    Column("exam_id", Id, nullable=False, comment="the exam it is about; no foreign key: an exam left empty goes"),
    Column("series_id", Id, nullable=True, comment="the series it is about; null: the whole exam"),
    Column("place", Text, nullable=False, comment="what that was called when it was asked for: EXAM or EXAM/SERIES"),
    Column("value", Text, nullable=False, comment="the new exam code, the code of the other exam, or the new description"),
    Column("reason", Text, nullable=False, comment="why, as who asked for it wrote"),
    Column("asked_by", String(64), nullable=False, comment="login of who asked for it"),
    Column("asked", BigInteger, nullable=False, comment="time of that"),
    Column("state", String(16), nullable=False, comment="queued, done or refused"),
    Column("problem", Text, nullable=False, comment="why it was refused; '' if it was not"),
    Column("ended", BigInteger, nullable=True, comment="time it was done or refused; null before"),
    Column("centre_id", Id, nullable=True, comment="the exam's centre; null: none"),
    comment="changes of names and places in the archive, asked for and done",
    sqlite_autoincrement=True,
)

jobs = Table(
    "jobs",
    metadata,
    row_id("the job; they run in this order"),
    Column("kind", String(16), nullable=False, comment="catalog.jobs.JobKind"),
    Column("batch_id", Id, ForeignKey("batches.id"), nullable=True, comment="the batch it works on; null: none"),
    Column("correction_id", Id, ForeignKey("corrections.id"), nullable=True, comment="the correction it does; null: none"),
    Column("bin_id", Id, ForeignKey("bin_entries.id"), nullable=True, comment="the entry of the bin it works on; null: none"),
    Column("delivery_id", Id, ForeignKey("deliveries.id"), nullable=True, comment="the delivery it makes; null: none"),
    Column(
        "study_id",
        Id,
        ForeignKey("studies.id"),
        nullable=True,
        comment="study it writes to: one running job per study; null: none",
    ),
    Column(
        "peer",
        String(32),
        nullable=True,
        comment="which DICOM peer it calls: one running job for each; null: none",
    ),
    Column("state", String(16), nullable=False, comment="queued, running, done or failed"),
    Column("attempts", Integer, nullable=False, comment="how often it was begun"),
    Column(
        "deaths",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="how often its worker died with it since it last came further than before",
    ),
    Column("not_before", BigInteger, nullable=False, comment="time before which it is not begun (again)"),
    Column("lease", BigInteger, nullable=False, comment="time until which its worker holds it while running; 0 otherwise"),
    Column("worker", String(64), nullable=False, comment="which worker runs it; '' if none"),
    Column("done", Integer, nullable=False, comment="files worked through"),
    Column("error", Text, nullable=False, comment="why the last attempt ended; '' if it did not fail; no identities"),
    Column("created", BigInteger, nullable=False, comment="time it was queued"),
    Column("ended", BigInteger, nullable=True, comment="time it was done or failed; null before"),
    Index("ix_jobs_state_id", "state", "id"),
    Index("ix_jobs_batch_id", "batch_id"),
    Index("ix_jobs_bin_id", "bin_id"),
    Index("ix_jobs_delivery_id", "delivery_id"),
    comment="the transactional queue",
    sqlite_autoincrement=True,
)

locks = Table(
    "locks",
    metadata,
    Column("token", String(64), primary_key=True, comment="what the client shows to use it"),
    Column("user_id", Id, nullable=False, comment="who holds it"),
    Column("study_id", Id, nullable=False, comment="study it lies in, granted to its holder: it goes with the grant"),
    Column("root", key(2048), nullable=False, comment="keyed digests of the names that lead to what it is on, joined by /"),
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
