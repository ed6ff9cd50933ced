"""Every type is known by its content, whatever the file is called; what nobody knows stays unknown; nothing crashes."""

import random
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.filetypes import Sample, file_types, named, recognise, registry
from catalog.filetypes.sample import companions, stem_of
from catalog.pure.errors import Invalid, Unreadable
from tests.catalog.filetypes import samples
from tests.catalog.filetypes.families import FILES, NIBABEL, NOBODYS, PAIR


def kind_of(path: Path, beside: dict[str, Path] | None = None) -> str | None:
    found = recognise(Sample(path, beside))
    return found.name if found else None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "17"


@pytest.mark.parametrize("name", FILES)
def test_each_type_is_known_without_its_name(file: Path, name: str) -> None:
    expected, content = FILES[name]
    file.write_bytes(content)
    assert kind_of(file) == expected


@pytest.mark.parametrize("name", NOBODYS)
def test_what_nobody_knows_is_not_guessed(file: Path, name: str) -> None:
    file.write_bytes(NOBODYS[name])
    assert kind_of(file) is None


def test_every_dicom_file_of_pydicom_is_dicom() -> None:
    assert {kind_of(path) for path in samples.FILES.values()} == {"DCM"}


@pytest.mark.parametrize("path", sorted(NIBABEL.glob("*.PAR")), ids=lambda path: path.stem)
def test_every_par_of_nibabel_is_one(path: Path) -> None:
    assert kind_of(path) == "PAR_REC"


def test_rec_and_img_are_known_by_what_lies_beside_them(tmp_path: Path) -> None:
    rec, par = tmp_path / "1", tmp_path / "2"
    shutil.copy(NIBABEL / f"{PAIR}.REC", rec)
    shutil.copy(NIBABEL / f"{PAIR}.PAR", par)
    assert kind_of(rec, {".rec": rec, ".par": par}) == "PAR_REC"
    assert kind_of(rec) is None
    assert kind_of(rec, {".rec": rec, ".par": rec}) is None
    hdr, img = tmp_path / "3", tmp_path / "4"
    shutil.copy(NIBABEL / "nifti1.hdr", hdr)
    img.write_bytes(bytes(91 * 109 * 91 * 8))
    assert kind_of(img, {".img": img, ".hdr": hdr}) == "NIFTI"
    img.write_bytes(bytes(1000))
    assert kind_of(img, {".img": img, ".hdr": hdr}) is None, "too short for what the header promises"


def test_companions_are_called_alike_but_for_the_ending() -> None:
    names = {name: Path(str(number)) for number, name in enumerate(("a/x.HDR", "a/x.img", "b/x.img", "a/x", ".hidden"))}
    found = companions(names)
    assert found["a/x.img"] == {".hdr": Path("0"), ".img": Path("1"), "": Path("3")}
    assert set(found) == {"a/x.HDR", "a/x.img", "a/x"}, "a file that stands alone has none"
    assert stem_of("a.b/c.nii.gz") == "a.b/c"
    assert stem_of(".hidden") == ".hidden"


@pytest.mark.parametrize("name", [*FILES, *NOBODYS])
def test_changed_and_cut_files_are_something_or_nothing(file: Path, name: str) -> None:
    """And whatever they are taken for, reading them gives values, and looking at them a picture or none."""
    whole, dice = (FILES | {key: ("", value) for key, value in NOBODYS.items()})[name][1], random.Random(5)
    for _ in range(60):
        broken = bytearray(whole[: dice.randrange(len(whole) + 1)] if dice.random() < 0.3 else whole)
        for _ in range(dice.randrange(1, 4)):
            at = dice.randrange(min(len(broken), 4096) or 1)
            broken[at : at + 4] = dice.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", dice.randbytes(2)])
        file.write_bytes(broken)
        sample = Sample(file)
        for kind in file_types():
            assert kind.recognise(sample) in {True, False}
        registry.values_of(named(kind_of(file) or "") or file_types()[0], file)
        with suppress(Unreadable):
            registry.preview_of(named(kind_of(file) or "") or file_types()[0], file)


@given(content=st.binary(max_size=600))
@settings(max_examples=200)
def test_any_bytes_are_something_or_nothing(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any"
    file.write_bytes(content)
    kind_of(file, {".hdr": file, ".par": file})


class Greedy:
    name, labels, companions, rank, fields = "GREEDY", (), (), 0, ()
    got = 0

    def recognise(self, sample: Sample) -> bool:
        for at in range(0, sample.size, 1000):
            Greedy.got += len(sample.read(at, 10**12))
        raise RuntimeError("Zqxmarkovic")


def test_a_type_that_reads_all_and_fails_hurts_nobody(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shipped = file_types()
    monkeypatch.setattr(registry, "file_types", lambda: (Greedy(), *shipped))
    file.write_bytes(FILES["png"][1] + bytes(30 << 20))
    assert kind_of(file) == "IMAGE"
    assert Greedy.got <= 8 << 20
    assert "GREEDY failed" in caplog.text
    assert "Zqxmarkovic" not in caplog.text


def test_types_have_names_of_their_own_and_are_found_by_label() -> None:
    assert {kind.name for kind in file_types()} == {kind for kind, _ in FILES.values()} | {"RAW", "RESULT", "SNIRF", "NWB"}
    for label, name in {"PNG": "IMAGE", "CSV": "TABLE", "PARREC": "PAR_REC", "NIFTI": "NIFTI", "RAW": "RAW"}.items():
        found = named(label)
        assert found is not None
        assert found.name == name
    assert named("SPECTRA") is None


def test_without_any_type_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: ())
    with pytest.raises(Invalid, match="no file types are installed"):
        file_types.__wrapped__()
