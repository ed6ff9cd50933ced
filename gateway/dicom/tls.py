"""DICOM TLS: the BCP 195 RFC 9325 secure connection profiles (PS3.15 annex B), with certificates of one site CA on both sides.

TLS 1.2 and 1.3 with forward secrecy and authenticated encryption, nothing older. A peer without a certificate of the CA's
is refused in the handshake. Names in certificates are not compared with addresses: devices seldom have one that fits. Which
one a peer must show can be said when it is registered. May live here: contexts and fingerprints.
"""

import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path

from catalog.pure.errors import Refused

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20"


@dataclass(frozen=True, slots=True)
class TLSFiles:
    """The PEM files: our certificate with its chain, its private key, and the CA that signs the peers' certificates."""

    certificate: Path
    key: Path
    ca: Path


def server_context(files: TLSFiles) -> ssl.SSLContext:
    """Return what connections that come in are held to.

    Raises:
        Refused: a file cannot be used.
    """
    return _context(files, ssl.PROTOCOL_TLS_SERVER)


def client_context(files: TLSFiles) -> ssl.SSLContext:
    """Return what connections that we make are held to.

    Raises:
        Refused: a file cannot be used.
    """
    return _context(files, ssl.PROTOCOL_TLS_CLIENT)


def _context(files: TLSFiles, protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    # Old devices hang up without a close_notify; a DICOM association has its own end.
    context.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
    try:
        context.load_cert_chain(files.certificate, files.key)
    except (OSError, ValueError) as error:
        raise Refused(f"[dicom.tls] certificate_file and key_file cannot be used: {_why(error)}") from None
    try:
        context.load_verify_locations(files.ca)
    except (OSError, ValueError) as error:
        raise Refused(f"[dicom.tls] ca_file cannot be used: {_why(error)}") from None
    return context


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "it is no PEM file"
    return getattr(error, "strerror", None) or "it is no PEM file"


def fingerprint(connection: ssl.SSLSocket) -> str:
    """Return the SHA-256 of the certificate that a peer has shown, in hexadecimal digits; '' for none."""
    shown = connection.getpeercert(binary_form=True)
    return hashlib.sha256(shown).hexdigest() if shown else ""
