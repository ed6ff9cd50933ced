"""The publish job's de-identification by the `deid` package: the one place where the two meet."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from io import BufferedRandom
from pathlib import Path
from typing import Any

from pydicom.datadict import tag_for_keyword

import deid
from catalog.filetypes import Sample, recognise
from catalog.filetypes.describing import RAW
from catalog.filetypes.dicom_type import Dicom
from catalog.gate.deidentification import Cleaned, Cleaner, FirstImport
from catalog.pure.errors import Held, Invalid, Refused, Unreadable
from deid import headers
from deid.formats import FileCleaner
from deid.mapping import BY_PATIENT, BY_SUBJECT
from deid.rules.model import ATTESTABLE, Extract

NO_STEM = "00001"
_PICTURES = frozenset({"PNG", "JPEG", "TIFF"})


_BEFORE_SUBJECTS = "deid 1"  # whose imports were mapped by the patient's ID


class StandardDeidentification:
    """De-identification by DICOM PS3.15 Annex E, with the site's key.

    Args:
        key_file: the site's key, as `archimed init` makes it; read when the first cleaner is made.
    """

    engine = f"deid {deid.VERSION}"

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file

    def profile_hash(self, profile: str | None) -> str:
        """Return the hash of a profile's text.

        Raises:
            Invalid: it is not a profile.
        """
        return _load(profile).hash

    def burned_in(self, profile: str | None, source: Path) -> str:
        """Return why a DICOM file would be held for what its pixels may show or its sound may tell, '' if it would not.

        Raises:
            Invalid: the text is not a profile.
        """
        return deid.burned_in(_load(profile), source) or ""

    def cleaner(
        self,
        study: str,
        exam: str,
        profile: str | None,
        *,
        approved: bool,
        attested: bool = False,
        begun: FirstImport | None = None,
    ) -> Cleaner:
        """Return a cleaner for an import.

        Raises:
            Invalid: the text is not a profile.
            Refused: the key cannot be read.
        """
        loaded = _with_attested(_load(profile), attested)
        whose = going_on(begun)
        return _Cleaner(FileCleaner(loaded, self._key(), study, exam, pixels_approved=approved, overruled=attested, **whose))

    def _key(self) -> bytes:
        try:
            return bytes.fromhex(self._key_file.read_text("ascii"))
        except (OSError, ValueError):
            raise Refused("the de-identification key cannot be read; run `archimed init`, or bring it back") from None


def going_on(begun: FirstImport | None) -> dict[str, Any]:
    """Return what `FileCleaner` has to know, so that an import goes on with the pseudonyms of the first into its exam."""
    if begun is None:
        return {}
    scheme = BY_PATIENT if begun.engine == _BEFORE_SUBJECTS else BY_SUBJECT
    subject = begun.exam if scheme == BY_PATIENT else _load(begun.profile).subject_of(begun.exam)
    return {"subject": subject, "scheme": scheme}


class _Cleaner:
    """A cleaner that speaks the catalogue's errors."""

    def __init__(self, cleaner: FileCleaner) -> None:
        self._cleaner = cleaner

    def clean(
        self,
        source: Path,
        target: BufferedRandom,
        *,
        stem: str = "",
        renamed: tuple[str, str] | None = None,
        overruled: bool = False,
    ) -> Cleaned:
        try:
            report = self._cleaner.clean(source, target, stem=stem or NO_STEM, renamed=renamed, overruled=overruled)
            return _of_own_type(report, source) if report.headers.get("FileType") == RAW else report
        except deid.Unreadable as error:
            raise Unreadable(str(error)) from None
        except deid.Held as error:
            raise Held(str(error)) from None

    def look(self, source: Path, name: str) -> Sequence[deid.formats.Seen]:
        return self._cleaner.look(source, name)

    def known_words(self, text: str) -> str:
        return self._cleaner.known_words(text)

    def published_uid(self, original: str) -> str:
        return self._cleaner.map_uid(original)


def _of_own_type(report: deid.Report, source: Path) -> deid.Report:
    """What a site's own file type knows, though nothing here can take it apart, is filed by that type."""
    kind = recognise(Sample(source))
    return report if kind is None else replace(report, headers={**report.headers, "FileType": kind.name})


@lru_cache(maxsize=64)
def _with_attested(profile: deid.Profile, attested: bool) -> deid.Profile:
    """Return the profile, which then also hands out what the catalogue wants to know of DICOM files.

    Read of the clean file: what the profile removes is not shown. Where somebody vouches for the import, also for what is
    looked through all the same, as tables; pictures are for who has looked at them.
    """
    attest = profile.attest | (frozenset(ATTESTABLE) - _PICTURES if attested else frozenset())
    shown = {each.name for each in profile.extract} | {*headers.TEXT, *headers.NUMBERS}
    wanted = ((field.name, tag_for_keyword(field.name)) for field in Dicom.fields if field.name not in shown)
    more = tuple(Extract(name, tag) for name, tag in wanted if tag is not None)
    return replace(profile, extract=profile.extract + more, attest=attest)


def _load(profile: str | None) -> deid.Profile:
    try:
        return deid.load_profile(profile)
    except deid.ProfileError as error:
        raise Invalid(f"the study's profile cannot be used: {error.problems[0]}") from None
