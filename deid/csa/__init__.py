"""Siemens CSA headers cleaned in place, at equal length, so that b-values, directions and slice times stay usable.

What stays is what is known to be measurement: numbers under machine-written names, coded values, words of the vocabulary.
What does not parse to the last byte is removed as a whole. The caller's leak check runs over what is left.

* `blob`: the container (``SV10`` and the older format without a name): where each value lies. Pure.
* `items`: one value made clean, by its name and VR.
* `protocol`: the Phoenix protocol, a text within the container and in elements of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid.csa import blob, items, protocol

if TYPE_CHECKING:
    from deid.rules.values import Values


def clean(value: bytes, values: Values) -> bytes | None:
    """A CSA header or Phoenix protocol without identities, as long as it was; None if it cannot be understood."""
    if protocol.recognised(value):
        return protocol.clean(value, values)
    try:
        header = blob.parse(value)
    except blob.Damaged:
        return None
    for tag in header.tags:
        for item in tag.items:
            header.put(item, items.clean(tag.name, tag.vr, header.text(item), item.room, values))
    return bytes(header.data)
