"""Many nodes as one answer, made while it is sent: multistatus for programs, a page for people."""

import html
from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

from catalog.pure.nodes import Node
from gateway.http import properties

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Cache-Control": "private, no-cache",
}


class Entry(NamedTuple):
    """A node and where it stands: `href` is percent-encoded."""

    href: str
    node: Node


def multistatus(wanted: properties.Wanted, entries: Iterable[Entry]) -> Iterator[str]:
    """Yield the answer to a PROPFIND of archived nodes, an element at a time."""
    yield properties.HEAD
    for href, node in entries:
        yield wanted.response(href, node, None if node.is_folder else partial(_more, node))
    yield properties.FOOT


def _more(node: Node, tag: str) -> str | None:
    return properties.checksums(f"SHA256:{node.digest.hex()}") if tag == properties.CHECKSUMS else None


def page(title: str, above: str, entries: Iterable[Entry]) -> Iterator[str]:
    """Yield a folder as a page with links, a row at a time; `above` is the href of the folder it lies in."""
    shown = html.escape(title)
    yield (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{shown}</title><style>body{{font:1em sans-serif;margin:2em}}td{{padding:.1em 1em}}"
        f".n{{text-align:right}}</style></head><body><h1>{shown}</h1><table>\n"
    )
    yield f'<tr><td><a href="{html.escape(above)}">../</a></td><td></td></tr>\n'
    for href, node in entries:
        slash, size = ("/", "") if node.is_folder else ("", f"{node.size:,}")
        name = html.escape(node.name)
        yield f'<tr><td><a href="{html.escape(href)}">{name}{slash}</a></td><td class="n">{size}</td></tr>\n'
    yield "</table></body></html>\n"
