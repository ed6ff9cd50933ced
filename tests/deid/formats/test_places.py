"""Every place of every format that can hold an identity, each with a sentinel of its own: none is left in what comes out.

The files are clean otherwise, so that none is held: what is held is told by the tests of each format.
"""

from __future__ import annotations

import gzip
import io
import json
import struct
import zlib
from typing import TYPE_CHECKING

import h5py
import nibabel
import numpy as np
import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin

from deid import load_profile
from deid.formats import FileCleaner
from tests.deid.formats.conftest import KEY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PICTURE = Image.fromarray(np.random.default_rng(7).integers(0, 255, (16, 16, 3), np.uint8))


class Sentinels:
    """Hands out words that stand for identities."""

    def __init__(self) -> None:
        self.given: list[str] = []

    def __call__(self) -> str:
        self.given.append(f"Zqx{len(self.given):02d}markovic")
        return self.given[-1]


def of_json(s: Sentinels) -> bytes:
    keys = ("PatientName", "PatientID", "MRN", "surname", "InstitutionName", "StationName", "OperatorsName", "AccessionNumber",
            "ReferringPhysicianName", "SeriesDescription", "Comment", "ProtocolName",
            "DeviceSerialNumber", "PatientComments")  # fmt: skip
    return json.dumps(
        {key: s() for key in keys} | {"EchoTime": 1, "patient": {"first": s(), "more": [s()]}, "Name": s()}
    ).encode()


def of_nifti(s: Sentinels) -> bytes:
    made = nibabel.Nifti1Image(np.zeros((2, 2, 2), np.int16), np.eye(4))
    for field, length in (("descrip", 80), ("aux_file", 24), ("intent_name", 16), ("db_name", 18)):
        made.header[field] = s().encode()[:length]
    said = {"SpectrometerFrequency": [1], "ResonantNucleus": ["1H"], "PatientName": s(), "OriginalFile": [s()], "Own": s()}
    for code, data in (
        (44, json.dumps(said).encode()),
        (6, s().encode()),
        (18, s().encode()),
        (4, f"<A><B>{s()}</B></A>".encode()),
    ):
        made.header.extensions.append(nibabel.nifti1.Nifti1Extension(code, data))
    return made.to_bytes() + s().encode()


def of_packed_nifti(s: Sentinels) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(s() + ".nii", "wb", fileobj=out) as stream:
        stream.write(of_nifti(s))
    return out.getvalue()


def of_edf(s: Sentinels) -> bytes:
    head = b"0       " + f"{s()} F 12-MAR-1970 {s()} {s()}".encode().ljust(80)
    head += (
        f"Startdate 12-MAR-2003 {s()} {s()} {s()}".encode().ljust(80)
        + b"12.03.0310.00.00512     "
        + f"EDF+C {s()}".encode().ljust(44)
    )
    head += (
        b"1       1       1   "
        + s().encode().ljust(16)
        + f"cup {s()}".encode().ljust(80)
        + b"uV      -100    100     -100    100     "
    )
    return head + f"HP:1Hz {s()}".encode().ljust(80) + b"4       " + s().encode().ljust(32) + bytes(8) + s().encode()


def of_vhdr(s: Sentinels) -> bytes:
    text = f"Brain Vision Data Exchange Header File Version 1.0\n; by {s()}\n[Common Infos]\n"
    text += f"DataFile={s()}.eeg\nMarkerFile={s()}.vmrk\n"
    text += f"Owner={s()}\nNumberOfChannels=1\n[Channel Infos]\nCh1={s()},{s()},1,{s()}\n[Comment]\nseen by {s()}\n[{s()}]\n"
    return text.encode()


def of_vmrk(s: Sentinels) -> bytes:
    text = "Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\n[Marker Infos]\n"
    return (text + f"Mk1=Comment,{s()},1,1,0\nMk2={s()},x,1,1,0\n; {s()}\n").encode()


def of_meta(s: Sentinels) -> bytes:
    text = f"ObjectType = Image\nNDims = 1\nName = {s()}\nComment = {s()}\n0010|0010 = {s()}\nPatientID = {s()}\nOwn = {s()}\n"
    return (text + "DimSize = 2\nElementType = MET_CHAR\nElementDataFile = LOCAL\nxx").encode() + s().encode()


def of_nrrd(s: Sentinels) -> bytes:
    text = f'NRRD0004\n# {s()}\ncontent: {s()}\ntype: char\ndimension: 1\nsizes: 2\nencoding: raw\nlabels: "{s()}"\n'
    return (text + f"operator:={s()}\nOwn:={s()}\n\nxx").encode() + s().encode()


def of_rda(s: Sentinels) -> bytes:
    keys = ("PatientName", "PatientID", "InstitutionName", "StationName", "SeriesDescription",
            "ProtocolName", "StudyDescription",
            "DeviceSerialNumber", "Own")  # fmt: skip
    lines = "".join(f"{key}: {s()}\r\n" for key in keys)
    return f">>> Begin of header <<<\r\n{lines}{s()}\r\nTR: 2000\r\n>>> End of header <<<\r\n".encode() + bytes(16)


