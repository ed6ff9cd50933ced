"""What can stand in the configuration: one class a section, one field a key, with its reader and its default.

Only declarations may live here. `gateway.config.reading` fills them from a file; whoever needs a setting is handed its section.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

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
    """`[staging]`: the folder of files at the gate; a batch without a new file for `quiet_seconds` is sealed."""

    path: Annotated[Path, values.path] = STATE / "staging"
    quiet_seconds: Annotated[int, values.whole(1, 7 * 86400)] = 60


@dataclass(frozen=True, slots=True)
class Http:
    """`[http]`: where WebDAV and the desk listen, and with how many processes and threads in each."""

    host: Annotated[str, values.text(1, 255)] = "127.0.0.1"
    port: Annotated[int, _PORT] = 8080
    workers: Annotated[int, values.whole(1, 64)] = 2
    threads: Annotated[int, values.whole(1, 256)] = 16


@dataclass(frozen=True, slots=True)
class Dicom:
    """`[dicom]`: where C-STORE listens, under which title, and for how many associations at once.

    `accept_any_called`: also take associations that call another AE title than ours.
    """

    ae_title: Annotated[str, values.ae_title] = "ARCHIMED"
    host: Annotated[str, values.text(1, 255)] = "127.0.0.1"
    port: Annotated[int, _PORT] = 11112
    max_associations: Annotated[int, values.whole(1, 1000)] = 32
    accept_any_called: Annotated[bool, values.truth] = True


@dataclass(frozen=True, slots=True)
class Auth:
    """`[auth]`: who is asked, in this order, whether a login and password are right."""

    backends: Annotated[tuple[str, ...], values.words("token", "pam", "ldap")] = ("token",)


@dataclass(frozen=True, slots=True)
class Deid:
    """`[deid]`: the file with the site's key, from which every study's pseudonyms are made."""

    key_file: Annotated[Path, values.secret_path] = STATE / "secrets" / "deid.key"


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
    http: Http = field(default_factory=Http)
    dicom: Dicom = field(default_factory=Dicom)
    auth: Auth = field(default_factory=Auth)
    deid: Deid = field(default_factory=Deid)
    log: Log = field(default_factory=Log)

    @property
    def warnings(self) -> list[str]:
        """What is accepted but does nothing in this version, as sentences."""
        return [f"[auth] backends: {name}: not in this version; skipped" for name in self.auth.backends if name != "token"]


SECTIONS: dict[str, type] = {
    "catalog": Catalog, "store": Store, "staging": Staging, "http": Http,
    "dicom": Dicom, "auth": Auth, "deid": Deid, "log": Log,
}  # fmt: skip
