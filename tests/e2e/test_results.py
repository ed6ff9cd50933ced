"""Results by a real program: dcm2niix reads from the archive's mount, and what it makes comes back beside its series."""

import json
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

from tests.e2e.conftest import Appliance
from tests.e2e.test_whole_way import SERIES, get, needs_fuse, phantom

EXAM, NAME = SERIES.rsplit("/", 1)
pytestmark = needs_fuse


@pytest.fixture
def converted(appliance: Appliance, tmp_path: Path) -> Path:
    """Give the folder of what dcm2niix makes of an archived series, read through the mount, names and dates in its sidecar."""
    assert appliance.store(phantom(tmp_path / "sent")).returncode == 0
    appliance.publish("E001")
    mount, made = appliance.mount("ada"), tmp_path / "made"
    made.mkdir()
    subprocess.run(
        [sys.executable, "-m", "dcm2niix", "-b", "y", "-ba", "n", "-z", "n", "-f", "t1", "-o", str(made), str(mount / SERIES)],
        check=True, timeout=120, capture_output=True,
    )  # fmt: skip
    assert sorted(path.name for path in made.iterdir()) == ["t1.json", "t1.nii"]
    assert json.loads((made / "t1.json").read_text())["PatientName"] == "E001"
    return made


def accepted(appliance: Appliance) -> dict:
    """Seal and accept the newest batch, wait until it is published, and return it as it was before the decision."""
    number = str(appliance.json("staging", "list")[-1]["id"])
    appliance.run("staging", "seal", number, "--as", "ada")
    shown = appliance.json("staging", "show", number)
    appliance.run("staging", "accept", number, "--study", "2008-0003", "--exam", "E001", "--as", "ada", "--wait")
    assert isinstance(shown, dict)
    return shown


def test_through_the_staging_mount(appliance: Appliance, converted: Path, tmp_path: Path) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    appliance.run("mount-staging", str(staging), "--user", "ada")
    appliance.mounts.append(staging)
    folder = staging / EXAM / "003_RESULT_nifti"
    folder.mkdir(parents=True)
    lineage = {"program": "dcm2niix", "sources": [NAME]}
    (converted / "_LINEAGE.json").write_text(json.dumps(lineage))
    subprocess.run(["cp", "-r", f"{converted}/.", folder], check=True, timeout=60)
    shown = accepted(appliance)
    told = [finding["message"] for finding in shown["findings"] if finding["check"] == "result_tells"]
    assert len(told) == 1, shown["findings"]
    assert "AcquisitionDateTime" in told[0]
    seen(appliance, tmp_path, converted, "003_RESULT_nifti")


def test_by_command(appliance: Appliance, converted: Path, tmp_path: Path) -> None:
    files = sorted(map(str, converted.iterdir()))
    appliance.run("result", "add", SERIES, *files, "--label", "nifti", "--program", "dcm2niix", "--as", "ada")
    accepted(appliance)
    seen(appliance, tmp_path, converted, "003_RESULT_nifti")


def seen(appliance: Appliance, tmp_path: Path, converted: Path, name: str) -> None:
    """Check that a result stands beside its series in every face, with where it comes from."""
    mount = tmp_path / "mnt"
    subprocess.run(
        ["timeout", "30", "sh", "-c", 'until test -e "$0"; do sleep 0.1; done', mount / EXAM / name / "t1.nii"], check=True
    )
    assert sorted(path.name for path in (mount / EXAM).iterdir()) == [NAME, name]
    assert sorted(path.name for path in (mount / EXAM / name).iterdir()) == ["t1.json", "t1.nii"]
    volume = np.asanyarray(nibabel.load(mount / EXAM / name / "t1.nii").dataobj)
    assert sorted({int(plane.flat[0]) for plane in np.moveaxis(volume, 2, 0)}) == list(range(1, 13))
    token = appliance.run("token", "create", "ada").stdout.strip()
    for file in ("t1.nii", "t1.json"):
        assert get(appliance, f"{EXAM}/{name}/{file}", "ada", token) == (converted / file).read_bytes()
    stat = appliance.json("stat", f"{EXAM}/{name}", "--as", "ada")
    assert isinstance(stat, dict)
    assert (stat["made_of"], stat["program"], stat["sources"], stat["brought_by"]) == (NAME, "dcm2niix", [NAME], "ada")
