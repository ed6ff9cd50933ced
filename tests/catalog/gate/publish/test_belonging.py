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


def bids(label: str = "01") -> dict[str, bytes]:
    sub = f"sub-{label}"
    image = FILES["nifti of 4 dimensions, gzipped"][1]
    rest = f"{sub}/func/{sub}_task-rest"
    return {
        "dataset_description.json": json.dumps({"Name": NAME, "BIDSVersion": "1.8.0", "Authors": [NAME]}).encode(),
        "README": f"3T scanner, T1 and rest, of {NAME}\n".encode(),
        "participants.tsv": f"participant_id\tage\tsex\n{sub}\t34\tF\nsub-99\t35\tM\n".encode(),
        f"{sub}/{sub}_scans.tsv": f"filename\tacq_time\nanat/{sub}_T1w.nii.gz\t2023-11-13T13:45:30\n".encode(),
        f"{sub}/anat/{sub}_T1w.nii.gz": image,
        f"{sub}/anat/{sub}_T1w.json": b'{"EchoTime": 0.003}',
        f"{rest}_bold.nii.gz": image,
        f"{rest}_bold.json": b'{"TaskName": "rest", "RepetitionTime": 2}',
        f"{rest}_events.tsv": b"onset\tduration\ttrial_type\n1\t2\tfaces\n",
        f"{rest}_physio.tsv.gz": gzip.compress(b"0.1\t0.2\n0.3\t0.4\n"),
        f"{sub}/fmap/{sub}_phasediff.json": json.dumps({"IntendedFor": f"func/{sub}_task-rest_bold.nii.gz"}).encode(),
        f"{sub}/dwi/{sub}_dwi.bval": b"0 1000\n",
        f"{sub}/eeg/{sub}_task-rest_eeg.vhdr": VHDR.encode(),
        f"{sub}/eeg/{sub}_task-rest_eeg.vmrk": VMRK.encode(),
        f"{sub}/eeg/{sub}_task-rest_eeg.eeg": bytes(400),
    }


def test_a_bids_tree_comes_in_as_one_thing_and_keeps_names_and_places(gate: Gate, inbox: Inbox) -> None:
    for name, content in bids().items():
        put(inbox, f"study/{name}", content)
    publish(gate)
    assert held(gate) == []
    assert gate.names(EXAM) == ["000_RESULT_bids"]
    root = f"{EXAM}/000_RESULT_bids"
    for name in bids("E001"):
        assert NAME.encode() not in gate.read(f"{root}/{name}")
        assert b"sub-01" not in gate.read(f"{root}/{name}")
    assert gate.read(f"{root}/participants.tsv") == b"participant_id\tage\tsex\nsub-E001\t34\tF\n"
    scans = gate.read(f"{root}/sub-E001/sub-E001_scans.tsv")
    assert b"anat/sub-E001_T1w.nii.gz\t" in scans
    assert b"2023" not in scans
    assert json.loads(gate.read(f"{root}/dataset_description.json"))["BIDSVersion"] == "1.8.0"
    assert b"DataFile=sub-E001_task-rest_eeg.eeg" in gate.read(f"{root}/sub-E001/eeg/sub-E001_task-rest_eeg.vhdr")
    assert gzip.decompress(gate.read(f"{root}/sub-E001/func/sub-E001_task-rest_physio.tsv.gz")) == b"0.1\t0.2\n0.3\t0.4\n"
