"""What the gate says beforehand of pixels and sound is what cleaning then does."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from pydicom import Dataset, Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

import deid
from tests.deid.pixels.running import BLANK, HEAD, KEY, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def held(path: Path, profile: str = HEAD) -> str | None:
    """Why a file is held: told beforehand, and by both engines."""
    told = deid.burned_in(deid.load_profile(profile), path)
    for engine in ("fast", "safe"):
        if told is None:
            assert run(path, profile, engine)
        else:
            with pytest.raises(deid.Held) as caught:
                run(path, profile, engine)
            assert told in str(caught.value)
            assert not caught.value.certain
        assert run(path, profile, engine, approved=True)
    return told


def ultrasound(ds: Dataset, *corners: tuple[int, int, int, int], size: tuple[int, int] = (300, 400)) -> Dataset:
    ds.SOPClassUID, ds.Modality = "1.2.840.10008.5.1.4.1.1.6.1", "US"
    ds.Rows, ds.Columns = size
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    ds.PixelData = bytes(range(1, 251)) * (size[0] * size[1] // 250)
    ds["PixelData"].VR = "OB"
    items = []
    for corner in corners:
        item = Dataset()
        item.RegionLocationMinX0, item.RegionLocationMinY0, item.RegionLocationMaxX1, item.RegionLocationMaxY1 = corner
        items.append(item)
    ds.SequenceOfUltrasoundRegions = Sequence(items)
    return ds


WHOLE = (40, 40, 359, 279)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
@pytest.mark.parametrize(
    ("corners", "why"),
    [
        ([WHOLE], None),
        ([WHOLE, (10, 10, 10, 10)], None),
        ([(100, 100, 100, 100)], "next to nothing"),
        ([(100, 100, 101, 299)], "next to nothing"),
        ([(300, 200, 40, 40)], "next to nothing"),
        ([(100, 100, 150, 140)], "next to nothing of the picture"),
        ([(5000, 5000, 6000, 6000)], "next to nothing"),
        ([WHOLE, (5000, 5000, 6000, 6000)], "reach beyond the picture"),
        ([(0, 0, 2**32 - 2, 2**32 - 2)], "reach beyond the picture"),
        ([(0, 0, 399, 299)], "does not fit"),
        ([], "next to nothing"),
    ],
)
def test_regions_that_frame_nothing_are_no_mask(
    mr: Dataset, saved: Callable[..., Path], syntax: str, corners: list[tuple[int, int, int, int]], why: str | None
) -> None:
    told = held(saved(ultrasound(mr, *corners), syntax))
    assert (told is None) if why is None else (told is not None and why in told)


def test_a_profile_s_mask_that_leaves_next_to_nothing_holds(mr: Dataset, saved: Callable[..., Path]) -> None:
    ultrasound(mr)
    del mr.SequenceOfUltrasoundRegions
    blank = HEAD + '[[mask]]\nRows = "*"\nblank = [[0, 0, 400, 285]]\n'
    assert "leaves next to nothing" in str(held(saved(mr), blank))
    assert held(saved(mr), blank.replace("285", "240")) is None


CHANGES: list[tuple[dict[str, Any], str | None]] = [
    ({}, None),
    ({"ImageType": ["DERIVED", "PRIMARY", "CAD"]}, "image type"),
    ({"Modality": "MG", "ImageType": ["DERIVED", "PRIMARY", "OVERLAY_CAD"]}, "image type"),
    ({"Modality": "MG", "SeriesDescription": "L MLO CAD overlay"}, "annotated pictures"),
    ({"Modality": "MG", "SeriesDescription": "SCREENING_CC"}, None),
    ({"Modality": "CT", "SeriesDescription": "Screen Save"}, "annotated pictures"),
    ({"Modality": "CT", "SeriesDescription": "arcade"}, None),
    ({"Modality": "CT", "SeriesDescription": "Perfusion-Summary"}, "annotated pictures"),
    ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}, "colour picture"),
    ({"PhotometricInterpretation": "PALETTE COLOR"}, "colour picture"),
    ({"Modality": "RG"}, "scanned film"),
    ({"Modality": ""}, "no known kind"),
    ({"BurnedInAnnotation": "YES"}, "says that text is burned in"),
    ({"ConversionType": "DF"}, "a converted picture"),
]


@pytest.mark.parametrize(("change", "why"), CHANGES)
def test_pictures_with_annotations_raise_suspicion(
    picture: Callable[..., Dataset], saved: Callable[..., Path], change: dict[str, Any], why: str | None
) -> None:
    ds = picture("RGB" if change.get("SamplesPerPixel") == 3 else change.get("PhotometricInterpretation", "MONOCHROME2"))
    for keyword, value in change.items():
        setattr(ds, keyword, value)
    told = held(saved(ds))
    assert (told is None) if why is None else (told is not None and why in told)


def test_a_mask_takes_the_suspicion_away_and_one_that_cannot_be_followed_does_not(
    picture: Callable[..., Dataset], saved: Callable[..., Path]
) -> None:
    ds = picture()
    ds.BurnedInAnnotation = "YES"
    assert held(saved(ds), BLANK) is None
    ds.PhotometricInterpretation = "HSV"
    assert "colours of such a kind" in str(held(saved(ds), BLANK))


def test_what_has_no_pixels_and_what_cannot_be_read_is_not_told(
    mr: Dataset, saved: Callable[..., Path], tmp_path: Path
) -> None:
    mr.Modality = "US"
    del mr.PixelData
    assert held(saved(mr)) is None
    (tmp_path / "noise").write_bytes(b"noise")
    assert deid.burned_in(deid.load_profile(None), tmp_path / "noise") is None


ECG = "1.2.840.10008.5.1.4.1.1.9.1.1"
EEG = "1.2.840.10008.5.1.4.1.1.9.7.1"


def waveform(ds: Dataset, sop_class: str, modality: str = "ECG", code: str = "", **group: object) -> Dataset:
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated"):
        delattr(ds, keyword)
    ds.SOPClassUID, ds.Modality = sop_class, modality
    item, channel, source = Dataset(), Dataset(), Dataset()
    item.NumberOfWaveformChannels, item.NumberOfWaveformSamples, item.WaveformBitsAllocated = 1, 32, 16
    item.WaveformSampleInterpretation, item.SamplingFrequency, item.WaveformOriginality = "SS", "500", "ORIGINAL"
    source.CodeValue, source.CodingSchemeDesignator, source.CodeMeaning = code or "2:1", "DCM" if code else "MDC", "Lead I"
    channel.ChannelSourceSequence = Sequence([source])
    item.ChannelDefinitionSequence = Sequence([channel])
    item.add_new(0x54001010, "OW", bytes(n % 7 for n in range(64)))
    for keyword, value in group.items():
        setattr(item, keyword, value)
    ds.WaveformSequence = Sequence([item])
    return ds


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"sop_class": ECG}, None),
        ({"sop_class": EEG, "modality": "EEG", "SamplingFrequency": "20000"}, None),
        ({"sop_class": "1.2.840.10008.5.1.4.1.1.9.4.1", "modality": "AU"}, "audio waveform"),
        ({"sop_class": "1.2.840.10008.5.1.4.1.1.9.4.2"}, "audio waveform"),
        ({"sop_class": ECG, "modality": "AU"}, "audio waveform"),
        ({"sop_class": ECG, "SamplingFrequency": "8000"}, "as speech needs"),
        ({"sop_class": ECG, "WaveformSampleInterpretation": "MB"}, "telephones"),
        ({"sop_class": ECG, "code": "109111"}, "source is sound"),
        ({"sop_class": EEG, "modality": "EEG", "MultiplexGroupLabel": "Ambient audio"}, "named like sound"),
    ],
)
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_voice_is_held_as_burned_in_text_is(
    mr: Dataset, saved: Callable[..., Path], syntax: str, change: dict[str, Any], why: str | None
) -> None:
    told = held(saved(waveform(mr, **change), syntax))
    assert (told is None) if why is None else (told is not None and why in told)


def test_who_has_listened_knows_what_the_samples_are(mr: Dataset, saved: Callable[..., Path]) -> None:
    path = saved(
        waveform(mr, "1.2.840.10008.5.1.4.1.1.9.4.1", "AU", WaveformData=b"a spoken dictation, word by word".ljust(64, b"\0"))
    )
    assert "audio waveform" in str(deid.burned_in(deid.load_profile(None), path))
    for engine in ("fast", "safe"):
        with pytest.raises(deid.Held):
            run(path, HEAD, engine)
        assert run(path, HEAD, engine, approved=True)


def test_sound_that_a_rule_removes_is_not_held(mr: Dataset, saved: Callable[..., Path]) -> None:
    path = saved(waveform(mr, "1.2.840.10008.5.1.4.1.1.9.4.1", "AU"))
    profile = deid.load_profile(HEAD + '[[rule]]\ntag = "WaveformSequence"\naction = "remove"\n')
    out = io.BytesIO()
    deid.Cleaner(profile, KEY, "A", "E001").clean(path, out)
    assert out.getvalue()
