"""The reader's pages: what is granted is shown, searched and taken; what is not is not there; and the audit knows."""

import csv
import io
import re
import zipfile

import PIL.Image
import pytest
import sqlalchemy as sa

from catalog import administration
from catalog.administration import Scope
from catalog.audit import Face
from catalog.database.tables import results, series
from gateway.http.desk.reading.lineage import graph
from gateway.http.desk.reading.paths import places, snippets
from tests.catalog.gate.conftest import ROOT, STUDY, Gate
from tests.gateway.http.desk.conftest import Browser, told
from tests.gateway.http.desk.test_sessions import PERSON
from tests.gateway.http.serving import basic, new_token
from tests.synthetic import image

EXAM = f"studies/{STUDY}/E001"
SERIES = "003_DCM_MR_t1_mprage_sag"
RESULT = "003_RESULT_seg"


@pytest.fixture
def reader(gate: Gate, browser: Browser) -> Browser:
    """Give the browser of lea, who may only read, in an archive with a series and a result of it."""
    gate.published(*(image(instance=number) for number in range(1, 6)))
    made = gate.built.add_series(f"{STUDY}/E001/{RESULT}", {"seg.txt": b"volume 12 ml\n", "Zones/left.csv": b"a,b\n1,2\n"})
    source = gate.database.row(sa.select(series.c.id).where(series.c.name == SERIES))
    assert source is not None
    values = {"series_id": made, "source_id": source.id, "program": "seg 1.2", "sources": f'["{SERIES}"]', "brought_by": "ada"}
    with gate.database.write() as connection:
        connection.execute(results.insert(), values)
    browser._tokens["lea"] = new_token(gate.built, "lea", Scope.READ)
    return browser


def test_a_reader_goes_from_the_studies_to_an_image(gate: Gate, reader: Browser) -> None:
    front = reader.get("", "lea")
    assert front.location == "/desk/studies"
    page = reader.get("studies", "lea")
    assert re.findall(r'href="/desk/studies/([^"]+)"', page.text) == [STUDY]
    assert ">Batches<" not in page.text
    page = told(reader.get(f"studies/{STUDY}", "lea"))
    assert "E001" in page
    assert "DCM_MR 5" in page
    exam = reader.get(EXAM, "lea")
    assert exam.text.index(f"{SERIES}</bdi>") < exam.text.index(f"{RESULT}</bdi>")
    assert f"A result of {SERIES} , made with seg 1.2 , brought by ada" in told(exam)
    thumbnails = re.findall(r'src="/desk/([^"]+side=160[^"]*)"', exam.text)
    assert PIL.Image.open(io.BytesIO(reader.get(thumbnails[0].replace("&amp;", "&"), "lea").data)).size == (16, 16)
    page = reader.get(f"{EXAM}/{SERIES}?at=2", "lea")
    assert "Image 2 of 5" in told(page)
    assert "EchoTime 2.9 ms" in told(page)
    assert "Doe" not in page.text
    picture = re.search(r'id="picture" src="/desk/([^"]+)"', page.text)
    assert picture is not None
    assert PIL.Image.open(io.BytesIO(reader.get(picture[1], "lea").data)).size == (16, 16)
    page = told(reader.get(f"{EXAM}/{RESULT}", "lea"))
    assert "volume 12 ml" in page
    assert f"A result of {SERIES}" in page


def test_what_is_not_granted_is_not_there(gate: Gate, reader: Browser) -> None:
    page = reader.get(EXAM, "lea").text
    number = re.search(r"archived/series/(\d+)/", page)
    file = re.search(r"archived/(\d+)/picture", reader.get(f"{EXAM}/{SERIES}", "lea").text)
    assert number is not None
    assert file is not None
    administration.remove_grant(gate.database, ROOT, "lea", STUDY)
    assert "No study is granted to you" in told(reader.get("studies", "lea"))
    for path in (
        f"studies/{STUDY}", EXAM, f"{EXAM}/{SERIES}", f"archived/series/{number[1]}/picture", f"archived/{file[1]}/picture",
        f"take/{STUDY}/E001/{SERIES}/00001.dcm", f"zip/{STUDY}/E001", "studies/nowhere",
        f"{EXAM}/nowhere", f"{EXAM}/{SERIES}/more",
    ):  # fmt: skip
        assert reader.get(path, "lea").status_code == 404, path
    assert "Nothing that you may see answers this" in told(reader.get('search?q=file_type = "DCM_MR"', "lea"))


