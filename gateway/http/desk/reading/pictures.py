"""Archived files drawn: by their numbers in the catalogue, so that no name stands in an address that a log could hold."""

import os
from contextlib import suppress

from catalog.filetypes.model import Look, Preview
from catalog.pure.errors import Unreadable
from catalog.pure.nodes import NodeId
from catalog.view import OpenFile, View
from gateway.drawing.processes import Drawing

_LARGEST_COPY = 512 << 20
_PIECE = 1 << 20


def drawn(drawing: Drawing, view: View, file: NodeId, file_type: str, look: Look, reader: tuple[str, str]) -> Preview:
    """Return a look into an archived file; its opening is counted as read by this browser.

    `reader` is the login, whose share of the drawing it takes, and what the browser calls itself.

    Raises:
        NotFound: there is no such file, or it is not granted.
        Unreadable: it cannot be shown, and why.
        Unavailable: too many pictures are being drawn; the store does not answer.
    """
    login, program = reader
    opened = view.open(file, program)
    try:
        if opened.fd is not None:
            found = drawing.draw_open(opened.fd, file_type, look, login=login)
        else:
            found = _drawn_copy(drawing, opened, file_type, look, login)
        opened.count(len(found.data))
        return found
    finally:
        opened.close()


def _drawn_copy(drawing: Drawing, opened: OpenFile, file_type: str, look: Look, login: str) -> Preview:
    """Draw a file of a store without descriptors, by a copy of it in memory."""
    if opened.node.size > _LARGEST_COPY:
        raise Unreadable("it is too large to be shown")
    fd = os.memfd_create("archimed-look", os.MFD_CLOEXEC)
    try:
        for at in range(0, opened.node.size, _PIECE):
            os.write(fd, opened.read_at(at, _PIECE))
        return drawing.draw_open(fd, file_type, look, login=login)
    finally:
        with suppress(OSError):
            os.close(fd)
