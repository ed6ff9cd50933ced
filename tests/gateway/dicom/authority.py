"""A site's certificate authority, made with openssl for a test run."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path

    @property
    def fingerprint(self) -> str:
        said = _openssl("x509", "-noout", "-fingerprint", "-sha256", "-in", self.certificate)
        return said.partition("=")[2].strip()


class Authority:
    """A CA in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.certificate, self._key = folder / "ca.crt", folder / "ca.key"
        _make(self._key, self.certificate, "site CA")

    def issue(self, name: str) -> Identity:
        found = Identity(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        _make(found.key, found.certificate, name, "-CA", self.certificate, "-CAkey", self._key)
        return found


def _make(key: Path, certificate: Path, name: str, *more: object) -> None:
    kind = ("-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}")
    _openssl("req", "-x509", *kind, "-keyout", key, "-out", certificate, *more)


def _openssl(*words: object) -> str:
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, text=True).stdout
