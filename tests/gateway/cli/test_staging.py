"""`archimed staging` as a reviewer runs it: look, compare, choose series, name them, take back."""

import json
import os
from pathlib import Path

import pytest

from catalog.gate.receive.intake import Intake
from tests.behaviour.dropping import staging_of
from tests.builders import BuiltArchive
from tests.gateway.cli.conftest import Run, done, refused
from tests.synthetic import image

STUDY = "2008-0003"
EXPECTING = 'schema = 1\n[expect]\nexam = "E[0-9]{3}"\n'


@pytest.fixture
def batch(built: BuiltArchive, archimed: Run, tmp_path: Path) -> int:
    """Give a checked batch of two series that belongs to no study yet."""
    done(archimed("init"))
    (tmp_path / "expecting.toml").write_text(EXPECTING)
    done(archimed("study", "create", STUDY, "--profile", "expecting.toml"))
    done(archimed("user", "add", "ada", "--role", "standard"))
    done(archimed("grant", "add", "ada", STUDY))
    done(archimed("source", "add", "MR1", "--ae", "MR1", "--reviewer", "ada"))
    intake = Intake(built.database, staging_of(built))
    source = intake.source_for("MR1", "127.0.0.1")
    assert source is not None
    for series in (3, 4):
        incoming = intake.begin(source)
        os.write(incoming.fd, image(series=series, description=f"t{series} mprage"))
        incoming.commit(str(series))
    intake.close()
    (found,) = json.loads(done(archimed("staging", "list", "--as", "ada", "--json")))
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


def test_files_of_this_machine_lie_in_the_staging_folder_as_if_copied(
    built: BuiltArchive, archimed: Run, batch: int, tmp_path: Path
) -> None:
    stick = tmp_path / "stick"
    (stick / "sub").mkdir(parents=True)
    for name in ("a.csv", "sub/b.csv"):
        (stick / name).write_text("1,2\n")
    words = ("staging", "add", "stick", "stick/a.csv", "--study", STUDY, "--exam", "E001", "--as", "ada", "--json")
    told = json.loads(done(archimed(*words)))
    assert (told["state"], told["study"], told["exam"], told["files"]) == ("open", STUDY, "E001", 3)
    (drop,) = staging_of(built).all_drops()
    tree = built.folder / "var" / "staging" / "drops" / drop / "tree"
    assert sorted(str(path.relative_to(tree)) for path in tree.rglob("*.csv")) == ["a.csv", "stick/a.csv", "stick/sub/b.csv"]
    assert json.loads(done(archimed(*words)))["id"] == told["id"], "again: it is all there"
    notes = [note for note in json.loads(done(archimed("audit", "--json"))) if note["action"] == "batch.upload"]
    assert [note["detail"] for note in notes] == [{"files": 3}, {"files": 0}]


def test_links_and_pipes_in_a_tree_are_left_out_and_told(
    built: BuiltArchive, archimed: Run, batch: int, tmp_path: Path
) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / "a.csv").write_text("1,2\n")
    (stick / "passwd").symlink_to("/etc/passwd")
    (stick / "etc").symlink_to("/etc")
    os.mkfifo(stick / "pipe")
    answer = archimed("staging", "add", "stick", "--study", STUDY, "--exam", "E001", "--as", "ada", "--json")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["files"] == 1
    assert "left out, for only regular files are brought: 1 FIFO, 2 symbolic links" in answer.stderr
    staging = built.folder / "var" / "staging"
    assert not [path for path in staging.rglob("*") if path.is_file() and b"root:" in path.read_bytes()]
    refusal = refused(archimed("staging", "add", "stick/passwd", "--study", STUDY, "--exam", "E001", "--as", "ada"))
    assert "is a symbolic link" in refusal


def test_what_cannot_be_brought(archimed: Run, batch: int, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,2\n")
    (tmp_path / "empty").mkdir()
    words = ("staging", "add", "a.csv", "--study", STUDY, "--exam", "E001", "--as", "ada")
    assert "no study X" in refused(archimed(*words[:4], "X", *words[5:]))
    assert "there is no file" in refused(archimed("staging", "add", "empty", *words[3:]))
    assert "exam code" in refused(archimed(*words[:6], "a/b", *words[7:]))
    done(archimed("user", "add", "lea", "--role", "limited"))
    done(archimed("grant", "add", "lea", STUDY))
    assert "takes the role standard" in refused(archimed(*words[:-1], "lea"))
    assert archimed("staging", "add", "a.csv", "--as", "ada").returncode == 2


def test_faults_in_what_a_study_expects_are_told_with_their_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text('schema = 1\nwrong = 2\n[expect]\nexam = "(["\n')
    result = run("profile", "check", "p.toml")
    assert result.returncode == 1
    assert "line 2: unknown key 'wrong'" in result.stderr
    assert "line 4: exam must be a regular expression" in result.stderr
