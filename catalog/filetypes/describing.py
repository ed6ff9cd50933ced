"""What a published file of any type is filed by. DICOM says it of itself; of other files it is where they stood in their tree.

No original name may go further: of a folder's name stay words that the study's profile knows, of a file's name its place in the
order of names. Folders are kept apart by a digest that whoever calls has keyed.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path, PurePath

from catalog.filetypes import dicom, registry
from catalog.filetypes.model import Value, as_companion
from catalog.filetypes.registry import named
from catalog.filetypes.sample import stem_of
from catalog.pure.filing import Description

RAW = "RAW"
_LARGEST_SERIES = 999
_SIDECAR_TYPES = frozenset({"TABLE", "TEXT"})
_SIDECARS = frozenset({".json", ".bval", ".bvec"})
_NAME_OTHERS = frozenset({".vhdr", ".mhd", ".nhdr"})
"""Endings of headers that hold the names of other files."""
_SAYS_LITTLE = frozenset({".raw", ".txt"})
_KNOWN_ENDINGS = frozenset(
    {".annot", ".label", ".lta", ".xfm", ".stats", ".ctab", ".curv", ".sulc", ".thickness", ".area", ".tck", ".trk", ".trx"}
    | {
        ".fif",
        ".set",
        ".fdt",
        ".cnt",
        ".sqd",
        ".con",
        ".meg4",
        ".nev",
        ".plx",
        ".smr",
        ".c3d",
        ".puls",
        ".resp",
        ".ecg",
        ".ext",
    }
    | {".lab", ".sin", ".raw", ".fid", ".dat", ".bin", ".7", ".m", ".py", ".r", ".sh", ".md", ".rst", ".log", ".xml", ".html"}
    | {
        ".rtf",
        ".yaml",
        ".yml",
        ".toml",
        ".ini",
        ".cfg",
        ".vtk",
        ".vtp",
        ".ply",
        ".off",
        ".mtl",
        ".mnc",
        ".gif",
        ".bmp",
        ".webp",
    }
)
_NUMBERED = re.compile(r"(\d{3})_(?:([A-Z][A-Z0-9_]*?)_)?(?=[^_])(.+)", re.DOTALL)
_WORDS = re.compile(r"[^\W_]+")
_EXTENSION = re.compile(r"(?:\.[a-z0-9]{1,8}){1,2}")
_NO_CODE = re.compile(r"[^A-Z0-9_]+")

Headers = Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file that is not DICOM stood: digests of its folder and of its name, its place among the names, and what of the
    folder's name may be told.

    `rank` is its place among the files of its folder that name others in a header: those must be called so; 0 for all others.
    `ending` is what its name ended in, where it is one that programs know a file by; '' otherwise.
    """

    folder: bytes
    group: bytes
    order: int
    number: int
    label: str
    rank: int = 0
    ending: str = ""


@dataclass(frozen=True, slots=True)
class Filed:
    """A published file: the headers that de-identification handed out, what its name ends in, and its SHA-256."""

    headers: Headers
    ending: str
    digest: bytes


def is_dicom(headers: Headers) -> bool:
    """Whether de-identification handed out the headers of a DICOM file."""
    return "FileType" not in headers


def type_name(headers: Headers) -> str:
    """Return the name of the type of a published file that is not DICOM."""
    label = str(headers.get("FileType", RAW))
    kind = named(label)
    return kind.name if kind is not None else _NO_CODE.sub("_", label.upper()).strip("_")[:16] or RAW


def values_of(label: str, file: Path) -> dict[str, Value]:
    """Return what a published file says of itself beside what de-identification returned.

    Raises:
        Unavailable: the disk does not give its bytes.
    """
    kind = named(label)
    return registry.values_of(kind, file) if kind is not None else {}


def describe_all(files: Mapping[int, Filed], stood: Mapping[int, Place]) -> dict[int, Description]:
    """Return what published files are filed by.

    Raises:
        Unreadable: one is DICOM and does not say which instance it is.
    """
    copies: Counter[tuple[bytes, bytes]] = Counter()
    described = {}
    for number, file in files.items():
        if is_dicom(file.headers):
            described[number] = dicom.describe(file.headers)
            continue
        series = _digest(type_name(file.headers).encode() + stood[number].folder)
        copies[series, file.digest] += 1
        # Its bytes are what tells a file from others; of files of the same bytes in a series each stays.
        identity = _digest(file.digest + b"%d" % copies[series, file.digest])
        described[number] = _described(file, stood[number], series, identity)
    return _beside_their_images(described)


def _beside_their_images(described: dict[int, Description]) -> dict[int, Description]:
    """Put what describes an image (JSON, b-values) into the series of that image."""
    images = {
        (one.group, one.extension): one for one in described.values() if one.group and one.file_type not in _SIDECAR_TYPES
    }
    of_group: dict[bytes, Description] = {}
    for (group, _), one in sorted(images.items(), key=lambda item: item[0]):
        of_group.setdefault(group, one)
    return {
        number: replace(one, series=image.series, file_type=image.file_type, number=image.number, is_fixed=image.is_fixed)
        if one.extension in _SIDECARS and one.file_type in _SIDECAR_TYPES and (image := of_group.get(one.group))
        else one
        for number, one in described.items()
    }


