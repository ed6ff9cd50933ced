"""Files of other kinds than DICOM: dropped, published in series by folder, read back, asked for; held if nobody can vouch."""

import gc
import io
import os
import random
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import sqlalchemy as sa

from catalog.database.tables import audit, batches, changes, files, jobs, series, series_columns, series_values, staged_files
from catalog.gate.drops.inbox import Inbox
from catalog.pure.batches import State
from tests.catalog.filetypes.families import FILES, NIBABEL, PAIR, ismrmrd, picture
from tests.catalog.gate.conftest import STUDY, Gate, put
from tests.deid.formats import test_hdf5 as hdf5
from tests.synthetic import image

EXAM = f"{STUDY}/E001"
NAME = "Zqxmarkovic"


def publish(gate: Gate, **how: object) -> None:
    (batch,) = (info.id for info in gate.review.list() if info.state is State.OPEN)
    gate.review.seal(batch)
    gate.work()
    gate.review.accept(batch, STUDY, "E001", **how)  # type: ignore[arg-type] # as the caller says
    gate.work()


def tree(gate: Gate) -> dict[str, list[str]]:
    return {name: gate.names(f"{EXAM}/{name}") for name in gate.names(EXAM)}


def held(gate: Gate) -> list[str]:
    """Return the reasons of what waits again."""
    waiting = [info for info in gate.review.list() if info.state in {State.CHECKED, State.FAILED}]
    return [file.reason for info in waiting for file in gate.review.show(info.id).files]


def pair() -> tuple[bytes, bytes]:
    """Return the two halves of a NIfTI image."""
    found = nibabel.Nifti1Pair(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.eye(4))
    streams = {name: io.BytesIO() for name in ("header", "image")}
    found.file_map["header"].fileobj, found.file_map["image"].fileobj = streams["header"], streams["image"]
    found.to_file_map()
    return streams["header"].getvalue(), streams["image"].getvalue()


def test_each_type_comes_out_in_a_series_of_its_folder(gate: Gate, inbox: Inbox) -> None:
    put(inbox, f"anat/{NAME}_T1w.nii", FILES["nifti"][1])
    put(inbox, f"anat/{NAME}_T2w.nii.gz", FILES["nifti of 4 dimensions, gzipped"][1])
    put(inbox, f"004_rest/{NAME}.edf", FILES["edf+"][1])
    put(inbox, f"{NAME} raw/meas_MID7.dat", FILES["twix of VD"][1])
    put(inbox, "photo.png", picture("PNG"))
    put(inbox, "IM0001", image())
    put(inbox, "data.mat", FILES["mat"][1])
    publish(gate, pixels_approved=True)
    assert held(gate) == []
    found = tree(gate)
    (recording,) = (name for name in found if name.startswith("004_EDF"))
    assert found == {
        "000_IMAGE": ["00002.png"],  # one number a name in a folder: what belongs together is called alike
        "000_MAT": ["00001.mat"],
        "000_MR_RAW_raw": ["00001.dat"],
        "000_NIFTI_anat": ["00001.nii", "00002.nii.gz"],
        "003_DCM_MR_t1_mprage_sag": ["00001.dcm"],
        recording: ["00001.edf"],
    }
    published = gate.read(f"{EXAM}/000_NIFTI_anat/00001.nii")
    before, after = (nibabel.Nifti1Image.from_bytes(data) for data in (FILES["nifti"][1], published))
    assert np.array_equal(before.get_fdata(), after.get_fdata())


def test_no_name_of_a_file_or_folder_gets_out(gate: Gate, inbox: Inbox) -> None:
    put(inbox, f"{NAME}_Anna 1961/{NAME}.edf", FILES["edf+"][1])
    put(inbox, f"123_{NAME}/{NAME}.nii", FILES["nifti"][1])
    put(inbox, f"rest/{NAME}.txt", b"some text\n")
    publish(gate)
    assert set(tree(gate)) == {"000_EDF", "000_NIFTI"}
    tables = (files, series, batches, staged_files, jobs, audit, changes, series_values, series_columns)
    rows = repr([list(gate.database.rows(sa.select(table))) for table in tables]).encode()
    store = [path for path in (gate.built.folder / "var/store").rglob("*") if path.is_file()]
    kept = (rows + b"".join(str(path).encode() + path.read_bytes() for path in store)).lower()
    assert NAME.lower().encode() not in kept
    assert b"1961" not in rows