def of_spar(s: Sentinels) -> bytes:
    return f"! {s()}\nexamination_name : {s()}\nscan_id : {s()}\npatient_name : {s()}\nsamples : 4\nOwn : {s()}\n".encode()


def of_mgh(s: Sentinels) -> bytes:
    return (
        struct.pack(">7ih", 1, 1, 1, 1, 1, 3, 0, 0).ljust(100, b"\0")
        + s().encode().ljust(184, b"\0")
        + bytes(24)
        + s().encode()
    )


def of_gifti(s: Sentinels) -> bytes:
    meta = nibabel.gifti.GiftiMetaData({"UserName": s(), "Own": s(), s(): "x"})
    made = nibabel.GiftiImage(meta=meta)
    made.add_gifti_data_array(
        nibabel.gifti.GiftiDataArray(np.zeros((2, 3), np.float32), "NIFTI_INTENT_POINTSET", meta={"Date": s()})
    )
    return made.to_bytes().replace(b"<DataArray ", f"<!-- {s()} --><DataArray ".encode(), 1)


def of_stl(s: Sentinels) -> bytes:
    return s().encode().ljust(80) + struct.pack("<I", 1) + bytes(50)


def of_obj(s: Sentinels) -> bytes:
    return f"# {s()}\nmtllib {s()}.mtl\no {s()}\ng {s()}\nusemtl {s()}\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n".encode()


def of_snirf(s: Sentinels) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file["formatVersion"] = "1.1"
        for tag in ("SubjectID", "Operator", "comment", "Own", "patientName", "InstitutionName"):
            file[f"nirs/metaDataTags/{tag}"] = s()
        file["nirs/stim1/name"] = s()
        file["nirs/data1/dataTimeSeries"] = np.zeros((3, 1))
        file["nirs"].attrs["note"] = s()
    return out.getvalue()


def of_png(s: Sentinels) -> bytes:
    info, out = PngImagePlugin.PngInfo(), io.BytesIO()
    info.add_text("Author", s())
    info.add_text("Comment", s(), zip=True)
    info.add_itxt("Titel", s())
    exif = Image.Exif()
    exif[0x010E] = s()
    PICTURE.save(out, "PNG", pnginfo=info, exif=exif, icc_profile=s().encode() * 9)
    data = out.getvalue()
    at = data.index(b"IDAT") - 4
    size = int.from_bytes(data[at : at + 4], "big")
    body = b"IDAT" + data[at + 8 : at + 8 + size] + s().encode()
    return (
        data[:at]
        + struct.pack(">I", len(body) - 4)
        + body
        + struct.pack(">I", zlib.crc32(body))
        + data[at + 12 + size :]
        + s().encode()
    )


def of_jpeg(s: Sentinels) -> bytes:
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x010E], exif[0x013B] = s(), s()
    PICTURE.save(out, "JPEG", exif=exif, comment=s(), xmp=s().encode(), icc_profile=s().encode() * 9)
    return out.getvalue() + s().encode()


def of_tiff(s: Sentinels) -> bytes:
    out, tags = io.BytesIO(), TiffImagePlugin.ImageFileDirectory_v2()
    for tag in (269, 270, 285, 305, 315, 316, 33432, 65000):
        tags[tag] = s()
        tags.tagtype[tag] = 2
    PICTURE.save(out, "TIFF", tiffinfo=tags, compression="tiff_lzw")
    return out.getvalue() + s().encode()


FORMATS: tuple[Callable[[Sentinels], bytes], ...] = (
    of_json, of_nifti, of_packed_nifti, of_edf, of_vhdr, of_vmrk, of_meta, of_nrrd, of_rda, of_spar, of_mgh,
    of_gifti, of_stl, of_obj,
    of_snirf, of_png, of_jpeg, of_tiff,
)  # fmt: skip


@pytest.mark.parametrize("build", FORMATS, ids=lambda build: build.__name__.removeprefix("of_"))
def test_no_sentinel_is_left(tmp_path: Path, build: Callable[[Sentinels], bytes]) -> None:
    sentinels, out = Sentinels(), io.BytesIO()
    (tmp_path / "a").write_bytes(build(sentinels))
    FileCleaner(load_profile(None), KEY, "2008-0003", "E001", pixels_approved=True).clean(tmp_path / "a", out)
    data = out.getvalue()
    for unpacked in (data, gzip.decompress(data) if data[:2] == b"\x1f\x8b" else b""):
        assert [each for each in sentinels.given if each[:10].lower().encode() in unpacked.lower()] == []


def test_there_are_enough_places() -> None:
    sentinels = Sentinels()
    for build in FORMATS:
        build(sentinels)
    assert len(sentinels.given) >= 100
