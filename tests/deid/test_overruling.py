"""What a heuristic holds, a named human can let pass, and the report says so; what is certain, nobody."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

import deid
from deid.formats import FileCleaner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = b"k" * 32
KEEP = 'schema = 1\n[[rule]]\ntag = "ImageComments"\naction = "keep"\n'


def clean(path: Path, profile: str | None = None, **words: bool) -> tuple[Dataset, deid.Report]:
    out = io.BytesIO()
    report = FileCleaner(deid.load_profile(profile), KEY, "A", "E001", **words).clean(path, out)
    return dcmread(io.BytesIO(out.getvalue())), report


def held(path: Path, profile: str | None = None, **words: bool) -> deid.Held:
    with pytest.raises(deid.Held) as caught:
        clean(path, profile, **words)
    return caught.value


def test_a_number_that_is_also_an_identifier_can_pass(mr: Dataset, saved: Callable[..., Path]) -> None:
    mr.PatientID, mr.ImageComments = "4711", "protocol 4711"
    path = saved(mr)
    why = held(path, KEEP)
    assert not why.certain
    assert "heuristic" in str(why)
    new, report = clean(path, KEEP, overruled=True)
    assert new.ImageComments == "protocol 4711"
    assert ("(0020,4000)", "K", "overruled: a removed code is still in the file", "") in report.actions


def test_a_uid_that_was_removed_cannot(mr: Dataset, saved: Callable[..., Path]) -> None:
    mr.ImageComments = f"see {mr.SOPInstanceUID}"
    assert held(saved(mr), KEEP).certain
    assert held(saved(mr), KEEP, overruled=True).certain


def test_frames_that_cannot_be_walked_pass_unless_they_hold_what_was_removed(mr: Dataset, saved: Callable[..., Path]) -> None:
    frame = b"\xff\xd8\xff\xdb\x00\x04\x00\x01\xff\xd9"
    mr.BitsAllocated = mr.BitsStored = 8
    mr.HighBit = 7
    mr.PixelData = encapsulate([frame])
    mr["PixelData"].VR, mr["PixelData"].is_undefined_length = "OB", True
    path = saved(mr, JPEGBaseline8Bit)
    assert not held(path, pixels_approved=True).certain
    new, report = clean(path, overruled=True)
    assert new.PixelData == mr.PixelData
    assert any(action.rule.startswith("overruled: nobody can tell what in it is picture") for action in report.actions)
    mr.PixelData = encapsulate([frame[:-2] + b"Quandermann" + frame[-2:]])
    assert held(saved(mr, JPEGBaseline8Bit), overruled=True).certain


def document(ds: Dataset, content: bytes, kind: str) -> Dataset:
    del ds.PixelData
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.104.1"
    ds.EncapsulatedDocument, ds.EncapsulatedDocumentLength = content + b"\0" * (len(content) % 2), len(content)
    ds.MIMETypeOfEncapsulatedDocument = kind
    return ds


ATTESTED = 'schema = 1\nattest = ["TEXT", "PDF"]\n'


def test_a_document_is_looked_through_as_a_file_of_its_kind_is(mr: Dataset, saved: Callable[..., Path]) -> None:
    path = saved(document(mr, b"left ventricle normal\nright ventricle normal\n", "text/plain"))
    assert "must attest TEXT" in str(held(path))
    assert clean(path, ATTESTED)[0].EncapsulatedDocument.startswith(b"left ventricle")
    named = saved(document_of(path, b"the patient Quandermann, born 04.12.1957, was seen\n"))
    assert held(named, ATTESTED).tag_path == "(0042,0011)"
    hidden = saved(document_of(path, b"left ventricle of quandermann\n"))
    assert held(hidden, ATTESTED).tag_path == "(0042,0011)"
    unknown = saved(document_of(path, bytes(range(128, 200)) * 20))
    assert held(unknown, ATTESTED).tag_path == "(0042,0011)"


def document_of(path: Path, content: bytes) -> Dataset:
    ds = dcmread(path)
    ds.EncapsulatedDocument, ds.EncapsulatedDocumentLength = content + b"\0" * (len(content) % 2), len(content)
    return ds


def test_without_handlers_documents_are_held(mr: Dataset, saved: Callable[..., Path]) -> None:
    path = saved(document(mr, b"left ventricle normal\n", "text/plain"))
    with pytest.raises(deid.Held, match="an encapsulated document"):
        deid.Cleaner(deid.load_profile(ATTESTED), KEY, "A", "E001").clean(path, io.BytesIO())
