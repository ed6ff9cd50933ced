"""Questions to the catalogue: `file_type = "DCM_MR" and EchoTime > 80 ms`. What they are, how they are written, what they mean.

May live here: syntax and meaning. Not: which fields there are, how a database answers.
"""

from catalog.pure.query.fields import Kind, Known, QueryField
from catalog.pure.query.meaning import Value, matches
from catalog.pure.query.nodes import And, Compare, Has, In, Like, Node, Not, Or, fields_of
from catalog.pure.query.parsing import parse
from catalog.pure.query.values import Typed, typed

__all__ = [
    "And", "Compare", "Has", "In", "Kind", "Known", "Like", "Node", "Not", "Or", "QueryField", "Typed", "Value", "fields_of",
    "matches", "parse", "typed",
]  # fmt: skip
