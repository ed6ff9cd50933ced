"""Formats of a header and samples, alone or in files beside it: MetaImage, NRRD, BrainVision, FreeSurfer, GIfTI, SNIRF, MINC,
NWB, spectra, meshes. Each type reads a bounded beginning of a file."""

import re
import struct
import zlib
from collections.abc import Mapping
from typing import BinaryIO

from catalog.filetypes.model import BY_COMPANION, FORMAT, Field, Look, Plain, Preview, Value
from catalog.filetypes.plain_text import head_preview
from catalog.filetypes.sample import Sample

_HEAD = 1 << 16
_GZIP = b"\x1f\x8b"
_COLUMNS = Field("Columns", "US", meaning="voxels along the first axis")
_ROWS = Field("Rows", "US", meaning="voxels along the second axis")
_SLICES = Field("NumberOfSlices", "US", meaning="voxels along the third axis")
_FRAMES = Field("NumberOfTemporalPositions", "IS", meaning="volumes")
_SPACING = Field("PixelSpacing", "DS", "mm", meaning="size of a voxel, rows\\columns")
_SAMPLING = Field("SamplingFrequency", "DS", "Hz")
_CHANNELS = Field("NumberOfWaveformChannels", "US", meaning="signals")
_SHAPE = ("Columns", "Rows", "NumberOfSlices", "NumberOfTemporalPositions")
_META = re.compile(rb"^\s*(?:ObjectType|NDims)\s*=", re.MULTILINE)
_VISION = re.compile(rb"\s*(?:\xef\xbb\xbf)?Brain ?Vision (?:Data Exchange|V-Amp Data) (?:Header|Marker) File", re.IGNORECASE)
_HDF5 = b"\x89HDF\r\n\x1a\n"
_FIF = struct.pack(">iII", 100, 31, 20)
_OBJ = frozenset({b"v", b"vn", b"vt", b"f", b"g", b"o", b"s", b"mtllib", b"usemtl", b"l", b"p"})
_NUMBER = re.compile(r"[-+]?\d{1,9}(?:\.\d{1,12})?(?:[eE][-+]?\d{1,3})?")


def _lines(head: bytes, sign: str) -> dict[str, str]:
    """Return the fields of a header of lines, by their names in small letters; the first of each."""
    found: dict[str, str] = {}
    for line in head.decode("latin-1").splitlines():
        key, parted, value = line.partition(sign)
        if parted:
            found.setdefault(key.strip().lower(), value.strip())
    return found


def _shape(sizes: list[str]) -> dict[str, Value]:
    return {name: int(size) for name, size in zip(_SHAPE, sizes, strict=False) if size.isdigit() and len(size) < 9}


class _Headed(Plain):
    """A format whose files begin with text."""

    def preview(self, file: BinaryIO, look: Look) -> Preview | None:
        """Show that text."""
        return head_preview(file)


class MetaImage(_Headed):
    """A header of ITK's MetaImage, with its voxels or without."""

    name = "METAIMAGE"
    labels = ("METAIMAGE",)
    companions = (".mhd", ".raw")
    fields = (FORMAT, _COLUMNS, _ROWS, _SLICES, _FRAMES, _SPACING)

    def recognise(self, sample: Sample) -> bool:
        """By its first fields and the one that names the data."""
        return bool(_META.search(sample.head[:1024]) and b"ElementDataFile" in sample.head)

    def read(self, file: BinaryIO) -> Mapping[str, Value]:
        """Read sizes and spacing."""
        header = _lines(file.read(_HEAD), "=")
        if "dimsize" not in header:
            return {}
        found: dict[str, Value] = {"Format": "MetaImage", **_shape(header["dimsize"].split())}
        sizes = header.get("elementspacing", "").split()
        if len(sizes) > 1 and all(_NUMBER.fullmatch(size) for size in sizes):
            found["PixelSpacing"] = f"{float(sizes[1]):g}\\{float(sizes[0]):g}"
        return found


class MetaVoxels(Plain):
    """The voxels of a MetaImage: bytes without a mark of their own, known by the header beside them."""

    name = "METAIMAGE"
    labels = ()
    companions = (".mhd", ".raw")
    rank = BY_COMPANION

    def recognise(self, sample: Sample) -> bool:
        """By a header beside it."""
        beside = sample.beside(".mhd")
        return beside is not None and MetaImage().recognise(beside)


