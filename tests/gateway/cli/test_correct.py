"""`archimed correct` as a person types it, where no worker runs: the command does the job itself."""

import json

import pytest

from tests.builders import BuiltArchive
from tests.gateway.cli.conftest import Run, done, refused

SERIES = "2008-0003/E001/003_DCM_MR_wrong"


@pytest.fixture
def archive(built: BuiltArchive) -> BuiltArchive:
    built.study("2008-0003")
    for login, role in (("paula", "power"), ("lea", "limited")):
        built.user(login, role)
        built.grant(login, "2008-0003")
    built.add_series(SERIES, {"00001.dcm": b"bytes"})
    return built


def test_names_and_places_are_corrected(archive: BuiltArchive, archimed: Run) -> None:
    archimed("init")
    described = archimed("correct", "describe-series", SERIES, "t1 mprage", "--reason", "was wrong", "--as", "paula")
    assert done(described) == "correction 1 done: 2008-0003/E001/003_DCM_MR_wrong -> t1 mprage\n"
    right = "2008-0003/E001/003_DCM_MR_t1_mprage"
    assert done(archimed("cat", f"{right}/00001.dcm", "--as", "paula")) == "bytes"
    assert done(archimed("correct", "move-series", right, "E002", "--reason", "second visit", "--as", "paula"))
    assert done(archimed("correct", "rename-exam", "2008-0003/E002", "E003", "--reason", "typed wrongly"))
    assert done(archimed("ls", "2008-0003", "--as", "lea")) == "E003/\n"
    assert done(archimed("cat", "2008-0003/E003/003_DCM_MR_t1_mprage/00001.dcm", "--as", "lea")) == "bytes"
    listed = json.loads(done(archimed("correct", "list", "--as", "paula", "--json")))
    assert [(one["kind"], one["state"]) for one in listed] == [
        ("describe_series", "done"), ("move_series", "done"), ("rename_exam", "done"),
    ]  # fmt: skip


def test_what_cannot_be_is_refused_in_one_line(archive: BuiltArchive, archimed: Run) -> None:
    archimed("init")
    archive.add_series("2008-0003/E002/001_DCM_MR_x", {"00001.dcm": b"other"})
    rename = ("correct", "rename-exam", "2008-0003/E001", "E002", "--reason", "x")
    assert "there is an exam E002 already" in refused(archimed(*rename, "--as", "paula"))
    assert "role power" in refused(archimed(*rename, "--as", "lea"))
