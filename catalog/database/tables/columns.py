"""What the tables have in common: the naming of constraints, rows' numbers, folded names."""

from sqlalchemy import BigInteger, Column, Integer, MetaData, String
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite's rowid alias must be spelled INTEGER; it holds 64 bits all the same.
Id = BigInteger().with_variant(Integer, "sqlite")


def key(length: int) -> TypeEngine[str]:
    """Return the type of a folded name. Collation C: both databases sort by code point, so paging gives the same order."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def row_id(comment: str) -> Column[int]:
    """Return the column of a row's number.

    Its table says `sqlite_autoincrement`: without it SQLite would give the number of a removed last row to the next one.
    """
    return Column("id", Id, primary_key=True, autoincrement=True, comment=comment)
