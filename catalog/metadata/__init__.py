"""What the catalogue knows of files beyond name and size: kept when they are published, once a series where it can be.

May live here: packing, keeping, searching and indexing of metadata. Not: what a file type knows (`catalog.filetypes`), what a
question means (`catalog.pure.query`).
"""
