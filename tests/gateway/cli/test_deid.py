"""`archimed deid`: files in, clean files out, without any archive; what it prints tells no identity unless asked."""

import json
import re
import shutil
from pathlib import Path

import nibabel
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from catalog.pure.errors import Unavailable
from gateway.cli import cleaning
from tests.gateway.cli.conftest import Run, done, refused

KEY = "5e" * 32
NAME = "Zqxmarkovic^Anna"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    (tmp_path / "deid.key").write_text(KEY + "\n")
    return tmp_path / "deid.key"


@pytest.fixture
def patient(tmp_path: Path) -> Path:
    """A folder with a series of somebody: three images, in files named after them."""
    folder = tmp_path / "Zqxmarkovic"
    folder.mkdir()
    for number in (1, 2, 3):
        image = dcmread(str(get_testdata_file("MR_small.dcm")))
        image.PatientName, image.PatientID, image.SeriesNumber = NAME, "4711-22", 5
        image.SeriesDescription, image.InstanceNumber = "t1_mprage Zqxmarkovic", number
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.4.5.{number}"
        image.save_as(folder / f"Zqxmarkovic_{number}.dcm")
    return folder


def test_a_folder_comes_out_clean_and_the_report_is_per_series(run: Run, key: Path, patient: Path, tmp_path: Path) -> None:
    said = done(run("deid", patient, "--exam-code", "E001", "--out", "clean", "--key-file", key))
    assert re.search(r"5\s+DCM_MR\s+t1_mprage\s+3\s", said)
    assert "3 of 3 files cleaned" in said
    assert "zqxmarkovic" not in said.lower()
    files = sorted((tmp_path / "clean").iterdir())
    assert [file.name for file in files] == ["00001.dcm", "00002.dcm", "00003.dcm"]
    for file in files:
        assert b"zqxmarkovic" not in file.read_bytes().lower()
        assert dcmread(file).PatientName == "E001"


def test_two_runs_give_the_same_bytes_and_two_studies_cannot_be_linked(
    run: Run, key: Path, patient: Path, tmp_path: Path
) -> None:
    for out, study in (("a", "S1"), ("b", "S1"), ("c", "S2")):
        done(run("deid", patient, "--exam-code", "E001", "--out", out, "--key-file", key, "--study", study))
    a, b, c = ((tmp_path / out / "00002.dcm").read_bytes() for out in "abc")
    assert a == b != c
    first, other = (dcmread(tmp_path / out / "00001.dcm").StudyInstanceUID for out in "ac")
    assert first != other


def test_a_bad_file_fails_alone_with_a_reason(run: Run, key: Path, patient: Path, tmp_path: Path) -> None:
    (patient / "Zqxmarkovic_2.dcm").write_bytes(b"\0Zqxmarkovic is no image")
    result = run("deid", patient, "--exam-code", "E001", "--out", "clean", "--key-file", key, "--json")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("archimed: file 2: unreadable")
    report = json.loads(result.stdout)
    assert [file["output"] for file in report["files"]] == ["00001.dcm", None, "00003.dcm"]
    assert report["files"][1]["reason"] in line
    assert [(each["number"], each["files"]) for each in report["series"]] == [(5, 2)]
    assert report["series"][0]["done"]["exam code"] == 4
    assert "zqxmarkovic" not in (result.stdout + result.stderr).lower()
    assert sorted(file.name for file in (tmp_path / "clean").iterdir()) == ["00001.dcm", "00003.dcm"]


def test_more_processes_do_the_same(run: Run, key: Path, patient: Path, tmp_path: Path) -> None:
    data = Path(nibabel.__file__).parent / "tests/data"
    for name in ("phantom_EPI_asc_CLEAR_2_1.PAR", "phantom_EPI_asc_CLEAR_2_1.REC"):
        shutil.copy(data / name, patient)
    (patient / "Zqxmarkovic_2.dcm").write_bytes(b"\0Zqxmarkovic is no image")
    words = ("deid", patient, "--exam-code", "E001", "--key-file", key, "--json", "--out")
    one, two = (run(*words, f"by-{jobs}", "--jobs", str(jobs)) for jobs in (1, 2))
    assert (one.returncode, one.stdout, one.stderr) == (two.returncode, two.stdout, two.stderr)
    assert one.returncode == 1
    assert len(json.loads(one.stdout)["files"]) == 5
    by_one, by_two = ({file.name: file.read_bytes() for file in (tmp_path / f"by-{jobs}").iterdir()} for jobs in (1, 2))
    assert by_one == by_two
    assert len(by_one) == 4
    assert run(*words[:-2], "--jobs", "2", "--diff", "--out", "other").returncode == 2


def test_a_process_that_dies_is_told_and_nothing_hangs(tmp_path: Path) -> None:
    """Its cleaner cannot be made, so it ends before its first file."""
    order = cleaning.Order("not a profile", b"k" * 32, "S1", "E001", pixels_approved=False, overruled=False, out=tmp_path)
    with pytest.raises(Unavailable, match="--jobs 1"):
        list(cleaning.over_processes(order, cleaning.tasks([tmp_path / "a"]), 2))


