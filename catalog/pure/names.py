r"""Names that every face can show: codes, series folders, file names.

A name is decided once, at publish. It is NFC, has no character that Windows, a shell or XML chokes on, is no device name of
Windows, does not end in a dot or a space, fits 255 bytes, and is unique in its folder even when case is folded.
"""

import re
import unicodedata
from collections.abc import Sequence

from catalog.pure.errors import Invalid

MAX_NAME_BYTES = 255
BEHIND_ALL_NAMES = "\U0010ffff"
_DESCRIPTION_CHARACTERS = 64
_LARGEST_NUMBER = 99_999_999
FEWEST_DIGITS = 5

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE | re.DOTALL)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f<>:\"/\\|?*%\s\u2028\u2029\ufffe\uffff\ud800-\udfff]+")
_UNSAFE_IN_FILE_NAME = re.compile(r"(?:[\x00-\x1f\x7f-\x9f<>:\"/\\|?*%\u2028\u2029\ufffe\uffff\ud800-\udfff]|[^\S ])+")
_LONGEST_FILE_NAME = 200
_LONGEST_EXTENSION = 32
_LOGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,63}")


def folded(name: str) -> str:
    """Return the key under which two names count as the same in a folder (Windows, macOS: whatever their case)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def same_characters(name: str, other: str) -> bool:
    """Whether two names show the same characters, composed or not (macOS sends them decomposed); case counts."""
    return name == other or unicodedata.normalize("NFC", name) == unicodedata.normalize("NFC", other)


def nested_key(folder: int, key: str) -> str:
    """Return the key of a name in a folder within a series; `key` is the folded name, '' for the beginning of the folder.

    All names of a series share one index. The last of all code points, which no name has, keeps those of its folders behind
    those of the series itself, each folder's together.
    """
    return f"{BEHIND_ALL_NAMES}{folder}/{key}"


def nested_folder(key: str) -> int | None:
    """Return the folder of a key that `nested_key` made; None for a name that stands in the series itself."""
    folder, slash, _ = key.removeprefix(BEHIND_ALL_NAMES).partition("/")
    return int(folder) if slash else None


def nested_end(folder: int) -> str:
    """Return a key behind all keys of that folder."""
    return f"{BEHIND_ALL_NAMES}{folder}0"  # "0" comes next to "/"


def is_code(name: str) -> bool:
    """Whether a name has the form of a study or exam code."""
    return _CODE.fullmatch(name) is not None


def check_code(code: str, what: str) -> str:
    """Return a study or exam code unchanged if it is one (CONTRACT, "The tree").

    Raises:
        Invalid: it does not match `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`, ends in a dot, or is a device name of Windows.
    """
    if not is_code(code):
        raise Invalid(
            f"a {what} code is 1 to 64 letters, digits, dots, dashes or underscores and begins with a letter or digit"
        )
    if code.endswith(".") or _DEVICE.fullmatch(code):
        raise Invalid(f"a {what} code may not end in a dot or be a device name of Windows such as CON or NUL")
    return code


def check_login(login: str) -> str:
    """Return a login unchanged if it can name a folder and a Unix user.

    Raises:
        Invalid: it cannot.
    """
    if not _LOGIN.fullmatch(login) or login.endswith(".") or _DEVICE.fullmatch(login):
        raise Invalid("a login is 1 to 64 letters, digits or `_.@+-`, and begins with a letter, digit or underscore")
    return login


def safe_label(text: str, limit: int = _DESCRIPTION_CHARACTERS) -> str:
    """Return free text as a part of a name: unsafe runs become one underscore; at most `limit` characters; may be empty."""
    visible = "".join(c for c in text if unicodedata.category(c) not in {"Cf", "Co", "Cn"})
    # Composed only now: what was between a letter and its accent is gone.
    label = _UNSAFE.sub("_", unicodedata.normalize("NFC", visible))
    label = re.sub(r"_{2,}", "_", label)[:limit].strip("_. -")
    while len(label.encode()) > MAX_NAME_BYTES - 64:
        label = label[:-1]
    return label.rstrip("_. -")


def check_description(text: str) -> str:
    """Return the description that somebody gives a series, without blanks around it.

    Raises:
        Invalid: nothing of it can be in a name, or it is too long.
    """
    if not safe_label(text) or len(text.strip()) > _DESCRIPTION_CHARACTERS or not text.isprintable():
        raise Invalid(f"a series label is one line of 1 to {_DESCRIPTION_CHARACTERS} characters, with letters or digits in it")
    return text.strip()


def safe_name(name: str) -> str:
    """Return the name that a file or folder of a result gets: as it was where every face can show it, else made so.

    At most 200 bytes; what is cut off is cut before the extension.
    """
    visible = "".join(c for c in name if unicodedata.category(c) not in {"Cf", "Co", "Cn"})
    text = _UNSAFE_IN_FILE_NAME.sub("_", unicodedata.normalize("NFC", visible)).strip(" ").rstrip(". ")
    if _DEVICE.fullmatch(text) or not text:
        text = f"_{text}"
    stem, dot, extension = text.rpartition(".")
    if not stem or len(extension.encode()) > _LONGEST_EXTENSION:
        stem, dot, extension = text, "", ""
    while len((stem + dot + extension).encode()) > _LONGEST_FILE_NAME:
        stem = stem[:-1]
    return stem.rstrip(". ") + dot + extension if dot else stem.rstrip(". ")


def series_name(number: int, file_type: str, description: str) -> str:
    """Return `<NNN>_<FILE TYPE>_<description>` for a series folder; without a description, `<NNN>_<FILE TYPE>`."""
    label = safe_label(description)
    return f"{number:03d}_{file_type}_{label}" if label else f"{number:03d}_{file_type}"


def file_name(number: int, extension: str, digits: int = FEWEST_DIGITS) -> str:
    """Return the name of the `number`-th file of a series, of so many digits at least, lower case: `00001.dcm`."""
    return f"{number:0{digits}d}{extension.lower()}"


def unique_name(name: str, taken: set[str]) -> str:
    """Return `name`, or with `_2`, `_3` … behind it, so that its folded form is not in `taken` (folded forms)."""
    if folded(name) not in taken:
        return name
    count = 2
    while folded(candidate := f"{name}_{count}") in taken:
        count += 1
    return candidate


def unique_file_name(name: str, taken: set[str]) -> str:
    """Return `name`, or with `_2`, `_3` … before its extension, so that its folded form is not in `taken` (folded forms)."""
    stem, dot, extension = name.rpartition(".")
    if not stem:
        stem, dot, extension = name, "", ""
    candidate, count = name, 1
    while folded(candidate) in taken:
        count += 1
        candidate = f"{stem}_{count}{dot}{extension}"
    return candidate


def number_files(wanted: Sequence[int | None], taken: set[int]) -> list[int]:
    """Return a number for each file of a series: the wanted one if it is free, else the next above all others.

    Args:
        wanted: the instance number of each file, in the order in which ties are decided; None or a number outside
            1..99,999,999 has none.
        taken: numbers already used in the series.

    Returns:
        As many numbers as `wanted` has, all different, none in `taken`.
    """
    used = set(taken)
    given: list[int | None] = []
    for number in wanted:
        free = number is not None and 1 <= number <= _LARGEST_NUMBER and number not in used
        given.append(number if free else None)
        if free and number is not None:
            used.add(number)
    following = max(used, default=0)
    result = []
    for number in given:
        if number is None:
            following += 1
            number = following  # noqa: PLW2901 - the default for a file that has no number of its own
        result.append(number)
    return result
