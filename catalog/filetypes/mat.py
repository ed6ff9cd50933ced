"""MAT-files of MATLAB and Octave: versions 5 and 7.3."""

from collections.abc import Mapping
from typing import BinaryIO

from catalog.filetypes.model import FORMAT, Look, Plain, Preview, Value
from catalog.filetypes.sample import HEAD_BYTES, Sample


class Mat(Plain):
    """Variables of MATLAB."""

    name = "MAT"
    labels = ("MAT",)
    fields = (FORMAT,)

    def recognise(self, sample: Sample) -> bool:
        """By the text such files begin with, and the byte order mark behind it."""
        return bool(_format(sample.head))

    def read(self, file: BinaryIO) -> Mapping[str, Value]:
        """Read the version; names of variables stay in the file."""
        found = _format(file.read(HEAD_BYTES))
        return {"Format": found} if found else {}

    def preview(self, file: BinaryIO, look: Look) -> Preview | None:
        """Show its variables; of version 7.3, the tree of its HDF5."""
        found = _format(file.read(HEAD_BYTES))
        file.seek(0)
        if found == "MAT 7.3":
            from catalog.filetypes import hdf5_text  # late: looking at names must not wait for it

            return hdf5_text.preview(file)
        from catalog.filetypes import mat_text

        return mat_text.preview(file)


def _format(head: bytes) -> str:
    if head[126:128] not in (b"IM", b"MI"):
        return ""
    versions = {b"MATLAB 5.0 MAT-file": "MAT 5", b"MATLAB 7.3 MAT-file": "MAT 7.3"}
    return versions.get(head[:19], "")
