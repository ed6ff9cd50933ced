"""`archimed result add`, and what becomes of it at the gate."""

import json
from pathlib import Path

import pytest

from tests.builders import BuiltArchive
from tests.gateway.cli.conftest import Run, done, refused

SERIES = "2008-0003/E001/003_DCM_MR_t1"


@pytest.fixture
def archive(built: BuiltArchive, archimed: Run) -> BuiltArchive:
    assert archimed("init").returncode == 0
    built.study("2008-0003")
    for login, role in (("ada", "standard"), ("lea", "limited")):
        built.user(login, role)
        built.grant(login, "2008-0003")
    built.add_series(SERIES, {"00001.dcm": b"bytes"})
    built.add_series("2008-0003/E001/004_DCM_MR_t2", {"00001.dcm": b"bytes"})
    return built


@pytest.fixture
def seg(tmp_path: Path) -> Path:
    (tmp_path / "seg" / "stats").mkdir(parents=True)
    (tmp_path / "seg" / "left.csv").write_bytes(b"1,2\n")
    (tmp_path / "seg" / "stats" / "all.csv").write_bytes(b"3\n")
    return tmp_path / "seg"


def test_a_result_comes_back_beside_its_series(archive: BuiltArchive, archimed: Run, seg: Path) -> None:
    words = ("result", "add", SERIES, seg, "--label", "seg", "--program", "FreeSurfer 7.4.1", "--also-from", "004_DCM_MR_t2")
    added = json.loads(done(archimed(*words, "--as", "ada", "--json")))
    assert added == {"batch": 1, "state": "open", "folder": "2008-0003/E001/003_RESULT_seg", "files": 3}
    assert "seal it first" in refused(archimed(*words, "--as", "ada"))  # it would be mixed with the first
    done(archimed("staging", "seal", "1", "--as", "ada"))
    done(archimed("staging", "accept", "1", "--study", "2008-0003", "--exam", "E001", "--wait", "--as", "ada"))
    assert done(archimed("ls", "2008-0003/E001/003_RESULT_seg", "--as", "lea")) == "left.csv\nstats/\n"
    assert done(archimed("cat", "2008-0003/E001/003_RESULT_seg/stats/all.csv", "--as", "lea")) == "3\n"
    shown = json.loads(done(archimed("stat", "2008-0003/E001/003_RESULT_seg", "--as", "lea", "--json")))
    told = {key: shown[key] for key in ("made_of", "program", "sources", "brought_by")}
    assert told == {
        "made_of": "003_DCM_MR_t1", "program": "FreeSurfer 7.4.1", "sources": ["003_DCM_MR_t1", "004_DCM_MR_t2"],
        "brought_by": "ada",
    }  # fmt: skip


def test_what_cannot_be_a_result_is_refused_and_brings_nothing(archive: BuiltArchive, archimed: Run, seg: Path) -> None:
    add = ("result", "add")
    assert "STUDY/EXAM/SERIES" in refused(archimed(*add, "2008-0003/E001", seg, "--label", "x", "--as", "ada"))
    assert "no such file" in refused(archimed(*add, f"{SERIES}x", seg, "--label", "x", "--as", "ada"))
    assert "a label is short" in refused(archimed(*add, SERIES, seg, "--label", "a/b", "--as", "ada"))
    refused(archimed(*add, SERIES, seg, "--label", "x", "--as", "lea"))
    assert json.loads(done(archimed("staging", "list", "--json"))) == []
