"""The catalogue's tables, the engine that reaches them, and their migrations. No rule of the archive is decided here."""

from catalog.database.engine import Database, Row, take_turn, wall_clock
from catalog.database.prepared import Prepared

__all__ = ["Database", "Prepared", "Row", "take_turn", "wall_clock"]
