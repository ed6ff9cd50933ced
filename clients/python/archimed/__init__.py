"""A client of an ArchiMed archive.

    import archimed
    archive = archimed.open("https://archive.example.org", token)
    table = archive.query('file_type = "DCM_MR" and EchoTime > 3 ms').to_pandas()

All objects are those of the archive's HTTP API (docs/api.md), as plain dictionaries. The client is thread-safe.
"""

from archimed.archive import Archive, Query, open  # noqa: A004 - `archimed.open`, as `gzip.open`
from archimed.errors import ArchimedError, Damaged, Invalid, NotFound, Refused, Unavailable

__all__ = ["ArchimedError", "Archive", "Damaged", "Invalid", "NotFound", "Query", "Refused", "Unavailable", "open"]
