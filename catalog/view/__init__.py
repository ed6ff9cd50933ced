"""The archive as one principal may see it: the only way to read (docs/laws.md, law 1).

tree          what a tree is: the Protocol that faces show
study_tree    the tree of studies, with its SQL in `statements`
view          all trees under one root, and searching
testing       the suite that every tree must pass
"""

from catalog.view.tree import OpenFile, Tree
from catalog.view.view import Archive, Beside, View

__all__ = ["Archive", "Beside", "OpenFile", "Tree", "View"]