def test_files_are_taken_as_they_are_and_many_as_a_zip(gate: Gate, reader: Browser) -> None:
    content = gate.read(f"/{STUDY}/E001/{SERIES}/00002.dcm")
    path = f"take/{STUDY}/E001/{SERIES}/00002.dcm"
    answer = reader.get(path, "lea")
    assert answer.data == content
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''00002.dcm"
    part = reader.get(path, "lea", Range="bytes=10-19")
    assert (part.status_code, part.data) == (206, content[10:20])
    assert reader.get(f"take/{STUDY}/E001", "lea").status_code == 404
    assert reader.post(path, login="lea").status_code == 405
    answer = reader.get(f"zip/{STUDY}/E001", "lea")
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    with zipfile.ZipFile(io.BytesIO(answer.data)) as packed:
        assert packed.testzip() is None
        assert packed.read(f"E001/{SERIES}/00002.dcm") == content
        assert packed.read(f"E001/{RESULT}/Zones/left.csv") == b"a,b\n1,2\n"
    staging = new_token(gate.built, "ada", Scope.STAGING)
    for wrong in (path, "studies", "search"):
        assert reader._client.get(f"/desk/{wrong}", headers={"Authorization": basic("ada", staging)}).status_code == 403


def test_what_is_looked_at_is_read_with_the_browser(reader: Browser) -> None:
    page = reader.get(f"{EXAM}/{SERIES}", "lea", **PERSON)
    file = re.search(r"archived/(\d+)/picture", page.text)
    assert file is not None
    reader.get(f"archived/{file[1]}/picture", "lea", **PERSON)
    found = reader.reads.take()
    assert sum(tally.files for tally in found.values()) == 2
    assert {(one.login, one.face, one.program) for one in found} == {("lea", Face.DESK, "Firefox")}


def test_a_search_is_a_table_with_chosen_columns_csv_and_paths(gate: Gate, reader: Browser) -> None:
    gate.published(image(study="2", EchoTime=80, description="=cmd t2"), exam="E002")
    page = reader.get("search?q=EchoTime > 1 ms", "lea")
    rows = [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in re.findall(r"<tr><td>.*?</tr>", page.text, re.DOTALL)]
    assert rows[0].startswith(f"{STUDY} E001 {SERIES} DCM_MR 5 ")
    assert [row.split()[-1] for row in rows] == ["2.9", "80"]
    sorted_page = reader.get("search?q=EchoTime > 1 ms&column=exam&column=EchoTime&sort=EchoTime&down=1", "lea").text
    assert re.findall(r"<bdi>([\d.]+)</bdi>", sorted_page) == ["80", "2.9"]
    assert 'aria-sort="descending"' in sorted_page
    answer = reader.get("search.csv?q=EchoTime > 1 ms&column=description&column=EchoTime&column=nonsense", "lea")
    assert answer.mimetype == "text/csv"
    table = list(csv.reader(io.StringIO(answer.text)))
    assert table[0] == ["path", "description", "EchoTime"]
    assert table[1][1:] == ["t1_mprage sag", "2.9"]
    assert not any(cell.startswith("=") for row in table for cell in row)
    assert reader.get("search.txt?q=EchoTime = 2.9", "lea").text == f"{STUDY}/E001/{SERIES}\n"
    assert len(reader.get("search.txt?files=1&q=EchoTime = 2.9", "lea").text.splitlines()) == 5
    for path in ("search?q=EchoTime >", "search.csv?q=EchoTime >", "search.csv", "search.txt?q=Nonsense = 1"):
        assert reader.get(path, "lea").status_code == 400, path
    assert reader.get("search", "lea").status_code == 200


def test_paths_are_those_of_each_system() -> None:
    linux, windows, mac = places("2008-0003/E001", login="ada", host="archive.example", mount="/srv/archive")
    assert linux.path == "/srv/archive/ada/2008-0003/E001"
    assert windows.path == r"\\archive.example@SSL\DavWWWRoot\archive\2008-0003\E001"
    assert mac.path == "/Volumes/archive/2008-0003/E001"
    assert places("s", login="ada", host="a:8443", mount="")[1].path.startswith(r"\\a@SSL@8443\Dav")
    for file_type in ("DCM_MR", "NIFTI"):
        for each in snippets('/srv/it\'s "here"', file_type):
            assert each.lines.count("\n") == 2, each.program
            assert 'it\'s \\"here\\"' in each.lines or "it''s \"here\"" in each.lines, each.program


def test_lineage_stands_in_columns_and_circles_end() -> None:
    drawn = graph({"seg": ["t1"], "volume": ["seg", "t1"]}, {"seg": "fsl 6"})
    assert [(box.name, box.x, box.y, box.program) for box in drawn.boxes] == [
        ("t1", 0, 0, ""), ("seg", 340, 0, "fsl 6"), ("volume", 680, 0, ""),
    ]  # fmt: skip
    assert [(one.name, other.name) for one, other in drawn.lines] == [("t1", "seg"), ("seg", "volume"), ("t1", "volume")]
    assert {box.name for box in graph({"a": ["b"], "b": ["a"]}, {}).boxes} == {"a", "b"}
