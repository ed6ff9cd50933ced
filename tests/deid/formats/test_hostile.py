"""Broken files of every format: our own errors and nothing else, in bounded time and memory, and no mark gets through."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest

from deid import DeidError, load_profile
from deid.formats import FileCleaner
from tests.deid.formats import test_edf, test_mat, test_nifti, test_parrec, test_text, test_twix
from tests.deid.formats.conftest import KEY, MARK, attesting, nibabel_file

if TYPE_CHECKING:
    from pathlib import Path

EVERY = load_profile(attesting("CSV", "TSV", "JSON", "TEXT", "MAT", "HDF5", "PNG", "JPEG", "TIFF", "PDF", "OFFICE"))
ENDLESS = b"stream\n" * 200_000


def samples() -> dict[str, bytes]:
    par = test_parrec.planted(nibabel_file(test_parrec.PAIR + ".PAR").read_text("latin-1"))
    return {
        "nifti": test_nifti.image().to_bytes(),
        "edf": test_edf.Recording().bytes(),
        "twix": test_twix.many(test_twix.header() + test_twix.SAMPLES),
        "twix of VB": test_twix.header(Padding="x" * 12000) + test_twix.SAMPLES,
        "parrec": par.encode("latin-1"),
        "mat": test_mat.mat(test_mat.structure(b"TR", test_mat.cell(test_mat.numbers(b"")))),
        "pdf": test_text.pdf(),
        "office": test_text.office(),
    }


@pytest.mark.parametrize("kind", ["nifti", "edf", "twix", "twix of VB", "parrec", "mat", "pdf", "office"])
def test_changed_bytes(tmp_path: Path, kind: str) -> None:
    """Whatever byte or length is changed: cleaned, or refused by an error of ours before anything is written."""
    whole = samples()[kind]
    source, dice = tmp_path / "a", random.Random(5)
    cleaner = FileCleaner(EVERY, KEY, "S", "E001")
    refused = []
    for _ in range(120):
        broken = bytearray(whole[: dice.randrange(1, len(whole))] if dice.random() < 0.3 else whole)
        for _ in range(dice.randrange(1, 4)):
            at = dice.randrange(min(len(broken), 4096))
            broken[at : at + 4] = dice.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", dice.randbytes(2)])
        source.write_bytes(broken)
        out = io.BytesIO()
        try:
            cleaner.clean(source, out)
        except DeidError as error:
            refused.append((str(error).lower(), out.getvalue()))
    assert refused
    assert not any(written or MARK.lower().decode() in said for said, written in refused)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"II*\0" + struct.pack("<IH", 8, 3) + b"".join(
            struct.pack("<HHII", tag, 4, 0x0FFFFFFF, 8) for tag in (273, 279, 330)) + bytes(4), id="tiff counts"),
        pytest.param(b"II*\0" + struct.pack("<IH", 8, 0) + struct.pack("<I", 8), id="tiff circle"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 0xFFFFFFFF) + b"IDAT" + bytes(64), id="png length"),
        pytest.param(b"\xff\xd8\xff\xda\0\x04ab" + b"\xff\x00" * 100_000, id="jpeg without an end"),
        pytest.param(test_mat.mat(struct.pack("<II", 15, 60) + zlib.compress(bytes(1 << 15)).ljust(60, b"\0")), id="mat zeros"),
        pytest.param(b"%PDF-1.5\n" + ENDLESS, id="pdf streams"),
        pytest.param(b"x" * 4_000_000 + b"\n", id="text of one word"),
        pytest.param(b"[" * 100_000, id="json deep"),
        pytest.param(b"0 " * 1_000_000, id="text of zeros"),
    ],
)  # fmt: skip
def test_hostile_sizes(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    tracemalloc.start()
    try:
        FileCleaner(EVERY, KEY, "S", "E001").clean(tmp_path / "a", io.BytesIO())
    except DeidError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 200 << 20
