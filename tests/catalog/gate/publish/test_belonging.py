"""Files that belong together come in as one thing: one series folder, names that their own headers know, their own endings."""

import gzip
import json
import warnings
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK

from catalog.gate.drops.inbox import Inbox
from tests.catalog.filetypes.families import FILES
from tests.catalog.gate.conftest import Gate, put
from tests.catalog.gate.publish.test_other_files import EXAM, NAME, held, publish, tree
from tests.deid.formats.test_belonging import VHDR, VMRK, VOXELS


def written(gate: Gate, folder: Path) -> Path:
    """Write the exam as the archive shows it."""
    for series, names in tree(gate).items():
        (folder / series).mkdir(parents=True)
        for name in names:
            data = gate.read(f"{EXAM}/{series}/{name}")
            assert NAME.encode() not in data
            (folder / series / name).write_bytes(data)
    return folder


def test_recordings_and_volumes_open_by_the_names_in_their_headers(gate: Gate, inbox: Inbox, tmp_path: Path) -> None:
    samples = np.arange(1000, dtype="<i2")
    for number in (2, 10):
        for ending, content in ((".vhdr", VHDR.encode()), (".vmrk", VMRK.encode()), (".eeg", samples.tobytes())):
            put(inbox, f"eeg/{NAME}_{number}{ending}", content)
    put(inbox, f"eeg/{NAME}_10.json", b'{"TaskName": "rest", "SamplingFrequency": 500}')
    put(inbox, "eeg/a_first.edf", FILES["edf+"][1])  # stands before them, and is of another series
    image = SimpleITK.GetImageFromArray(VOXELS)
    for ending in ("mhd", "nhdr", "mha", "nrrd"):
        SimpleITK.WriteImage(image, str(tmp_path / f"vol{ending}.{ending}"), ending == "nhdr")
    for path in sorted(tmp_path.glob("vol*")):
        put(inbox, f"mr/{path.name}", path.read_bytes())
    nibabel.save(nibabel.MGHImage(VOXELS.astype(np.float32), np.eye(4)), tmp_path / "brain.mgz")
    put(inbox, "mri/brain.mgz", (tmp_path / "brain.mgz").read_bytes())
    publish(gate)
    assert held(gate) == []
    names = tree(gate)
    eeg, meta, nrrd = (next(found for name, found in names.items() if kind in name) for kind in ("VISION", "METAIMAGE", "NRRD"))
    assert eeg == ["00001.eeg", "00001.vhdr", "00001.vmrk", "00002.eeg", "00002.json", "00002.vhdr", "00002.vmrk"]
    assert {name[5:] for name in meta} == {".mha", ".mhd", ".raw"}
    assert {name[5:] for name in nrrd} == {".nrrd", ".nhdr", ".raw.gz"}
    folder = written(gate, tmp_path / "out")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mne

        for path in sorted(folder.rglob("*.vhdr")):
            assert np.allclose(mne.io.read_raw_brainvision(path, verbose="error").get_data(), samples.reshape(-1, 2).T * 1e-7)
    for ending in ("mhd", "mha", "nhdr", "nrrd"):
        (path,) = folder.rglob(f"*.{ending}")
        assert np.array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))), VOXELS)
    (path,) = folder.rglob("*.mgz")
    assert np.array_equal(nibabel.MGHImage.from_bytes(gzip.decompress(path.read_bytes())).get_fdata(), VOXELS)


def test_sidecars_stand_beside_their_image_and_tell_of_it(gate: Gate, inbox: Inbox) -> None:
    put(inbox, "dwi/a_dwi.nii.gz", FILES["nifti of 4 dimensions, gzipped"][1])
    put(inbox, "dwi/a_dwi.bval", b"0 1000\n")
    put(inbox, "dwi/a_dwi.bvec", b"0 1\n0 0\n0 0\n")
    put(inbox, "dwi/a_dwi.json", json.dumps({"EchoTime": 0.08, "PatientName": NAME, "PhaseEncodingDirection": "j-"}).encode())
    publish(gate)
    assert held(gate) == []
    assert tree(gate) == {"000_NIFTI_dwi": ["00001.bval", "00001.bvec", "00001.json", "00001.nii.gz"]}
    assert json.loads(gate.read(f"{EXAM}/000_NIFTI_dwi/00001.json")) == {"EchoTime": 0.08, "PhaseEncodingDirection": "j-"}


def test_a_header_whose_number_is_taken_is_held(gate: Gate, inbox: Inbox) -> None:
    samples = bytes(400)

    def bring(stem: str) -> None:
        for ending, content in ((".vhdr", VHDR.encode()), (".vmrk", VMRK.encode()), (".eeg", samples + stem.encode())):
            put(inbox, f"eeg/{stem}{ending}", content)

    bring("bb")
    publish(gate)
    (series,) = tree(gate)
    assert tree(gate)[series] == ["00001.eeg", "00001.vhdr", "00001.vmrk"]


def test_a_header_without_its_samples_is_held(gate: Gate, inbox: Inbox) -> None:
    put(inbox, "eeg/a.vhdr", VHDR.encode())
    put(inbox, "mr/a.mhd", b"ObjectType = Image\nNDims = 1\nDimSize = 1\nElementType = MET_CHAR\nElementDataFile = a.raw\n")
    put(inbox, "mr/b.nii", FILES["nifti"][1])
    publish(gate)
    assert set(tree(gate)) == {"000_NIFTI_mr"}
    assert len(held(gate)) == 2
