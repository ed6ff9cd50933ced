"""Tables, JSON, text, PDF, Office: held or refused unless the profile attests them, and then looked through."""

from __future__ import annotations

import io
import json
import random
import zipfile
import zlib
from typing import TYPE_CHECKING

import openpyxl
import pytest

from deid import Held, ProfileError, Unreadable, load_profile
from deid.formats import FileCleaner
from deid.formats.decoding import runs
from tests.deid.formats.conftest import KEY, MARK, attesting

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deid.formats.conftest import Clean

NAME = MARK.decode()
TABLE = "onset,duration,trial_type\n1.5,2,left\n4.25,2,right\n"
PLAIN = {
    "CSV": TABLE,
    "TSV": "score\tcolour\n1\tbeige\n2\tmauve\n",
    "JSON": '{"Stimulus": "a face"}',
    "TEXT": "seen: a face\nthen a house\n",
}
ALL = ("CSV", "TSV", "JSON", "TEXT", "PDF", "OFFICE")


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
     ("a,b\n1,12.03.2008\n", 2), ("a,b\n1,20080312\n", 1), ("a\n\n12 Mar 2008", 3), ("a,b\n1,3/12/2008\n", 2),
     ("x\n1.3.12.2.1107.5.2.32.35162", 2), ("mail anna@example.org", 1), ("tel +41 79 123 45 67", 1), ("756.1234.5678.97", 1),
     ("seen by Dr. Meier", 1), (f"x\n{NAME}^Anna", 2), ("Name: Anna\n", 1), ("ok\nName: Anna\n", 2),
     ("Visit of March 12, 1970\n", 1), ("am 12. M\u00e4rz 1970 da", 1), ("20231113161403.794232", 1), ("born in 1970", 1),
     ("Exported by lab system\nsurname;dob;score\nX;12.03.70;5\n", 2), ("n\u00e9 le 12.03.1970", 1), ("mrn|score\n1|2\n", 1),
     ("some words\n\nscore;patient\n5;7\n6;8;9\n", 3), ("Score\tSurname\n", 1), ("surname;Meier\nscore;5\n", 1),
     ("12\u200b.03.19\u200b70", 1), ("12\x01.03.1970 and much more of it, so that it is a text all the same", 1),
     ("the date of it: \uff11\uff12.\uff10\uff13.\uff11\uff19\uff17\uff10", 1), ("<a><surname>Meier</surname></a>", 1),
     ('<?xml version="1.0"?><row dob="1970"/>', 1), ("<html><p>born 12&#46;03&#46;1970</p></html>", 1),
     (r"{\rtf1{\info{\author X}}hello}", 2), (r"{\rtf1 12.03.\'31970}", 1), ("patient\n", 0)],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-32"])
