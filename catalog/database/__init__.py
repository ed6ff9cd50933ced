"""The catalogue's tables, the engine that reaches them, and their migrations. No rule of the archive is decided here."""

from catalog.database.engine import Database, Row, take_turn

__all__ = ["Database", "Row", "take_turn"]
