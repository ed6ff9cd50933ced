"""EDF, EDF+ and BDF: recordings of EEG, ECG, sleep."""

from collections.abc import Mapping
from typing import BinaryIO

from catalog.filetypes.model import FORMAT, Field, Look, Plain, Preview, Value
from catalog.filetypes.sample import Sample

_EDF, _BDF = b"0       ", b"\xffBIOSEMI"
_FIXED, _PER_SIGNAL = 256, 256
_SAMPLES = 216  # where the samples a record of the signals lie, in bytes a signal
_MOST_SIGNALS = 4096
_ANNOTATIONS = (b"EDF Annotations", b"BDF Annotations")


class Edf(Plain):
    """A recording of physiological signals."""

    name = "EDF"
    labels = ("EDF",)
    fields = (
        FORMAT,
        Field("NumberOfWaveformChannels", "US", meaning="signals, annotations not counted"),
        Field("SamplingFrequency", "DS", "Hz", meaning="of the fastest signal"),
        Field("AcquisitionDuration", "FD", "s", per_file=True, meaning="length of the recording"),
    )

    def recognise(self, sample: Sample) -> bool:
        """By the version and the length of the header, which the number of signals must give."""
        head = sample.head
        signals = _number(head[252:256])
        return head[:8] in (_EDF, _BDF) and signals > 0 and _number(head[184:192]) == _FIXED + signals * _PER_SIGNAL

    def read(self, file: BinaryIO) -> Mapping[str, Value]:
        """Read the header."""
        head = file.read(_FIXED)
        signals = int(_number(head[252:256]))
        if not 0 < signals <= _MOST_SIGNALS:
            return {}
        rest = file.read(signals * _PER_SIGNAL)
        labels = [rest[16 * index : 16 * index + 16].strip() for index in range(signals)]
        start = _SAMPLES * signals
        counts = [_number(rest[start + 8 * index : start + 8 * index + 8]) for index in range(signals)]
        measured = [count for count, label in zip(counts, labels, strict=True) if label not in _ANNOTATIONS]
        kind = head[192:197].decode("ascii", "replace").strip()
        found: dict[str, Value] = {"Format": kind if kind.isascii() and kind[3:4] == "+" else _format(head)}
        found["NumberOfWaveformChannels"] = len(measured)
        records, seconds = _number(head[236:244]), _number(head[244:252])
        if records > 0 and seconds > 0:
            found["AcquisitionDuration"] = records * seconds
        if seconds > 0 and measured:
            found["SamplingFrequency"] = max(measured) / seconds
        return found

    def preview(self, file: BinaryIO, look: Look) -> Preview | None:
        """Show ten seconds of its signals."""
        from catalog.filetypes.edf_picture import preview  # late: looking at names must not wait for Pillow

        is_bdf = file.read(len(_BDF)) == _BDF
        file.seek(0)
        return preview(file, look, annotations=_ANNOTATIONS, is_bdf=is_bdf)


def _format(head: bytes) -> str:
    return "BDF" if head[:8] == _BDF else "EDF"


def _number(text: bytes) -> float:
    try:
        return float(text.strip().decode("ascii"))
    except ValueError:
        return 0
