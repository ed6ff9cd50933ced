"""Philips PAR/REC: every real header of nibabel's wheel reads the same afterwards, and planted marks are gone."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel
import numpy as np
import pytest
from nibabel import parrec

from deid import Unreadable
from tests.deid.formats.conftest import MARK, nibabel_file

if TYPE_CHECKING:
    from tests.deid.formats.conftest import Clean

NAME = MARK.decode()
HEADERS = sorted((Path(nibabel.__file__).parent / "tests" / "data").glob("*.PAR"))
PAIR = "phantom_EPI_asc_CLEAR_2_1"


def parsed(path: Path) -> tuple[dict[str, object], np.ndarray]:
    with path.open(encoding="latin-1") as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return parrec.parse_PAR_header(stream)


@pytest.mark.parametrize("source", HEADERS, ids=lambda path: path.stem)
def test_real_headers_read_the_same(clean: Clean, tmp_path: Path, source: Path) -> None:
    data, report = clean(source)
    (tmp_path / "a.PAR").write_bytes(data)
    (old, rows), (new, clean_rows) = parsed(source), parsed(tmp_path / "a.PAR")
    assert np.array_equal(rows, clean_rows)
    changed = {name for name in old if str(old[name]).split() != str(new[name]).split()}
    assert changed <= {"patient_name", "exam_name", "protocol_name", "exam_date"}
    assert (new["patient_name"], new["exam_name"]) == ("E001", "E001")
    assert report.headers["FileType"] == "PARREC"
    if old["exam_date"][:4].isdigit():
        assert new["exam_date"][:10] != old["exam_date"][:10]
        assert new["exam_date"][-8:] == old["exam_date"][-8:]


def planted(text: str) -> str:
    out = []
    for line in text.splitlines():
        name = line.split(":")[0]
        if "Patient name" in line:
            out.append(f"{name}:   {NAME} Anna")
        elif "Protocol name" in line:
            out.append(f"{name}:   T1W_3D {NAME}")
        elif "Technique" in line:
            out += [f".    {NAME}                        :   1", f"{line} {NAME}"]
        elif "Dataset name" in line:
            out.append(line + NAME)
        elif "END OF DATA" in line:
            out += [f"# by {NAME} 20140214", line]
        else:
            out.append(line)
    return "\r\n".join(out) + "\r\n"


def test_planted_marks_go(clean: Clean, tmp_path: Path) -> None:
    (tmp_path / "a.PAR").write_bytes(planted(nibabel_file(PAIR + ".PAR").read_text("latin-1")).encode("latin-1"))
    data, report = clean(tmp_path / "a.PAR")
    assert b"T1W_3D\r\n" in data
    assert b"phantom_EPI" not in data
    assert b"2014" not in data
    assert report.headers["ProtocolName"] == "T1W_3D"
    assert report.ending == ".PAR"
    assert {"patient name", "examination name", "examination date", "protocol name"} <= {a.path for a in report.actions}


def test_the_image_keeps_its_bytes_and_loses_its_tail(clean: Clean, tmp_path: Path) -> None:
    par, rec = nibabel_file(PAIR + ".PAR"), nibabel_file(PAIR + ".REC")
    (tmp_path / "a.PAR").write_bytes(par.read_bytes())
    (tmp_path / "a.REC").write_bytes(rec.read_bytes() + MARK)
    for ending in (".PAR", ".REC"):
        data, report = clean(tmp_path / f"a{ending}")
        assert report.ending == ending
        (tmp_path / f"clean{ending}").write_bytes(data)
    assert (tmp_path / "clean.REC").read_bytes() == rec.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, after = (np.asarray(parrec.load(path).dataobj) for path in (str(par), str(tmp_path / "clean.PAR")))
    assert np.array_equal(before, after)


def test_what_is_no_header(clean: Clean, tmp_path: Path) -> None:
    text = nibabel_file(PAIR + ".PAR").read_text("latin-1")
    (tmp_path / "a.PAR").write_text(text + f"\n 1 2 3 {NAME}\n", "latin-1")
    with pytest.raises(Unreadable, match="not numbers"):
        clean(tmp_path / "a.PAR")
    (tmp_path / "b.PAR").write_text(text, "latin-1")
    (tmp_path / "b.REC").write_bytes(nibabel_file(PAIR + ".REC").read_bytes()[:-1])
    with pytest.raises(Unreadable, match="cut short"):
        clean(tmp_path / "b.REC")
    (tmp_path / "c.REC").write_bytes(bytes(range(256)))
    with pytest.raises(Unreadable):
        clean(tmp_path / "c.REC")