def test_halves_stay_together(gate: Gate, inbox: Inbox) -> None:
    header, img = pair()
    put(inbox, "anat/brain.HDR", header)
    put(inbox, "anat/brain.img", img)
    put(inbox, "anat/a_first.nii", FILES["nifti"][1])
    put(inbox, "par/scan.PAR", (NIBABEL / f"{PAIR}.PAR").read_bytes())
    put(inbox, "par/scan.REC", (NIBABEL / f"{PAIR}.REC").read_bytes())
    publish(gate)
    assert held(gate) == []
    names = tree(gate)
    assert names["000_NIFTI_anat"] == ["00001.nii", "00002.hdr", "00002.img"]
    (rec,) = (found for name, found in names.items() if "PAR_REC" in name)
    assert rec == ["00001.par", "00001.rec"]
    assert gate.read(f"{EXAM}/000_NIFTI_anat/00002.img") == img


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # nibabel leaves a REC to the garbage collector
def test_programs_open_the_halves_by_their_names_in_the_archive(gate: Gate, inbox: Inbox, tmp_path: Path) -> None:
    header, img = pair()
    for name, content in {"brain.hdr": header, "brain.img": img}.items():
        put(inbox, f"anat/{name}", content)
    for ending in ("PAR", "REC"):
        put(inbox, f"par/scan.{ending}", (NIBABEL / f"{PAIR}.{ending}").read_bytes())
    publish(gate)
    for folder, names in tree(gate).items():
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_bytes(gate.read(f"{EXAM}/{folder}/{name}"))
    (anat,) = tmp_path.glob("*_NIFTI_anat/*.img")
    assert np.array_equal(np.asanyarray(nibabel.load(anat).dataobj).ravel(order="F"), np.frombuffer(img, np.int16))
    (scan,) = tmp_path.glob("*_PAR_REC*/*.par")
    original = nibabel.load(NIBABEL / f"{PAIR}.PAR", permit_truncated=True)
    assert np.array_equal(nibabel.load(scan, permit_truncated=True).get_fdata(), original.get_fdata())
    del original
    gc.collect()


def test_the_checks_say_when_a_half_is_missing(gate: Gate, inbox: Inbox) -> None:
    header, img = pair()
    halves = {
        "a.hdr": (header, ".img"), "b.img": (img, ".hdr"), "c.PAR": ((NIBABEL / f"{PAIR}.PAR").read_bytes(), ".rec"),
        "d.rec": ((NIBABEL / f"{PAIR}.REC").read_bytes(), ".par"),
    }  # fmt: skip
    for name, (content, _) in halves.items():
        put(inbox, f"x/{name}", content)
    put(inbox, "y/dwi.bval", b"0 1000 1000\n")
    put(inbox, "z/dwi.bval", b"0 1000 1000\n")
    put(inbox, "z/dwi.bvec", b"0 1 0\n0 0 1\n0 0 0\n")
    (batch,) = gate.review.list()
    gate.review.seal(batch.id)
    gate.work()
    found = gate.review.info(batch.id).findings
    told = [finding["message"] for finding in found if finding["check"] == "publishable"]
    assert [message.partition(" is missing")[0][-5:-1] for message in told] == [other for _, other in halves.values()]
    assert [finding["message"][:46] for finding in found if finding["check"] == "complete"] == [
        "the file that belongs to it (.bvec) is missing"
    ]


