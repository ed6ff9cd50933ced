"""`archimed bin`, `hold`, `study set|close` as a person types them, where no worker runs: the command does the job itself."""

import json

import pytest
import sqlalchemy as sa

from catalog.database.tables import files
from tests.builders import BuiltArchive
from tests.gateway.cli.conftest import Run, done, refused

STUDY = "2008-0003"
SERIES = f"{STUDY}/E001/003_DCM_MR_wrong"
WHY = ("--reason", "wrong visit")


@pytest.fixture
def archive(built: BuiltArchive, archimed: Run) -> BuiltArchive:
    built.study(STUDY)
    for login, role in (("paula", "power"), ("lea", "limited"), ("ada", "administrator"), ("bea", "administrator")):
        built.user(login, role)
        built.grant(login, STUDY)
    built.add_series(SERIES, {"00001.dcm": b"bytes", "00002.dcm": b"more"})
    archimed("init")
    return built


def test_into_the_bin_and_back(archive: BuiltArchive, archimed: Run) -> None:
    put = archimed("bin", "put", SERIES, *WHY, "--as", "paula")
    assert done(put) == f"bin 1: {SERIES} is in the bin (2 files)\n"
    assert done(archimed("ls", STUDY, "--as", "lea")) == ""
    (listed,) = json.loads(done(archimed("bin", "list", "--as", "lea", "--json")))
    assert (listed["id"], listed["state"], listed["path"], listed["put_by"]) == (1, "binned", SERIES, "paula")
    assert "role power" in refused(archimed("bin", "restore", "1", "--as", "lea"))
    assert done(archimed("bin", "restore", "1", "--as", "paula")) == f"bin 1: {SERIES} was restored (2 files)\n"
    assert done(archimed("cat", f"{SERIES}/00001.dcm", "--as", "lea")) == "bytes"
    assert json.loads(done(archimed("bin", "list", "--json"))) == []


def test_a_purge_takes_an_administrator_and_a_yes(archive: BuiltArchive, archimed: Run) -> None:
    with archive.database.write() as connection:
        connection.execute(files.update().values(added=sa.func.strftime("%s", "now")))
    archimed("bin", "put", f"{SERIES}/00001.dcm", *WHY, "--as", "paula")
    assert "administrator" in refused(archimed("bin", "purge", "1", "--yes", *WHY, "--as", "paula"))
    asked = archimed("bin", "purge", "1", *WHY, "--as", "ada")
    assert (asked.returncode, "for good?" in asked.stderr) == (130, True), "nobody answered"
    assert done(archimed("bin", "purge", "1", "--yes", *WHY, "--as", "ada")).startswith(f"bin 1: {STUDY}/E001 was purged")
    assert done(archimed("cat", f"{SERIES}/00002.dcm", "--as", "lea")) == "more"
    assert done(archimed("verify")) == ""


def test_what_is_kept_goes_only_by_two_and_never_under_a_hold(archive: BuiltArchive, archimed: Run) -> None:
    archimed("bin", "put", SERIES, *WHY, "--as", "paula")
    purge = ("bin", "purge", "1", "--yes", *WHY)
    assert "no end date" in refused(archimed(*purge, "--as", "ada"))
    assert "nothing of 2008-0003 is purged" in done(archimed("hold", "set", STUDY, "--reason", "inspection", "--as", "ada"))
    assert "somebody else" in refused(archimed("hold", "set", STUDY, "--reason", "inspection", "--as", "ada"))
    assert "confirmed by bea" in done(archimed("hold", "set", STUDY, "--reason", "yes", "--as", "bea"))
    assert "a legal hold stands above it, set by ada: inspection" in refused(archimed(*purge, "--override", "--as", "ada"))
    done(archimed("hold", "lift", STUDY, "--reason", "over", "--as", "bea"))
    assert "somebody else" in refused(archimed("hold", "lift", STUDY, "--reason", "over", "--as", "bea"))
    assert "is lifted" in done(archimed("hold", "lift", STUDY, "--reason", "over", "--as", "ada"))
    assert json.loads(done(archimed("hold", "list", "--json"))) == []
    for _ in range(2):
        assert "it is noted that ada wants it" in refused(archimed(*purge, "--override", "--as", "ada"))
    assert "was purged" in done(archimed(*purge, "--override", "--as", "bea"))


def test_a_study_is_set_closed_and_reported_when_nothing_keeps_it(archive: BuiltArchive, archimed: Run) -> None:
    done(archimed("study", "set", STUDY, "--description", "Ageing", "--retention-years", "3"))
    assert json.loads(done(archimed("study", "list", "--may-go", "--json"))) == []
    done(archimed("study", "close", STUDY, "--end-date", "2020-02-29"))
    assert "closed already" in refused(archimed("study", "close", STUDY))
    (told,) = json.loads(done(archimed("study", "list", "--may-go", "--json")))
    assert (told["study"], told["until"], told["files"]) == (STUDY, "2023-03-01", 2)
    shown = json.loads(done(archimed("study", "show", STUDY, "--json")))
    assert (shown["description"], shown["end_date"], shown["retention_years"]) == ("Ageing", "2020-02-29", 3)
    text = (archive.folder / "var/store" / STUDY / "study.json").read_text()
    assert json.loads(text)["end_date"] == "2020-02-29"
    archimed("bin", "put", SERIES, *WHY)
    assert "was purged" in done(archimed("bin", "purge", "1", "--yes", *WHY))
    assert "administer" in refused(archimed("study", "set", STUDY, "--end-date", "2031-12-31", "--as", "paula"))