def test_what_looks_like_an_identity_is_held_in_any_encoding(
    clean: Clean, tmp_path: Path, text: str, line: int, encoding: str
) -> None:
    (tmp_path / "a").write_bytes(text.encode(encoding))
    if not line:
        assert clean(tmp_path / "a", attesting(*ALL))[1].ending == ".txt"
        return
    with pytest.raises(Held) as caught:
        clean(tmp_path / "a", attesting(*ALL))
    assert caught.value.tag_path == f"line {line}"
    assert NAME not in str(caught.value)


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "cp1250", "mac-roman", "cp437"])
def test_older_encodings_are_looked_through(clean: Clean, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a").write_bytes("Name;Geburtsdatum;Wert\r\nM\u00fcller, Hans;12.03.1970;5\r\n".encode(encoding))
    with pytest.raises(Held, match="a column called like an identity"):
        clean(tmp_path / "a", attesting(*ALL))


@pytest.mark.parametrize(
    "text",
    ["Data of a 3T MR scanner\n", "500 ms after the tone\n", "t,x\n0.20150312,1987.1204\n0.3,2\n",
     "Ethernet 1.2.3.4.5.6 version\n",
     "name\ttype\tunits\nFp1\tEEG\tuV\nEOG left\tEOG\tuV\n", "name\tx\ty\tz\nFp1\t1\t2\t3\n",
     "id,group\n1,patient\n2,control\n",
     "version 12.3.1\n", "n\u00b7x \u2264 5 \u00b5m\n", "0000000009 00000 n\n", "DR Siemens\n", "1877-06-15T13:45:30\n"],
)  # fmt: skip
def test_no_false_alarm(clean: Clean, tmp_path: Path, text: str) -> None:
    (tmp_path / "a").write_text(text)
    assert clean(tmp_path / "a", attesting(*ALL))[0] == text.encode()


def test_a_sign_of_an_older_encoding_far_behind(clean: Clean, tmp_path: Path) -> None:
    text = "id,score,comment\n" + "".join(f"{n},{n},ok\n" for n in range(900)) + "901,3,m\u00fcde\n"
    (tmp_path / "a").write_bytes(text.encode("latin-1"))
    assert clean(tmp_path / "a", attesting("CSV"))[0] == text.encode("latin-1")
    (tmp_path / "a").write_bytes((text + "902,4,am 12.03.1970\n").encode("latin-1"))
    with pytest.raises(Held, match="a date"):
        clean(tmp_path / "a", attesting("CSV"))


def test_a_named_human_overrules_a_heuristic_and_the_report_says_what_passed(clean: Clean, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("score,surname\n1,Braun\n2,Schwarz\n")
    cleaner = FileCleaner(load_profile(attesting("CSV")), KEY, "2008-0003", "E001")
    report = cleaner.clean(tmp_path / "a", io.BytesIO(), overruled=True)
    assert {action.rule for action in report.actions} >= {"overruled: a column called like an identity"}
    with pytest.raises(Held, match="a column called like an identity"):
        cleaner.clean(tmp_path / "a", io.BytesIO())


@pytest.mark.parametrize(("text", "ending"), [("0 1000 1000 2000\n", ".bval"), ("0 1 0\n0 0 -1\n0 0.5 0\n", ".bvec")])
def test_gradients_need_nobodys_word(clean: Clean, tmp_path: Path, text: str, ending: str) -> None:
    (tmp_path / "a").write_text(text)
    data, report = clean(tmp_path / "a")
    assert (data, report.ending) == (text.encode(), ending)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"EchoTime": 0.003, "SliceTiming": [0.1, 0.2], "ConversionSoftware": "dcm2niix"}, None),
        ({"ManufacturersModelName": "Prisma", "EchoTime": 0.03, "TaskName": "rest"}, None),
        ({"PatientName": NAME, "PatientID": "4711", "MRN": 7, "dob": "1970-03-12", "EchoTime": 1.5}, {"EchoTime": 1.5}),
        ({"a": {"PatientBirthDate": "19700312", "x": [1, 2]}}, {"a": {"x": [1, 2]}}),
        ({"EchoTime": 3, "SeriesDescription": f"t1 {NAME}"}, {"EchoTime": 3, "SeriesDescription": "t1"}),
        ({"patient": {"first": NAME}, "EchoTime": 2}, {"EchoTime": 2}),
        ({"PatientAge": "093Y"}, {"PatientAge": "090Y"}),
        ({"Levels": {"a": "face", "b": "house"}, "Units": "mm"}, None),
        ({"InstitutionName": NAME, "DeviceSerialNumber": "12345", "Modality": "MR"}, {"Modality": "MR"}),
    ],
)
def test_json_is_cleaned_by_its_keys(clean: Clean, tmp_path: Path, before: object, after: object) -> None:
    (tmp_path / "a.json").write_text(json.dumps(before))
    data, report = clean(tmp_path / "a.json", None if "Levels" not in json.dumps(before) else attesting("JSON"))
    assert json.loads(data) == (before if after is None else after)
    assert report.ending == ".json"


@pytest.mark.parametrize(
    "value", ["2023-11-13T16:14:03.5", "20231113161403.794232", "2023-11-13", "13.11.2023 16:14", "20231113"]
)
def test_dates_under_keys_for_dates_are_moved_in_their_spelling(clean: Clean, tmp_path: Path, value: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"AcquisitionDateTime": value}))
    new = json.loads(clean(tmp_path / "a.json")[0])["AcquisitionDateTime"]
    assert new != value
    assert len(new) == len(value)
    assert [sign.isdigit() for sign in new] == [sign.isdigit() for sign in value]


def test_a_key_that_stands_twice_is_written_once(clean: Clean, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(f'{{"EchoTime": "{NAME}", "EchoTime": 3}}')
    assert json.loads(clean(tmp_path / "a.json")[0]) == {"EchoTime": 3}


@pytest.mark.parametrize("text", ['{"x": "Anna"}', '{"x": 12345678}', '{"1970-03-12": 1}'])
def test_json_of_unknown_keys_needs_a_word(clean: Clean, tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(Held):
        clean(tmp_path / "a.json")


def pdf(
    info: bytes = b"",
    stream: bytes = b"BT (left and right) Tj ET",
    more: bytes = b"",
    *,
    packed: bool = True,
    page: bytes = b"",
) -> bytes:
    """A PDF of one page. `more`: bodies of further objects, from number 7 on, parted by ``|||``."""
    body = zlib.compress(stream) if packed else stream
    kind = b" /Filter /FlateDecode" if packed else b""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 99 99] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> %b >>"
        % page,
        b"<< /Length %d%b >>\nstream\n%b\nendstream" % (len(body), kind, body),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<<" + info + b">>",
        *([each for each in more.split(b"|||") if each]),
    ]
    out, places = b"%PDF-1.5\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"<< /Size %d /Root 1 0 R /Info 6 0 R >>" % (len(objects) + 1)
    return out + b"xref\n0 %d\n0000000000 65535 f \n%btrailer\n%b\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1, table, trailer, len(out))  # fmt: skip


