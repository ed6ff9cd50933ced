"""Text burned into pixels: which pictures a mask rule covers, and blanking what the rule says (PS3.15 E.3.1).

Nothing is looked for in the pixels themselves: a rule that somebody signed says where identities stand, or a human looks.

* `seen`: the headers by which `rules.signatures` recognises a kind of picture; `rules.maskrules` holds what is blanked.
* `geometry`: rectangles and ultrasound regions against a picture's size. Pure.
* `picture`: what the image pixel module says, and which value is black.
* `codec`: one compressed frame in, one out, proven lossless.
* `masking`: the frames of one file, one after the other; `plan` puts rule, size and pixels together.
"""

from deid.pixels.picture import TAGS, Unfit
from deid.pixels.plan import Masked, Stored, masked
from deid.pixels.regions import REGIONS
from deid.pixels.seen import seen
from deid.rules.model import MaskRule
from deid.rules.signatures import HEADERS

WANTED = TAGS | {REGIONS, *HEADERS.values()}
"""The top-level tags that are looked at here."""

__all__ = ["WANTED", "MaskRule", "Masked", "Stored", "Unfit", "masked", "seen"]