class Nrrd(_Headed):
    """Nearly raw raster data."""

    name = "NRRD"
    labels = ("NRRD",)
    companions = (".nhdr", ".raw")
    fields = (FORMAT, _COLUMNS, _ROWS, _SLICES, _FRAMES)

    def recognise(self, sample: Sample) -> bool:
        """By its magic."""
        return sample.head.startswith(b"NRRD000")

    def read(self, file: BinaryIO) -> Mapping[str, Value]:
        """Read the sizes."""
        header = _lines(file.read(_HEAD).partition(b"\n\n")[0], ":")
        return {"Format": "NRRD", **_shape(header["sizes"].split())} if "sizes" in header else {}


class NrrdData(Plain):
    """The data of a detached header."""

    name = "NRRD"
    labels = ()
    companions = (".nhdr", ".raw")
    rank = BY_COMPANION

    def recognise(self, sample: Sample) -> bool:
        """By a header beside it."""
        beside = sample.beside(".nhdr")
        return beside is not None and Nrrd().recognise(beside)


class BrainVision(_Headed):
    """A header or the markers of a recording."""

    name = "BRAINVISION"
    labels = ("BRAINVISION",)
    companions = (".vhdr", ".eeg")
    fields = (FORMAT, _CHANNELS, _SAMPLING)

    def recognise(self, sample: Sample) -> bool:
        """By its first line."""
        return _VISION.match(sample.head) is not None

    def read(self, file: BinaryIO) -> Mapping[str, Value]:
        """Read how many channels there are and how often they are sampled."""
        header = _lines(file.read(_HEAD), "=")
        found: dict[str, Value] = {"Format": "BrainVision"}
        if header.get("numberofchannels", "").isdigit():
            found["NumberOfWaveformChannels"] = int(header["numberofchannels"])
        interval = header.get("samplinginterval", "")
        if _NUMBER.fullmatch(interval) and float(interval) > 0:
            found["SamplingFrequency"] = 1e6 / float(interval)
        return found if len(found) > 1 else {}


class BrainVisionSamples(Plain):
    """The samples of a recording: known by the header beside them."""

    name = "BRAINVISION"
    labels = ()
    companions = (".vhdr", ".eeg")
    rank = BY_COMPANION

    def recognise(self, sample: Sample) -> bool:
        """By a header beside them."""
        beside = sample.beside(".vhdr")
        return beside is not None and BrainVision().recognise(beside)


class Mgh(Plain):
    """A volume of FreeSurfer."""

    name = "MGH"
    labels = ("MGH",)
    fields = (FORMAT, _COLUMNS, _ROWS, _SLICES, _FRAMES, Field("RepetitionTime", "DS", "ms"))

    def recognise(self, sample: Sample) -> bool:
        """By version, sizes and type."""
        return bool(_mgh(sample.head))

    def read(self, file: BinaryIO) -> Mapping[str, Value]:
        """Read the sizes."""
        sizes = _mgh(file.read(4096))
        return {"Format": "MGH", **_shape([str(size) for size in sizes])} if sizes else {}


def _mgh(head: bytes) -> tuple[int, ...]:
    """Return the sizes of a FreeSurfer volume; none if it is no such file."""
    if head[:2] == _GZIP:
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, 64)
        except zlib.error:
            return ()
    if len(head) < 30:
        return ()
    version, *sizes, kind, _, good = struct.unpack_from(">7ih", head)
    known = version == 1 and kind in {0, 1, 3, 4, 10} and good in {0, 1}
    return tuple(sizes) if known and all(0 < size < 1 << 16 for size in sizes) else ()


class Gifti(_Headed):
    """A surface or values on one."""

    name = "GIFTI"
    labels = ("GIFTI",)
    fields = (FORMAT,)

    def recognise(self, sample: Sample) -> bool:
        """By the root element."""
        return b"<GIFTI" in sample.head

    def read(self, file: BinaryIO) -> Mapping[str, Value]:
        """Say what it is."""
        return {"Format": "GIfTI"} if b"<GIFTI" in file.read(4096) else {}


class _Hdf5(Plain):
    """A format of groups and datasets in HDF5, whose first names stand at a file's beginning."""

    marks: tuple[bytes, ...] = ()

    def recognise(self, sample: Sample) -> bool:
        """By the signature and names of the first groups."""
        head = sample.head + sample.read(len(sample.head), _HEAD) if sample.head.startswith(_HDF5) else b""
        return bool(head) and all(mark in head for mark in self.marks)

    def preview(self, file: BinaryIO, look: Look) -> Preview | None:
        """Show its groups, datasets and attributes."""
        from catalog.filetypes import hdf5_text  # late: looking at names must not wait for it

        return hdf5_text.preview(file)


