"""The file types that are installed: entry points of the group `archimed.filetypes`, the shipped ones among them."""

import logging
import re
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from catalog import durable
from catalog.faults import place_of
from catalog.filetypes.model import FileType, Look, Preview, Value
from catalog.filetypes.sample import Sample
from catalog.pure.errors import Invalid, Unreadable

GROUP = "archimed.filetypes"
SMALL = Look()
_SHIPPED = "archimed"
_log = logging.getLogger(__name__)
_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,31}")


@cache
def file_types() -> tuple[FileType, ...]:
    """Return all types in the order they are asked: the surer first, among equals a site's own before the shipped.

    Raises:
        Invalid: one of them cannot be used; without it files would be filed as something else.
    """
    found = []
    for entry in entry_points(group=GROUP):
        kind = _load(entry)
        found.append((kind.rank, entry.dist is not None and entry.dist.name == _SHIPPED, entry.name, kind))
    if not found:
        raise Invalid("no file types are installed; install the program again (`pip install`)")
    return tuple(kind for *_, kind in sorted(found, key=lambda each: each[:3]))


def recognise(sample: Sample) -> FileType | None:
    """Return the type of a file by its content; None for what nobody knows. A type that fails does not know it.

    Raises:
        Unavailable: the disk does not give its bytes.
    """
    for kind in file_types():
        try:
            if kind.recognise(sample):
                return kind
        except OSError as error:
            raise durable.as_archimed_error(error, "a staged file cannot be read") from None
        except Exception as error:  # noqa: BLE001 - a site's own code, over a file that anybody made
            _log.warning("the file type %s failed to recognise a file: %s", kind.name, place_of(error))
    return None


@cache
def named(label: str) -> FileType | None:
    """Return the type by its name, or by what de-identification calls its files."""
    return next((kind for kind in file_types() if label == kind.name or label in kind.labels), None)


def _load(entry: EntryPoint) -> FileType:
    try:
        kind: FileType = entry.load()()
        name, *_ = kind.name, kind.rank, tuple(kind.fields), frozenset(kind.labels), frozenset(kind.companions)
    except Exception as error:  # noqa: BLE001 - whatever a site's package does when it is loaded
        _log.error("the file type %s cannot be loaded: %s", entry.name, place_of(error))
        raise Invalid(
            f"the file type {entry.name} ({entry.value}) cannot be used: {type(error).__name__}; mend or remove its package"
        ) from None
    if not _NAME.fullmatch(name):
        raise Invalid(f"the file type {entry.name} ({entry.value}) has a name that is none: 1 to 32 capitals, digits, _")
    return kind


def values_of(kind: FileType, path: Path) -> dict[str, Value]:
    """Return what a published file says of itself; nothing if its type fails at it.

    Raises:
        Unavailable: the disk does not give its bytes.
    """
    try:
        with path.open("rb") as file:
            found: dict[str, object] = dict(kind.read(file))  # a site's code may give anything
            return {name: value for name, value in found.items() if isinstance(value, str | int | float)}
    except OSError as error:
        raise durable.as_archimed_error(error, "a published file cannot be read") from None
    except Exception as error:  # noqa: BLE001 - as in recognise
        _log.warning("the file type %s failed to read a file: %s", kind.name, place_of(error))
    return {}


def preview_of(kind: FileType, path: Path, look: Look = SMALL) -> Preview | None:
    """Return a look into a file; none if there is nothing to be seen in its type.

    Raises:
        Unreadable: its type fails at it, and why.
        Unavailable: the disk does not give its bytes.
    """
    try:
        with path.open("rb") as file:
            return kind.preview(file, look)
    except Unreadable:
        raise
    except MemoryError:
        raise Unreadable("it takes too much memory to show it") from None
    except OSError as error:
        if error.errno is None:  # not the disk's: what libraries raise of files that they do not understand
            raise Unreadable(f"it cannot be shown ({type(error).__name__})") from None
        raise durable.as_archimed_error(error, "a file cannot be read") from None
    except Exception as error:  # noqa: BLE001 - as in recognise
        _log.info("the file type %s failed to show a file: %s", kind.name, place_of(error))
        raise Unreadable(f"it cannot be shown ({type(error).__name__})") from None
