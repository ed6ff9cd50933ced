"""Errors as errno, and what the log says of them."""

import errno
import logging

import pyfuse3
import pytest
import trio

from archimedfs.errnos import answering, errno_of
from catalog.pure import errors


def _all_errors() -> list[type[errors.ArchimedError]]:
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ArchimedError)]


def _answer_to(error: BaseException) -> int:
    @answering
    async def handler() -> None:
        raise error

    with pytest.raises(pyfuse3.FUSEError) as caught:
        trio.run(handler)
    return caught.value.errno


@pytest.mark.parametrize("kind", _all_errors())
def test_every_error_of_the_archive_has_an_errno(kind: type[errors.ArchimedError]) -> None:
    more = {errors.ConfigError: (["x"],), errors.Away: ("x", 1)}
    error = kind(*more.get(kind, ("x",)))
    assert errno.errorcode[_answer_to(error)]


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (errors.NotFound("x"), errno.ENOENT), (errors.NotADirectory("x"), errno.ENOTDIR),
        (errors.IsADirectory("x"), errno.EISDIR), (errors.Damaged("x"), errno.EIO), (errors.Unavailable("x"), errno.EIO),
        (errors.OutOfSpace("x"), errno.ENOSPC), (KeyError("x"), errno.EIO), (OSError(errno.EBADF, "x"), errno.EIO),
    ],
)  # fmt: skip
def test_errno_of(error: Exception, number: int) -> None:
    assert errno_of(error) == number
    assert _answer_to(error) == number


def test_an_errno_that_a_handler_chose_passes() -> None:
    assert _answer_to(pyfuse3.FUSEError(errno.EROFS)) == errno.EROFS


def test_an_unexpected_error_is_one_line_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    _answer_to(FileNotFoundError(errno.ENOENT, "no such file", "/store/S1/Mustermann^Erika"))
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith("handler: unexpected FileNotFoundError at test_errnos.py:")
    assert "Mustermann" not in caplog.text
    assert record.exc_info is None


def test_what_only_the_keeper_can_mend_is_logged_and_what_is_not_there_is_not(caplog: pytest.LogCaptureFixture) -> None:
    _answer_to(errors.NotFound("nothing there"))
    assert not caplog.records
    _answer_to(errors.Damaged("bytes are missing"))
    assert [record.getMessage() for record in caplog.records] == ["handler: bytes are missing"]
