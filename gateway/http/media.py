"""Media types by file name: the same on every machine, whatever its own table of types says."""

import mimetypes
from functools import lru_cache

_TYPES = mimetypes.MimeTypes()
for _type, _extension in (
    ("application/dicom", ".dcm"),
    ("application/x-nifti", ".nii"),
    ("application/x-edf", ".edf"),
    ("application/x-hdf5", ".h5"),
    ("application/x-matlab-data", ".mat"),
):
    _TYPES.add_type(_type, _extension)
_COMPRESSED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}
UNKNOWN = "application/octet-stream"


def media_type(name: str) -> str:
    """Return the media type of a file of that name."""
    return _of_extension("x" + name[name.find(".") :] if "." in name else "x")


@lru_cache(maxsize=1024)
def _of_extension(name: str) -> str:
    found, compression = _TYPES.guess_type(name)
    if compression:
        return _COMPRESSED.get(compression, UNKNOWN)
    return found or UNKNOWN
