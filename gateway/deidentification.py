"""The publish job's de-identification by the `deid` package: the one place where the two meet."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from io import BufferedRandom
from pathlib import Path

from pydicom.datadict import tag_for_keyword

import deid
from catalog.filetypes.dicom_type import Dicom
from catalog.gate.deidentification import Cleaned, Cleaner
from catalog.pure.errors import Held, Invalid, Refused, Unreadable
from deid import headers
from deid.rules.model import Extract


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

    def burned_in(self, profile: str | None, headers: Mapping[str, str], *, framed: bool) -> str:
        """Return why an image would be held for what its pixels may show, '' if it would not.

        Raises:
            Invalid: the text is not a profile.
        """
        return deid.burned_in(_load(profile), headers, framed=framed) or ""

    def cleaner(self, study: str, exam: str, profile: str | None, *, approved: bool) -> Cleaner:
        """Return a cleaner for an import.

        Raises:
            Invalid: the text is not a profile.
            Refused: the key cannot be read.
        """
        return _Cleaner(deid.Cleaner(_telling(_load(profile)), self._key(), study, exam, pixels_approved=approved))

    def _key(self) -> bytes:
        try:
            return bytes.fromhex(self._key_file.read_text("ascii"))
        except (OSError, ValueError):
            raise Refused("the de-identification key cannot be read; run `archimed init`, or bring it back") from None


class _Cleaner:
    """A cleaner that speaks the catalogue's errors."""

    def __init__(self, cleaner: deid.Cleaner) -> None:
        self._cleaner = cleaner

    def clean(self, source: Path, target: BufferedRandom) -> Cleaned:
        try:
            return self._cleaner.clean(source, target)
        except deid.Unreadable as error:
            raise Unreadable(str(error)) from None
        except deid.Held as error:
            raise Held(str(error)) from None

    def published_uid(self, original: str) -> str:
        return self._cleaner.map_uid(original)


@lru_cache(maxsize=64)
def _telling(profile: deid.Profile) -> deid.Profile:
    """Return the profile, which then also hands out what the catalogue wants to know of DICOM files.

    Read of the clean file: what the profile removes is not told.
    """
    told = {each.name for each in profile.extract} | {*headers.TEXT, *headers.NUMBERS}
    wanted = ((field.name, tag_for_keyword(field.name)) for field in Dicom.fields if field.name not in told)
    more = tuple(Extract(name, tag) for name, tag in wanted if tag is not None)
    return replace(profile, extract=profile.extract + more)


def _load(profile: str | None) -> deid.Profile:
    try:
        return deid.load_profile(profile)
    except deid.ProfileError as error:
        raise Invalid(f"the study's profile cannot be used: {error.problems[0]}") from None
