"""Files that were whole once: cut anywhere, bytes flipped. Nothing but facts or `Unreadable`, and no word of the file in it."""

import tempfile
import traceback
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.filetypes.dicom import DicomFacts, read_facts
from catalog.pure.errors import Unreadable
from tests.catalog.filetypes.part10 import (
    EXPLICIT,
    IMPLICIT,
    ITEM,
    PIXELS,
    UNDEFINED,
    dataset,
    explicit,
    implicit,
    meta,
    nested,
)
from tests.catalog.filetypes.samples import FILES

SECRET = "Zyxwv^Sentinel"
_SEQUENCE = explicit((8, 0x1140), "SQ", implicit(ITEM, explicit((8, 0x1155), "UI", b"1.2.3")))
BUILT = {
    "built explicit": meta() + dataset(EXPLICIT, SECRET.encode()) + _SEQUENCE + explicit(PIXELS, "OW", bytes(64)),
    "built implicit": meta(IMPLICIT) + dataset(IMPLICIT, SECRET.encode()) + nested(5, IMPLICIT, undefined=True),
}
# One of each kind: native and compressed, both byte orders, implicit, deflated, sequences, structured reports, character sets.
REAL = [
    "test_files/CT_small.dcm", "test_files/MR_small_implicit.dcm", "test_files/MR_small_bigendian.dcm",
    "test_files/image_dfl.dcm", "test_files/JPEG-LL.dcm", "test_files/rtplan.dcm", "test_files/reportsi.dcm",
    "test_files/SC_rgb_rle.dcm", "test_files/test-SR.dcm", "test_files/liver_1frame.dcm", "test_files/waveform_ecg.dcm",
    "test_files/UN_sequence.dcm", "charset_files/chrH31.dcm", "test_files/parametric_map_float.dcm",
]  # fmt: skip
CONTENTS = BUILT | {name: FILES[name].read_bytes() for name in REAL if name in FILES}

cases = st.sampled_from(sorted(CONTENTS))


def look(content: bytes) -> DicomFacts | str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "1"
        path.write_bytes(content)
        try:
            return read_facts(path)
        except Unreadable as error:
            told = "".join(traceback.format_exception(error))
            if "Sentinel" in told or "Zyxwv" in told:
                raise AssertionError("the reason quotes the file") from None
            return str(error)


def offsets(content: bytes) -> st.SearchStrategy[int]:
    """Return anywhere, but often in the header: that is where a cut or a flip does something."""
    return st.integers(0, len(content) - 1) | st.integers(0, min(len(content), 2000) - 1)


def test_the_samples_are_there() -> None:
    assert len(CONTENTS) > 12


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_file_that_is_cut_gives_its_facts_or_a_reason(data: st.DataObject) -> None:
    name = data.draw(cases)
    content = CONTENTS[name]
    found = look(content[: data.draw(offsets(content))])
    whole = look(content)
    if isinstance(found, DicomFacts) and isinstance(whole, DicomFacts):
        assert found.sop_instance == whole.sop_instance


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_flipped_bytes_give_facts_or_a_reason(data: st.DataObject) -> None:
    content = bytearray(CONTENTS[data.draw(cases)])
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(offsets(content))] = data.draw(st.integers(0, 255))
    look(bytes(content))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_piece_that_is_missing_or_doubled_gives_facts_or_a_reason(data: st.DataObject) -> None:
    content = CONTENTS[data.draw(cases)]
    start, length = data.draw(offsets(content)), data.draw(st.integers(1, 64))
    if data.draw(st.booleans()):
        look(content[:start] + content[start + length :])
    else:
        look(content[:start] + content[start : start + length] + content[start:])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_behind_the_meta_information_give_facts_or_a_reason(tail: bytes) -> None:
    for start in (meta(), meta() + dataset(), meta(IMPLICIT), bytes(128) + b"DICM", b""):
        look(start + tail)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.sampled_from(["SQ", "UN", "OB"]))
def test_any_bytes_inside_a_sequence_give_facts_or_a_reason(inside: bytes, vr: str) -> None:
    look(meta() + dataset() + explicit((8, 0x1140), vr, inside, UNDEFINED))


def test_every_cut_of_a_small_file_is_noticed_unless_it_is_between_elements() -> None:
    content = BUILT["built explicit"]
    found = [look(content[:at]) for at in range(len(content))]
    assert sum(isinstance(one, DicomFacts) for one in found) < 12
    assert isinstance(look(content), DicomFacts)
