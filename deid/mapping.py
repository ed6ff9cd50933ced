"""Keyed mapping of identifiers: one key per study and subject, no reverse map.

Only functions of (key, study, subject, old value) may live here; nothing reads a file, a clock or a random source. The
study's key is HKDF-SHA256 (RFC 5869) of the site's master key, the subject's is an HMAC of it, so that two studies cannot be
linked and nobody can undo a mapping by trying known values without the master key (PS3.15 E.1.1, E.3.9 on consistent
replacement UIDs). The subject is the one of the exam code, which importers agree on, and by nothing in a file: else whoever may
import could try a guessed patient's ID or UID and compare what comes out (docs/adr/0022-pseudonyms-by-subject.md).
"""

from __future__ import annotations

import hashlib
import hmac

from pydicom._uid_dict import UID_dictionary

_SALT = b"archimed deid mapping 1"
_SHORTEST_KEY = 16
BY_PATIENT, BY_SUBJECT = 1, 2
"""Schemes."""
_MIN_DAYS = 366
_SPAN_DAYS = 3285
STANDARD_ROOT = "1.2.840.10008."
# Of the standard, and newer than pydicom's registry: JPEG XL and Deflated Image Frame transfer syntaxes (PS3.5 2024d, 2025b).
_NEWER = frozenset(f"{STANDARD_ROOT}1.2.{last}" for last in ("4.110", "4.111", "4.112", "8.1"))
# Of public coding schemes (PS3.16 table 8-1) outside the standard's root: RADLEX and NCIt, and under HL7's root the numbers of
# LN, I9C, I10, SRT, UCUM, MDC, SNM3, UMLS, RXNORM, SCT, FMA.
_HL7_ROOT = "2.16.840.1.113883."
_SCHEMES = frozenset(f"{_HL7_ROOT}6.{last}" for last in (1, 2, 3, 5, 8, 24, 51, 86, 88, 96, 119, 256)) | {
    f"{_HL7_ROOT}3.26.1.1"
}


def is_registered(uid: str) -> bool:
    """Whether PS3.6 lists a UID, or it is a public coding scheme's: nobody can be told by it.

    That it begins as the standard's do means nothing: anybody can write digits behind that.
    """
    return uid in UID_dictionary or uid in _NEWER or uid in _SCHEMES


def derive(master: bytes, study: str) -> bytes:
    """The study's own key: HKDF-SHA256, extract then one block of expand."""
    if len(master) < _SHORTEST_KEY:
        raise ValueError(f"the de-identification key must be at least {_SHORTEST_KEY} bytes long")
    secret = hmac.digest(_SALT, master, hashlib.sha256)
    return hmac.digest(secret, b"study\0" + study.encode() + b"\x01", hashlib.sha256)


class Mapping:
    """Maps the identifiers of one subject of a study. Deterministic: the same input gives the same output in any process.

    `scheme`: how the first import of an exam was mapped; what follows goes on with it. `BY_PATIENT`: UIDs by the study alone,
    dates by what the file says of its patient; only for exams that were begun so. `memo`: room for results that many files
    share and that follow from their key and this mapping alone.
    """

    __slots__ = ("_by_patient", "_fingerprints", "_key", "_uids", "memo")

    def __init__(self, master: bytes, study: str, subject: str = "", *, scheme: int = BY_SUBJECT) -> None:
        self._by_patient = scheme == BY_PATIENT
        self._key = derive(master, study)
        if not self._by_patient:
            self._key = self._mac(b"subject", subject.casefold().encode())
        self._fingerprints = hashlib.blake2b(key=self._key, digest_size=8)
        self._uids: dict[str, str] = {}
        self.memo: dict[object, tuple[bytes, frozenset[bytes]]] = {}

    def _mac(self, label: bytes, value: bytes) -> bytes:
        return hmac.digest(self._key, label + b"\0" + value, "sha256")

    def uid(self, old: str) -> str:
        """``2.25.`` and 128 bits; UIDs that the standard registers and the empty one stay as they are."""
        old = old.strip(" \0")
        if not old or is_registered(old):
            return old
        new = self._uids.get(old)
        if new is None:
            if len(self._uids) > 100_000:  # a bound on memory: the map is only a cache
                self._uids.clear()
            number = int.from_bytes(self._mac(b"uid", old.encode("utf-8", "surrogateescape"))[:16], "big")
            new = self._uids[old] = f"2.25.{number}"
        return new

    @staticmethod
    def is_foreign(uid: str) -> bool:
        """Whether a UID is not under the standard's root, where nobody but the standard names things."""
        return not f"{uid}.".startswith(STANDARD_ROOT)

    def days(self, patient: bytes) -> int:
        """Whole days to add to every date of the subject: one to ten years back, never zero. `patient`: as the file says."""
        subject = patient.strip(b" \0").lower() if self._by_patient else b""
        number = int.from_bytes(self._mac(b"date", subject)[:8], "big")
        return -(_MIN_DAYS + number % _SPAN_DAYS)

    def fingerprint(self, value: bytes) -> str:
        """A keyed hash for reports: equal values can be seen to be equal, and nothing else."""
        state = self._fingerprints.copy()
        state.update(value)
        return state.hexdigest()

    def __repr__(self) -> str:
        return "Mapping(...)"
