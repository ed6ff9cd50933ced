"""The archive as one principal may see it: the only way to read (DESIGN, law 1)."""

from catalog.view.view import Archive, OpenFile, View

__all__ = ["Archive", "OpenFile", "View"]
