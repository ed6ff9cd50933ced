"""docs/formats.md is true: its examples read a published study without a database, and its tables name what is there."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.corrections import Corrections
from catalog.gate.receive.intake import Intake
from catalog.gate.staged.area import Staging
from catalog.store import records
from tests.builders import BuiltArchive
from tests.catalog.gate.conftest import ROOT, STUDY, Gate
from tests.synthetic import image

TEXT = (Path(__file__).parents[3] / "docs" / "formats.md").read_text()


def example(language: str) -> str:
    """Return the one example of that language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    return found


@pytest.fixture
def published(built: BuiltArchive) -> Iterator[Gate]:
    staging = Staging(built.folder / "var" / "staging")
    staging.prepare()
    intake = Intake(built.database, staging)
    gate = Gate(built, staging, intake)
    gate.published(image(instance=1), image(instance=2))
    gate.published(image(instance=3), exam="E002")
    yield gate
    intake.close()


def tree(gate: Gate) -> dict[str, bytes]:
    """Return every file of the study as the archive shows it."""
    view, found = gate.view(), {}
    for exam in view.walk(view.resolve(STUDY).id):
        for series in view.walk(exam.id):
            for file in view.walk(series.id):
                path = f"{exam.name}/{series.name}/{file.name}"
                found[path] = gate.read(f"{STUDY}/{path}")
    return found


def test_a_study_is_read_from_a_copy_of_its_folder_alone(published: Gate, tmp_path: Path) -> None:
    corrections = Corrections(published.database, ROOT, None)
    corrections.rename_exam(f"{STUDY}/E002", "E010", "typed wrongly")
    corrections.move_series(f"{STUDY}/E001/{published.names(f'{STUDY}/E001')[0]}", "E011", "another visit")
    published.work()
    published.published(image(instance=4, study="2"), exam="E002")
    shown = tree(published)
    assert {path[:4] for path in shown} == {"E002", "E010", "E011"}
    shutil.copytree(published.built.folder / "var" / "store" / STUDY, tmp_path / "copy")
    shutil.rmtree(published.built.folder / "var" / "store")
    script = tmp_path / "tree.py"
    script.write_text(example("python"))
    # -S -E: no package of ours or anybody's, as on a machine that has nothing but Python.
    subprocess.run(
        [sys.executable, "-S", "-E", "-W", "error", script, tmp_path / "copy", tmp_path / "made"], check=True, cwd=tmp_path
    )
    made = {str(path.relative_to(tmp_path / "made")): path.read_bytes() for path in (tmp_path / "made").rglob("*.dcm")}
    assert made == shown


def test_the_example_refuses_a_format_it_does_not_know(published: Gate, tmp_path: Path) -> None:
    study = tmp_path / "copy"
    shutil.copytree(published.built.folder / "var" / "store" / STUDY, study)
    (study / "study.json").chmod(0o600)
    (study / "study.json").write_text('{"format": 2}')
    done = subprocess.run([sys.executable, "-c", example("python"), study, tmp_path / "made"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "newer format" in done.stderr
    assert not (tmp_path / "made").exists()


def test_the_checksum_example_finds_a_flipped_bit(published: Gate) -> None:
    study = published.built.folder / "var" / "store" / STUDY

    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["sh", "-c", example("sh")], cwd=study, capture_output=True, text=True)

    good = check()
    assert (good.returncode, good.stdout, good.stderr) == (0, "", "")
    path = next(path for path in (study / "objects").rglob("*") if path.is_file())
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
    bad = check()
    assert bad.returncode != 0
    assert path.name in bad.stdout


def test_every_key_of_a_manifest_is_documented_and_the_other_way_round(published: Gate) -> None:
    rows = re.findall(r"^\| (`.*?`) \|", TEXT, re.MULTILINE)
    documented = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    entries = list(records.manifests(published.store, STUDY))
    of_results = {"lineage"}
    assert {frozenset(entry) for entry in entries} == {frozenset(documented - of_results)}
    assert of_results <= documented


def test_every_key_of_a_study_is_documented(published: Gate) -> None:
    paragraph = next(part for part in TEXT.split("\n\n") if part.startswith("`study.json`"))
    about = json.loads((published.built.folder / "var" / "store" / STUDY / "study.json").read_bytes())
    assert all(f"`{key}`" in paragraph for key in about)


def test_names_on_disk_are_those_of_the_papers(published: Gate) -> None:
    root = published.built.folder / "var" / "store" / STUDY
    objects, name = r"objects/([0-9a-f]{2})/\1[0-9a-f]{62}", r"\d{10}-[0-9a-f]{32}"
    shapes = (r"study\.json", r"access\.json", objects, rf"manifests/{name}\.jsonl", rf"imports/{name}\.json")
    found = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
    assert [path for path in found if not any(re.fullmatch(shape, path) for shape in shapes)] == []
    assert len(found) == 8


def test_names_in_staging_are_those_of_the_papers(published: Gate) -> None:
    published.checked(image(instance=4))
    root = published.built.folder / "var" / "staging"
    shapes = (r"secret\.key", r"\.archimed", r"received/[0-9a-f]+/(\d+|\.lock)", r"batches/\d+\.(json|txt)")
    found = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
    assert [path for path in found if not any(re.fullmatch(shape, path) for shape in shapes)] == []
    (about,) = (root / "batches").glob("*.json")
    section = TEXT.partition("## Staging")[2]
    assert all(f"`{key}`" in section for key in json.loads(about.read_bytes()))
