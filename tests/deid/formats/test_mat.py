"""MAT-files: the header's text goes; text, objects and odd names wait for the profile's word; numbers stay."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import pytest

from deid import Held, Unreadable
from tests.deid.formats.conftest import MARK, attesting

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deid.formats.conftest import Clean

NUMBERS = bytes(range(64))
CELL, STRUCT, CHAR, DOUBLE, FUNCTION, OPAQUE = 1, 2, 4, 6, 16, 17


def element(kind: int, body: bytes) -> bytes:
    return struct.pack("<II", kind, len(body)) + body + bytes(-len(body) % 8)


def array(name: bytes, kind: int, *members: bytes) -> bytes:
    head = element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack("<ii", 1, 8)) + element(1, name)
    return element(14, head + b"".join(members))


def numbers(name: bytes = b"data") -> bytes:
    return array(name, DOUBLE, element(9, NUMBERS))


def text(name: bytes = b"label", value: str = MARK.decode()) -> bytes:
    return array(name, CHAR, element(4, value.encode("utf-16-le")))


def packed(body: bytes) -> bytes:
    squeezed = zlib.compress(body)
    return struct.pack("<II", 15, len(squeezed)) + squeezed


def cell(*members: bytes) -> bytes:
    return array(b"cells", CELL, *members)


def structure(field: bytes, member: bytes) -> bytes:
    return array(b"info", STRUCT, element(5, struct.pack("<i", 32)), element(1, field.ljust(32, b"\0")), member)


def mat(*elements: bytes, header: bytes = b"Platform: PCWIN64, Created on: Mon Mar 12 10:35:22 2008 by " + MARK) -> bytes:
    head = (b"MATLAB 5.0 MAT-file, " + header).ljust(116)[:116] + bytes(8) + struct.pack("<HH", 0x0100, 0x4D49)
    return head + b"".join(elements)


@pytest.mark.parametrize(
    "body",
    [numbers(), packed(numbers()), cell(numbers(b""), numbers(b"")), structure(b"bvals", numbers(b"")), packed(cell()),
     text(value=""), structure(b"TR", numbers(b"")), numbers(b"eegData2") + packed(numbers(b"fMRI_bold"))],
)  # fmt: skip
def test_numbers_pass(clean: Clean, tmp_path: Path, body: bytes) -> None:
    (tmp_path / "a.mat").write_bytes(mat(body))
    data, report = clean(tmp_path / "a.mat")
    assert data[128:] == body
    assert data[:116] == b"MATLAB 5.0 MAT-file".ljust(116)
    assert data[124:128] == struct.pack("<HH", 0x0100, 0x4D49)
    assert (report.ending, report.headers) == (".mat", {"FileType": "MAT"})


@pytest.mark.parametrize(
    "body",
    [text(), packed(text()), cell(text(b"")), packed(cell(cell(text(b"")))), structure(b"TR", text(b"")), numbers(MARK),
     structure(MARK, numbers(b"")), numbers(b"data20080312"), array(b"f", FUNCTION), array(b"t", OPAQUE), array(b"o", 3),
     element(1, MARK), numbers() + text(), packed(packed(text())), numbers(b"data\0" + MARK)],
)  # fmt: skip
def test_text_waits_for_the_profiles_word(clean: Clean, tmp_path: Path, body: bytes) -> None:
    (tmp_path / "a.mat").write_bytes(mat(body))
    with pytest.raises(Held, match="must attest MAT") as caught:
        clean(tmp_path / "a.mat")
    assert MARK.decode().lower() not in str(caught.value).lower()


def test_an_attested_file_passes_without_its_header_text(clean: Clean, tmp_path: Path) -> None:
    body = text(value="left hand") + structure(b"Meier", text(b"", "run 1"))
    (tmp_path / "a.mat").write_bytes(mat(body))
    assert clean(tmp_path / "a.mat", attesting("MAT"))[0][128:] == body


@pytest.mark.parametrize(
    "body", [numbers()[:-3], numbers() + b"tail", struct.pack("<II", 15, 9) + b"no zlib!!", element(14, b"x" * 24)]
)
def test_what_cannot_be_read(clean: Clean, tmp_path: Path, body: bytes) -> None:
    (tmp_path / "a.mat").write_bytes(mat(body))
    with pytest.raises((Unreadable, Held)):
        clean(tmp_path / "a.mat")


def test_a_bomb_is_held(clean: Clean, tmp_path: Path) -> None:
    bomb = zlib.compress(struct.pack("<II", 14, (1 << 28) + 64) + bytes((1 << 28) + 64), 1)
    (tmp_path / "a.mat").write_bytes(mat(struct.pack("<II", 15, len(bomb)) + bomb))
    with pytest.raises(Held, match="too large"):
        clean(tmp_path / "a.mat")
