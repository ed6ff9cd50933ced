"""PNG, JPEG and TIFF: text and metadata go, pixels stay to the bit, and somebody must have looked at them."""

from __future__ import annotations

import io
import re
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin

from deid import Held, Unreadable
from tests.deid.formats.conftest import MARK, attesting

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.deid.formats.conftest import Clean

PICTURE = Image.fromarray(np.random.default_rng(7).integers(0, 255, (40, 30, 3), np.uint8))
NAME = MARK.decode()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(path: Path, mode: str = "RGB") -> Path:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", NAME)
    info.add_text("Comment", NAME, zip=True)
    info.add_itxt("Titel", NAME)
    exif = Image.Exif()
    exif[0x010E] = NAME
    PICTURE.convert(mode).save(path, pnginfo=info, exif=exif, dpi=(72, 72), icc_profile=MARK * 20)
    data = path.read_bytes()
    path.write_bytes(data[:33] + chunk(b"tIME", bytes(7)) + chunk(b"prVt", MARK) + data[33:] + MARK)
    return path


def exif_of(name: str) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010E], exif[0x013B] = name, name
    exif.get_ifd(0x8769)[0x9286] = name.encode()
    return exif


def jpeg(path: Path, **options: object) -> Path:
    PICTURE.save(path, exif=exif_of(NAME), comment=NAME, xmp=MARK, icc_profile=MARK * 9, **options)
    data = path.read_bytes()
    iptc = b"\xff\xed" + struct.pack(">H", 2 + len(MARK)) + MARK
    path.write_bytes(data[:2] + iptc + data[2:] + MARK)
    return path


def tiff(path: Path, **options: object) -> Path:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for tag in (269, 270, 285, 305, 315, 316, 33432, 65000):
        tags[tag] = NAME
        tags.tagtype[tag] = 2
    tags[306] = "2008:03:12 10:35:22"
    tags[700] = MARK
    tags.tagtype[700] = 7
    PICTURE.save(path, tiffinfo=tags, exif=exif_of(NAME), **options)
    path.write_bytes(path.read_bytes() + MARK)
    return path


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as opened:
        return np.asarray(opened)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "1"])
def test_png(clean: Clean, tmp_path: Path, mode: str) -> None:
    source = png(tmp_path / "a.png", mode)
    data, report = clean(source, pixels_approved=True)
    assert np.array_equal(pixels(data), pixels(source.read_bytes()))
    with Image.open(io.BytesIO(data)) as opened:
        assert set(opened.info) <= {"dpi", "transparency"}
    assert {"tEXt", "zTXt", "iTXt", "eXIf", "iCCP", "tIME", "chunk", "tail"} <= {action.path for action in report.actions}
    assert report.ending == ".png"


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"subsampling": 2, "optimize": True}]
)
def test_jpeg(clean: Clean, tmp_path: Path, options: dict[str, object]) -> None:
    source = jpeg(tmp_path / "a.jpg", **options)
    data, report = clean(source, pixels_approved=True)
    assert np.array_equal(pixels(data), pixels(source.read_bytes()))
    with Image.open(io.BytesIO(data)) as opened:
        assert not opened.getexif()
        assert "comment" not in opened.info
    assert {"APP1", "APP2", "APP13", "COM", "bytes behind the picture"} <= {action.path for action in report.actions}


def test_jpeg_keeps_what_tells_its_colours(clean: Clean, tmp_path: Path) -> None:
    PICTURE.convert("CMYK").save(tmp_path / "a.jpg", comment=NAME)
    data, _ = clean(tmp_path / "a.jpg", pixels_approved=True)
    assert b"\xff\xee\0\x0eAdobe" in data
    assert np.array_equal(pixels(data), pixels((tmp_path / "a.jpg").read_bytes()))