def test_other_formats_go_in_too_and_pairs_stay_pairs(run: Run, key: Path, tmp_path: Path) -> None:
    data = Path(nibabel.__file__).parent / "tests/data"
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("anatomical.nii", "phantom_EPI_asc_CLEAR_2_1.PAR", "phantom_EPI_asc_CLEAR_2_1.REC"):
        shutil.copy(data / name, folder)
    (folder / "notes.txt").write_text("seen by Dr Zqxmarkovic\n")
    result = run("deid", folder, "--exam-code", "E001", "--out", "clean", "--key-file", key, "--json")
    held = "archimed: file 2: held: a TEXT file may hold anything: the profile must attest TEXT for it"
    assert result.stderr.splitlines() == [f"{held} (heuristic: a reviewer can overrule it)"]
    assert sorted(file.name for file in (tmp_path / "clean").iterdir()) == ["00001.nii", "00003.PAR", "00003.REC"]
    assert {each["file_type"]: each["files"] for each in json.loads(result.stdout)["series"]} == {"NIFTI": 1, "PARREC": 2}
    said = run("deid", folder / "anatomical.nii", "--exam-code", "E001", "--out", "again", "--key-file", key, "--diff").stdout
    assert re.search(r"descrip\s+[CX]\s+NIfTI text", said)


def test_the_difference_shows_values_and_steers_no_terminal(run: Run, key: Path, patient: Path) -> None:
    image = dcmread(patient / "Zqxmarkovic_1.dcm")
    image.StudyDescription = "\x1b[31mred"
    image.save_as(patient / "Zqxmarkovic_1.dcm")
    said = done(run("deid", patient, "--exam-code", "E001", "--out", "clean", "--key-file", key, "--diff"))
    assert re.search(r"\(0010,0010\)\s+PatientName\s+Zqxmarkovic\^Anna\s+E001\s+E identity is the exam code", said)
    assert "\x1b" not in said


def test_a_profile_is_used_and_a_bad_one_refused_with_every_problem(run: Run, key: Path, patient: Path, tmp_path: Path) -> None:
    profile = tmp_path / "profile.toml"
    profile.write_text('schema = 1\n[[rule]]\ntag = "SeriesDescription"\naction = "remove"\n')
    words = ("deid", patient, "--exam-code", "E001", "--key-file", key, "--profile", profile, "--out")
    done(run(*words, "clean"))
    assert "SeriesDescription" not in dcmread(tmp_path / "clean/00001.dcm")
    profile.write_text('schema = 1\nunlistd = "vr"\noptions = ["clean_dsc"]\n')
    line = refused(run(*words, "other"))
    assert "line 2" in line
    assert "line 3" in line
    assert not (tmp_path / "other").exists()


def test_without_any_configuration_a_key_is_asked_for_or_made(
    run: Run, patient: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARCHIMED_CONFIG", str(tmp_path / "there-is-none.toml"))
    words = ("deid", patient, "--exam-code", "E001", "--out")
    said = refused(run(*words, "clean"))
    assert "--key-file" in said
    assert "--new-key" in said
    made = run(*words, "clean", "--new-key", "new.key", "--json")
    assert made.returncode == 0
    assert "keep it secret" in made.stderr
    key = tmp_path / "new.key"
    assert key.stat().st_mode & 0o777 == 0o400
    assert len(bytes.fromhex(key.read_text())) == 32
    assert key.read_text().strip() not in made.stdout + made.stderr
    done(run(*words, "again", "--key-file", "new.key"))
    assert (tmp_path / "again/00001.dcm").read_bytes() == (tmp_path / "clean/00001.dcm").read_bytes()
    assert "is there already" in refused(run(*words, "third", "--new-key", "new.key"))
    assert run(*words, "third", "--new-key", "b.key", "--key-file", "new.key").returncode == 2


def test_refusals(run: Run, key: Path, patient: Path, tmp_path: Path) -> None:
    words = ("deid", patient, "--exam-code", "E001", "--out", "clean")
    assert "there is no configuration" in refused(run(*words, ARCHIMED_CONFIG=str(tmp_path / "none")))
    assert "openssl rand" in refused(run(*words, "--key-file", "missing"))
    (tmp_path / "short").write_text("5e5e")
    assert "shorter" in refused(run(*words, "--key-file", "short"))
    (tmp_path / "odd").write_text("this is no key")
    assert "not hexadecimal" in refused(run(*words, "--key-file", "odd"))
    assert "code" in refused(run("deid", patient, "--exam-code", "E/1", "--out", "clean", "--key-file", key))
    shutil.copytree(patient, tmp_path / "clean")
    assert "not empty" in refused(run(*words, "--key-file", key))
    assert run(*words, "--key-file", key, "--json", "--diff").returncode == 2


def test_the_configurations_key_is_the_default(archimed: Run, patient: Path) -> None:
    done(archimed("init"))
    assert "3 of 3" in done(archimed("deid", patient, "--exam-code", "E001", "--out", "clean"))
