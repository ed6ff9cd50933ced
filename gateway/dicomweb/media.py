"""What a client accepts (RFC 9110, 12.5.1; PS3.18 8.7): media types with their parameters, quoted or not. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

DICOM, JSON, OCTETS = "application/dicom", "application/dicom+json", "application/octet-stream"
MULTIPART = "multipart/related"
EXPLICIT, IMPLICIT, ANY = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "*"
_MOST = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """A media type that a client accepts.

    `part` is what the parts of a multipart shall be, "" where it is none or does not say; `syntax` a transfer syntax, "*" for
    any, "" where none is named.
    """

    kind: str
    part: str
    syntax: str
    quality: float

    @property
    def is_multipart(self) -> bool:
        """Whether an answer of several parts is meant."""
        return self.kind == MULTIPART

    @property
    def content(self) -> str:
        """What the bytes themselves shall be."""
        return self.part if self.is_multipart else self.kind


def accepted(header: str | None, query: str | None = None) -> list[Wanted]:
    """Return what a client accepts, the best first; what it refuses is not among it.

    Args:
        header: the Accept header.
        query: the `accept` parameter of the URL, which counts instead of the header (PS3.18 8.3.3.1).
    """
    text = query or header
    found = [_wanted(part) for part in _split(text or "*/*", ",") if part.strip(" ;")][:_MOST]
    return sorted((each for each in found if each.quality > 0), key=lambda each: -each.quality)


def _split(text: str, at: str) -> Iterator[str]:
    """Yield what stands between separators that are not in quotes."""
    part, quoted = "", False
    for character in text:
        quoted ^= character == '"'
        if character == at and not quoted:
            yield part
            part = ""
        else:
            part += character
    if part.strip():
        yield part


def _wanted(text: str) -> Wanted:
    kind, *rest = _split(text, ";")
    options = {}
    for option in rest:
        name, _, value = option.partition("=")
        options[name.strip().lower()] = value.strip().strip('"')
    try:
        quality = float(options.get("q", 1))
    except ValueError:
        quality = 0.0
    return Wanted(kind.strip().lower(), options.get("type", "").lower(), options.get("transfer-syntax", ""), quality)


def accepts(wanted: list[Wanted], *kinds: str) -> bool:
    """Whether an answer of one of these media types would do."""
    return any(_fits(each.kind, kind) for each in wanted for kind in kinds)


def _fits(pattern: str, kind: str) -> bool:
    return pattern in {"*/*", kind} or (pattern.endswith("/*") and kind.startswith(pattern[:-1]))


def fits(wanted: Wanted, kind: str) -> bool:
    """Whether an answer of one media type, not in parts, is what a client wants."""
    return _fits(wanted.kind, kind)
