"""Marks in the archive's own folders: without its mark, the folder's disk may not be mounted, and nothing may be written there.

Whoever prepares a folder marks it; whoever is about to serve from it asks first. The second line says which archive it belongs
to and how old it is (`catalog.pure.generation.Mark`). May live here: the mark. Not: what else lies in the folder, what follows
from a mark.
"""

import errno
import json
from dataclasses import asdict
from pathlib import Path

from catalog import durable
from catalog.pure.errors import Refused, Unavailable
from catalog.pure.generation import Mark

MARK = ".archimed"
_TEXT = b"A folder of ArchiMed's. Without this file nothing is written here: the disk may not be mounted.\n"


def mark(folder: Path) -> None:
    """Mark a folder; harmless when it is marked."""
    if not (folder / MARK).exists():
        durable.write_file(folder / MARK, [_TEXT])


def read(folder: Path) -> Mark | None:
    """Return which archive a folder belongs to; None if that was never written, or this process may not look.

    Raises:
        Unavailable: the mark is damaged, or the disk does not answer.
    """
    try:
        lines = (folder / MARK).read_bytes().splitlines()
        return Mark(**json.loads(lines[1])) if len(lines) > 1 else None
    except (FileNotFoundError, PermissionError):
        return None
    except (ValueError, TypeError):
        raise Unavailable(
            f"{folder / MARK} is damaged; bring it back from the backup, or use `archimed init --adopt`"
        ) from None
    except OSError as error:
        raise durable.as_archimed_error(error, "a folder of the archive cannot be read") from None


def write(folder: Path, mark: Mark) -> None:
    """Say which archive a folder belongs to, durably, instead of what was said before.

    Raises:
        OutOfSpace, Unavailable: the disk refused; what was said before stays.
    """
    with durable.translated("a folder of the archive cannot be marked"):
        durable.write_file(folder / MARK, [_TEXT, json.dumps(asdict(mark)).encode(), b"\n"])


def is_missing(folder: Path) -> bool:
    """Whether the folder is not there or not marked; one that this process may not look into is taken to be there."""
    try:
        (folder / MARK).stat()
    except OSError as error:
        return error.errno != errno.EACCES
    return False


def require(folder: Path, what: str) -> None:
    """Check that a folder is the one that was prepared.

    Raises:
        Unavailable: it is not.
    """
    if is_missing(folder):
        raise Unavailable(
            f"{what} {folder} is not there, or its disk is not mounted: there is no {MARK} in it. Mount it; only if there is"
            " nothing to mount, prepare it with `archimed init`"
        )


def refuse_to_begin_anew(folder: Path, what: str) -> None:
    """Check that a folder, in use for long, is not about to be made anew because its disk is away.

    Raises:
        Refused: it is missing or empty.
    """
    if is_missing(folder) and not (folder.is_dir() and any(folder.iterdir())):
        raise Refused(
            f"{what} {folder} is missing or empty though the catalogue knows files: mount its disk, or bring it back from the"
            " backup, and try again"
        )
