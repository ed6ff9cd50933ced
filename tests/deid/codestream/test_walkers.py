"""What is planted in a stream never survives the walk, what is decoded from it stays the same, and nothing else is touched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.codestream import Malformed, Size, strip
from tests.deid.codestream.planting import in_boxes, in_jpeg, in_jpeg_2000, in_rle
from tests.deid.codestream.samples import COLUMNS, ROWS, TEXT, decoded, shipped, streams

STREAMS = streams()
JPEGS = [name for name, (syntax, _, _) in STREAMS.items() if syntax.endswith(("4.50", "4.80"))]
PLAIN_2000 = [name for name in STREAMS if name.startswith("jpeg 2000")]


def walked(syntax: str, frame: bytes, samples: int) -> bytes:
    return strip(syntax, memoryview(frame), Size(ROWS * COLUMNS, samples, ROWS * COLUMNS * samples)).clean()


def planted(name: str, text: bytes, marker: int = 0xFE, kind: bytes = b"uuid") -> list[tuple[str, bytes]]:
    frame = STREAMS[name][1]
    if name in JPEGS:
        return list(in_jpeg(frame, text, marker))
    if name.startswith("rle"):
        return list(in_rle(frame, text))
    return list(in_boxes(frame, text, kind)) if "boxes" in name else list(in_jpeg_2000(frame, text))


@pytest.mark.parametrize("name", STREAMS)
def test_samples_stay(name: str) -> None:
    syntax, frame, samples = STREAMS[name]
    clean = walked(syntax, frame, samples)
    assert np.array_equal(decoded(syntax, clean, samples), decoded(syntax, frame, samples))
    assert walked(syntax, clean, samples) == clean


@pytest.mark.parametrize("name", STREAMS)
def test_text_in_every_place_goes_and_the_rest_is_as_without_it(name: str) -> None:
    syntax, frame, samples = STREAMS[name]
    plain = walked(syntax, frame, samples)
    places = planted(name, TEXT)
    assert places
    for place, wound in places:
        stream = strip(syntax, memoryview(wound), Size(ROWS * COLUMNS, samples, ROWS * COLUMNS * samples))
        clean = stream.clean()
        assert TEXT not in clean, place
        assert any(TEXT in each.data for each in stream.removed), place
        if place != "tile-part":  # there zeros take its place
            assert clean.rstrip(b"\0") == plain.rstrip(b"\0"), place
        assert np.array_equal(decoded(syntax, clean, samples), decoded(syntax, frame, samples)), place


@given(data=st.data(), text=st.binary(min_size=8, max_size=300).filter(lambda text: text.strip(b"\0")))
def test_whatever_is_planted_wherever(data: st.DataObject, text: bytes) -> None:
    name = data.draw(st.sampled_from(sorted(STREAMS)))
    marker = data.draw(st.sampled_from([0xFE, *range(0xE0, 0xF0), 0xC8, 0xF1, 0xFD]))
    syntax, frame, samples = STREAMS[name]
    _, wound = data.draw(
        st.sampled_from(planted(name, TEXT + text, marker, data.draw(st.sampled_from([b"uuid", b"xml ", b"?#!x"]))))
    )
    clean = walked(syntax, wound, samples)
    assert TEXT not in clean
    assert np.array_equal(decoded(syntax, clean, samples), decoded(syntax, frame, samples))


@given(data=st.data())
def test_damaged_streams_are_refused_or_walked_but_never_crash(data: st.DataObject) -> None:
    syntax, frame, samples = STREAMS[data.draw(st.sampled_from(sorted(STREAMS)))]
    wound = bytearray(frame[: data.draw(st.integers(0, len(frame)))])
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4)):
        if at < len(wound):
            wound[at] = value
    try:
        clean = walked(syntax, bytes(wound), samples)
    except Malformed:
        return
    assert walked(syntax, clean, samples) == clean


@pytest.mark.parametrize(
    "name",
    ["JPGExtended.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm", "SC_rgb_jls_lossy_line.dcm", "GDCMJ2K_TextGBR.dcm", "JPEG-LL.dcm"],
)
def test_streams_of_other_makers_decode_as_before(name: str) -> None:
    from pydicom.pixels.decoders.base import get_decoder

    try:
        frame, ds = shipped(name)
    except StopIteration:
        pytest.skip("pydicom-data is not installed")
    syntax = str(ds.file_meta.TransferSyntaxUID)
    clean = strip(syntax, memoryview(frame), Size(0, 0, 0)).clean()
    assert len(clean) < len(frame)
    pictures = []
    for data in (frame, clean):
        runner = get_decoder(syntax)
        from pydicom.encaps import encapsulate

        ds.PixelData = encapsulate([data])
        ds.NumberOfFrames = 1
        pictures.append(runner.as_array(ds, raw=True, index=0)[0])
    assert np.array_equal(*pictures)


def test_colours_stay_as_they_were_meant() -> None:
    """Adobe's transform and JFIF decide how three samples are read; a thumbnail and a signature between them do not."""
    syntax, frame, samples = STREAMS["colour"]
    adobe = b"\xff\xee\x00\x0eAdobe\x00\x64Zqx!\x01"
    clean = walked(syntax, frame[:20] + adobe + frame[20:], samples)
    assert b"\xff\xee\x00\x0eAdobe\x00\x64\0\0\0\0\x01" in clean
    with pytest.raises(Malformed, match="tells its colours twice"):
        walked(syntax, frame[:20] + adobe + adobe[:-1] + b"\0" + frame[20:], samples)


@pytest.mark.parametrize("name", ["baseline", "jpeg 2000", "jpeg-ls"])
def test_a_text_behind_the_last_sample_is_seen(name: str) -> None:
    """Decoders have enough samples before it and skip it."""
    syntax, frame, samples = STREAMS[name]
    end = frame.rstrip(b"\0").rindex(b"\xff\xd9")
    wound = bytearray(frame[:end] + b"Zqxmarkovic^Anna 12.03.1957" + frame[end:])
    if name == "jpeg 2000":
        tile = wound.index(b"\xff\x90\0\x0a")
        wound[tile + 6 : tile + 10] = (int.from_bytes(wound[tile + 6 : tile + 10], "big") + 27).to_bytes(4, "big")
    with pytest.raises(Malformed, match="behind the samples"):
        walked(syntax, bytes(wound), samples)


def test_segments_of_another_size_than_they_tell_are_refused() -> None:
    syntax, frame, samples = STREAMS["baseline"]
    at = frame.index(b"\xff\xdb")
    size = int.from_bytes(frame[at + 2 : at + 4], "big")
    end = at + 2 + size
    wound = frame[: at + 2] + (size + len(TEXT)).to_bytes(2, "big") + frame[at + 4 : end] + TEXT + frame[end:]
    with pytest.raises(Malformed, match="another size or kind"):
        walked(syntax, wound, samples)
    with pytest.raises(Malformed, match="another size or kind"):
        walked(syntax, frame[:2] + b"\xff\x02\0\x0d" + TEXT + frame[2:], samples)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.205", "1.2.840.113619.5.99", "1.2.3"])
def test_what_nobody_knows_is_refused(syntax: str) -> None:
    with pytest.raises(Malformed, match="nothing here can look through"):
        strip(syntax, memoryview(b"anything"), Size(1, 1, 1))
