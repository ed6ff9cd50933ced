"""Who is asked: DICOM stays DICOM, a site's own handlers come first, and their faults are an error of ours."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydicom.data import get_testdata_file

from deid import Unreadable
from deid.formats import registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.deid.formats.conftest import Clean

PLUGIN = """
from deid.formats import Work


class Spectra:
    def recognise(self, head, source):
        return head.startswith(b"SPECTRA")

    def clean(self, source, target, context):
        line, samples = source.read_bytes().split(b"\\n", 1)
        if not samples:
            raise ValueError("Zqxmarkovic")
        work = Work(context)
        work.identity("first line", "name", line[8:], "name")
        work.write("first line", b"SPECTRA " + context.exam.encode() + b"\\n")
        work.write("samples", samples)
        return work.finish(target, ".spc", {"FileType": "SPECTRA"})
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A site's package, installed."""
    site = tmp_path / "site"
    (site / "spectra-1.0.dist-info").mkdir(parents=True)
    (site / "spectra_of_a_site.py").write_text(PLUGIN)
    (site / "spectra-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: spectra\nVersion: 1.0\n")
    (site / "spectra-1.0.dist-info/entry_points.txt").write_text("[archimed.deid]\nspectra = spectra_of_a_site:Spectra\n")
    monkeypatch.syspath_prepend(str(site))
    registry.handlers.cache_clear()
    yield
    registry.handlers.cache_clear()
    sys.modules.pop("spectra_of_a_site", None)


@pytest.mark.usefixtures("plugin")
def test_a_site_adds_its_own_format(clean: Clean, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"SPECTRA Zqxmarkovic^Anna\n1 2 3\n")
    data, report = clean(tmp_path / "a")
    assert (data, report.ending) == (b"SPECTRA E001\n1 2 3\n", ".spc")
    (tmp_path / "b").write_bytes(b"SPECTRA Zqxmarkovic\n")
    with pytest.raises(Unreadable) as caught:
        clean(tmp_path / "b")
    assert str(caught.value) == "unreadable: cannot be cleaned (ValueError)"


def test_dicom_goes_to_dicom(clean: Clean, tmp_path: Path) -> None:
    source = Path(str(get_testdata_file("MR_small.dcm")))
    assert clean(source)[1].headers["Modality"] == "MR"
    data = bytearray(source.read_bytes())
    data[:4] = b"II*\0"  # one file that is both: PS3.10 7.1 lets a TIFF's header stand before
    (tmp_path / "both").write_bytes(data)
    assert clean(tmp_path / "both")[0][:128] == bytes(128)