def lonely(files: Mapping[int, Filed], described: Mapping[int, Description]) -> set[int]:
    """Return the files that mean nothing without another that is not among them: half of a pair."""
    there: dict[tuple[bytes, bytes], set[str]] = {}
    for description in described.values():
        there.setdefault((description.series, description.group), set()).add(as_companion(description.extension))
    wanted = {number: _companions(file) for number, file in files.items()}
    return {number for number, one in described.items() if not wanted[number] <= there[one.series, one.group]}


def _described(file: Filed, place: Place, series: bytes, identity: bytes) -> Description:
    number, ending = file.headers.get("SeriesNumber"), file.ending.lower()
    if place.ending and ending in _SAYS_LITTLE:
        ending = place.ending
    said = number if isinstance(number, int) and 0 <= number <= _LARGEST_SERIES else 0
    return Description(
        file_type=type_name(file.headers),
        extension=ending if _EXTENSION.fullmatch(ending) else ".raw",
        identity=identity,
        series=series,
        series_number=place.number or said,
        series_description=place.label or dicom.printable(str(file.headers.get("ProtocolName", ""))),
        number=place.rank or place.order,
        acquired=dicom.seconds(str(file.headers.get("AcquisitionDateTime", ""))),
        group=place.group,
        is_fixed=place.rank > 0,
    )


def _companions(file: Filed) -> frozenset[str]:
    kind = None if is_dicom(file.headers) else named(str(file.headers["FileType"]))
    found = frozenset(kind.companions) if kind is not None else frozenset()
    return found if as_companion(file.ending.lower()) in found else frozenset()


def places(
    names: Mapping[int, str],
    digest: Callable[[str], bytes],
    known_words: Callable[[str], str],
    all_names: Iterable[str] | None = None,
) -> dict[int, Place]:
    """Return the place of each file of a tree.

    Args:
        names: by the file's number, its name in the tree; '' if it came without one.
        digest: keyed.
        known_words: returns a text with only the words that identify nobody.
        all_names: of the whole tree, where `names` is a part of it: what files are called must not hang on what others became.
    """
    stems: dict[str, set[str]] = {}
    for name in names.values():
        stems.setdefault(_folder(name), set()).add(stem_of(name) if name else "")
    orders = {folder: {stem: at for at, stem in enumerate(sorted(found, key=_natural), 1)} for folder, found in stems.items()}
    labels = {folder: folder_label(PurePath(folder).name, known_words) for folder in stems}
    ranked = ranks(names.values() if all_names is None else all_names)
    nameless = iter(range(1, len(names) + 1))
    found = {}
    for number, name in names.items():
        folder, stem = _folder(name), stem_of(name) if name else ""
        order = orders[folder][stem] if name else next(nameless)
        group = digest(f"file {stem}") if name else b""
        rank, ending = ranked.get(stem, 0), PurePath(name).suffix.lower()
        known = ending if ending in _KNOWN_ENDINGS else ""
        found[number] = Place(digest(f"folder {folder}"), group, order, *labels[folder], rank, known)
    return found


def ranks(names: Iterable[str]) -> dict[str, int]:
    """Return the place of each file that names others among those of its folder and kind, by its name without the ending."""
    headers: dict[tuple[str, str], set[str]] = {}
    for name in names:
        if (ending := PurePath(name).suffix.lower()) in _NAME_OTHERS:
            headers.setdefault((_folder(name), ending), set()).add(stem_of(name))
    return {stem: at for stems in headers.values() for at, stem in enumerate(sorted(stems, key=_natural), 1)}


def folder_label(name: str, known_words: Callable[[str], str]) -> tuple[int, str]:
    """Return the series number and the description that a folder's name gives, as far as it identifies nobody.

    A number counts only in the archive's own form, `003_t1` or `003_NIFTI_t1`, and if every word behind it is known: next to
    an unknown word it may be a patient's.
    """
    found = _NUMBERED.fullmatch(name)
    if found is None:
        return 0, known_words(name)
    rest = found[3] if found[2] and named(found[2]) is not None else name[4:]
    label = known_words(rest)
    whole = [word.casefold() for word in _WORDS.findall(rest)] == [word.casefold() for word in _WORDS.findall(label)]
    return int(found[1]) if whole else 0, label


def _folder(name: str) -> str:
    return str(PurePath(name).parent) if name else ""


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Order names as people count: image 2 before image 10."""
    parts = re.split(r"(\d{1,18})", text)
    return [(0, int(part), part) if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts if part]


def _digest(text: bytes) -> bytes:
    return blake2b(text, digest_size=16).digest()
