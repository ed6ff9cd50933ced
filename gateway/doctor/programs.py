"""What the archive talks to: the catalogue, PAM, its own ports and mounts."""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

from catalog import clock
from catalog.administration import list_studies
from catalog.database import Database, shape
from catalog.lifecycle import backup as backups
from catalog.lifecycle import verify
from catalog.lifecycle.bin.expiry import expiring
from catalog.lifecycle.retention import watch_clock
from catalog.pure.errors import ArchimedError
from gateway.config import Config
from gateway.doctor.finding import Finding, doubtful, good, wrong
from gateway.health import MountProbe
from gateway.wiring import database_url, open_generations

_PATIENCE_SECONDS = 3.0
_PROOF_DAYS = 90
_PAM = Path("/etc/pam.d")


def catalogue(config: Config) -> Iterator[Finding]:
    """Look whether the catalogue answers and has the shape that this program needs."""
    path = Path(config.catalog.url.removeprefix("sqlite:///"))
    if config.catalog.url.startswith("sqlite:///") and not path.exists():
        return  # said already; opening it would make it
    database = Database(database_url(config))
    try:
        found, wanted = shape.current(database), shape.newest()
        if found == wanted:
            yield good("catalogue", f"it answers, at revision {found}")
        elif found is None:
            yield wrong("catalogue", "it is empty", "make it: archimed init")
        else:
            try:
                shape.require_not_newer(database)
                yield wrong("catalogue", f"it is at revision {found}, this program needs {wanted}", "upgrade it: archimed init")
            except ArchimedError as error:
                yield wrong("catalogue", str(error), "install the newer program again")
    except ArchimedError as error:
        yield wrong("catalogue", str(error), "start the database server; check url and password in [catalog]")
    finally:
        database.close()


def generation(config: Config) -> Iterator[Finding]:
    """Look whether catalogue, staging and store are of one age."""
    database = Database(database_url(config))
    try:
        if database.is_sqlite and not Path(database.url.database or "").exists():
            return
        if shape.current(database) != shape.newest():
            return  # said already
        problems = open_generations(config, database).problems()
    finally:
        database.close()
    for problem in problems:
        says, _, mend = problem.partition(". ")
        yield wrong("generation", says, mend)
    if not problems:
        yield good("generation", "catalogue, staging and store are of one age")


def objects(config: Config) -> Iterator[Finding]:
    """Look whether objects are damaged or missing, and how long ago they were verified."""
    database = Database(database_url(config))
    try:
        if shape.current(database) != shape.newest():
            return  # said already
        bad, proofs = verify.count(database), verify.proofs(database)
        studies = len(list_studies(database))
    finally:
        database.close()
    if bad:
        yield wrong(
            "objects",
            f"{bad} objects of the store are damaged, missing or unknown",
            "see which: archimed verify --resume; bring good copies back: archimed repair --from BACKUP",
        )
    old = clock.now() - _PROOF_DAYS * 86400
    proved = sum(1 for proof in proofs if proof.ended is not None and proof.ended > old)
    if proved < studies:
        yield doubtful(
            "objects",
            f"{studies - proved} of {studies} studies were not verified in the last {_PROOF_DAYS} days",
            "verify them: archimed verify --resume; archimed-verify.timer does it by itself",
        )
    elif not bad:
        yield good("objects", "every object was verified")


def backup(config: Config) -> Iterator[Finding]:
    """Look how long ago the archive was backed up."""
    database = Database(database_url(config))
    try:
        if shape.current(database) != shape.newest():
            return  # said already
        newest = backups.newest(database)
    finally:
        database.close()
    mend = "make one: archimed backup create DIR, on another disk; prove it: archimed backup verify DIR"
    if newest is None:
        yield doubtful("backup", "`archimed backup create` was never run here", mend)
        return
    days = max(0, clock.now() - newest) // 86400
    if days > config.backup.max_age_days:
        yield doubtful("backup", f"the last backup is {days} days old", mend)
    else:
        yield good("backup", f"the last backup is {days} days old")


