"""MAT-files of version 7.3, as those of version 5: the header's text goes, text and odd names wait, numbers and cells stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

from catalog.filetypes.mat import Mat
from catalog.filetypes.sample import Sample
from deid import Held
from tests.deid.formats.conftest import MARK, attesting

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.deid.formats.conftest import Clean

VALUES = np.random.default_rng(2).normal(size=(40, 30))


def classed(file: h5py.File, name: str, values: object, kind: str, **more: object) -> h5py.Dataset:
    dataset = file.create_dataset(name, data=values, **more)
    dataset.attrs["MATLAB_class"] = np.bytes_(kind)
    return dataset


def chars(file: h5py.File, name: str, text: str) -> None:
    codes = np.frombuffer(text.encode("utf-16-le"), "<u2").reshape(-1, 1)
    classed(file, name, codes, "char").attrs["MATLAB_int_decode"] = np.int32(2)


def write(path: Path, *more: Callable[[h5py.File], None]) -> Path:
    """A matrix, a structure, a cell, an empty one, as MATLAB writes them."""
    with h5py.File(path, "w", userblock_size=512, libver=("earliest", "v108")) as file:
        classed(file, "data", VALUES, "double", chunks=(10, 7), compression="gzip", compression_opts=3)
        structure = file.create_group("info")
        structure.attrs["MATLAB_class"] = np.bytes_("struct")
        letters = np.empty(2, dtype=h5py.vlen_dtype(np.dtype("S1")))
        letters[0], letters[1] = np.array(list("TR"), dtype="S1"), np.array(list("mask"), dtype="S1")
        structure.attrs.create("MATLAB_fields", letters, dtype=letters.dtype)
        classed(file, "info/TR", np.array([[2.5]]), "double")
        classed(file, "info/mask", np.array([[1, 0]], "u1"), "logical").attrs["MATLAB_int_decode"] = np.int32(1)
        for name in "ab":
            classed(file, f"#refs#/{name}", np.array([[ord(name)]], "f8"), "double").attrs["H5PATH"] = np.bytes_(MARK)
        references = np.array([[file["#refs#/b"].ref], [file["#refs#/a"].ref]], dtype=h5py.ref_dtype)
        classed(file, "cells", references, "cell")
        classed(file, "out", np.zeros(2, "u8"), "char").attrs["MATLAB_empty"] = np.uint8(1)
        for change in more:
            change(file)
    with path.open("r+b") as stream:
        text = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Mar 12 10:35:22 2008 by " + MARK
        stream.write(text.ljust(116) + bytes(8) + b"\0\x02IM" + MARK)
    return path


def ours(tmp_path: Path, data: bytes) -> Path:
    (tmp_path / "ours.mat").write_bytes(data)
    return tmp_path / "ours.mat"


def test_numbers_structures_and_cells_stay(clean: Clean, tmp_path: Path) -> None:
    data, report = clean(write(tmp_path / "a.mat"))
    assert data[:128] == b"MATLAB 7.3 MAT-file".ljust(116) + bytes(8) + b"\0\x02IM"
    assert not any(data[128:512])
    assert (report.ending, report.headers) == (".mat", {"FileType": "MAT"})
    path = ours(tmp_path, data)
    assert Mat().recognise(Sample(path))
    with h5py.File(path) as file:
        assert file["data"][:].tobytes() == VALUES.tobytes()
        assert (file["data"].compression, file["data"].chunks) == ("gzip", (10, 7))
        assert [file[each][0, 0] for each in file["cells"][:, 0]] == [ord("b"), ord("a")]
        assert [b"".join(each) for each in file["info"].attrs["MATLAB_fields"]] == [b"TR", b"mask"]
        assert file["info/mask"].attrs["MATLAB_class"] == b"logical"
        assert file["out"].attrs["MATLAB_empty"] == 1
        assert "H5PATH" not in file["#refs#/a"].attrs


MARKED = MARK.decode()
OTHERS = {
    "characters": lambda file: chars(file, "label", MARKED),
    "characters in a cell": lambda file: chars(file, "#refs#/c", MARKED),
    "a text": lambda file: file.create_dataset("label", data=MARKED),
    "a variable's name": lambda file: classed(file, MARKED, np.zeros(1), "double"),
    "a name of a member": lambda file: classed(file, "#refs#/" + MARKED, np.zeros(1), "double"),
    "a field's name": lambda file: file["info"].attrs.create("MATLAB_fields", np.bytes_(MARKED)),
    "a class": lambda file: classed(file, "out2", np.zeros(1), MARKED),
    "an attribute": lambda file: file["data"].attrs.create("label", MARKED),
    "an attribute's name": lambda file: file["data"].attrs.create(MARKED, 1),
    "objects": lambda file: file.create_group("#subsystem#"),
    "a function": lambda file: classed(file, "fit", np.zeros(1), "function_handle"),
    "a record's member": lambda file: file.create_dataset("out2", data=np.zeros(1, [(MARKED, "f4")])),
    "a name in an enumeration": lambda file: file.create_dataset("out2", (1,), h5py.enum_dtype({MARKED: 1})),
}


@pytest.mark.parametrize("what", OTHERS)
def test_text_waits_for_the_profiles_word(clean: Clean, tmp_path: Path, what: str) -> None:
    with pytest.raises(Held, match="must attest MAT") as caught:
        clean(write(tmp_path / "a.mat", OTHERS[what]))
    assert MARKED.lower() not in str(caught.value).lower()


def test_an_attested_text_is_looked_through(clean: Clean, tmp_path: Path) -> None:
    data, _ = clean(write(tmp_path / "a.mat", lambda file: chars(file, "Meier", "left hand")), attesting("MAT"))
    with h5py.File(ours(tmp_path, data)) as file:
        assert file["Meier"][:, 0].astype("<u2").tobytes().decode("utf-16-le") == "left hand"
    with pytest.raises(Held, match="a date"):
        clean(write(tmp_path / "b.mat", lambda file: chars(file, "label", "12.03.2008")), attesting("MAT"))