def test_half_a_pair_waits(gate: Gate, inbox: Inbox) -> None:
    header, img = pair()
    put(inbox, "anat/whole.nii", FILES["nifti"][1])
    put(inbox, "anat/brain.hdr", header)
    put(inbox, "anat/brain.img", img[:-1])
    publish(gate)
    assert tree(gate) == {"000_NIFTI_anat": ["00002.nii"]}
    assert any("the file that belongs to it" in reason for reason in held(gate))
    assert len(held(gate)) == 2


def test_what_nothing_can_look_through_needs_a_word(gate: Gate, inbox: Inbox) -> None:
    noise = random.Random(3).randbytes(5000)
    put(inbox, "anat/brain.nii", FILES["nifti"][1])
    put(inbox, "tables/events.csv", FILES["csv"][1])
    put(inbox, "raw/unknown.bin", noise)
    put(inbox, "raw/zz_no_prefix", b"\x08\0\x05\0" + noise)
    publish(gate)
    assert set(tree(gate)) == {"000_NIFTI_anat"}
    assert len(held(gate)) == 3
    left = gate.review.list()[-1].id
    gate.review.accept(left, STUDY, "E001", attest="made on the phantom")
    gate.work()
    found = tree(gate)
    assert {name for name in found if "NIFTI" not in name} == {"000_TABLE_tables", "000_RAW_raw"}
    assert gate.read(f"{EXAM}/000_RAW_raw/{found['000_RAW_raw'][0]}") == noise
    assert len(held(gate)) == 1, "what looks like DICOM without its prefix may name its patient: nobody can vouch for it"
    accepted = gate.database.rows(sa.select(audit.c.detail).where(audit.c.action == "batch.accept"))
    assert "made on the phantom" in accepted[-1].detail


def test_raw_data_in_hdf5_is_cleaned_and_waits_for_nobody(gate: Gate, inbox: Inbox, tmp_path: Path) -> None:
    hdf5.write(tmp_path / "scan.h5")
    put(inbox, f"raw/{NAME}.h5", (tmp_path / "scan.h5").read_bytes())
    put(inbox, "raw/opaque.h5", ismrmrd())
    publish(gate)
    ((folder, (name,)),) = tree(gate).items()
    assert (folder, name) == ("000_MR_RAW_raw", "00001.h5")
    assert NAME.lower().encode() not in gate.read(f"{EXAM}/{folder}/{name}").lower()
    (reason,) = held(gate)
    assert "an HDF5 file with a type that is neither numbers nor text" in reason


def test_the_same_again_is_known(gate: Gate, inbox_of: Callable[[str], Inbox], inbox: Inbox) -> None:
    for _ in range(2):
        inbox = inbox_of("ada")
        if "E001" not in [entry.name for entry in inbox.children((STUDY,))]:
            inbox.make_folder((STUDY, "E001"))
        put(inbox, "anat/a.nii", FILES["nifti"][1])
        put(inbox, "anat/b.nii", FILES["nifti"][1])
        publish(gate)
    assert tree(gate) == {"000_NIFTI_anat": ["00001.nii", "00002.nii"]}


def test_what_they_tell_can_be_asked_for(gate: Gate, inbox: Inbox) -> None:
    put(inbox, "anat/a.nii", FILES["nifti"][1])
    put(inbox, "rest/b.edf", FILES["edf+"][1])
    publish(gate)
    found = [one.file_type for one in gate.view().search("Columns = 33 or SamplingFrequency = 10 Hz")]
    assert sorted(found) == ["EDF", "NIFTI"]
    assert [one.file_type for one in gate.view().search('Format = "NIfTI-1"')] == ["NIFTI"]


@pytest.mark.parametrize("name", [os.fsdecode(b"\xff\xfe.nii"), "ä" * 60 + ".nii", "a.b.c", ".nii", "CON.nii", "x" * 200])
def test_odd_names(gate: Gate, inbox: Inbox, name: str) -> None:
    put(inbox, name, FILES["nifti"][1])
    publish(gate)
    assert tree(gate) == {"000_NIFTI": ["00001.nii"]}
