"""What stands beside the code: hooks, continuous integration, issue forms, changelog, citation, coverage."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

from tests.frame.test_frame import TOP

PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())
MAKEFILE = (TOP / "Makefile").read_text()
CHANGELOG = (TOP / "CHANGELOG.md").read_text(encoding="utf-8")
FRAGMENTS = [file for file in sorted((TOP / "changelog.d").glob("*.md")) if file.name != "README.md"]


def recipe(target: str) -> list[str]:
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert found is not None
    return [line.strip() for line in found[1].splitlines()]


def test_hooks_run_the_tools_of_make_check_and_fetch_nothing() -> None:
    (repository,) = yaml.safe_load((TOP / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    checks = [line.replace("$(BIN)", ".venv/bin") for line in recipe("check") if line.startswith("$(BIN)")]
    hooks = [hook["entry"].replace(" --force-exclude", "") for hook in repository["hooks"]]
    assert hooks == checks


def test_continuous_integration_calls_the_script_and_little_else() -> None:
    workflow = yaml.safe_load((TOP / ".github/workflows/ci.yml").read_text())
    (job,) = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert workflow["permissions"] == {"contents": "read"}
    for script in (".ci/run", ".ci/install", ".ci/bundle"):
        assert (TOP / script).stat().st_mode & 0o111, script


def test_issue_forms_can_be_read_and_ask_for_no_identity() -> None:
    for name in ("bug", "feature"):
        form = yaml.safe_load((TOP / f".github/ISSUE_TEMPLATE/{name}.yml").read_text())
        assert form["name"]
        assert form["description"]
        assert all(part["type"] in {"markdown", "textarea", "input", "dropdown"} for part in form["body"])
    assert "Write no identity" in (TOP / ".github/ISSUE_TEMPLATE/bug.yml").read_text()


def test_the_citation_is_of_this_version_and_of_the_paper() -> None:
    citation = yaml.safe_load((TOP / "CITATION.cff").read_text())
    released = re.search(r"^## (\S+) - (\d{4}-\d\d-\d\d)$", CHANGELOG, re.MULTILINE)
    assert released is not None
    assert (citation["version"], str(citation["date-released"])) == released.groups()
    assert citation["license"] == PROJECT["project"]["license"]
    paper = citation["preferred-citation"]
    assert paper["doi"] == "10.3389/fict.2016.00031"
    assert [author.get("family-names", author.get("name")) for author in paper["authors"]] == [
        "Micard", "Husson", "CIC-IT Team", "Felblinger",
    ]  # fmt: skip


def test_this_version_or_its_fragments_are_in_the_changelog() -> None:
    released = re.findall(r"^## (\S+) - \d{4}-\d\d-\d\d$", CHANGELOG, re.MULTILINE)
    assert len(released) == len(re.findall(r"^## ", CHANGELOG, re.MULTILINE)), "a section without a version and a date"
    assert PROJECT["project"]["version"] in released


def test_fragments_are_bullets() -> None:
    for file in FRAGMENTS:
        lines = file.read_text(encoding="utf-8").rstrip("\n").split("\n")
        assert all(re.match(r"- \S|  +\S|$", line) for line in lines), f"{file.name}: only bullets and their further lines"
        assert lines[0].startswith("- "), file.name


def test_fragments_move_into_the_changelog_under_their_version(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "CHANGELOG.md"):
        shutil.copy(TOP / name, tmp_path)
    shutil.copytree(TOP / "changelog.d", tmp_path / "changelog.d")
    fragments = tmp_path / "changelog.d"
    (fragments / "first.md").write_text("- Something new,\n  over two lines.\n- Something else.\n")
    (fragments / "second.md").write_text("- A third thing.\n")
    command = next(line for line in recipe("changelog") if "scriv" in line)
    assert "collect --version $(VERSION)" in command
    scriv = Path(sys.executable).parent / "scriv"
    subprocess.run([scriv, *shlex.split("collect --version 9.9.9")], cwd=tmp_path, check=True, capture_output=True)
    new = (tmp_path / "CHANGELOG.md").read_text(encoding="utf-8")
    section = new[new.index("## 9.9.9 - ") : new.index(f"## {PROJECT['project']['version']} - ")]
    for text in ("- Something new,\n  over two lines.\n- Something else.", "- A third thing."):
        assert text in section
    assert [file.name for file in fragments.iterdir()] == ["README.md"]


def test_coverage_counts_branches_of_every_package_and_of_processes_that_are_started() -> None:
    run = PROJECT["tool"]["coverage"]["run"]
    assert run["branch"] is True
    assert run["source"] == PROJECT["tool"]["importlinter"]["root_packages"]
    assert "subprocess" in run["patch"]
    assert any("--cov " in line for line in recipe("coverage"))
