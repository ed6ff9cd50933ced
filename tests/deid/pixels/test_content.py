"""Nothing but the picture lies in a clean file's pixel element, whatever lay there; the picture stays; both engines agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from pydicom import Dataset, Sequence
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
)

import deid
from tests.deid.codestream.planting import in_jpeg
from tests.deid.codestream.samples import COLUMNS, ROWS, encoded, grey, pillow
from tests.deid.pixels.running import HEAD, read, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME = b"Quandermann^Eulalie"
PLAIN = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]


def both(path: Path, profile: str = HEAD, *, approved: bool = False) -> tuple[Dataset, deid.Report]:
    fast, safe = (run(path, profile, engine, approved=approved) for engine in ("fast", "safe"))
    assert fast[2] == safe[2]
    assert sorted(fast[1].actions) == sorted(safe[1].actions)
    assert NAME not in fast[2]
    return fast[0], fast[1]


def refused(path: Path, match: str, **options: bool) -> None:
    for engine in ("fast", "safe"):
        with pytest.raises(deid.Held, match=match) as caught:
            run(path, HEAD, engine, **options)
        assert caught.value.tag_path == "(7FE0,0010)"


@pytest.mark.parametrize("syntax", PLAIN, ids=lambda uid: uid.keyword)
@pytest.mark.parametrize("extra", [NAME + b"!", b"\0" * 20, b"ab"])
@pytest.mark.parametrize(
    ("kind", "bits", "frames", "planar"),
    [
        ("MONOCHROME2", 8, 1, 0),
        ("MONOCHROME2", 16, 3, 0),
        ("RGB", 8, 1, 1),
        ("YBR_FULL_422", 8, 2, 0),
        ("MONOCHROME2", 32, 1, 0),
    ],
)
def test_bytes_behind_native_samples_go(
    picture: Callable[..., Dataset],
    saved: Callable[..., Path],
    syntax: str,
    extra: bytes,
    kind: str,
    bits: int,
    frames: int,
    planar: int,
) -> None:
    ds = picture(kind, bits, planar=planar, frames=frames)
    ds.Modality = "OP"
    ds["PixelData"].VR = "OB" if bits == 8 else "OW"
    plain = ds.PixelData
    ds.PixelData = plain + extra
    new, report = both(saved(ds, syntax))
    assert new.PixelData == plain
    assert [rule for path, _, rule, _ in report.actions if path == "(7FE0,0010)"] == ["no picture: bytes behind the picture"]


def test_the_byte_that_pads_is_zero(picture: Callable[..., Dataset], saved: Callable[..., Path]) -> None:
    ds = picture(size=(3, 5))
    ds.PixelData = ds.PixelData[:15] + b"Q"
    new, _ = both(saved(ds))
    assert new.PixelData == ds.PixelData[:15] + b"\0"


def test_bits_are_packed_over_all_frames(picture: Callable[..., Dataset], saved: Callable[..., Path]) -> None:
    ds = picture(frames=3)  # 3 frames of 70 bits: 27 bytes
    ds.BitsAllocated = ds.BitsStored = 1
    ds.HighBit = 0
    ds.PixelData = bytes(range(27)) + b"\0" + NAME + b"\0"
    new, _ = both(saved(ds))
    assert new.PixelData == bytes(range(27)) + b"\0"


def test_samples_in_floating_point_are_cut(picture: Callable[..., Dataset], saved: Callable[..., Path]) -> None:
    ds = picture(bits=32)
    floats = np.arange(70, dtype="<f4").tobytes()
    del ds.PixelData
    ds.FloatPixelData = floats + NAME + b"!"
    new, _ = both(saved(ds))
    assert bytes(new.FloatPixelData) == floats


@pytest.mark.parametrize("change", [{"Rows": 70}, {"NumberOfFrames": 2}, {"Rows": None}, {"BitsAllocated": 0}])
def test_a_picture_of_no_size_or_a_larger_one_is_held(
    picture: Callable[..., Dataset], saved: Callable[..., Path], change: dict[str, int | None]
) -> None:
    ds = picture()
    for keyword, value in change.items():
        setattr(ds, keyword, value)
    refused(saved(ds), "what in it is picture")
    ds.PixelData = b"\1" + NAME + bytes(range(len(ds.PixelData) - 20))
    refused(saved(ds), "still in the", approved=True)


def test_whole_frames_more_than_it_says_are_held(picture: Callable[..., Dataset], saved: Callable[..., Path]) -> None:
    ds = picture(frames=3)
    ds.NumberOfFrames = 1
    refused(saved(ds), "more frames")
    assert len(both(saved(ds), approved=True)[0].PixelData) == 70


def compressed(ds: Dataset, frames: list[bytes], *, table: bool = True, parts: int = 1) -> Dataset:
    ds.Rows, ds.Columns, ds.NumberOfFrames = ROWS, COLUMNS, len(frames)
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    ds.PixelData = encapsulate(frames, fragments_per_frame=parts, has_bot=table)
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    return ds


def frames_of(ds: Dataset) -> list[bytes]:
    return [frame.rstrip(b"\0") for frame in generate_frames(ds.PixelData, number_of_frames=int(ds.NumberOfFrames))]


@pytest.mark.parametrize("table", [True, False])
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("wounded", [0, 1, 2])
def test_segments_of_every_frame_and_fragment_go(
    mr: Dataset, saved: Callable[..., Path], table: bool, parts: int, wounded: int
) -> None:
    frames = [pillow(grey() + n, "JPEG", quality=90 - n) for n in range(3)]
    for _, wound in in_jpeg(frames[wounded], b"x" * 5000 + NAME, 0xFE):
        planted = [wound if n == wounded else frame for n, frame in enumerate(frames)]
        new, report = both(saved(compressed(mr, planted, table=table, parts=parts), JPEGBaseline8Bit))
        assert [frame.rstrip(b"\xff\xd9") for frame in frames_of(new)] == [frame.rstrip(b"\xff\xd9") for frame in frames]
        assert any(rule.startswith("no picture: ") for path, _, rule, _ in report.actions if path == "(7FE0,0010)")


def test_what_needs_no_change_stays_byte_for_byte(mr: Dataset, saved: Callable[..., Path]) -> None:
    frames = [pillow(grey() + n, "JPEG") for n in range(3)]
    path = saved(compressed(mr, frames, parts=2), JPEGBaseline8Bit)
    assert both(path)[0].PixelData == read(path).PixelData


def test_extended_offsets_follow(mr: Dataset, saved: Callable[..., Path]) -> None:
    frames = [encoded(JPEG2000Lossless, grey() + n) for n in range(3)]
    ds = compressed(mr, frames)
    ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(frames)
    new, _ = both(saved(ds, JPEG2000Lossless))
    assert len(new.PixelData) < len(ds.PixelData)  # the encoder signs its frames
    offsets = (new.ExtendedOffsetTable, new.ExtendedOffsetTableLengths)
    by_table = list(generate_frames(new.PixelData, number_of_frames=3, extended_offsets=offsets))
    assert by_table == frames_of(new)
    ds.ExtendedOffsetTable = NAME + bytes(5)
    assert both(saved(ds, JPEG2000Lossless))[0].ExtendedOffsetTable == new.ExtendedOffsetTable


def test_an_offset_table_that_is_none_is_made_anew(mr: Dataset, saved: Callable[..., Path]) -> None:
    ds = compressed(mr, [pillow(grey(), "JPEG")])
    ds.PixelData = b"\xfe\xff\x00\xe0\x14\0\0\0" + NAME + b"\0" + ds.PixelData[12:]
    new, report = both(saved(ds, JPEGBaseline8Bit))
    assert new.PixelData[:12] == b"\xfe\xff\x00\xe0\x04\0\0\0\0\0\0\0"
    assert "no picture: offset table" in {action.rule for action in report.actions}


@pytest.mark.parametrize(
    ("frame", "syntax", "why"),
    [
        (b"\xff\xd8\xff\xfe\x00\x08Zqxmar", JPEGBaseline8Bit, "cut short"),
        (b"anything at all", JPEGBaseline8Bit, "does not begin as one"),
        (b"anything at all", "1.2.840.113619.5.77", "nothing here can look through"),
        (b"anything at all", "1.2.840.10008.1.2.4.94", "nothing here can look through"),
    ],
)
def test_frames_that_cannot_be_walked_are_held(
    mr: Dataset, saved: Callable[..., Path], frame: bytes, syntax: str, why: str
) -> None:
    path = saved(compressed(mr, [frame]), JPEGBaseline8Bit)
    if syntax != JPEGBaseline8Bit:
        old = b"1.2.840.10008.1.2.4.50"
        data = path.read_bytes()
        assert data.count(old) == 1
        new = syntax.encode().ljust(len(old), b"\0")
        path.write_bytes(data.replace(old, new[: len(old)]))
    refused(path, why)
    refused(path, why, approved=True)


def test_frames_that_nothing_tells_apart_are_held(mr: Dataset, saved: Callable[..., Path]) -> None:
    ds = compressed(mr, [pillow(grey(), "JPEG")], parts=3)
    ds.NumberOfFrames = 2
    refused(saved(ds, JPEGBaseline8Bit), "cannot be told apart")


def test_tables_of_colours_and_values_are_as_long_as_they_say(
    picture: Callable[..., Dataset], saved: Callable[..., Path]
) -> None:
    ds = picture("PALETTE COLOR")
    ds.Modality = "OP"
    table = ds.GreenPaletteColorLookupTableData
    ds.GreenPaletteColorLookupTableData = table + NAME + b"\0"
    lut = Dataset()
    lut.LUTDescriptor, lut.ModalityLUTType = [16, 0, 16], "US"
    lut.add_new(0x00283006, "OW", bytes(range(32)) + NAME + b"\0")
    ds.ModalityLUTSequence = Sequence([lut])
    new, report = both(saved(ds))
    assert new.GreenPaletteColorLookupTableData == table
    assert bytes(new.ModalityLUTSequence[0].LUTData) == bytes(range(32))
    assert {"(0028,1202)", "(0028,3000)[1].(0028,3006)"} <= {action.path for action in report.actions}
    ds.GreenPaletteColorLookupTableData = table
    lut.add_new(0x00283006, "OW", bytes(range(32)))
    assert run(saved(ds), HEAD)[1].engine == "fast"


KEEP = HEAD + '[[rule]]\ntag = "(60xx,xxxx)"\naction = "keep"\n[[rule]]\ntag = "IconImageSequence"\naction = "keep"\n'


def test_kept_overlays_icons_and_waveforms_are_as_long_as_they_say(
    picture: Callable[..., Dataset], saved: Callable[..., Path]
) -> None:
    ds = picture()
    ds.add_new(0x60000010, "US", 7)
    ds.add_new(0x60000011, "US", 10)
    ds.add_new(0x60000100, "US", 1)
    ds.add_new(0x60003000, "OW", bytes(range(9)) + b"\0" + NAME + b"\0")
    icon, bare = Dataset(), Dataset()
    icon.Rows = icon.Columns = 4
    icon.SamplesPerPixel, icon.PhotometricInterpretation, icon.BitsAllocated = 1, "MONOCHROME2", 8
    icon.PixelData = bytes(range(16)) + NAME + b"\0"
    bare.BitsAllocated = 8
    bare.PixelData = b"\1" + NAME
    ds.IconImageSequence = Sequence([icon, bare])
    ds.ReferencedImageSequence = Sequence([Dataset()])
    ds.ReferencedImageSequence[0].update({each.tag: each for each in icon})
    group = Dataset()
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples, group.WaveformBitsAllocated = 2, 5, 16
    group.WaveformSampleInterpretation, group.SamplingFrequency = "SS", "500"
    group.add_new(0x54001010, "OW", bytes(range(20)) + NAME + b"\0")
    ds.WaveformSequence = Sequence([group])
    new, _ = both(saved(ds), KEEP)
    assert bytes(new[0x60003000].value) == bytes(range(9)) + b"\0"
    assert bytes(new.IconImageSequence[0].PixelData) == bytes(range(16))
    assert "PixelData" not in new.IconImageSequence[1]
    assert "PixelData" not in new.ReferencedImageSequence[0]
    assert bytes(new.WaveformSequence[0].WaveformData) == bytes(range(20))
