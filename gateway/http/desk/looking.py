"""How a picture is asked for: what stands in an address of the viewer. What makes no sense counts as not said."""

import math
import textwrap
from typing import Any

from flask import Response, render_template, request

from catalog.filetypes.model import Look, Preview
from gateway.drawing.processes import is_text
from gateway.http.desk import words

SMALL, TILE = 160, 320
READABLE = frozenset({0, TILE})
"""Sides of pictures in which text can be read: who was shown one has seen it."""

_SIDES = (0, SMALL, TILE)
_MOST_FRAMES = 100_000
_LONGEST_WORDS = 34


def look() -> Look:
    """Return how a picture is asked for."""
    frame = request.args.get("frame", type=int)
    side = request.args.get("side", 0, type=int)
    centre, width = _number("centre"), _number("width")
    both = centre is not None and width is not None and width > 0
    return Look(
        frame=frame if frame is not None and 0 <= frame < _MOST_FRAMES else None,
        side=side if side in _SIDES else 0,
        centre=centre if both else None,
        width=width if both else None,
        whole=request.args.get("range") == "whole",
    )


def window_asked() -> dict[str, Any]:
    """Return which greys were asked for."""
    return {name: request.args[name] for name in ("centre", "width", "range") if request.args.get(name)}


def kept() -> dict[str, Any]:
    """Return what somebody set and wants to keep from image to image."""
    return window_asked() | ({"size": "original"} if request.args.get("size") == "original" else {})


def with_gap(address: str, name: str) -> str:
    """Return an address with a gap where a script puts a number."""
    return f"{address}{'&' if '?' in address else '?'}{name}={{}}"


def picture(preview: Preview) -> Response:
    """Return a look into a file as an image."""
    if is_text(preview):
        return placeholder("open it to read it", 200, "Text")
    return Response(preview.data, mimetype=preview.media_type)


def placeholder(why: str, status: int, title: str = "Not shown") -> Response:
    """Return an image that says why there is none."""
    lines = textwrap.wrap(words.plain(words.sentence(why)), _LONGEST_WORDS)
    return Response(render_template("placeholder.svg", lines=lines, title=title), status, mimetype="image/svg+xml")


def _number(name: str) -> float | None:
    found = request.args.get(name, type=float)
    return found if found is not None and math.isfinite(found) and abs(found) < 1e12 else None
