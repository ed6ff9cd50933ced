"""What is kept of one series or one file, for who has looked it up as a node that may be seen."""

from collections.abc import Mapping

import sqlalchemy as sa

from catalog.database import Database
from catalog.database.tables import fields, files, series_columns
from catalog.metadata.columns import unpack
from catalog.metadata.known import find
from catalog.metadata.searching import Range, shared_values, typed_values
from catalog.pure.nodes import Kind as NodeKind
from catalog.pure.nodes import NodeId
from catalog.pure.query import Kind, QueryField, Typed, typed


def metadata_of(database: Database, node: NodeId) -> Mapping[str, Typed | Range]:
    """Return what is kept of a series or a file, by field; nothing of all else. The caller has asked for the grant."""
    if node.kind is NodeKind.SERIES:
        return _of_series(database, node.row)
    if node.kind is not NodeKind.FILE:
        return {}
    row = database.row(sa.select(files.c.series_id).where(files.c.id == node.row))
    if row is None:
        return {}
    shared = {name: value for name, value in _of_series(database, row.series_id).items() if not isinstance(value, Range)}
    own = _of_file(database, row.series_id, node.row)
    return dict(sorted((shared | own).items()))


def _of_series(database: Database, series: int) -> dict[str, Typed | Range]:
    return typed_values(shared_values(database, [series]).get(series, {}))


def _of_file(database: Database, series: int, file: int) -> dict[str, Typed | Range]:
    row = database.row(sa.select(series_columns.c.packed).where(series_columns.c.series_id == series))
    if row is None:
        return {}
    columns = unpack(row.packed)
    if file not in columns.rows:
        return {}
    at = list(columns.rows).index(file)
    values = {field: column[at] for field, column in columns.fields.items() if column[at] is not None}
    named = database.rows(sa.select(fields.c.id, fields.c.name).where(fields.c.id.in_(list(values))))
    return {each.name: typed(find(each.name) or QueryField(each.name, Kind.ANY), values[each.id]) for each in named}
