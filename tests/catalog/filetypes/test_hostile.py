"""Files that were made to hurt: lengths that lie, depth, bombs, odd names. Each ends in facts or in a readable reason."""

import errno
import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import pytest

from catalog.filetypes import part10
from catalog.filetypes.dicom import DicomFacts, read_facts
from catalog.pure.errors import Unavailable, Unreadable
from tests.catalog.filetypes.part10 import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    INSTANCE,
    ITEM,
    ITEM_END,
    JPEG,
    PIXELS,
    SEQUENCE_END,
    UNDEFINED,
    dataset,
    explicit,
    implicit,
    meta,
    nested,
)

MEGABYTE = 1 << 20
SYNTAXES = [EXPLICIT, IMPLICIT, BIG]


def look(folder: Path, content: bytes) -> DicomFacts | str:
    """Return the facts of a file of these bytes, or why it cannot be read."""
    path = folder / "1"
    path.write_bytes(content)
    try:
        return read_facts(path)
    except Unreadable as error:
        return str(error)


def reason(folder: Path, content: bytes) -> str:
    found = look(folder, content)
    assert isinstance(found, str)
    return found


def deflated(body: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize("syntax", [*SYNTAXES, DEFLATED])
def test_a_file_built_by_hand_is_read(tmp_path: Path, syntax: str) -> None:
    body = deflated(dataset()) if syntax == DEFLATED else dataset(syntax)
    facts = look(tmp_path, meta(syntax) + body)
    assert isinstance(facts, DicomFacts)
    assert (facts.sop_instance, facts.meta_instance) == (INSTANCE, INSTANCE)
    assert (facts.patient_name, facts.patient_id, facts.modality, facts.series_number) == ("Doe^Jane", "PAT-4711", "MR", 3)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "the file is empty (0 bytes)"),
        (b"\0", "no DICM prefix"),
        (b"<html>" * 100, "no DICM prefix"),
        (bytes(128) + b"DICM", "file meta information is missing"),
        (meta(None) + dataset(), "file meta information is missing"),
        (meta(), "truncated"),
        (meta() + bytes(8), "truncated"),
        (meta() + dataset()[34:], "SOP class or instance UID is missing"),
        (meta(more=explicit((2, 1), "OB", b"\0\1")) + dataset()[:40], "truncated"),
    ],
    ids=["empty", "one byte", "html", "prefix only", "no meta", "no data set", "zeroes", "no class", "cut"],
)
def test_what_is_no_whole_file_says_so(tmp_path: Path, content: bytes, expected: str) -> None:
    assert expected in reason(tmp_path, content)


def test_a_dicomdir_is_sent_back(tmp_path: Path) -> None:
    directory = explicit((2, 2), "UI", b"1.2.840.10008.1.3.10") + explicit((2, 0x10), "UI", EXPLICIT.encode())
    assert "send the images themselves" in reason(tmp_path, meta(None, directory) + dataset())


