"""Where a fault of the program arose, without what its text quotes: that may be a value of somebody's file."""

import traceback
from pathlib import Path

from catalog.pure.errors import ArchimedError

_FRAMES = 12


def place_of(error: BaseException) -> str:
    """Return an exception's kind and where it was raised, with the calls that led there; never its text.

    The text of the project's own errors may be shown to anybody, so it stands with them.
    """
    said = f": {error}" if isinstance(error, ArchimedError) else ""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    calls = " < ".join(f"{short_path(frame.filename)}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    own = f"{type(error).__name__}{said}" + (f" at {calls}" if calls else "")
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return f"{own}; from {place_of(cause)}" if cause is not None else own


def short_path(file: str) -> str:
    """Return the last folders of a source file's path: enough to find it, nothing of where it is installed."""
    return "/".join(Path(file).parts[-3:])
