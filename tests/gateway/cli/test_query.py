"""`archimed query`: answers for people, for pipes and for scripts, of granted studies alone."""

import json

import pytest
import sqlalchemy as sa

from catalog.database.tables import files, studies
from catalog.metadata.keeping import keep, prepare
from tests.builders import BuiltArchive
from tests.gateway.cli.conftest import Run, done, refused

ECHO = "2008-0003/E001/002_DCM_MR_echo"


@pytest.fixture
def granted(built: BuiltArchive) -> BuiltArchive:
    """Give an archive of two studies, of which ada may see one: a series of two echo times, one that tells nothing."""
    built.user("ada")
    built.user("root", "administrator")
    for code in ("2008-0003", "HIDDEN"):
        built.study(code)
        row = built.add_series(f"{code}/E001/002_DCM_MR_echo", {"00001.dcm": b"1", "00002.dcm": b"22"}, mtime=1_205_316_900)
        built.add_series(f"{code}/E001/003_NIFTI_anat", {"00001.nii.gz": b"333"})
        found = built.database.rows(sa.select(files.c.id, files.c.size).where(files.c.series_id == row))
        with built.database.write() as connection:
            told = {file.id: {"EchoTime": file.size * 40.0, "Manufacturer": "ACME", "Rows": 256,
                              "PixelSpacing": "1.0\\0.50"} for file in found}  # fmt: skip
            keep(connection, row, sorted(told), prepare(told[number] for number in sorted(told)))
    built.grant("ada", "2008-0003")
    return built


@pytest.mark.usefixtures("granted")
def test_the_issues_example(archimed: Run) -> None:
    question = 'file_type = "DCM_MR" and EchoTime > 0.06 s and study = "2008-0003"'
    assert done(archimed("query", question, "--as", "ada")).splitlines() == [
        "PATH                            FILES  ACQUIRED              ECHOTIME",
        f"{ECHO}  1      2008-03-12T10:15:00Z  40..80 ms",
    ]
    assert done(archimed("query", question, "--as", "ada", "--paths")) == f"{ECHO}\n"
    assert json.loads(done(archimed("query", question, "--as", "ada", "--json"))) == [
        {
            "path": ECHO, "study": "2008-0003", "exam": "E001", "series": "002_DCM_MR_echo", "file_type": "DCM_MR", "number": 2,
            "description": "echo", "files": 1, "acquired": "2008-03-12T10:15:00Z", "added": "2023-11-14T22:13:20Z",
            "metadata": {
                "EchoTime": {"min": 40.0, "max": 80.0}, "Manufacturer": "ACME", "PixelSpacing": [1.0, 0.5], "Rows": 256,
            },
        }
    ]  # fmt: skip


@pytest.mark.usefixtures("granted")
def test_files(archimed: Run) -> None:
    assert done(archimed("query", "EchoTime = 80", "--as", "ada", "--files", "--paths")) == f"{ECHO}/00002.dcm\n"
    (found,) = json.loads(done(archimed("query", "EchoTime = 80", "--as", "ada", "--files", "--json")))
    assert (found["name"], found["size"], len(found["sha256"])) == ("00002.dcm", 2, 64)
    assert "00002.dcm" in done(archimed("query", "EchoTime = 80", "--as", "ada", "--files"))
    assert done(archimed("query", "size > 0", "--as", "ada", "--files", "--paths", "--limit", "2")).count("\n") == 2


@pytest.mark.usefixtures("granted")
def test_nothing_found(archimed: Run) -> None:
    assert done(archimed("query", 'study = "HIDDEN"', "--as", "ada", "--json")) == "[]\n"
    assert done(archimed("query", "EchoTime > 100", "--as", "ada")) == ""


@pytest.mark.usefixtures("granted")
def test_what_is_no_question(archimed: Run) -> None:
    line = refused(archimed("query", "EchoTim > 1", "--as", "ada"))
    assert "at character 1: there is no field `EchoTim`; did you mean EchoTime?" in line
    assert archimed("query").returncode == 2
    assert archimed("query", "size > 0", "--fields").returncode == 2


