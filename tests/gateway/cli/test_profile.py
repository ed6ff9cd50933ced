"""`archimed profile`: every problem at once, a study's profile with its hash, examples that are in order."""

import hashlib
import json
from pathlib import Path

import deid
from tests.builders import BuiltArchive
from tests.gateway.cli.conftest import Run, done, refused


def test_check_tells_every_problem_with_line_and_nearest_word(run: Run, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(
        'schema = 1\noptions = ["clean_dsc"]\nunlistd = "deny"\n\n[[rule]]\ntag = "PatientNme"\naction = "remove"\n'
    )
    result = run("profile", "check", "p.toml")
    assert (result.returncode, result.stdout) == (1, "")
    lines = result.stderr.splitlines()
    assert [line.partition("line ")[2][:1] for line in lines] == ["2", "3", "6"]
    assert all(line.startswith("archimed: p.toml: line ") for line in lines)
    for word, line in zip(("'clean_desc'", "'unlisted'", "'PatientName'"), lines, strict=True):
        assert word in line


def test_check_of_what_is_no_profile(run: Run, tmp_path: Path) -> None:
    assert "cannot be read" in refused(run("profile", "check", "missing.toml"))
    (tmp_path / "p.toml").write_bytes(b"\xff\xfe")
    assert "not UTF-8" in refused(run("profile", "check", "p.toml"))
    (tmp_path / "p.toml").write_text("schema = = 1")
    assert "line 1: not TOML" in refused(run("profile", "check", "p.toml"))


def test_examples_are_listed_and_in_order(run: Run, tmp_path: Path) -> None:
    names = done(run("profile", "example")).split()
    assert {"default", "neuro-mr", "ct-trial", "cardiac"} <= set(names)
    for name in ("default", "cardiac"):
        text = done(run("profile", "example", name))
        assert text == deid.examples()[name]
        (tmp_path / "p.toml").write_text(text)
        assert hashlib.sha256(text.encode()).hexdigest() in done(run("profile", "check", "p.toml"))
    assert "neuro-mr" in refused(run("profile", "example", "neuro"))


def test_show_tells_a_studys_own_profile_or_the_default(archimed: Run, built: BuiltArchive, tmp_path: Path) -> None:
    text = deid.examples()["ct-trial"]
    (tmp_path / "p.toml").write_text(text)
    done(archimed("study", "create", "own", "--profile", "p.toml"))
    done(archimed("study", "create", "plain"))
    shown = json.loads(done(archimed("profile", "show", "own", "--json")))
    assert (shown["own_profile"], shown["text"], shown["unlisted"]) == (True, text, "deny")
    assert (shown["hash"], shown["version"]) == (hashlib.sha256(text.encode()).hexdigest(), f"deid {deid.VERSION}")
    said = done(archimed("profile", "show", "plain"))
    assert said.startswith("# study plain: the default, version deid ")
    assert deid.load_profile(None).hash in said
    assert said.endswith(deid.load_profile(None).text)
    assert "no study other" in refused(archimed("profile", "show", "other"))


def test_a_study_is_not_created_with_a_profile_that_has_problems(archimed: Run, built: BuiltArchive, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text('schema = 1\noptions = ["clean_dsc"]\nunlistd = "deny"\n')
    line = refused(archimed("study", "create", "S", "--profile", "p.toml"))
    assert "line 2" in line
    assert "line 3" in line
    assert json.loads(done(archimed("study", "list", "--json"))) == []


def test_editions_are_listed_with_their_origin_and_ones_own_checked(run: Run, tmp_path: Path) -> None:
    records = json.loads(done(run("profile", "editions", "--json")))
    assert {record["edition"]: record["default"] for record in records} == {"2024b": False, "2026c": True}
    said = done(run("profile", "editions"))
    assert "2024b: 621 rows\n" in said
    assert "2026c: 656 rows, the default\n" in said
    assert "Provenance: innolitics" in said
    (tmp_path / "e1-1-2031a.txt").write_text("00080050\tSH\tZ\t-\n00080051\tSH\tQ\t-\tx\n")
    result = run("profile", "editions", "--check", "e1-1-2031a.txt")
    assert result.returncode == 1
    assert [line.split(": ")[2] for line in result.stderr.splitlines()] == ["line 1", "line 2"]