BORN = b"BT /F1 12 Tf (born 12.03.1970) Tj ET"


@pytest.mark.parametrize(
    "bad",
    [pdf(b"/Author (" + MARK + b")"), pdf(b"/Title <5A71>"), pdf(b"/CreationDate (D:20080312)"), pdf(stream=b"<x:xmpmeta>"),
     pdf(b"/Author 7 0 R", more=b"(" + MARK + b")"), pdf(stream=BORN), pdf(stream=BORN, packed=False),
     pdf(stream=b"BT [(12.) -20 (03.19) 3 (70)] TJ ET"), pdf(stream=b"BT <31322E30332E31393730> Tj ET"),
     pdf(more=b"<< /Type /Annot /Subtype /Text /Contents (" + MARK + b") >>"),
     pdf(more=b"<< /Length 10 >>\nstream\n12.03.1970\nendstream"),
     pdf(more=b"<< /Type /EmbeddedFile /Length 1 >>\nstream\nx\nendstream"), pdf(b"/Encrypt 5 0 R"), pdf() + b"% 12.03.1970\n",
     pdf(more=b"<< /Type /Metadata /Subtype /XML /Length 1 >>\nstream\nx\nendstream"), b"%PDF-1.5\nbroken"],
)  # fmt: skip
def test_pdf(clean: Clean, tmp_path: Path, bad: bytes) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf())
    with pytest.raises(Held, match="must attest PDF"):
        clean(tmp_path / "a.pdf")
    assert clean(tmp_path / "a.pdf", attesting("PDF"))[0] == pdf()
    (tmp_path / "a.pdf").write_bytes(bad)
    with pytest.raises(Held):
        clean(tmp_path / "a.pdf", attesting("PDF"))


def test_an_empty_stream_of_a_pdf_is_no_fault(clean: Clean, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf(stream=b"", packed=False))
    assert clean(tmp_path / "a.pdf", attesting("PDF"))[1].ending == ".pdf"


def test_a_pdf_with_pictures_must_be_looked_at(clean: Clean, tmp_path: Path) -> None:
    image = b"<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray"
    image += b" /BitsPerComponent 8 /Length 1 >>\nstream\nx\nendstream"
    (tmp_path / "a.pdf").write_bytes(pdf(more=image))
    with pytest.raises(Held, match="somebody must look"):
        clean(tmp_path / "a.pdf", attesting("PDF"))
    assert clean(tmp_path / "a.pdf", attesting("PDF"), pixels_approved=True)


W = b'<w:document xmlns:w="urn:w">%b</w:document>'
SHEET = (
    b'<worksheet xmlns="urn:x"><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c>'
    b'<c r="C1" t="inlineStr"><is><t>score</t></is></c></row>'
    b'<row r="2"><c r="A2" t="s"><v>1</v></c><c r="C2"%b><v>25639</v></c></row></sheetData></worksheet>'
)
STYLES = (
    b'<styleSheet xmlns="urn:x"><numFmts><numFmt numFmtId="170" formatCode="dd/mm/yyyy"/></numFmts>'
    b'<cellXfs><xf numFmtId="0"/><xf numFmtId="%d"/></cellXfs></styleSheet>'
)


def strings(*texts: bytes) -> bytes:
    return b'<sst xmlns="urn:x">' + b"".join(b"<si><t>%b</t></si>" % text for text in texts) + b"</sst>"


def office(**more: bytes) -> bytes:
    members = {"[Content_Types].xml": b"<Types/>", "word/document.xml": W % b"<w:p><w:t>left and right</w:t></w:p>"}
    members |= {name.replace("__", "/").replace("_x", ".x"): data for name, data in more.items()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)  # without the time of the test, so that every run sees the same bytes
    return out.getvalue()


