"""Real programs send, and what they held is what is staged."""

import io
import shutil
import subprocess
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.filereader import read_file_meta_info
from pynetdicom import AE, _config

from tests.gateway.dicom.conftest import Door

FILES = [
    "MR_small.dcm",  # explicit little endian
    "CT_small.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_RLE.dcm",
    "rtplan.dcm",  # implicit little endian
    "rtdose.dcm",
    "test-SR.dcm",
    "image_dfl.dcm",  # deflated
    "JPEG2000.dcm",
    "JPEG-LL.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "emri_small_jpeg_ls_lossless.dcm",  # enhanced MR, several frames
]

UNSTEADY = (0x7FE00010, 0xFFFCFFFC)
"""Pixels are compared apart; DCMTK leaves trailing padding out."""


def path_of(name: str) -> Path:
    found = get_testdata_file(name, download=False)
    assert isinstance(found, str), f"pydicom has no test file {name}"
    return Path(found)


def dcmtk(program: str, *options: object, status: int = 0) -> str:
    """Run a program of DCMTK; pynetdicom brings others of the same names."""
    found = shutil.which(program, path="/usr/bin")
    assert found, f"{program} is missing: install dcmtk"
    done = subprocess.run([found, *map(str, options)], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def data_set(file: Path) -> bytes:
    """Return the bytes after the file meta information."""
    data = file.read_bytes()
    return data[144 + int.from_bytes(data[140:144], "little") :]


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pynetdicom send a file's bytes as they are."""
    monkeypatch.setattr(_config, "STORE_SEND_CHUNKED_DATASET", True)


def test_echoscu(door: Door) -> None:
    dcmtk("echoscu", "-aet", "MR1", "-aec", "ANYTHING", "127.0.0.1", door.port)
    said = dcmtk("echoscu", "-aet", "STRANGER", "127.0.0.1", door.port, status=1)
    assert "Calling AE Title Not Recognized" in said
    assert door.audited() == [("dicom.refused", "STRANGER")]


def test_storescu_sends_a_folder_twice_and_each_file_is_kept_once(door: Door, tmp_path: Path) -> None:
    folder = tmp_path / "sent"
    folder.mkdir()
    for name in ("MR_small.dcm", "CT_small.dcm", "rtdose.dcm"):
        shutil.copy(path_of(name), folder)
    for _ in range(2):
        dcmtk("storescu", "-aet", "MR1", "+sd", "127.0.0.1", door.port, folder)
    assert len(door.staged()) == len(door.on_disk()) == 3
    for file in door.on_disk():
        dcmtk("dcmdump", file)


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")  # rtdose.dcm has one
@pytest.mark.parametrize("name", FILES)
def test_dcmsend(door: Door, name: str) -> None:
    sent = path_of(name)
    dcmtk("dcmsend", "-aet", "MR1", "--decompress-never", "127.0.0.1", door.port, sent)
    (staged,) = door.on_disk()
    before, after = pydicom.dcmread(sent), pydicom.dcmread(staged)
    assert [(e.tag, e.value) for e in after if e.tag not in UNSTEADY] == [
        (e.tag, e.value) for e in before if e.tag not in UNSTEADY
    ]
    uncompressed = not before.file_meta.TransferSyntaxUID.is_compressed
    if uncompressed and "PixelData" in before:
        assert (before.pixel_array == after.pixel_array).all()
    else:
        assert before.get("PixelData") == after.get("PixelData")
        assert uncompressed or before.file_meta.TransferSyntaxUID == after.file_meta.TransferSyntaxUID
    assert after.file_meta.SourceApplicationEntityTitle == "MR1"


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("name", FILES)
def test_pynetdicom_sends_bytes_that_are_kept_as_they_are(door: Door, name: str) -> None:
    sent = path_of(name)
    meta = read_file_meta_info(sent)
    scu = AE("MR1")
    scu.add_requested_context(meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID)
    association = scu.associate("127.0.0.1", door.port)
    assert association.is_established
    assert association.send_c_store(sent).Status == 0
    association.release()
    assert door.data_sets() == [data_set(sent)]


@pytest.mark.usefixtures("exact")
def test_a_private_class_in_a_private_transfer_syntax(door: Door, tmp_path: Path) -> None:
    private_class, private_syntax = "1.3.12.2.1107.5.9.1", "1.3.12.2.1107.5.99.7"
    raw = pydicom.dcmread(path_of("MR_small.dcm"))
    raw.SOPClassUID = raw.file_meta.MediaStorageSOPClassUID = pydicom.uid.UID(private_class)
    raw.file_meta.TransferSyntaxUID = pydicom.uid.UID(private_syntax)
    head = io.BytesIO()
    pydicom.filewriter.write_file_meta_info(head, raw.file_meta)
    body = bytes(range(256)) * 500
    sent = tmp_path / "private.dcm"
    sent.write_bytes(bytes(128) + b"DICM" + head.getvalue() + body)
    scu = AE("MR1")
    scu.add_requested_context(private_class, private_syntax)
    association = scu.associate("127.0.0.1", door.port)
    assert association.is_established
    assert association.send_c_store(sent).Status == 0
    association.release()
    assert door.data_sets() == [body]
    assert read_file_meta_info(door.on_disk()[0]).TransferSyntaxUID == private_syntax


def test_a_conformant_sender_may_offer_what_we_do_not_serve(door: Door) -> None:
    dcmtk("findscu", "-aet", "MR1", "-S", "-k", "0008,0052=STUDY", "127.0.0.1", door.port, status=2)
    dcmtk("echoscu", "-aet", "MR1", "127.0.0.1", door.port)
