"""Codecs for which nothing here has an encoder: streams built by the letter of their standards."""

from __future__ import annotations

import zlib

import pytest

from deid.codestream import Malformed, Size, is_video, strip

SIZE = Size(12, 1, 12)
NAME = b"Zqxmarkovic"
MPEG_2, H264, H265 = "1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.107"
XL, DEFLATED, NATIVE = "1.2.840.10008.1.2.4.110", "1.2.840.10008.1.2.8.1", "1.2.840.10008.1.2.1.98"


def walked(syntax: str, *parts: bytes) -> bytes:
    return strip(syntax, memoryview(b"".join(parts)), SIZE).clean()


def unit(*content: int | bytes) -> bytes:
    return b"\0\0\1" + b"".join(bytes((each,)) if isinstance(each, int) else each for each in content)


def test_user_data_of_mpeg_2_goes() -> None:
    sequence, picture, piece = unit(0xB3, b"\x02\x01\x20\x33"), unit(0x00, b"\x01\x02"), unit(0x01, b"\x55\x66\x77")
    assert walked(MPEG_2, sequence, unit(0xB2, NAME), picture, unit(0xB2, NAME), piece, unit(0xB7)) == (
        sequence + picture + piece + unit(0xB7)
    )


@pytest.mark.parametrize("container", [b"\0\0\1\xba" + bytes(20), b"\x47" * 188, b"\0\0\0\x18ftypmp42" + bytes(20)])
@pytest.mark.parametrize("syntax", [MPEG_2, H264, H265])
def test_containers_are_refused(syntax: str, container: bytes) -> None:
    with pytest.raises(Malformed, match=r"container|another kind"):
        walked(syntax, container)


@pytest.mark.parametrize(
    ("syntax", "sei", "kept"),
    [
        (H264, b"\x06", [b"\x67\x42\0\x1e", b"\x68\xce\x38\x80", b"\x65\x88\x84\x21"]),
        (H265, b"\x4e\1", [b"\x40\1\x0c", b"\x42\1\1", b"\x44\1\xc0", b"\x26\1\xaf"]),
    ],
)
def test_messages_of_text_go_from_h264_and_h265(syntax: str, sei: bytes, kept: list[bytes]) -> None:
    """User data (5 and 4) goes, a recovery point (6) in the same unit stays, a filler and an unknown unit go."""
    user = b"\x05" + bytes((16 + len(NAME),)) + bytes(range(1, 17)) + NAME
    recovery = b"\x06\x01\x84"
    units = [unit(each) for each in kept]
    wound = [units[0], unit(sei, user, b"\x80"), *units[1:], unit(sei, user, recovery, b"\x80"), unit(sei, recovery, b"\x80")]
    clean = walked(syntax, *wound)
    assert clean == b"".join([*units, unit(sei, recovery, b"\x80"), unit(sei, recovery, b"\x80")])
    strange = unit(b"\x1f" if syntax == H264 else b"\x7e\1", NAME)
    assert walked(syntax, *units, strange) == b"".join(units)


def test_a_video_is_one_stream() -> None:
    assert is_video("1.2.840.10008.1.2.4.102.1")
    assert not is_video("1.2.840.10008.1.2.4.50")


def box(kind: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


def test_boxes_of_jpeg_xl_go() -> None:
    begin = b"\0\0\0\x0cJXL \r\n\x87\n" + box(b"ftyp", b"jxl \0\0\0\0jxl ")
    picture = box(b"jxlc", b"\xff\x0a\x30\x05")
    wound = begin + box(b"Exif", NAME) + picture + box(b"xml ", NAME) + box(b"jbrd", NAME) + box(b"brob", b"xml " + NAME)
    assert walked(XL, wound) == begin + picture
    assert walked(XL, b"\xff\x0a\x30\x05") == b"\xff\x0a\x30\x05"


def test_native_and_deflated_frames_are_cut() -> None:
    samples = bytes(range(12))
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(samples) + packer.flush()
    assert walked(NATIVE, samples, NAME) == samples
    assert walked(DEFLATED, packed, NAME) == packed
    for syntax, short in (
        (NATIVE, samples[:11]),
        (DEFLATED, packed[:4]),
        (DEFLATED, zlib.compress(samples)[2:-4] * 0 + b"\xff"),
    ):
        with pytest.raises(Malformed):
            walked(syntax, short)


def test_a_deflated_frame_of_another_size_is_refused() -> None:
    packer = zlib.compressobj(wbits=-15)
    with pytest.raises(Malformed, match="another size"):
        walked(DEFLATED, packer.compress(bytes(range(12)) + NAME) + packer.flush())
