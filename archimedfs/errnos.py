"""The archive's errors as errno. An exception that escaped would end the mount."""

import errno
import functools
import logging
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ParamSpec, TypeAlias, TypeVar

import pyfuse3

from catalog.pure.errors import (
    ArchimedError,
    Conflict,
    Damaged,
    Elsewhere,
    Held,
    Invalid,
    IsADirectory,
    NotADirectory,
    NotEmpty,
    NotFound,
    OutOfSpace,
    Refused,
    Sealed,
    TooLong,
    Unavailable,
)

_log = logging.getLogger(__name__)

_ERRNOS: dict[type[ArchimedError], int] = {
    NotFound: errno.ENOENT,
    Refused: errno.EACCES,
    Sealed: errno.EROFS,
    Elsewhere: errno.EXDEV,
    Held: errno.EACCES,
    Invalid: errno.EINVAL,
    TooLong: errno.ENAMETOOLONG,
    Conflict: errno.EEXIST,
    NotEmpty: errno.ENOTEMPTY,
    NotADirectory: errno.ENOTDIR,
    IsADirectory: errno.EISDIR,
    OutOfSpace: errno.ENOSPC,
    Damaged: errno.EIO,
    Unavailable: errno.EIO,
    ArchimedError: errno.EIO,
}
# A user's program shows "Input/output error" for these; what happened is for whoever keeps the archive.
_FOR_THE_LOG = (Damaged, Unavailable)

_Parameters = ParamSpec("_Parameters")
_Answer = TypeVar("_Answer")
Handler: TypeAlias = Callable[_Parameters, Coroutine[Any, Any, _Answer]]


def errno_of(error: Exception) -> int:
    """Return the errno that stands for an error; EIO for what nobody expected."""
    return next((_ERRNOS[kind] for kind in type(error).__mro__ if kind in _ERRNOS), errno.EIO)


def told_errno(error: Exception, handler: str) -> int:
    """Return the errno that stands for an error of a handler, and tell the log what only the archive's keeper can mend.

    What is logged names the handler and the place in the program; never a path, a name or the text of a foreign exception.
    """
    if not isinstance(error, ArchimedError):
        place = traceback.extract_tb(error.__traceback__)[-1]
        # No traceback: it may quote a path.
        _log.error("%s: unexpected %s at %s:%d", handler, type(error).__name__, Path(place.filename).name, place.lineno or 0)
        return errno.EIO
    if isinstance(error, _FOR_THE_LOG):
        _log.error("%s: %s", handler, error)
    return errno_of(error)


def answering(
    handler: Callable[_Parameters, Coroutine[Any, Any, _Answer]],
) -> Callable[_Parameters, Coroutine[Any, Any, _Answer]]:
    """Wrap a handler so that it answers or raises FUSEError, and nothing else."""

    @functools.wraps(handler)
    async def wrapped(*args: _Parameters.args, **named: _Parameters.kwargs) -> _Answer:
        try:
            return await handler(*args, **named)
        except pyfuse3.FUSEError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the mount lives on
            raise pyfuse3.FUSEError(told_errno(error, handler.__name__)) from None

    return wrapped
