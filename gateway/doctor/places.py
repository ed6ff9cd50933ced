"""Files and folders: whose they are, who may read them, whether they are there, how much room is left."""

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from catalog import marks
from gateway.config import Config
from gateway.doctor.finding import Finding, doubtful, good, wrong
from gateway.wiring import open_staging

TLS = Path("/etc/archimed/tls")
_LEAST_SHARE = 0.02
_LITTLE_SHARE = 0.1
_SOON_DAYS = 30
_KEY_DIGITS = 64


def settings(config: Config) -> Iterator[Finding]:
    """Look at the configuration's own file."""
    mode = config.file.stat().st_mode
    if mode & stat.S_IWOTH or (mode & stat.S_IWGRP and config.file.stat().st_gid != 0):
        yield wrong("configuration", f"others may write {config.file}", f"chmod 0640 {config.file}")
    else:
        yield good("configuration", f"{config.file} can be used")


def secrets(config: Config) -> Iterator[Finding]:
    """Look at the files of passwords."""
    wanted = {"the catalogue's password": config.catalog.password_file}
    if "ldap" in config.auth.backends:
        wanted["the directory's password"] = config.ldap.bind_password_file
    wanted["the private key of DICOM TLS"] = config.tls.key_file
    for what, file in wanted.items():
        if file is None:
            continue
        if not file.exists():
            yield wrong("secrets", f"{what} is missing: {file}", f"write it into {file}, for root or the service alone")
        elif _others_may(file):
            yield wrong("secrets", f"others may read {what}: {file}", f"chmod 0600 {file}, and change the password")
        elif not file.stat().st_size:
            yield wrong("secrets", f"{what} is empty: {file}", f"write it into the first line of {file}")
        else:
            yield good("secrets", f"{what} is there, for nobody else")


def key(config: Config) -> Iterator[Finding]:
    """Look at the key of the pseudonyms."""
    file = config.deid.key_file
    if not file.exists():
        yield wrong(
            "key",
            f"the key of the pseudonyms is missing: {file}",
            "bring it back from the backup; if the archive is new: archimed init",
        )
        return
    if _others_may(file):
        yield wrong(
            "key",
            f"others may read the key of the pseudonyms: {file}",
            f"chmod 0600 {file}; who has read it can tell who is who",
        )
    try:
        digits = file.read_text(encoding="ascii", errors="replace").strip()
    except PermissionError:
        yield doubtful("key", f"the key {file} cannot be read by this user, so it was not looked at", "run this as root")
        return
    if len(digits) != _KEY_DIGITS or set(digits.lower()) - set("0123456789abcdef"):
        yield wrong("key", f"{file} is no key: 64 hexadecimal digits are needed", "bring it back from the backup")
    elif not _others_may(file):
        yield good("key", "the key of the pseudonyms is there, for nobody else")


def catalogue_file(config: Config) -> Iterator[Finding]:
    """Look at SQLite's file."""
    if not config.catalog.url.startswith("sqlite:///"):
        return
    file = Path(config.catalog.url.removeprefix("sqlite:///"))
    if not file.exists():
        yield wrong("catalogue file", f"there is no catalogue at {file}", "make it: archimed init")
    elif _others_may(file):
        yield wrong("catalogue file", f"others may read {file}", f"chmod 0600 {file}*")
    else:
        yield good("catalogue file", f"{file} is its owner's alone")


def folders(config: Config) -> Iterator[Finding]:
    """Look at the store and the staging folder: there, closed, and of one owner."""
    for what, path in _folders(config):
        if marks.is_missing(path):
            yield wrong(
                "folders",
                f"{what} {path} is not there, or its disk is not mounted",
                "mount it; if the archive is new: archimed init",
            )
            continue
        found = path.stat()
        if stat.S_IMODE(found.st_mode) & 0o077:
            yield wrong("folders", f"others may look into {what} {path}", f"chmod 0700 {path}")
            continue
        strangers = [entry.name for entry in os.scandir(path) if entry.stat(follow_symlinks=False).st_uid != found.st_uid]
        if strangers:
            yield wrong(
                "folders",
                f"{len(strangers)} entries of {what} belong to another user than the folder",
                f"chown -R {found.st_uid}:{found.st_gid} {path}",
            )
        else:
            yield good("folders", f"{what} is there, for its owner alone")


def orphans(config: Config) -> Iterator[Finding]:
    """Look whether something was set aside in staging."""
    found = open_staging(config).orphans.all()
    if found:
        yield doubtful(
            "orphans",
            f"{len(found)} times files that no batch has were set aside in staging, {sum(one.files for one in found)} in all",
            "look at them: archimed staging orphans",
        )
    else:
        yield good("orphans", "staging holds nothing that no batch has")


def space(config: Config) -> Iterator[Finding]:
    """Look at how much room the disks have."""
    for what, path in _folders(config):
        if not path.is_dir():
            continue
        found = os.statvfs(path)
        shares = [found.f_bavail / max(1, found.f_blocks)] + ([found.f_favail / found.f_files] if found.f_files else [])
        share, text = min(shares), f"{found.f_bavail * found.f_frsize / 1e9:.1f} GB ({min(shares):.0%}) are free for {what}"
        if share < _LEAST_SHARE:
            yield wrong("space", text, "make room, or move it to a larger disk, before receiving stops")
        elif share < _LITTLE_SHARE:
            yield doubtful("space", text, "plan for a larger disk")
        else:
            yield good("space", text)


def certificates(config: Config) -> Iterator[Finding]:
    """Look at when certificates end: the web server's in /etc/archimed/tls, the directory's, and those of DICOM."""
    files = sorted(path for ending in ("*.crt", "*.pem") for path in TLS.glob(ending)) if TLS.is_dir() else []
    if "ldap" in config.auth.backends and config.ldap.ca_file is not None:
        files.append(config.ldap.ca_file)
    files += [file for file in (config.tls.certificate_file, config.tls.ca_file) if file is not None and file not in files]
    for file in files:
        if b"-----BEGIN CERTIFICATE-----" not in file.read_bytes():
            continue
        ends = _end_of(file)
        if ends is None:
            yield doubtful(
                "certificates", f"{file} could not be read as a certificate", "look at it: openssl x509 -text -in FILE"
            )
            continue
        days = int((ends.timestamp() - time.time()) // 86400)
        if days < 0:
            yield wrong("certificates", f"{file} expired on {ends:%Y-%m-%d}", "renew it, and reload who uses it")
        elif days < _SOON_DAYS:
            yield doubtful("certificates", f"{file} expires in {days} days", "renew it, and reload who uses it")
        else:
            yield good("certificates", f"{file} is good until {ends:%Y-%m-%d}")


def _end_of(file: Path) -> datetime | None:
    openssl = shutil.which("openssl")
    if openssl is None:
        return None
    said = subprocess.run(  # noqa: S603 - a file of the configuration's, no shell
        [openssl, "x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in", file],
        capture_output=True, text=True, timeout=20, check=False,
    ).stdout  # fmt: skip
    try:
        return datetime.strptime(said.strip(), "notAfter=%Y-%m-%d %H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _folders(config: Config) -> tuple[tuple[str, Path], tuple[str, Path]]:
    return ("the store", config.store.path), ("the staging folder", config.staging.path)


def _others_may(file: Path) -> bool:
    return bool(file.stat().st_mode & stat.S_IRWXO)
