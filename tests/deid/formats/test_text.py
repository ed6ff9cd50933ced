"""Tables, JSON, text, PDF, Office: held or refused unless the profile attests them, and then looked through."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from typing import TYPE_CHECKING

import pytest

from deid import Held, ProfileError, Unreadable, load_profile
from tests.deid.formats.conftest import MARK, attesting

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deid.formats.conftest import Clean

NAME = MARK.decode()
TABLE = "onset,duration,trial_type\n1.5,2,left\n4.25,2,right\n"
SIDECAR = json.dumps({"EchoTime": 0.003, "SliceTiming": [0.1, 0.2], "ConversionSoftware": "dcm2niix"})
PLAIN = {"CSV": TABLE, "TSV": TABLE.replace(",", "\t"), "JSON": SIDECAR, "TEXT": "0 1000 1000\n2000 0 1000\n"}


@pytest.mark.parametrize("kind", PLAIN)
def test_passed_as_it_is_if_attested(clean: Clean, tmp_path: Path, kind: str) -> None:
    source = tmp_path / "a"
    source.write_text(PLAIN[kind])
    with pytest.raises(Held, match=f"must attest {kind}"):
        clean(source)
    data, report = clean(source, attesting(kind))
    assert data == source.read_bytes()
    assert report.headers == {"FileType": kind}
    assert report.ending == {"CSV": ".csv", "TSV": ".tsv", "JSON": ".json", "TEXT": ".txt"}[kind]


@pytest.mark.parametrize(
    ("text", "line"),
    [("PatientName,age\nAnna,7\n", 1), ("a,Geburtsdatum\n1,x\n", 1), ("id\tLast Name\n1\tx\n", 1),
     ('{"a": {"PatientID": "7"}}', 1), ('{"AcquisitionDate": 1,\n"x": "2008-03-12"}', 2), ("a,b\n1,12.03.2008\n", 2),
     ("a,b\n1,20080312\n", 2), ("a\n\n12 Mar 2008", 3), ("a,b\n1,3/12/2008\n", 2), ("x\n1.3.12.2.1107.5.2.32.35162", 2),
     ("mail anna@example.org", 1), ("tel +41 79 123 45 67", 1), ("756.1234.5678.97", 1), ("seen by Dr. Meier", 1),
     (f"x\n{NAME}^Anna", 2), ("Name: Anna\n", 1), ("ok\nName: Anna\n", 2)],
)  # fmt: skip
def test_what_looks_like_an_identity_is_held(clean: Clean, tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / "a").write_text(text)
    with pytest.raises(Held) as caught:
        clean(tmp_path / "a", attesting("CSV", "TSV", "JSON", "TEXT"))
    assert caught.value.tag_path == f"line {line}"
    assert NAME not in str(caught.value)


def pdf(info: bytes = b"", stream: bytes = b"BT (left and right) Tj ET") -> bytes:
    packed = zlib.compress(stream)
    head = b"%PDF-1.5\n1 0 obj\n<< /Type /Catalog >>\nendobj\n2 0 obj\n<<" + info + b">>\nendobj\n3 0 obj\n"
    return head + b"<< /Length %d >>\nstream\n" % len(packed) + packed + b"\nendstream\nendobj\n%%EOF\n"


@pytest.mark.parametrize(
    "bad",
    [pdf(b"/Author (" + MARK + b")"), pdf(b"/Title <5A71>"), pdf(b"/CreationDate (D:20080312)"), pdf(stream=b"<x:xmpmeta>"),
     pdf(stream=b"/Author (x)"), pdf(stream=b"(born 12.03.2008) Tj"), pdf(b"/Encrypt 5 0 R")],
)  # fmt: skip
def test_pdf(clean: Clean, tmp_path: Path, bad: bytes) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf())
    with pytest.raises(Held, match="must attest PDF"):
        clean(tmp_path / "a.pdf")
    assert clean(tmp_path / "a.pdf", attesting("PDF"))[0] == pdf()
    (tmp_path / "a.pdf").write_bytes(bad)
    with pytest.raises(Held):
        clean(tmp_path / "a.pdf", attesting("PDF"))


def office(**more: bytes) -> bytes:
    members = {"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<w:p>left and right</w:p>"}
    members |= {name.replace("__", "/").replace("_x", ".x"): data for name, data in more.items()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in (
            members | {name.replace("__", "/").replace("_x", ".x"): data for name, data in more.items()}
        ).items():
            archive.writestr(zipfile.ZipInfo(name), data)  # without the time of the test, so that every run sees the same bytes
    return out.getvalue()


@pytest.mark.parametrize(
    "bad",
    [office(docProps__core_xml=b"<dc:creator>" + MARK), office(docProps__app_xml=b"<Company>" + MARK),
     office(word__comments_xml=b'<w:comment w:author="' + MARK + b'"/>'), office(word__document_xml=b"<w:p>12.03.2008</w:p>"),
     office(word__image1=MARK), b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + MARK],
)  # fmt: skip
def test_office(clean: Clean, tmp_path: Path, bad: bytes) -> None:
    (tmp_path / "a.docx").write_bytes(office())
    with pytest.raises(Held, match="must attest OFFICE"):
        clean(tmp_path / "a.docx")
    assert clean(tmp_path / "a.docx", attesting("OFFICE"))[1].ending == ".docx"
    (tmp_path / "a.docx").write_bytes(bad)
    with pytest.raises(Held):
        clean(tmp_path / "a.docx", attesting("OFFICE"))


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 200, "Anna".encode("utf-16"), b"<?xml version='1.0'?><a/>", b"PK\x03\x04 no zip", b"Anna\xff\n"]
)
def test_what_nobody_knows_is_refused(clean: Clean, tmp_path: Path, data: bytes) -> None:
    (tmp_path / NAME).write_bytes(data)
    with pytest.raises(Unreadable) as caught:
        clean(tmp_path / NAME, attesting("CSV", "TSV", "JSON", "TEXT", "PDF", "OFFICE"))
    assert NAME not in str(caught.value)


def test_only_known_types_can_be_attested() -> None:
    with pytest.raises(ProfileError, match=r"line 3: 'CVS' is no type of file to attest: did you mean 'CSV'"):
        load_profile(attesting("CVS"))
