"""Pixel data: nothing but the picture in it, and text burned into that blanked where a mask rule says so (PS3.15 E.3.1).

Nothing is looked for in the pixels themselves: a rule that somebody signed says where identities stand, or a human looks.

* `seen`: the headers by which `rules.signatures` recognises a kind of picture; `rules.maskrules` holds what is blanked.
* `geometry`: rectangles and ultrasound regions against a picture's size. Pure.
* `picture`: what the image pixel module says, and which value is black.
* `codec`: one compressed frame in, one out, proven lossless.
* `content`: what lies in a pixel data element beside the picture; `bulk`: the same of all bulk data in a data set.
* `masking`: the frames of one file, one after the other; `plan` puts rule, size and pixels together.
"""

from deid.codestream import Malformed
from deid.pixels.bulk import PIXELS, Trimmer, as_it_is, trim
from deid.pixels.picture import TAGS as PICTURE_TAGS
from deid.pixels.picture import Unfit
from deid.pixels.plan import Masked, Stored, covered, masked
from deid.pixels.regions import REGIONS
from deid.pixels.seen import seen
from deid.rules.model import MaskRule
from deid.rules.signatures import HEADERS

WANTED = PICTURE_TAGS | {REGIONS, *HEADERS.values()}
"""The top-level tags that are looked at here."""

__all__ = [
    "PIXELS",
    "WANTED",
    "Malformed",
    "MaskRule",
    "Masked",
    "Stored",
    "Trimmer",
    "Unfit",
    "as_it_is",
    "covered",
    "masked",
    "seen",
    "trim",
]