def workbook(first: bytes, second: bytes, style: bytes = b"", number: int = 0) -> bytes:
    shared = strings(first, second)
    return office(xl__worksheets__sheet1_xml=SHEET % style, xl__sharedStrings_xml=shared, xl__styles_xml=STYLES % number)


@pytest.mark.parametrize(
    "bad",
    [office(word__comments_xml=W % b'<w:comment w:author="x"/>'), office(word__document_xml=W % b"<w:p>12.03.2008</w:p>"),
     office(word__document_xml=W % b"<w:p><w:t>12.03</w:t><w:t>.2008</w:t></w:p>"), office(word__image1=MARK),
     office(word__document_xml=W % b"<w:tbl><w:tr><w:tc>surname</w:tc><w:tc>x</w:tc></w:tr></w:tbl>"),
     b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + MARK, workbook(b"surname", MARK), workbook(b"group", b"a", b' s="1"', 14),
     workbook(b"group", b"a", b' s="1"', 170), workbook(b"mrn", b"4")],
)  # fmt: skip
def test_office(clean: Clean, tmp_path: Path, bad: bytes) -> None:
    (tmp_path / "a.docx").write_bytes(office())
    with pytest.raises(Held, match="must attest OFFICE"):
        clean(tmp_path / "a.docx")
    assert clean(tmp_path / "a.docx", attesting("OFFICE"))[1].ending == ".docx"
    (tmp_path / "a.docx").write_bytes(bad)
    with pytest.raises(Held):
        clean(tmp_path / "a.docx", attesting("OFFICE"))


def test_office_properties_are_made_neutral(clean: Clean, tmp_path: Path) -> None:
    core, app = b"<a><creator>" + MARK + b"</creator></a>", b"<a><Company>" + MARK + b"</Company></a>"
    (tmp_path / "a").write_bytes(office(docProps__core_xml=core, docProps__app_xml=app) + b"")
    data, _ = clean(tmp_path / "a", attesting("OFFICE"))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert not any(MARK in archive.read(name) for name in archive.namelist())


def test_a_table_of_openpyxl_reads_back(clean: Clean, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.properties.creator = NAME
    for row in (("score", "group"), (5, "a"), (6.5, "b")):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    data, report = clean(tmp_path / "a.xlsx", attesting("OFFICE"))
    assert report.ending == ".xlsx"
    again = openpyxl.load_workbook(io.BytesIO(data))
    assert [[cell.value for cell in row] for row in again.active.rows] == [["score", "group"], [5, "a"], [6.5, "b"]]
    assert again.properties.creator in (None, "openpyxl")


@pytest.mark.parametrize("data", [b"", b"\0" * 200, b"PK\x03\x04 no zip", bytes(range(256)) * 4])
def test_what_nobody_knows_is_refused(clean: Clean, tmp_path: Path, data: bytes) -> None:
    (tmp_path / NAME).write_bytes(data)
    with pytest.raises(Unreadable, match=r"empty|cut short|unknown type") as caught:
        clean(tmp_path / NAME, attesting("CSV", "TSV", "JSON", "TEXT", "PDF", "OFFICE"))
    assert NAME not in str(caught.value)


@pytest.mark.parametrize("said", [b"born 12.03.1970", "Name: Anna".encode("utf-16-le"), b"PatientName=" + MARK])
def test_what_can_be_read_in_a_file_of_no_format_is_looked_at(clean: Clean, tmp_path: Path, said: bytes) -> None:
    noise = bytes(range(256)) * 4
    (tmp_path / "a").write_bytes(noise)
    assert clean(tmp_path / "a", attesting("RAW"))[0] == noise
    (tmp_path / "a").write_bytes(noise + said + noise)
    with pytest.raises(Held):
        clean(tmp_path / "a", attesting("RAW"))


def test_only_known_types_can_be_attested() -> None:
    with pytest.raises(ProfileError, match=r"line 3: 'CVS' is no type of file to attest: did you mean 'CSV'"):
        load_profile(attesting("CVS"))


def test_bytes_that_happen_to_read_like_a_name_are_no_finding_but_a_field_is() -> None:
    noise = random.Random(7).randbytes(1 << 16)
    assert "ab^cd" not in runs(noise.replace(noise[500:505], b"ab^cd"))
    for field in (b"\0\0\0\0MUELLER^HANS\0\0\0\0\0\0", b"patient name: MUELLER^HANS, hospital of Zurich"):
        assert "MUELLER^HANS" in runs(noise[:1000] + field + noise[1000:2000])
    beside = noise[:1000] + b"\x05\x00\x00\x00LI^NA" + b"\0" * 24
    assert "LI^NA" in runs(beside)
