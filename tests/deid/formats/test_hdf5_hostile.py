"""HDF5 that leads elsewhere, has no end, or breaks its reader: an error of ours, nothing written, no harm elsewhere."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deid import DeidError, Held, Unreadable, load_profile
from deid.formats import FileCleaner
from deid.formats.hdf5 import limits, process
from tests.deid.formats import test_hdf5, test_hdf5_mat
from tests.deid.formats.conftest import KEY, MARK, attesting

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.deid.formats.conftest import Clean

EVERY = load_profile(attesting("MAT", "HDF5"))


def elsewhere(file: h5py.File) -> None:
    file["dataset/data"] = h5py.ExternalLink("/etc/hostname", "/")


def outside(file: h5py.File) -> None:
    file.create_dataset("dataset/data", (8,), "u1", external=[("/etc/passwd", 0, 8)])


def put_together(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "data", (4,))
    file.create_virtual_dataset("dataset/data", layout)


def circle(file: h5py.File) -> None:
    file["dataset/group"] = file["dataset"]


def region(file: h5py.File) -> None:
    values = file.create_dataset("dataset/data", data=np.zeros(4))
    file.create_dataset("dataset/roi", data=values.regionref[:2], dtype=h5py.regionref_dtype)


LEADS: dict[str, Callable[[h5py.File], Any]] = {
    "a link to another file": elsewhere,
    "a link to nothing": lambda file: file.__setitem__("dataset/data", h5py.SoftLink("/dataset/mask")),
    "a link to itself": lambda file: file.__setitem__("dataset/data", h5py.SoftLink("/dataset/data")),
    "a group above": lambda file: file.__setitem__("dataset/data", h5py.SoftLink("/")),
    "values in another file": outside,
    "values of another dataset": put_together,
    "a circle": circle,
    "a reference to a region": region,
    "a filter that is not known": lambda file: file.create_dataset("dataset/data", (9,), "f4", chunks=(3,), compression="lzf"),
    "bytes of no type": lambda file: file.create_dataset("dataset/data", data=np.void(MARK)),
    "a chunk without measure": lambda file: file.create_dataset("dataset/data", (1 << 30,), "f8", chunks=(1 << 28,)),
    "texts in records": lambda file: file.create_dataset("dataset/data", data=np.zeros(2, [("x", "S4")])),
}


@pytest.mark.parametrize("what", LEADS)
def test_what_cannot_be_kept_holds_the_file(clean: Clean, tmp_path: Path, what: str) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("dataset/xml", (1,), h5py.string_dtype())[0] = test_hdf5.HEADER
        LEADS[what](file)
    with pytest.raises(Held, match="HDF5 file with"):
        clean(tmp_path / "a.h5", attesting("HDF5"))


def test_a_bomb_ends(tmp_path: Path) -> None:
    """A list of a megabyte that a million rows share would be a terabyte, written out."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("dataset/xml", (1,), h5py.string_dtype())[0] = test_hdf5.HEADER
        lists = file.create_dataset("dataset/data", (1000,), h5py.vlen_dtype("u1"))
        lists[0] = np.arange(1 << 18, dtype="u1")
        where = lists.id.get_offset()
    with path.open("r+b") as stream:
        stream.seek(where)
        first = stream.read(16)
        stream.seek(where)
        stream.write(first * 1000)
    out = io.BytesIO()
    with pytest.raises(Unreadable):
        FileCleaner(EVERY, KEY, "S", "E001").clean(path, out)
    assert not out.getvalue()


def test_a_reader_that_dies_or_hangs_is_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test_hdf5.write(tmp_path / "a.h5")
    for child in ("import os; os.kill(os.getpid(), 11)", "import time; time.sleep(600)", "print('no message')"):
        fake = tmp_path / "python"
        fake.write_text(f"#!/usr/bin/env python3\n{child}\n")
        fake.chmod(0o755)
        monkeypatch.setattr(process.sys, "executable", str(fake))
        monkeypatch.setattr(limits, "seconds", lambda size: 1)
        with pytest.raises(Unreadable, match="its reader fails"):
            FileCleaner(EVERY, KEY, "S", "E001").clean(tmp_path / "a.h5", io.BytesIO())


def test_no_secret_and_no_open_file_reaches_the_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIMED_SECRET", "x")
    test_hdf5.write(tmp_path / "a.h5")
    with (tmp_path / "copy").open("w+b") as copy, process.conversation(tmp_path / "a.h5", copy) as child:
        child.nodes()
        number = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()[-1]
        assert b"child" in Path(f"/proc/{number}/cmdline").read_bytes()
        assert b"ARCHIMED" not in Path(f"/proc/{number}/environ").read_bytes()
    assert not Path(f"/proc/{number}").exists()


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("whole")
    test_hdf5.write(folder / "a.h5")
    test_hdf5_mat.write(folder / "a.mat")
    return [(folder / name).read_bytes() for name in ("a.h5", "a.mat")]


CHANGES = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from([b"\xff" * 4, bytes(4), b"\xff\xff\xff\x7f", b"\x01", b"\x80", b"\0\0\0\x01"])),
    min_size=1, max_size=4,
)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(which=st.integers(0, 1), changes=CHANGES, cut=st.floats(0.2, 4))
def test_changed_bytes(tmp_path: Path, wholes: list[bytes], which: int, changes: list[tuple[float, bytes]], cut: float) -> None:
    broken = bytearray(wholes[which])
    for place, bytes_ in changes:
        at = int(place**2 * (len(broken) - 8))
        broken[at : at + len(bytes_)] = bytes_
    (tmp_path / "a").write_bytes(broken[: int(len(broken) * cut)])
    out = io.BytesIO()
    said = ""
    try:
        FileCleaner(EVERY, KEY, "S", "E001").clean(tmp_path / "a", out)
    except DeidError as error:
        said = str(error)
    assert not (said and out.getvalue())
    assert MARK.decode().lower() not in said.lower()
