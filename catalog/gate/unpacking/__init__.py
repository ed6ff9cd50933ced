"""Archives that people bring (zip, tar, tar.gz): their files become files of the same batch, before anything is checked.

* `zips`, `tars`: reading one, trusting nothing: no size, no name, no count.
* `limits`: how much may come out, and names that lead nowhere else.
* `unpacker`: into staging and the catalogue, all of an archive or nothing.
"""

from catalog.gate.unpacking.unpacker import Unpacker

__all__ = ["Unpacker"]
