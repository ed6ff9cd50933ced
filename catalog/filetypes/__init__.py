"""What kinds of files there are: recognise, read, name. One small module a family, found through entry points.

May live here: what a file type means. Not: what is allowed, where bytes lie, how a file is cleaned.
"""

from catalog.filetypes.model import Field, FileType, Preview, Value
from catalog.filetypes.registry import file_types, named, recognise
from catalog.filetypes.sample import Sample

__all__ = ["Field", "FileType", "Preview", "Sample", "Value", "file_types", "named", "recognise"]
