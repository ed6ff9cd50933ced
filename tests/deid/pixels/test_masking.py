"""Masking of pictures in every native shape: black where the mask says, every other sample as it was, both engines alike."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pydicom.pixels import apply_color_lut
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

import deid
from deid.pixels import codec
from tests.deid.pixels.running import BLANK, HEAD, read, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pydicom import Dataset

SHAPES = [
    ("MONOCHROME2", 8, 8, 0, 0, 0),
    ("MONOCHROME2", 16, 12, 0, 0, 0),
    ("MONOCHROME2", 16, 12, 1, 0, -2048),
    ("MONOCHROME2", 16, 16, 1, 0, -32768),
    ("MONOCHROME2", 32, 32, 0, 0, 0),
    ("MONOCHROME1", 8, 8, 0, 0, 255),
    ("MONOCHROME1", 16, 12, 0, 0, 4095),
    ("MONOCHROME1", 16, 12, 1, 0, 2047),
    ("PALETTE COLOR", 8, 8, 0, 0, 77),
    ("RGB", 8, 8, 0, 0, (0, 0, 0)),
    ("RGB", 8, 8, 0, 1, (0, 0, 0)),
    ("RGB", 16, 16, 0, 1, (0, 0, 0)),
    ("YBR_FULL", 8, 8, 0, 0, (0, 128, 128)),
    ("YBR_FULL", 8, 8, 0, 1, (0, 128, 128)),
]
SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]


def samples(ds: Dataset) -> np.ndarray:
    """(frames, rows, columns, samples) as stored, without any conversion."""
    order = ">" if ds.file_meta.TransferSyntaxUID == ExplicitVRBigEndian else "<"
    pixels = np.frombuffer(ds.PixelData, f"{order}{'i' if ds.PixelRepresentation else 'u'}{ds.BitsAllocated // 8}")
    frames, count = int(ds.get("NumberOfFrames", 1)), ds.SamplesPerPixel
    pixels = pixels[: frames * ds.Rows * ds.Columns * count]
    if ds.get("PlanarConfiguration"):
        return np.moveaxis(pixels.reshape(frames, count, ds.Rows, ds.Columns), 1, 3)
    return pixels.reshape(frames, ds.Rows, ds.Columns, count)


def hidden(rows: int, columns: int) -> np.ndarray:
    mask = np.zeros((rows, columns), bool)
    mask[1:4, 2:7] = True
    return mask


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.keyword)
@pytest.mark.parametrize(("kind", "bits", "stored", "signed", "planar", "black"), SHAPES)
def test_native_pixels(
    picture: Callable[..., Dataset],
    saved: Callable[..., Path],
    syntax: str,
    frames: int,
    kind: str,
    bits: int,
    stored: int,
    signed: int,
    planar: int,
    black: object,
) -> None:
    ds = picture(kind, bits, stored, signed, planar, frames)
    if syntax == ExplicitVRBigEndian:
        ds.PixelData = np.frombuffer(ds.PixelData, f"<u{bits // 8}").byteswap().tobytes()
    path = saved(ds, syntax)
    results = [run(path, BLANK, engine) for engine in ("fast", "safe")]
    assert results[0][2] == results[1][2]
    assert sorted(results[0][1].actions) == sorted(results[1][1].actions)
    clean = results[0][0]
    assert clean.file_meta.TransferSyntaxUID == syntax
    assert len(clean.PixelData) == len(read(path).PixelData)
    old, new, mask = samples(read(path)), samples(clean), hidden(7, 10)
    assert np.array_equal(new[:, ~mask], old[:, ~mask])
    assert (new[:, mask] == np.array(black)).all()
    assert not (old[:, mask] == np.array(black)).all()


def test_palette_s_black_is_its_darkest_colour(picture: Callable[..., Dataset], saved: Callable[..., Path]) -> None:
    ds, _, _ = run(saved(picture("PALETTE COLOR")), BLANK)
    shown = apply_color_lut(ds.pixel_array, ds)
    assert shown[hidden(7, 10)].max() == 2  # of values up to 51,002


def test_pixels_that_share_their_colour_go_together(picture: Callable[..., Dataset], saved: Callable[..., Path]) -> None:
    path = saved(picture("YBR_FULL_422"))
    old = np.frombuffer(read(path).PixelData, "u1").reshape(7, 5, 4)
    for engine in ("fast", "safe"):
        new = np.frombuffer(run(path, BLANK, engine)[0].PixelData, "u1").reshape(7, 5, 4)
        mask = np.zeros((7, 5), bool)
        mask[1:4, 1:4] = True  # columns 2 to 6, widened to 7
        assert (new[mask] == [0, 0, 128, 128]).all()
        assert np.array_equal(new[~mask], old[~mask])


def test_words_of_a_big_endian_file_that_hold_bytes(picture: Callable[..., Dataset], saved: Callable[..., Path]) -> None:
    ds = picture("MONOCHROME2", frames=2)
    little = run(saved(ds), BLANK)[0].PixelData
    ds.PixelData = np.frombuffer(ds.PixelData, "u2").byteswap().tobytes()
    ds["PixelData"].VR = "OW"
    big = run(saved(ds, ExplicitVRBigEndian), BLANK)[0].PixelData
    assert np.frombuffer(big, "u2").byteswap().tobytes() == little


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless], ids=lambda uid: uid.keyword)
@pytest.mark.parametrize(
    ("kind", "bits", "stored", "signed"),
    [
        ("MONOCHROME2", 8, 8, 0),
        ("MONOCHROME1", 16, 12, 0),
        ("MONOCHROME2", 16, 16, 1),
        ("PALETTE COLOR", 8, 8, 0),
        ("RGB", 8, 8, 0),
    ],
)
@pytest.mark.parametrize("frames", [1, 3])
def test_compressed_pixels(
    picture: Callable[..., Dataset],
    saved: Callable[..., Path],
    syntax: str,
    frames: int,
    kind: str,
    bits: int,
    stored: int,
    signed: int,
) -> None:
    ds = picture(kind, bits, stored, signed, frames=frames, size=(40, 48))
    plain = read(saved(ds))
    packed = read(saved(ds))
    packed.compress(syntax, generate_instance_uid=False)
    path = saved(packed, syntax, "packed.dcm")
    results = [run(path, BLANK, engine) for engine in ("fast", "safe")]
    assert results[0][2] == results[1][2]
    assert sorted(results[0][1].actions) == sorted(results[1][1].actions)
    clean = results[0][0]
    assert clean.file_meta.TransferSyntaxUID == syntax == results[0][1].headers["TransferSyntaxUID"]
    assert clean.PhotometricInterpretation == ("YBR_RCT" if (kind, syntax) == ("RGB", JPEG2000Lossless) else kind)
    expected = samples(run(saved(ds), BLANK)[0])
    assert np.array_equal(clean.pixel_array.reshape(expected.shape), expected)
    assert not np.array_equal(expected, samples(plain))


def wide(picture: Callable[..., Dataset], saved: Callable[..., Path], frames: list[int], **header: int) -> Path:
    """JPEG 2000 of 16 bits, its frames filled with these values here and there, under a header that says something else."""
    ds = picture("MONOCHROME2", 16, frames=len(frames), size=(40, 48))
    pixels = np.zeros((len(frames), 40, 48), "<u2")
    for number, value in enumerate(frames):
        pixels[number, ::3, ::2] = value
    ds.PixelData = pixels.tobytes()
    ds = read(saved(ds))
    ds.compress(JPEG2000Lossless, generate_instance_uid=False)
    for keyword, value in header.items():
        setattr(ds, keyword, value)
    return saved(ds, JPEG2000Lossless, "wide.dcm")


@pytest.mark.parametrize("frames", [[60000], [100, 60000]])
def test_samples_beyond_the_stored_bits_are_held(
    picture: Callable[..., Dataset], saved: Callable[..., Path], frames: list[int]
) -> None:
    """No lossless syntax could give them back to every reader as they were."""
    with pytest.raises(deid.Held, match="without loss"):
        run(wide(picture, saved, frames, BitsStored=12, HighBit=11), BLANK)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless], ids=lambda uid: uid.keyword)
def test_an_encoder_is_not_believed(
    picture: Callable[..., Dataset], saved: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, syntax: str
) -> None:
    class Careless:
        def __init__(self, uid: str) -> None:
            self._encoder = get_encoder(uid)

        def encode(self, pixels: np.ndarray, **options: object) -> bytes:
            changed = pixels.copy()
            changed[-1, -1] += 1
            return self._encoder.encode(changed, **options)

    ds = read(saved(picture(size=(40, 48))))
    ds.compress(syntax, generate_instance_uid=False)
    path = saved(ds, syntax, "packed.dcm")
    monkeypatch.setattr(codec, "get_encoder", Careless)
    with pytest.raises(deid.Held, match="without loss"):
        run(path, BLANK)


@pytest.mark.parametrize(("failing", "held"), [({1}, True), ({1, 2}, False)])
def test_all_frames_are_in_one_syntax(
    picture: Callable[..., Dataset], saved: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, failing: set[int], held: bool
) -> None:
    calls = []

    class Moody:
        def __init__(self, uid: str) -> None:
            self._encoder, self._uid = get_encoder(uid), uid

        def encode(self, pixels: np.ndarray, **options: object) -> bytes:
            if self._uid == JPEG2000Lossless:
                calls.append(1)
                if len(calls) in {n + held for n in failing}:
                    raise RuntimeError
            return self._encoder.encode(pixels, **options)

    ds = read(saved(picture(size=(40, 48), frames=2)))
    ds.compress(JPEG2000Lossless, generate_instance_uid=False)
    path = saved(ds, JPEG2000Lossless, "packed.dcm")
    monkeypatch.setattr(codec, "get_encoder", Moody)
    if held:
        with pytest.raises(deid.Held, match="without loss"):
            run(path, BLANK, "safe")
    else:
        assert run(path, BLANK, "safe")[0].file_meta.TransferSyntaxUID == RLELossless


def test_samples_wider_than_the_header_says_are_held(picture: Callable[..., Dataset], saved: Callable[..., Path]) -> None:
    path = wide(picture, saved, [60000], BitsAllocated=8, BitsStored=8, HighBit=7)
    with pytest.raises(deid.Held, match="wider than the file says"):
        run(path, BLANK)


def test_a_masked_file_says_so(mr: Dataset, picture: Callable[..., Dataset], saved: Callable[..., Path]) -> None:
    mr.BurnedInAnnotation = "YES"
    path = saved(picture())
    for engine in ("fast", "safe"):
        ds, report, _ = run(path, BLANK, engine)
        assert ds.BurnedInAnnotation == "NO"
        assert "113101" in [item.CodeValue for item in ds.DeidentificationMethodCodeSequence]
        assert ("(7FE0,0010)", "C", "mask: profile line 3", "") in report.actions
        assert [element.tag for element in ds] == sorted({element.tag for element in ds})


def test_extracted_headers_are_those_of_the_masked_file(
    mr: Dataset, picture: Callable[..., Dataset], saved: Callable[..., Path]
) -> None:
    mr.BurnedInAnnotation = "YES"
    path = saved(picture())
    profile = BLANK + '[extract]\nfields = ["BurnedInAnnotation"]\n'
    for engine in ("fast", "safe"):
        assert run(path, profile, engine)[1].headers["BurnedInAnnotation"] == "NO"


def test_what_is_not_masked_is_not_touched(mr: Dataset, picture: Callable[..., Dataset], saved: Callable[..., Path]) -> None:
    path = saved(picture())
    other = run(path, HEAD + "[[mask]]\nRows = 8\nblank = [[2, 1, 5, 3]]\n")
    plain = run(path, HEAD)
    assert other[2] == plain[2]
    assert other[0].PixelData == mr.PixelData
    assert "BurnedInAnnotation" not in other[0]
    assert "113101" not in [item.CodeValue for item in other[0].DeidentificationMethodCodeSequence]


def test_masking_twice_changes_nothing_more(
    picture: Callable[..., Dataset], saved: Callable[..., Path], tmp_path: Path
) -> None:
    once = run(saved(picture("RGB", planar=1)), BLANK)
    (tmp_path / "once.dcm").write_bytes(once[2])
    assert run(tmp_path / "once.dcm", BLANK)[0].PixelData == once[0].PixelData


def test_what_follows_the_last_frame_is_no_pixel_and_goes(picture: Callable[..., Dataset], saved: Callable[..., Path]) -> None:
    ds = picture()
    ds.PixelData += b"Quandermann!"
    for engine in ("fast", "safe"):
        assert len(run(saved(ds), BLANK, engine)[0].PixelData) == 70


def regions(mr: Dataset, *corners: tuple[int, int, int, int]) -> Dataset:
    from pydicom import Dataset, Sequence

    items = []
    for left, top, right, bottom in corners:
        item = Dataset()
        item.RegionSpatialFormat = 1
        item.RegionLocationMinX0, item.RegionLocationMinY0 = left, top
        item.RegionLocationMaxX1, item.RegionLocationMaxY1 = right, bottom
        items.append(item)
    mr.SOPClassUID, mr.Modality = "1.2.840.10008.5.1.4.1.1.6.1", "US"
    mr.SequenceOfUltrasoundRegions = Sequence(items)
    return mr


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.keyword)
def test_ultrasound_keeps_its_regions(picture: Callable[..., Dataset], saved: Callable[..., Path], syntax: str) -> None:
    ds = regions(picture(), (0, 2, 4, 4), (3, 4, 8, 5), (9, 9, 5, 5))  # two that overlap, and one that frames nothing
    path = saved(ds, syntax)
    mask = np.ones((7, 10), bool)
    mask[2:5, 0:5] = mask[4:6, 3:9] = False
    for engine in ("fast", "safe"):
        new = samples(run(path, HEAD, engine)[0])[0, :, :, 0]
        assert (new[mask] == 0).all()
        assert np.array_equal(new[~mask], samples(read(path))[0, :, :, 0][~mask])


@pytest.mark.parametrize(
    ("corners", "said"),
    [
        ([], "frame nothing, or next to nothing"),
        ([(5, 5, 4, 4)], "frame nothing, or next to nothing"),
        ([(0, 0, 9, 6)], "does not fit a picture of this size"),
        ([(0, 0, 30, 20)], "it was resized since"),
    ],
)
@pytest.mark.parametrize("engine", ["fast", "safe"])
def test_without_a_mask_that_fits_a_human_decides(
    picture: Callable[..., Dataset],
    saved: Callable[..., Path],
    corners: list[tuple[int, int, int, int]],
    said: str,
    engine: str,
) -> None:
    path = saved(regions(picture(), *corners))
    with pytest.raises(deid.Held) as caught:
        run(path, HEAD, engine)
    assert said in str(caught.value)
    assert caught.value.tag_path == "(7FE0,0010)"
    ds, _, _ = run(path, HEAD, engine, approved=True)
    assert ds.PixelData == read(path).PixelData


def test_an_approval_takes_no_mask_away(picture: Callable[..., Dataset], saved: Callable[..., Path]) -> None:
    path = saved(regions(picture(), (0, 2, 4, 4)))
    assert run(path, HEAD, approved=True)[2] == run(path, HEAD)[2]


def test_a_profile_can_ask_for_a_human_instead(picture: Callable[..., Dataset], saved: Callable[..., Path]) -> None:
    path = saved(regions(picture(), (0, 2, 4, 4)))
    profile = HEAD + '[[mask]]\nModality = "US"\nhold = true\n'
    with pytest.raises(deid.Held, match="asks for a human's eye"):
        run(path, profile)
    assert run(path, profile, approved=True)[0].PixelData == read(path).PixelData


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Rows": 0}, "how large"),
        ({"NumberOfFrames": "2"}, "fewer pixels"),
        ({"BitsAllocated": 1}, "of such a size"),
        ({"BitsAllocated": 12}, "of such a size"),
        ({"HighBit": 8}, "of such a size"),
        ({"HighBit": 3}, "of such a size"),
        ({"BitsStored": 0, "HighBit": 0}, "in no way the standard knows"),
        ({"PixelRepresentation": 7}, "in no way the standard knows"),
        ({"PhotometricInterpretation": "HSV"}, "colours of such a kind"),
        ({"SamplesPerPixel": 3}, "colours of such a kind"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "YBR_FULL_422", "Columns": 9}, "colours of such a kind"),
        ({"Rows": 65535, "Columns": 65535}, "too large"),
    ],
)
def test_pictures_that_cannot_be_masked_are_held(
    picture: Callable[..., Dataset], saved: Callable[..., Path], change: dict[str, object], said: str
) -> None:
    ds = picture()
    for keyword, value in change.items():
        setattr(ds, keyword, value)
    path = saved(ds)
    for engine in ("fast", "safe"):
        with pytest.raises(deid.Held) as caught:
            run(path, BLANK, engine)
        assert said in str(caught.value)
        assert ds.PixelData.startswith(run(path, BLANK, engine, approved=True)[0].PixelData.rstrip(b"\0"))


def test_samples_that_do_not_end_at_the_lowest_bit(picture: Callable[..., Dataset], saved: Callable[..., Path]) -> None:
    ds = picture("MONOCHROME1", 16, 12)
    ds.HighBit = 15
    ds.PixelData = (np.frombuffer(ds.PixelData, "<u2") << 4).astype("<u2").tobytes()
    new = samples(run(saved(ds), BLANK)[0])[0, :, :, 0]
    assert (new[hidden(7, 10)] == 0xFFF0).all()


def test_the_leak_check_still_runs(mr: Dataset, picture: Callable[..., Dataset], saved: Callable[..., Path]) -> None:
    mr.add_new(0x00281201, "OW", b"..Quandermann...")
    out = io.BytesIO()
    with pytest.raises(deid.Held) as caught:
        deid.Cleaner(deid.load_profile(BLANK), b"k" * 32, "A", "E001").clean(saved(picture()), out)
    assert caught.value.tag_path == "(0028,1201)"
    assert out.getvalue() == b""


def test_frames_stream_by(picture: Callable[..., Dataset], saved: Callable[..., Path], tmp_path: Path) -> None:
    import tracemalloc

    ds = picture()
    ds.Rows = ds.Columns = 512
    ds.NumberOfFrames = 200
    ds.PixelData = bytes([7]) * (512 * 512 * 200)
    path = saved(ds)
    cleaner = deid.Cleaner(deid.load_profile(BLANK), b"k" * 32, "A", "E001")
    with (tmp_path / "out.dcm").open("wb") as out:
        tracemalloc.start()
        assert cleaner.clean(path, out).engine == "fast"
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8_000_000
    assert (tmp_path / "out.dcm").stat().st_size > 512 * 512 * 200


@pytest.mark.parametrize("engine", ["fast", "safe"])
@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.keyword)
def test_an_overlay_in_the_pixels_unused_bits_is_held(
    picture: Callable[..., Dataset], saved: Callable[..., Path], syntax: str, engine: str
) -> None:
    ds = picture("MONOCHROME2", 16, 12)
    ds.add_new(0x60020010, "US", 7)
    ds.add_new(0x60020100, "US", 16)
    ds.add_new(0x60020102, "US", 12)
    path = saved(ds, syntax)
    for profile in (HEAD, BLANK):  # a mask covers its rectangles, an overlay lies everywhere
        with pytest.raises(deid.Held, match="unused bits"):
            run(path, profile, engine)
    assert run(path, HEAD, engine, approved=True)
    ds.add_new(0x60023000, "OW", bytes(10))  # one that has data of its own just goes
    assert run(saved(ds, syntax), HEAD, engine)
    ds.add_new(0x60020100, "US", 1)
    assert run(saved(ds, syntax), HEAD, engine)
