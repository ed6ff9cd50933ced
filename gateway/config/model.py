"""What can stand in the configuration: one class a section, one field a key, with its reader and its default.

Only declarations may live here. `gateway.config.reading` fills them from a file; whoever needs a setting is handed its section.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from catalog.pure.access import Role
from gateway.config import values

STATE = Path("/var/lib/archimed")
_PORT = values.whole(0, 65535)  # 0: any free port, printed when it is known


@dataclass(frozen=True, slots=True)
class Catalog:
    """`[catalog]`: the database. `password_file` holds the password of a PostgreSQL `url`."""

    url: Annotated[str, values.catalog_url] = f"sqlite:///{STATE}/catalog.db"
    password_file: Annotated[Path | None, values.secret_path] = None


@dataclass(frozen=True, slots=True)
class Store:
    """`[store]`: the folder of archived files."""

    path: Annotated[Path, values.path] = STATE / "store"


@dataclass(frozen=True, slots=True)
class Staging:
    """`[staging]`: the folder of files at the gate; a batch without a new file for `quiet_seconds` is sealed.

    `quota_per_user` and `quota_total` are the most bytes that may wait there; 0, or none said: as many as the disk takes.

    What was rejected can be restored for `keep_rejected_days`; then its bytes are erased. Files that no batch has are set aside
    for `keep_orphans_days`.
    """

    path: Annotated[Path, values.path] = STATE / "staging"
    quiet_seconds: Annotated[int, values.whole(1, 7 * 86400)] = 60
    quota_per_user: Annotated[int, values.whole(0, 1 << 60)] = 0
    quota_total: Annotated[int, values.whole(0, 1 << 60)] = 0
    keep_rejected_days: Annotated[int, values.whole(0, 3650)] = 14
    keep_orphans_days: Annotated[int, values.whole(1, 36500)] = 90


@dataclass(frozen=True, slots=True)
class Bin:
    """`[bin]`: what was put there goes after `keep_days`, if nothing keeps it (0: never); doctor says so `notice_days` before.

    What was put there within `withdraw_days` of its publication may be purged whatever the study's retention says.
    """

    keep_days: Annotated[int, values.whole(0, 36500)] = 90
    notice_days: Annotated[int, values.whole(0, 365)] = 14
    withdraw_days: Annotated[int, values.whole(0, 3650)] = 30


@dataclass(frozen=True, slots=True)
class Retention:
    """`[retention]`: for how many years behind its end a study is kept, where it does not say itself."""

    years: Annotated[int, values.whole(0, 1000)] = 15


@dataclass(frozen=True, slots=True)
class Audit:
    """`[audit]`: the folder of years that were closed into files."""

    path: Annotated[Path, values.path] = STATE / "audit"


@dataclass(frozen=True, slots=True)
class Backup:
    """`[backup]`: the folder that `archimed backup create` brings up to date where none is named, and what goes into it.

    `with_staging`: also what waits at the gate, which holds names; `staging_path`: that goes to a folder of its own, on an
    encrypted disk, say. `repository`: a restic or borg repository into which the folder goes then (`restic:/mnt/repository`),
    encrypted with the password in `repository_password_file`. `keep_catalogues` older catalogues stay. Doctor warns when the
    newest is older than `max_age_days`.
    """

    path: Annotated[Path | None, values.path] = None
    with_staging: Annotated[bool, values.truth] = False
    staging_path: Annotated[Path | None, values.path] = None
    repository: Annotated[str, values.repository] = ""
    repository_password_file: Annotated[Path | None, values.secret_path] = None
    keep_catalogues: Annotated[int, values.whole(1, 1000)] = 7
    max_age_days: Annotated[int, values.whole(1, 365)] = 7


@dataclass(frozen=True, slots=True)
class Http:
    """`[http]`: where WebDAV and the desk listen, and with how many processes and threads in each.

    Who did nothing in the desk for `idle_minutes` is logged out of it.

    `socket`: a Unix socket besides, for a proxy on this machine: what it says in X-Forwarded-For is believed. The folder that
    it lies in is closed to others; its group, handed on by its set-gid bit, is the proxy's.
    """

    host: Annotated[str, values.text(1, 255)] = "127.0.0.1"
    port: Annotated[int, _PORT] = 8080
    socket: Annotated[Path | None, values.socket_path] = None
    workers: Annotated[int, values.whole(1, 64)] = 2
    threads: Annotated[int, values.whole(1, 256)] = 16
    idle_minutes: Annotated[int, values.whole(1, 720)] = 15


@dataclass(frozen=True, slots=True)
class Dicom:
    """`[dicom]`: where C-STORE listens, under which title, and for how many associations at once.

    `accept_any_called`: also take associations that call another AE title than ours. `echo_from_anyone`: also answer a C-ECHO
    of who is neither source nor node, as monitors send it.
    """

    ae_title: Annotated[str, values.ae_title] = "ARCHIMED"
    host: Annotated[str, values.text(1, 255)] = "127.0.0.1"
    port: Annotated[int, _PORT] = 11112
    max_associations: Annotated[int, values.whole(1, 1000)] = 32
    accept_any_called: Annotated[bool, values.truth] = True
    echo_from_anyone: Annotated[bool, values.truth] = False


@dataclass(frozen=True, slots=True)
class DicomTLS:
    """`[dicom.tls]`: DICOM over TLS, on a port of its own; without `certificate_file` there is none.

    PEM files: our certificate with its chain, its private key, and `ca_file`, the site's CA, which must have signed the
    certificates of peers.
    """

    port: Annotated[int, _PORT] = 2762
    certificate_file: Annotated[Path | None, values.path] = None
    key_file: Annotated[Path | None, values.secret_path] = None
    ca_file: Annotated[Path | None, values.path] = None

    @property
    def missing(self) -> list[str]:
        """The keys without which TLS cannot be spoken, if one of them is there."""
        names = ("certificate_file", "key_file", "ca_file")
        missing = [name for name in names if getattr(self, name) is None]
        return missing if len(missing) < len(names) else []


@dataclass(frozen=True, slots=True)
class Auth:
    """`[auth]`: who is asked, in this order, whether a login and password are right; `docs/authentication.md` explains it.

    A login that had `max_failures` wrong passwords is refused without asking until none came for `failure_seconds`; keep both
    on the safe side of what locks an account in the directory. A password that was wrong is asked again after
    `repeat_seconds`. `realms`: what may follow a login as `@realm`. `trusted_proxies`: whose X-Forwarded-For counts.
    """

    backends: Annotated[tuple[str, ...], values.words("token", "pam", "ldap")] = ("token",)
    realms: Annotated[tuple[str, ...], values.realms] = ()
    trusted_proxies: Annotated[tuple[str, ...], values.addresses] = ()
    max_failures: Annotated[int, values.whole(1, 8)] = 4
    failure_seconds: Annotated[int, values.whole(60, 7 * 86400)] = 1860
    repeat_seconds: Annotated[int, values.whole(10, 86400)] = 300


@dataclass(frozen=True, slots=True)
class Pam:
    """`[auth.pam]`: the PAM service, and the folder of its file if not the system's."""

    service: Annotated[str, values.text(1, 64)] = "archimed"
    folder: Annotated[Path | None, values.path] = None


