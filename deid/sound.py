"""May a waveform hold a voice? Rules on what describes its samples; none is listened to (PS3.3 C.10.9, A.34; CID 3000).

A reason means: held until a named human says that what is to be heard identifies nobody, as for burned-in text.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from deid.engine.nodes import Element, Sequence, find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from deid.engine.nodes import Item, Node

WAVEFORMS = 0x54000100
_DATA, _INTERPRETATION, _RATE, _LABEL = 0x54001010, 0x54001006, 0x003A001A, 0x003A0020
_CHANNELS, _CHANNEL_LABEL, _SOURCES, _CODE, _SCHEME, _MEANING = (
    (0x003A0200, 0x003A0203, 0x003A0208, 0x00080100, 0x00080102, 0x00080104)
)  # fmt: skip
CURVE_SOUND = 0x5000200C
_CLASSES = "1.2.840.10008.5.1.4.1.1.9.4."
_TELEPHONE = ("MB", "AB")
_SOURCES_OF_SOUND = frozenset({"109110", "109111", "109112", "109113", "109114", "109115"})
_WORDS = ("audio", "voice", "sound", "speech", "spoken", "microphone", "mic ", "phono", "dictat", "narrat", "talk", "ambient")
_SPEECH = 4000.0
"""Samples a second from which on speech can be understood."""
_ELECTRIC = ("1.2.840.10008.5.1.4.1.1.9.3.", "1.2.840.10008.5.1.4.1.1.9.7.", "1.2.840.10008.5.1.4.1.1.9.8.")
"""Classes of electrodes within the heart and on the head, which are sampled as fast as sound."""


def sound(nodes: list[Node], sop_class: str, modality: str, decode: Callable[[bytes], str]) -> str | None:
    """Why a data set may hold a voice, or None."""
    if any(node.tag & 0xFF00FFFF == CURVE_SOUND for node in nodes):
        return "a curve with audio samples"
    groups = find(nodes, WAVEFORMS)
    items = [item for item in groups.items if find(item.nodes, _DATA)] if isinstance(groups, Sequence) else []
    if not items:
        return None
    if sop_class.startswith(_CLASSES) or modality == "AU":
        return "an audio waveform"
    found = (_in_group(item, sop_class, decode) for item in items)
    return next((why for why in found if why), None)


def _in_group(item: Item, sop_class: str, decode: Callable[[bytes], str]) -> str | None:
    """Why one multiplex group may hold a voice."""
    if _text(item.nodes, _INTERPRETATION, decode) in _TELEPHONE:
        return "samples coded as telephones do"
    rate = 0.0
    with suppress(ValueError):
        rate = float(_text(item.nodes, _RATE, decode) or 0)
    if rate >= _SPEECH and not sop_class.startswith(_ELECTRIC):
        return "as many samples a second as speech needs"
    labels = [_text(item.nodes, _LABEL, decode)]
    for channel in _items(item.nodes, _CHANNELS):
        labels.append(_text(channel.nodes, _CHANNEL_LABEL, decode))
        for source in _items(channel.nodes, _SOURCES):
            labels.append(_text(source.nodes, _MEANING, decode))
            if _text(source.nodes, _CODE, decode) in _SOURCES_OF_SOUND and _text(source.nodes, _SCHEME, decode) == "DCM":
                return "a channel whose source is sound"
    if any(word in f"{label.casefold()} " for label in labels for word in _WORDS):
        return "a channel named like sound"
    return None


def _items(nodes: list[Node], tag: int) -> Iterator[Item]:
    node = find(nodes, tag)
    if isinstance(node, Sequence):
        yield from node.items


def _text(nodes: list[Node], tag: int, decode: Callable[[bytes], str]) -> str:
    node = find(nodes, tag)
    return decode(node.value[:256]).strip(" \0") if isinstance(node, Element) else ""