@pytest.mark.usefixtures("granted")
def test_an_index_is_an_administrators(archimed: Run) -> None:
    assert "ada is no administrator" in refused(archimed("query", "--index", "EchoTime", "--as", "ada"))
    assert done(archimed("query", "--index", "EchoTime", "--as", "root")) == "EchoTime has an index now\n"
    assert done(archimed("query", "--index", "echotime")) == "echotime has an index already\n"
    assert "no metadata are kept" in refused(archimed("query", "--index", "Columns"))
    assert done(archimed("query", "EchoTime > 60", "--as", "ada", "--paths")) == f"{ECHO}\n"


def test_fields_tell_their_units(archimed: Run) -> None:
    listed = json.loads(done(archimed("query", "--fields", "--json")))
    assert {"name": "EchoTime", "kind": "number", "unit": "ms", "series": 0, "meaning": ""} in listed
    assert {"name": "Columns", "kind": "integer", "unit": "", "series": 0, "meaning": "pixels across"} in listed
    assert {"study", "EchoTime", "SamplingFrequency", "size"} <= {each["name"] for each in listed}


@pytest.mark.usefixtures("granted")
def test_fields_tell_how_many_series_have_them(archimed: Run) -> None:
    def series(*options: str) -> dict[str, int]:
        return {each["name"]: each["series"] for each in json.loads(done(archimed("query", "--fields", "--json", *options)))}

    own, every = series("--as", "ada"), series()
    assert (own["EchoTime"], own["study"], own["acquired"], own["InversionTime"]) == (1, 2, 1, 0)
    assert (every["EchoTime"], every["study"]) == (2, 4)


@pytest.mark.usefixtures("granted")
def test_lists_compare_as_numbers(archimed: Run) -> None:
    for question in ('PixelSpacing = "1\\0.5"', "PixelSpacing = 1", "PixelSpacing < 0.6 mm"):
        assert done(archimed("query", question, "--as", "ada", "--paths")) == f"{ECHO}\n", question
    assert "1\\0.5 mm" in done(archimed("query", "PixelSpacing = 1", "--as", "ada"))
    assert done(archimed("query", 'PixelSpacing = "0.5\\1"', "--as", "ada", "--paths")) == ""


def test_what_is_not_kept_is_refused_and_what_is_kept_by_some_is_told(archimed: Run, granted: BuiltArchive) -> None:
    for question in ("has TriggerTime", "not has TriggerTime", "EchoTime > 60 or TriggerTime > 1", "(0018,1060) > 1"):
        line = refused(archimed("query", question.replace("(0018,1060)", "`(0018,1060)`"), "--as", "ada"))
        assert "TriggerTime is not kept by any study that you may see" in line
        assert "[extract]" in line
    assert "is a sequence or bytes" in refused(archimed("query", "has ReferencedImageSequence", "--as", "ada"))
    granted.study("heart")
    with granted.database.write() as connection:
        text = '[extract]\nfields = ["TriggerTime"]'
        connection.execute(studies.update().where(studies.c.code == "heart").values(profile=text))
    row = granted.add_series("heart/E001/004_DCM_MR_cine", {"00001.dcm": b"1"})
    (file,) = granted.database.rows(sa.select(files.c.id).where(files.c.series_id == row))
    with granted.database.write() as connection:
        keep(connection, row, [file.id], prepare([{"TriggerTime": 20.0}]))
    assert refused(archimed("query", "has TriggerTime", "--as", "ada")), "kept by a study that is not granted"
    granted.grant("ada", "heart")
    answer = archimed("query", "has triggertime", "--as", "ada", "--paths")
    assert (answer.returncode, answer.stdout) == (0, "heart/E001/004_DCM_MR_cine\n")
    assert answer.stderr == ("archimed: TriggerTime is not kept by 2008-0003: files there do not answer, whatever they have\n")
    listed = json.loads(done(archimed("query", "--fields", "--json", "--as", "ada")))
    assert {"name": "TriggerTime", "kind": "number", "unit": "", "series": 1, "meaning": ""} in listed
