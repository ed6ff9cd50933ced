"""Tables of who may do what with which study: users, studies, grants, sources, profiles, tokens."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
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

_ENDS = text("until is not null")


def _tls_columns() -> tuple[Column[int], Column[str]]:
    """Return the columns that say how a DICOM peer has to connect."""
    return (
        Column(
            "tls", SmallInteger, nullable=False, server_default=text("0"),
            comment="1: it must use TLS with a certificate of the site, and is called by TLS; else 0",
        ),
        Column(
            "certificate", String(64), nullable=False, server_default=text("''"),
            comment="SHA-256 of the certificate it must show, in hexadecimal digits; '': any of the site's",
        ),
    )  # fmt: skip


users = Table(
    "users",
    metadata,
    row_id("the user, for good: a login that is removed and added again gets a new one"),
    Column("login", String(64), nullable=False, comment="as typed at `user add`; also the Unix login on the analysis server"),
    Column("login_key", key(64), nullable=False, unique=True, comment="folded login"),
    Column("role", String(16), nullable=False, comment="limited, standard, power or administrator"),
    Column("created", BigInteger, nullable=False, comment="time of `user add`"),
    CheckConstraint("role in ('limited', 'standard', 'power', 'administrator')", name="role"),
    comment="people who may log in; what they see is in grants",
    sqlite_autoincrement=True,
)

studies = Table(
    "studies",
    metadata,
    row_id("the study"),
    Column("code", String(64), nullable=False, comment="study code, also the name of its folder in tree and store"),
    Column("code_key", key(64), nullable=False, unique=True, comment="folded code"),
    Column("description", Text, nullable=False, comment="free text for people; '' if none"),
    Column("end_date", String(10), nullable=True, comment="planned end, YYYY-MM-DD; null if open"),
    Column("profile", Text, nullable=True, comment="text of the de-identification profile; null: the default profile"),
    Column("created", BigInteger, nullable=False, comment="time of `study create`"),
    Column("closed", BigInteger, nullable=True, comment="time of `study close`; null: it runs"),
    Column("retention_years", Integer, nullable=True, comment="years to keep it behind its end; null: as configured"),
    Column(
        "changed",
        BigInteger,
        nullable=True,
        comment="time something appeared in it or left it last; null: not since it is there",
    ),
    comment="research protocols",
    sqlite_autoincrement=True,
)

grants = Table(
    "grants",
    metadata,
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, comment="who may see"),
    Column("study_id", Id, ForeignKey("studies.id"), primary_key=True, comment="what may be seen"),
    Column("granted", BigInteger, nullable=False, comment="time of `grant add`"),
    Column(
        "whole",
        SmallInteger,
        nullable=False,
        server_default=text("1"),
        comment="1: the whole study; 0: what belongs to the centres in grant_centres",
    ),
    Column("until", BigInteger, nullable=True, comment="time from which it does not count any more; null: until it is removed"),
    Index("ix_grants_study_id", "study_id"),
    Index("ix_grants_until", "until", sqlite_where=_ENDS, postgresql_where=_ENDS),
    comment="one user may see one study, or centres of it; individual, never by group",
)

centres = Table(
    "centres",
    metadata,
    row_id("the centre"),
    Column("study_id", Id, ForeignKey("studies.id"), nullable=False, comment="the study it is a centre of"),
    Column("code", String(64), nullable=False, comment="its code in that study, e.g. LYON"),
    Column("code_key", key(64), nullable=False, comment="folded code"),
    Column("description", Text, nullable=False, comment="free text for people; '' if none"),
    Column("created", BigInteger, nullable=False, comment="time of `centre add`"),
    UniqueConstraint("study_id", "code_key"),
    # What belongs to a centre names it without a foreign key: `centre remove` looks first, and what names none is of none.
    comment="places of multicentre studies",
    sqlite_autoincrement=True,
)

grant_centres = Table(
    "grant_centres",
    metadata,
    Column("user_id", Id, primary_key=True, comment="whose grant"),
    Column("study_id", Id, primary_key=True, comment="on which study"),
    Column("centre_id", Id, ForeignKey("centres.id"), primary_key=True, comment="a centre of that study"),
    ForeignKeyConstraint(["user_id", "study_id"], ["grants.user_id", "grants.study_id"], ondelete="CASCADE"),
    Index("ix_grant_centres_centre_id", "centre_id"),
    comment="the centres of grants that are not for the whole study",
)

sources = Table(
    "sources",
    metadata,
    row_id("the source"),
    Column("name", String(64), nullable=False, comment="name for people, e.g. MR1"),
    Column("name_key", key(64), nullable=False, unique=True, comment="folded name"),
    Column("ae_title", String(16), nullable=False, comment="calling AE title, without padding"),
    Column("host", String(255), nullable=False, comment="IP address it must call from; '' for any"),
    Column(
        "study_id", Id, ForeignKey("studies.id"), nullable=True, comment="study its data belong to; null: decided at the gate"
    ),
    Column("created", BigInteger, nullable=False, comment="time of `source add`"),
    Column("port", Integer, nullable=False, server_default=text("0"), comment="TCP port it is called at; 0: it is not called"),
    *_tls_columns(),
    Column("centre_id", Id, nullable=True, comment="centre of its study it stands in; null: none"),
    UniqueConstraint("ae_title", "host"),
    comment="scanners and centres that may send DICOM",
    sqlite_autoincrement=True,
)

source_reviewers = Table(
    "source_reviewers",
    metadata,
    Column("source_id", Id, ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True, comment="the source"),
    Column(
        "user_id",
        Id,
        ForeignKey("users.id", ondelete="CASCADE"),
        primary_key=True,
        comment="who may see and decide its batches",
    ),
    comment="received batches hold identities: only these people see them",
)

profiles = Table(
    "profiles",
    metadata,
    row_id("one text of a profile as it was used"),
    Column("hash", String(64), nullable=False, comment="hash of the compiled profile, hexadecimal"),
    Column("engine", String(64), nullable=False, comment="name and version of the de-identification that used it"),
    Column("text", Text, nullable=True, comment="TOML text; null: the engine's default profile"),
    UniqueConstraint("hash", "engine"),
    comment="de-identification profiles that imports were made with, kept for good",
    sqlite_autoincrement=True,
)

tokens = Table(
    "tokens",
    metadata,
    row_id("the token"),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, comment="whose it is"),
    Column(
        "sha256", LargeBinary(32), nullable=False, unique=True, comment="digest of the secret, which has >= 128 random bits"
    ),
    Column("scopes", String(64), nullable=False, comment="space separated: read, staging, admin"),
    Column("created", BigInteger, nullable=False, comment="time of `token create`"),
    Column("expires", BigInteger, nullable=True, comment="time from which it is refused; null: never"),
    comment="secrets that stand for a user over HTTP, stored hashed",
    sqlite_autoincrement=True,
)

web_sessions = Table(
    "web_sessions",
    metadata,
    row_id("the session"),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, comment="whose it is"),
    Column("sha256", LargeBinary(32), nullable=False, unique=True, comment="digest of the secret in the browser's cookie"),
    Column(
        "token_id", Id, ForeignKey("tokens.id", ondelete="CASCADE"), nullable=True,
        comment="token it began with, and ends with; null: a password",
    ),
    Column("scopes", String(64), nullable=False, comment="what the credentials were good for, as in tokens"),
    Column("program", String(32), nullable=False, comment="what the browser calls itself; '' if it does not"),
    Column("began", BigInteger, nullable=False, comment="time of the log-in"),
    Column("used", BigInteger, nullable=False, comment="time of the last request, to half a minute"),
    Index("ix_web_sessions_user_id", "user_id"),
    Index("ix_web_sessions_token_id", "token_id"),
    comment="browsers that are logged in",
    sqlite_autoincrement=True,
)  # fmt: skip

dicom_nodes = Table(
    "dicom_nodes",
    metadata,
    row_id("the DICOM node"),
    Column("name", String(64), nullable=False, comment="name for people, e.g. WORKSTATION1"),
    Column("name_key", key(64), nullable=False, unique=True, comment="folded name"),
    Column("ae_title", String(16), nullable=False, unique=True, comment="AE title, without padding: how a C-MOVE names it"),
    Column("host", String(255), nullable=False, comment="IP address it calls from and is called at"),
    Column("port", Integer, nullable=False, comment="TCP port it is called at"),
    Column(
        "user_id", Id, ForeignKey("users.id", ondelete="SET NULL"), nullable=True,
        comment="as whom it asks: what this user is granted it sees; null: it may only be sent to",
    ),
    Column("own_user", SmallInteger, nullable=False, comment="1: that user was made for it, and goes with it; else 0"),
    Column("confined", SmallInteger, nullable=False, comment="1: it sees the studies in dicom_node_studies alone; else 0"),
    Column("created", BigInteger, nullable=False, comment="time of `node add`"),
    *_tls_columns(),
    comment="DICOM peers that may ask, or be sent to",
    sqlite_autoincrement=True,
)  # fmt: skip

dicom_node_studies = Table(
    "dicom_node_studies",
    metadata,
    Column("node_id", Id, ForeignKey("dicom_nodes.id", ondelete="CASCADE"), primary_key=True, comment="the DICOM node"),
    Column("study_id", Id, ForeignKey("studies.id"), primary_key=True, comment="a study it is confined to"),
    comment="which of its user's studies a confined DICOM node sees",
)
