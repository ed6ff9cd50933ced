"""Which handler cleans a file: a site's own, found through entry points, are asked before the shipped ones."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from deid.formats.base import Handler

GROUP = "archimed.deid"
HEAD = 4096
_PREFIX_END = 132
_GROUPS = (b"\x08\0", b"\x02\0")
_BEGINNINGS = (b"\0\x08\0\x05", b"\0\x08\0\x08", b"\0\x02\0\0")  # big endian


@cache
def handlers() -> tuple[Handler, ...]:
    """All handlers, in the order they are asked."""
    from deid.formats.brainvision import BrainVision  # late: DICOM alone needs none of them
    from deid.formats.documents import Document
    from deid.formats.edf import Edf
    from deid.formats.fif import Fif
    from deid.formats.hdf5 import Hdf5
    from deid.formats.itk import MetaImage, Nrrd
    from deid.formats.mat import Mat
    from deid.formats.nifti import Nifti
    from deid.formats.packed import Gzip
    from deid.formats.parrec import ParRec
    from deid.formats.raster import Jpeg, OtherPicture, Png
    from deid.formats.spectra import Rda, Spar
    from deid.formats.surfaces import Gifti, Mesh, Mgh
    from deid.formats.text import Text
    from deid.formats.tiff import Tiff
    from deid.formats.twix import Twix

    site = [entry.load()() for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)]
    shipped = (
        Nifti(), Edf(), Png(), Jpeg(), Tiff(), Mat(), Hdf5(), Document(), ParRec(), BrainVision(), MetaImage(), Nrrd(), Mgh(),
        Gifti(), Rda(), Spar(), Mesh(), Twix(), Text(), Fif(), OtherPicture(), Gzip(recognised),
    )  # fmt: skip
    return (*site, *shipped)


def recognised(source: Path) -> Handler | None:
    """The handler of a file; None for DICOM and for what nobody knows."""
    with source.open("rb") as stream:
        head = stream.read(HEAD)
    if head[128:132] == b"DICM":
        return None
    return next((handler for handler in handlers() if handler.recognise(head, source)), None)


def looks_like_dicom(source: Path) -> bool:
    """Whether a file begins as DICOM does, also without its prefix: it names its patient, broken or not."""
    with source.open("rb") as stream:
        head = stream.read(_PREFIX_END)
    return head[128:] == b"DICM" or head[:4] in _BEGINNINGS or head[:2] in _GROUPS