class Snirf(_Hdf5):
    """A recording of near-infrared spectroscopy."""

    name = "SNIRF"
    labels = ("SNIRF",)
    marks = (b"formatVersion", b"nirs")


class Minc(_Hdf5):
    """A volume of MINC, version 2."""

    name = "MINC"
    labels = ("MINC",)
    marks = (b"minc-2.0",)


class Nwb(_Hdf5):
    """A recording of neurophysiology (Neurodata Without Borders)."""

    name = "NWB"
    labels = ("NWB",)
    marks = (b"nwb_version",)


class Fif(Plain):
    """A recording of MEG or EEG in FIF."""

    name = "FIF"
    labels = ("FIF",)
    fields = (FORMAT,)

    def recognise(self, sample: Sample) -> bool:
        """By the first tag, which identifies the file."""
        return sample.head[:12] == _FIF

    def read(self, file: BinaryIO) -> Mapping[str, Value]:
        """Say what it is."""
        return {"Format": "FIF"} if file.read(12) == _FIF else {}


class Spectrum(_Headed):
    """A spectrum that Siemens (RDA) or Philips (SPAR) exported."""

    name = "SPECTRUM"
    labels = ("SPECTRUM",)
    companions = (".spar", ".sdat")
    fields = (
        FORMAT,
        Field("EchoTime", "DS", "ms"),
        Field("RepetitionTime", "DS", "ms"),
        Field("MagneticFieldStrength", "DS", "T"),
        Field("NumberOfAverages", "DS"),
    )

    def recognise(self, sample: Sample) -> bool:
        """By the lines that the headers begin with."""
        return _spectrum(sample.head) != ""

    def read(self, file: BinaryIO) -> Mapping[str, Value]:
        """Read the header's numbers."""
        head = file.read(_HEAD)
        if not (kind := _spectrum(head)):
            return {}
        header = _lines(head.partition(b">>> End")[0], ":")
        names = {
            "EchoTime": ("te", "echo_time"),
            "RepetitionTime": ("tr", "repetition_time"),
            "NumberOfAverages": ("averages", "rows"),
            "MagneticFieldStrength": ("magneticfieldstrength",),
        }
        found: dict[str, Value] = {"Format": kind}
        for name, keys in names.items():
            value = next((header[key] for key in keys if key in header), "")
            if _NUMBER.fullmatch(value):
                found[name] = float(value)
        return found


def _spectrum(head: bytes) -> str:
    if head.startswith(b">>> Begin of header <<<"):
        return "RDA"
    return "SPAR" if re.search(rb"^\s*examination_name\s*:", head, re.MULTILINE) else ""


class SpectrumSamples(Plain):
    """The samples of Philips' spectra."""

    name = "SPECTRUM"
    labels = ()
    companions = (".spar", ".sdat")
    rank = BY_COMPANION

    def recognise(self, sample: Sample) -> bool:
        """By a header beside them."""
        beside = sample.beside(".spar")
        return beside is not None and _spectrum(beside.head) == "SPAR"


class Mesh(_Headed):
    """A surface of triangles: STL or OBJ."""

    name = "MESH"
    labels = ("MESH",)
    fields = (FORMAT,)

    def recognise(self, sample: Sample) -> bool:
        """By its size, which its number of facets gives, or by its lines."""
        return _mesh(sample.head, sample.size) != ""

    def read(self, file: BinaryIO) -> Mapping[str, Value]:
        """Say which it is."""
        head = file.read(4096)
        kind = _mesh(head, file.seek(0, 2))
        return {"Format": kind} if kind else {}


def _mesh(head: bytes, size: int) -> str:
    if len(head) >= 84 and size == 84 + 50 * int.from_bytes(head[80:84], "little") > 84:
        return "STL"
    if head.lstrip().startswith(b"solid") and b"facet normal" in head:
        return "STL"
    kinds = {line.split()[0] for line in head.splitlines()[:-1] if line.strip() and not line.startswith(b"#")}
    return (
        "OBJ"
        if b"v" in kinds and kinds <= {b"v", b"vn", b"vt", b"f", b"g", b"o", b"s", b"mtllib", b"usemtl", b"l", b"p"}
        else ""
    )
