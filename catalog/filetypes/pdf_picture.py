"""A page of a PDF as a picture, drawn by PDFium: in the drawing process alone, for it is C and meets what anybody sent."""

import numpy as np
import pypdfium2

from catalog.filetypes.model import Look, Preview
from catalog.filetypes.picture import MOST_BYTES, preview_of
from catalog.pure.errors import Unreadable

_DOTS_A_POINT = 2.0  # 144 dots an inch: small print can be read
_LONGEST = 4000


def preview(data: bytes, look: Look) -> Preview:
    """Show a page; the first, unless another is asked for.

    Raises:
        Unreadable: it is damaged, locked with a password, or has no page.
    """
    try:
        document = pypdfium2.PdfDocument(data)
        pages = len(document)
        if not pages:
            raise Unreadable("it has no page")
        frame = min(max(0, look.frame or 0), pages - 1)
        page = document[frame]
        scale = min(_DOTS_A_POINT, _LONGEST / max(1.0, *page.get_size()))
        plane = page.render(scale=scale, rev_byteorder=True).to_numpy()
    except pypdfium2.PdfiumError:
        raise Unreadable("it is damaged, or locked with a password") from None
    if plane.nbytes > MOST_BYTES:
        raise Unreadable("one page of it is too large to be shown")
    colours = np.ascontiguousarray(plane[:, :, :3]) if plane.ndim > 2 and plane.shape[2] > 1 else plane.reshape(plane.shape[:2])
    return preview_of(colours, look, frame=frame, frames=pages, window=(127.5, 255.0) if colours.ndim < 3 else None)
