"""`archimed staging` as a reviewer runs it: look, compare, choose series, name them, take back."""

import json
from pathlib import Path

import pytest

from tests.gateway.cli.conftest import Run, done, refused
from tests.synthetic import image

STUDY = "2008-0003"
EXPECTING = 'schema = 1\n[expect]\nexam = "E[0-9]{3}"\n'


@pytest.fixture
def batch(archimed: Run, tmp_path: Path) -> int:
    """Give a checked batch of two series that belongs to no study yet."""
    done(archimed("init"))
    (tmp_path / "expecting.toml").write_text(EXPECTING)
    done(archimed("study", "create", STUDY, "--profile", "expecting.toml"))
    done(archimed("user", "add", "ada", "--role", "standard"))
    done(archimed("grant", "add", "ada", STUDY))
    disc = tmp_path / "disc"
    disc.mkdir()
    for series in (3, 4):
        (disc / f"IM{series}").write_bytes(image(series=series, description=f"t{series} mprage"))
    found = json.loads(done(archimed("staging", "add", "disc", "--as", "ada", "--json")))
    done(archimed("staging", "seal", str(found["id"]), "--as", "ada"))
    return int(found["id"])


def test_a_reviewer_looks_compares_and_decides_series_by_series(archimed: Run, batch: int) -> None:
    one = str(batch)
    shown = done(archimed("staging", "show", one, "--as", "ada"))
    assert "Doe^Jane" in shown
    assert "add --study CODE" in shown
    previewed = done(archimed("staging", "show", one, "--study", STUDY, "--as", "ada"))
    assert "de-identification, by the first file of each series" in previewed
    record = json.loads(done(archimed("staging", "show", one, "--study", STUDY, "--as", "ada", "--json")))
    assert {"id", "state", "source", "study", "exam", "files", "findings"} <= record.keys()
    assert [series["label"] for series in record["preview"]] == ["3", "4"]
    assert record["preview"][0]["rules"]
    compared = done(archimed("staging", "show", one, "--study", STUDY, "--diff", "--as", "ada"))
    assert "PatientName" in compared
    assert "Doe^Jane" in compared
    second = record["staged"][1]["file"]
    assert "Doe^Jane" in done(archimed("staging", "show", one, "--study", STUDY, "--diff", str(second), "--as", "ada"))
    assert "expects exam codes" in refused(archimed("staging", "accept", one, "--study", STUDY, "--exam", "P1", "--as", "ada"))
    accept = ("staging", "accept", one, "--study", STUDY, "--exam", "E001", "--series", "4", "--label", "4=knee left", "--wait")
    assert "published" in done(archimed(*accept, "--as", "ada"))
    assert done(archimed("ls", f"{STUDY}/E001", "--as", "ada")).split() == ["004_DCM_MR_knee_left/"]
    after = done(archimed("staging", "show", one, "--as", "ada"))
    assert "what was done" in after
    assert "identity is the exam code: exam code" in after.partition("by which rules")[2]
    rest = json.loads(done(archimed("staging", "list", "--as", "ada", "--json")))[-1]
    assert (rest["state"], rest["follows"], rest["files"]) == ("checked", batch, 1)


def test_a_rejection_can_be_taken_back(archimed: Run, batch: int) -> None:
    one = str(batch)
    assert "rejected" in done(archimed("staging", "reject", one, "--reason", "not ours", "--as", "ada"))
    text = refused(archimed("staging", "accept", one, "--study", STUDY, "--exam", "E001", "--as", "ada"))
    assert "staging restore" in text
    assert "by ada" in text
    assert "checked" in done(archimed("staging", "restore", one, "--as", "ada"))


def test_a_batch_is_checked_against_the_study_it_is_meant_for(archimed: Run, batch: int) -> None:
    one = str(batch)
    record = json.loads(done(archimed("staging", "recheck", one, "--study", STUDY, "--exam", "P1", "--as", "ada", "--json")))
    assert (record["study"], record["exam"], record["state"]) == (STUDY, "P1", "checked")
    assert [finding["check"] for finding in record["findings"]] == ["exam_code"]


def test_what_cannot_be_is_told(archimed: Run, batch: int) -> None:
    one = str(batch)
    accept = ("staging", "accept", one, "--study", STUDY, "--exam", "E001", "--as", "ada")
    assert "no series 9; there are 3, 4" in refused(archimed(*accept, "--series", "9"))
    assert "label" in refused(archimed(*accept, "--label", "3=///"))
    assert archimed(*accept, "--label", "3").returncode == 2
    assert "--study CODE" in refused(archimed("staging", "show", one, "--diff", "--as", "ada"))
    assert "no such file" in refused(archimed("staging", "show", one, "--diff", "99", "--study", STUDY, "--as", "ada"))
    assert "dropped into a folder" in refused(archimed("staging", "reopen", one, "--as", "ada"))


def test_faults_in_what_a_study_expects_are_told_with_their_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text('schema = 1\nwrong = 2\n[expect]\nexam = "(["\n')
    result = run("profile", "check", "p.toml")
    assert result.returncode == 1
    assert "line 2: unknown key 'wrong'" in result.stderr
    assert "line 4: exam must be a regular expression" in result.stderr