def test_jpeg_thumbnails_go(clean: Clean, tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    thumbnail = MARK + b"x"
    app0 = b"\xff\xe0" + struct.pack(">H", 16 + len(thumbnail)) + data[6:18] + b"\x02\x02" + thumbnail
    (tmp_path / "a.jpg").write_bytes(data[:2] + app0 + data[20:])
    assert np.array_equal(pixels(clean(tmp_path / "a.jpg", pixels_approved=True)[0]), pixels(data))


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"])
@pytest.mark.parametrize("big", [False, True])
def test_tiff(clean: Clean, tmp_path: Path, compression: str | None, big: bool) -> None:
    source = tiff(tmp_path / "a.tif", compression=compression, big_tiff=big)
    data, report = clean(source, pixels_approved=True)
    assert np.array_equal(pixels(data), pixels(source.read_bytes()))
    with Image.open(io.BytesIO(data)) as opened:
        assert not {270, 305, 306, 315, 700, 34665, 65000} & set(opened.tag_v2)
    assert {"tag 270", "tag 306", "tag 315", "tag 700", "tag 65000"} <= {action.path for action in report.actions}


def test_tiff_of_many_pages(clean: Clean, tmp_path: Path) -> None:
    exif = exif_of(NAME)
    PICTURE.save(tmp_path / "a.tif", save_all=True, append_images=[PICTURE.rotate(90), PICTURE.convert("L")], exif=exif)
    assert MARK in (tmp_path / "a.tif").read_bytes()
    data, report = clean(tmp_path / "a.tif", pixels_approved=True)
    assert "tag 270" in {action.path for action in report.actions}
    with Image.open(io.BytesIO(data)) as after, Image.open(tmp_path / "a.tif") as before:
        assert after.n_frames == 3
        for page in range(3):
            after.seek(page)
            before.seek(page)
            assert np.array_equal(np.asarray(after), np.asarray(before))


def test_a_comment_in_the_jpeg_of_a_tiff_goes(clean: Clean, tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "a.tif", compression="jpeg")
    data = (tmp_path / "a.tif").read_bytes()
    with Image.open(io.BytesIO(data)) as opened:
        start, size = opened.tag_v2[273][0], opened.tag_v2[279][0]
    comment = b"\xff\xfe" + struct.pack(">H", 2 + len(MARK)) + MARK
    strip = data[start : start + 2] + comment + data[start + 2 : start + size]
    moved = bytearray(data + strip)
    for tag, value in ((273, len(data)), (279, len(strip))):
        entry = re.search(struct.pack("<H", tag) + rb"[\x03\x04]\x00\x01\x00\x00\x00", data)
        assert entry is not None
        struct.pack_into("<I", moved, entry.end(), value)
    (tmp_path / "a.tif").write_bytes(moved)
    assert np.array_equal(pixels(clean(tmp_path / "a.tif", pixels_approved=True)[0]), pixels(data))


@pytest.mark.parametrize(("make", "name", "kind"), [(png, "a.png", "PNG"), (jpeg, "a.jpg", "JPEG"), (tiff, "a.tif", "TIFF")])
def test_somebody_must_have_looked(clean: Clean, tmp_path: Path, make: Callable[..., Path], name: str, kind: str) -> None:
    source = make(tmp_path / name)
    with pytest.raises(Held, match="somebody must look"):
        clean(source)
    assert clean(source, attesting(kind))[1].headers == {"FileType": kind}


@pytest.mark.parametrize(("make", "name"), [(png, "a.png"), (jpeg, "a.jpg"), (tiff, "a.tif")])
def test_no_cut_and_no_changed_byte_gets_a_mark_through(
    clean: Clean, tmp_path: Path, make: Callable[..., Path], name: str
) -> None:
    whole = make(tmp_path / name).read_bytes()
    random = np.random.default_rng(11)
    refused = 0
    for _ in range(150):
        broken = bytearray(whole[: int(random.integers(8, len(whole)))] if random.random() < 0.3 else whole)
        for _ in range(int(random.integers(1, 4))):
            broken[int(random.integers(8, len(broken)))] = int(random.integers(256))
        (tmp_path / name).write_bytes(broken)
        try:
            clean(tmp_path / name, pixels_approved=True)
        except (Held, Unreadable):
            refused += 1
    assert refused


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P"])
@pytest.mark.parametrize("inside", [False, True])
def test_bytes_behind_a_pngs_pixels_go(clean: Clean, tmp_path: Path, mode: str, inside: bool) -> None:
    PICTURE.convert(mode).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    start = data.index(b"IDAT") - 4
    length = int.from_bytes(data[start : start + 4], "big")
    packed = data[start + 8 : start + 8 + length]
    packed = zlib.compress(zlib.decompress(packed) + MARK, 0) if inside else packed + MARK
    pieces = chunk(b"IDAT", packed[:50]) + chunk(b"IDAT", packed[50:])
    (tmp_path / "a.png").write_bytes(data[:start] + pieces + data[start + 12 + length :])
    new, _ = clean(tmp_path / "a.png", pixels_approved=True)
    assert np.array_equal(pixels(new), pixels(data))


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"])
def test_bytes_behind_a_tiffs_strips_go(clean: Clean, tmp_path: Path, compression: str | None) -> None:
    PICTURE.save(tmp_path / "a.tif", compression=compression)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    with Image.open(tmp_path / "a.tif") as opened:
        offsets, counts = opened.tag_v2[273], opened.tag_v2[279]
    assert len(offsets) == 1
    strip = bytes(data[offsets[0] : offsets[0] + counts[0]]) + MARK
    moved = len(data)
    for old, new in ((offsets[0], moved), (counts[0], len(strip))):  # the entries of tags 273 and 279
        tag = struct.pack("<H", 273 if old == offsets[0] else 279)
        at = next(i for i in range(8, len(data)) if data[i : i + 2] == tag and data[i + 2 : i + 4] in (b"\3\0", b"\4\0")
                  and int.from_bytes(data[i + 8 : i + 12], "little") == old)  # fmt: skip
        data[at + 2 : at + 12] = struct.pack("<HII", 4, 1, new)
    (tmp_path / "b.tif").write_bytes(bytes(data) + strip)
    new, _ = clean(tmp_path / "b.tif", pixels_approved=True)
    assert np.array_equal(pixels(new), pixels((tmp_path / "a.tif").read_bytes()))


def test_comments_in_the_tables_that_a_tiffs_tiles_share_go(clean: Clean, tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "a.tif", compression="jpeg")
    data = (tmp_path / "a.tif").read_bytes()
    with Image.open(tmp_path / "a.tif") as opened:
        tables = opened.tag_v2[347]
    longer = tables[:2] + b"\xff\xfe" + struct.pack(">H", 2 + len(MARK)) + MARK + tables[2:]
    at = data.index(struct.pack("<HHI", 347, 7, len(tables)))
    entry = struct.pack("<HHII", 347, 7, len(longer), len(data))
    (tmp_path / "a.tif").write_bytes(data[:at] + entry + data[at + 12 :] + longer)
    assert np.array_equal(pixels(clean(tmp_path / "a.tif", pixels_approved=True)[0]), pixels(data))


@pytest.mark.parametrize("marker", [0xDB, 0xC4, 0xC0])
def test_a_jpeg_with_something_behind_its_tables_is_refused(clean: Clean, tmp_path: Path, marker: int) -> None:
    PICTURE.save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    at = data.index(bytes([0xFF, marker]))
    length = int.from_bytes(data[at + 2 : at + 4], "big")
    longer = data[at : at + 2] + (length + len(MARK)).to_bytes(2, "big") + data[at + 4 : at + 2 + length] + MARK
    (tmp_path / "a.jpg").write_bytes(data[:at] + longer + data[at + 2 + length :])
    with pytest.raises(Unreadable, match="another size or kind"):
        clean(tmp_path / "a.jpg", pixels_approved=True)