@dataclass(frozen=True, slots=True)
class Ldap:
    """`[auth.ldap]`: the directory.

    `bind_dn` with `bind_password_file` looks below `base` for the one entry with `filter` whose `login_attribute` is the
    login. `ca_file`: who may have signed the servers' certificates; without it, the system's. `roles` maps groups to roles;
    `nested` is how groups in groups are found: `in-chain` in Active Directory, `member-of` elsewhere.
    """

    servers: Annotated[tuple[str, ...], values.ldap_servers] = ()
    ca_file: Annotated[Path | None, values.path] = None
    bind_dn: Annotated[str, values.line] = ""
    bind_password_file: Annotated[Path | None, values.secret_path] = None
    base: Annotated[str, values.line] = ""
    filter: Annotated[str, values.ldap_filter] = "(objectClass=person)"
    login_attribute: Annotated[str, values.attribute] = "sAMAccountName"
    nested: Annotated[str, values.word("in-chain", "member-of")] = "in-chain"
    roles: Annotated[tuple[tuple[str, Role], ...], values.roles] = ()

    @property
    def missing(self) -> list[str]:
        """The keys without which nobody can be found."""
        return [name for name in ("servers", "bind_dn", "bind_password_file", "base") if not getattr(self, name)]


@dataclass(frozen=True, slots=True)
class Deid:
    """`[deid]`: the file with the site's key, from which every study's pseudonyms are made."""

    key_file: Annotated[Path, values.secret_path] = STATE / "secrets" / "deid.key"


@dataclass(frozen=True, slots=True)
class Mounts:
    """`[mounts]`: where this machine's services mount for all users; what `/readyz` and `archimed doctor` look after.

    `unix_user` is what the Unix user of a login is called: `CLINIC\\{login}` where winbind puts a domain before it.
    """

    archive: Annotated[Path | None, values.path] = None
    staging: Annotated[Path | None, values.path] = None
    unix_user: Annotated[str, values.unix_user] = "{login}"


@dataclass(frozen=True, slots=True)
class Log:
    """`[log]`: what log lines look like and from which level on they are written."""

    format: Annotated[str, values.word("json", "text")] = "json"
    level: Annotated[str, values.word("debug", "info", "warning", "error")] = "info"


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration; `file` is where it was read from."""

    file: Path
    catalog: Catalog = field(default_factory=Catalog)
    store: Store = field(default_factory=Store)
    staging: Staging = field(default_factory=Staging)
    bin: Bin = field(default_factory=Bin)
    retention: Retention = field(default_factory=Retention)
    audit: Audit = field(default_factory=Audit)
    backup: Backup = field(default_factory=Backup)
    http: Http = field(default_factory=Http)
    dicom: Dicom = field(default_factory=Dicom)
    tls: DicomTLS = field(default_factory=DicomTLS)
    auth: Auth = field(default_factory=Auth)
    pam: Pam = field(default_factory=Pam)
    ldap: Ldap = field(default_factory=Ldap)
    deid: Deid = field(default_factory=Deid)
    mounts: Mounts = field(default_factory=Mounts)
    log: Log = field(default_factory=Log)


# By the name in the file; the last part of it is the name of the field in `Config`.
SECTIONS: dict[str, type] = {
    "catalog": Catalog, "store": Store, "staging": Staging, "bin": Bin, "retention": Retention,
    "audit": Audit, "backup": Backup, "http": Http,
    "dicom": Dicom, "dicom.tls": DicomTLS, "auth": Auth, "auth.pam": Pam, "auth.ldap": Ldap,
    "deid": Deid, "mounts": Mounts, "log": Log,
}  # fmt: skip