@pytest.mark.parametrize("length", [0xFFFFFFFE, 0x80000000, 0x7FFFFFFE, 1 << 20])
@pytest.mark.parametrize("where", ["pixels", "meta", "item", "text", "implicit"])
def test_a_length_beyond_the_end_costs_no_memory(tmp_path: Path, where: str, length: int) -> None:
    item = explicit((8, 0x1140), "SQ", b"", UNDEFINED) + implicit(ITEM, b"", UNDEFINED)
    content = {
        "pixels": meta() + dataset() + explicit(PIXELS, "OW", b"\0" * 64, length),
        "meta": meta(more=explicit((2, 1), "OB", b"\0\1", length)) + dataset(),
        "item": meta() + dataset() + item + explicit((9, 0x1001), "OB", b"xx", length),
        "text": meta() + dataset() + explicit((0x40, 0xA160), "UT", b"xx", length),
        "implicit": meta(IMPLICIT) + dataset(IMPLICIT) + implicit((0x40, 0xA160), b"xx", length),
    }[where]
    tracemalloc.start()
    found = reason(tmp_path, content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "truncated" in found or "broken" in found or "missing" in found
    assert peak < MEGABYTE


@pytest.mark.parametrize("where", ["meta", "item", "character set"])
def test_a_header_of_gigabytes_is_refused_before_it_is_in_memory(tmp_path: Path, where: str) -> None:
    """Here the bytes are really there (a sparse file), where pydicom would load them at once."""
    length = 3 << 30
    item = explicit((8, 0x1140), "SQ", b"", UNDEFINED) + implicit(ITEM, b"", UNDEFINED)
    content = {
        "meta": bytes(128) + b"DICM" + explicit((2, 1), "OB", b"", length),
        "item": meta() + dataset() + item + explicit((9, 0x1001), "OB", b"", length),
        "character set": meta(IMPLICIT) + implicit((8, 5), b"", length),
    }[where]
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.write(content)
        file.truncate(len(content) + length)
    tracemalloc.start()
    with pytest.raises(Unreadable, match="header"):
        read_facts(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MEGABYTE


def test_pixels_of_gigabytes_are_not_in_memory(tmp_path: Path) -> None:
    length = 3 << 30
    content = meta() + dataset() + explicit(PIXELS, "OW", b"", length)
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.write(content)
        file.truncate(len(content) + length)
    tracemalloc.start()
    read_facts(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MEGABYTE


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize("undefined", [True, False], ids=["undefined", "defined"])
def test_sequences_nested_100_000_deep(tmp_path: Path, syntax: str, undefined: bool) -> None:
    found = look(tmp_path, meta(syntax) + dataset(syntax) + nested(100_000, syntax, undefined=undefined))
    # What says how long it is is skipped without being looked into.
    assert found == "sequences are nested too deeply to be genuine" if undefined else isinstance(found, DicomFacts)


def test_a_few_levels_of_nesting_are_normal(tmp_path: Path) -> None:
    assert isinstance(look(tmp_path, meta() + dataset() + nested(20, EXPLICIT, undefined=True)), DicomFacts)


@pytest.mark.parametrize("body", [bytes(64 * MEGABYTE), dataset() + explicit((0x40, 0xA160), "UT", bytes(64 * MEGABYTE))])
def test_a_deflate_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    monkeypatch.setattr(part10, "_LARGEST_INFLATED", 8 * MEGABYTE)
    content = meta(DEFLATED) + deflated(body)
    tracemalloc.start()
    assert "larger than 1 GiB when inflated" in reason(tmp_path, content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 32 * MEGABYTE


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "deflated"])
@pytest.mark.parametrize("what", ["items", "elements"])
def test_a_header_of_millions_of_parts_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, packed: bool
) -> None:
    """Each is 8 bytes in the file and hundreds in memory; the bound must be on what they really cost."""
    monkeypatch.setattr(part10, "_LARGEST_HEADER", 16 * MEGABYTE)
    if what == "items":
        body = dataset() + explicit((8, 0x1140), "SQ", b"", UNDEFINED) + implicit(ITEM, b"") * 100_000
    else:
        body = dataset() + b"".join(explicit((0x41, number), "LO", b"") for number in range(0x8000)) * 4
    content = meta(DEFLATED) + deflated(body) if packed else meta() + body
    tracemalloc.start()
    assert "header" in reason(tmp_path, content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 32 * MEGABYTE


def test_what_was_truncated_before_it_was_deflated_is_noticed(tmp_path: Path) -> None:
    body = dataset() + explicit(PIXELS, "OW", bytes(64), 640)
    assert "truncated" in reason(tmp_path, meta(DEFLATED) + deflated(body))


def test_a_deflated_stream_that_is_cut_or_garbage_is_noticed(tmp_path: Path) -> None:
    packed = deflated(dataset() + explicit(PIXELS, "OW", bytes(64)))
    for content in (packed[:-5], packed[: len(packed) // 2], b"\xff" * 64, b"\1"):
        assert "DICM" not in reason(tmp_path, meta(DEFLATED) + content)


def test_a_deflated_stream_without_an_end_is_noticed_even_where_its_elements_are_whole(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    content = packer.compress(dataset()) + packer.flush(zlib.Z_SYNC_FLUSH)
    assert reason(tmp_path, meta(DEFLATED) + content) == "the deflated data set is truncated"


def test_pixels_that_are_too_few_are_noticed(tmp_path: Path) -> None:
    image = explicit((0x28, 2), "US", struct.pack("<H", 1)) + explicit((0x28, 0x10), "US", struct.pack("<H", 64))
    image += explicit((0x28, 0x11), "US", struct.pack("<H", 64)) + explicit((0x28, 0x100), "US", struct.pack("<H", 16))
    found = reason(tmp_path, meta() + dataset() + image + explicit(PIXELS, "OW", bytes(64 * 63 * 2)))
    assert found == "the pixels are truncated: 8064 of 8192 bytes are there"
    assert isinstance(look(tmp_path, meta() + dataset() + image + explicit(PIXELS, "OW", bytes(64 * 64 * 2))), DicomFacts)


@pytest.mark.parametrize("ended", [True, False])
def test_compressed_pixels_must_end(tmp_path: Path, ended: bool) -> None:
    pixels = explicit(PIXELS, "OB", b"", UNDEFINED) + implicit(ITEM, b"") + implicit(ITEM, bytes(20_000))
    content = meta(JPEG) + dataset() + pixels + (implicit(SEQUENCE_END, b"") if ended else b"")
    assert isinstance(look(tmp_path, content), DicomFacts) is ended


def test_a_sequence_must_end(tmp_path: Path) -> None:
    open_item = explicit((8, 0x1140), "SQ", b"", UNDEFINED) + implicit(ITEM, b"", UNDEFINED) + explicit((8, 0x60), "CS", b"MR")
    reason(tmp_path, meta() + dataset() + open_item)
    reason(tmp_path, meta() + dataset() + open_item + implicit(ITEM_END, b""))


ODD_NAMES = {
    "korean": (b"\\ISO 2022 IR 149", b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7"),
    "japanese": (b"ISO 2022 IR 13\\ISO 2022 IR 87", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J"),
    "broken escape": (b"ISO 2022 IR 13\\ISO 2022 IR 87", b"\x1b$B\xff\xff\x1b("),
    "unknown set": (b"ISO_IR 4711", b"Doe^Jane"),
    "multi valued nonsense": (b"\\\\\\", b"Doe^Jane"),
    "not utf-8": (b"ISO_IR 192", b"\xff\xfe\xfd"),
    "slash": (b"", b"../../etc/passwd"),
    "dots": (b"", b".."),
    "nul": (b"", b"Doe\0^Jane\0\0x"),
    "newline": (b"", b"Doe\r\n^Jane\nX: y"),
    "300 characters": (b"", b"x" * 300),
    "60,000 characters": (b"", b"y" * 60_000),
    "backslashes": (b"", b"\\".join([b"Doe"] * 50)),
    "equal signs": (b"", b"=====" * 10),
}


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("which", ODD_NAMES)
def test_an_odd_name_keeps_no_file_out(tmp_path: Path, which: str, syntax: str) -> None:
    character_set, name = ODD_NAMES[which]
    facts = look(tmp_path, meta(syntax) + dataset(syntax, name, character_set))
    assert isinstance(facts, DicomFacts)
    assert facts.patient_id == "PAT-4711"
    assert facts.sop_instance == INSTANCE


def test_names_are_read_in_their_character_set(tmp_path: Path) -> None:
    facts = look(tmp_path, meta() + dataset(EXPLICIT, *reversed(ODD_NAMES["korean"])))
    assert isinstance(facts, DicomFacts)
    assert facts.patient_name == "Hong^Gildong=洪^吉洞"


def test_uids_that_are_none_are_not_taken(tmp_path: Path) -> None:
    for uid in (b"../../x", b"1" * 65, b"a.b"):
        content = dataset().replace(explicit((8, 0x18), "UI", INSTANCE.encode()), explicit((8, 0x18), "UI", uid))
        assert "instance UID is missing or malformed" in reason(tmp_path, meta() + content)


class BadDisk(io.BytesIO):
    """A file whose disk gives an error behind a certain byte."""

    def __init__(self, content: bytes, bad: int) -> None:
        super().__init__(content)
        self._bad = bad

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() + (size or 0) > self._bad:
            raise OSError(errno.EIO, "Input/output error")
        return super().read(size)


@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED])
def test_a_disk_that_fails_is_not_the_files_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, syntax: str) -> None:
    """A file that is called bad stays bad; a disk may answer the next time."""
    body = dataset() + nested(3, EXPLICIT, undefined=True)
    content = meta(syntax) + (deflated(body) if syntax == DEFLATED else body)
    path = tmp_path / "1"
    path.write_bytes(content)
    for bad in range(0, len(content), 5):
        monkeypatch.setattr(Path, "open", lambda _path, _mode, bad=bad: BadDisk(content, bad))
        with pytest.raises(Unavailable, match="a staged file cannot be read: Input/output error"):
            read_facts(path)