def bin_(config: Config) -> Iterator[Finding]:
    """Look at what goes from the bin soon, and whether the clock lets it."""
    database = Database(database_url(config))
    try:
        if shape.current(database) != shape.newest():
            return  # said already
        soon = expiring(database, config.bin.notice_days)
        doubt = watch_clock(database)
    finally:
        database.close()
    if doubt:
        yield doubtful("bin", doubt, "look at the clock: timedatectl")
    if soon:
        text = f"{len(soon)} entries of the bin go within {config.bin.notice_days} days, if nothing keeps them"
        yield doubtful("bin", text, "look at them: archimed bin list; bring back what is to stay: archimed bin restore ID")
    elif not doubt:
        yield good("bin", f"nothing goes from the bin within {config.bin.notice_days} days")


def pam(config: Config) -> Iterator[Finding]:
    """Look for the PAM service, without which the system's default answers for it: usually no."""
    if "pam" not in config.auth.backends:
        return
    file = (config.pam.folder or _PAM) / config.pam.service
    if file.is_file():
        yield good("pam", f"the PAM service {file} is there")
    else:
        yield wrong("pam", f"the PAM service {file} is missing", "write it: docs/authentication.md shows one")


def ports(config: Config) -> Iterator[Finding]:
    """Look whether the ports are ours or free."""
    doors = [("http", config.http.host, config.http.port), ("dicom", config.dicom.host, config.dicom.port)]
    if config.tls.certificate_file is not None:
        doors.append(("dicom.tls", config.dicom.host, config.tls.port))
    for name, host, port in doors:
        if not port:
            continue
        what = f"[{name}] port {port} of {host}"
        reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - asked, not bound
        taken = _is_taken(reachable, port)
        if not taken:
            yield good("ports", f"{what} is free")
        elif _is_ours(name, reachable, port):
            yield good("ports", f"{what} is ours")
        else:
            yield wrong(
                "ports",
                f"{what} is taken by another program",
                f"stop that one (ss -ltnp 'sport = :{port}'), or choose another port",
            )


def proxy(config: Config) -> Iterator[Finding]:
    """Look at the socket of the proxy: there, and closed to who is not the proxy."""
    place = config.http.socket
    if any(ipaddress.ip_address(address).is_loopback for address in config.auth.trusted_proxies):
        yield doubtful(
            "proxy", "[auth] trusted_proxies names this machine: each of its users is believed to be the proxy",
            "let the proxy in by [http] socket (docs/operations.md: A proxy on the same machine), and take the address out",
        )  # fmt: skip
    if place is None:
        return
    if not place.parent.is_dir():
        yield wrong("proxy", f"the folder {place.parent} is missing", "docs/operations.md: A proxy on the same machine")
    elif place.parent.stat().st_mode & stat.S_IRWXO:
        yield wrong("proxy", f"others may look into {place.parent}, and speak for the proxy", f"chmod o= {place.parent}")
    elif not place.is_socket():
        yield wrong("proxy", f"nothing listens at {place}", "systemctl restart archimed-http")
    else:
        yield good("proxy", f"{place} is there, for the proxy alone")


def mounts(config: Config) -> Iterator[Finding]:
    """Look whether the mounts that the configuration names answer."""
    for path in (config.mounts.archive, config.mounts.staging):
        if path is None:
            continue
        problem = MountProbe(path).look().problem
        if problem:
            yield wrong("mounts", problem, "systemctl restart archimed.target; journalctl -u 'archimed-*'")
        else:
            yield good("mounts", f"{path} answers")


def _is_taken(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=_PATIENCE_SECONDS):
            return True
    except OSError:
        return False


def _is_ours(name: str, host: str, port: int) -> bool:
    if name == "http":
        return _says_ok(host, port)
    # Who has no certificate of the site's is told nothing more: that TLS is spoken there has to do.
    return _speaks_tls(host, port) if name == "dicom.tls" else _speaks_dicom(host, port)


def _speaks_tls(host: str, port: int) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        contextlib.suppress(OSError),
        socket.create_connection((host, port), timeout=_PATIENCE_SECONDS) as connection,
        context.wrap_socket(connection) as secured,
    ):
        return secured.version() is not None
    return False


def _says_ok(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE_SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().read(16) == b"ok\n"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _speaks_dicom(host: str, port: int) -> bool:
    """Whether it answers what is no request for an association as DICOM does: with an abort."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=_PATIENCE_SECONDS) as connection:
        connection.sendall(b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00")
        return connection.recv(1) == b"\x07"
    return False
