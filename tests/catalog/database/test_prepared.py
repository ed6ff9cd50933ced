"""Statements on the driver's own cursor: the same answers, the same errors, a connection that broke replaced."""

import itertools

import pytest
import sqlalchemy as sa

from catalog.database import Database, Prepared
from catalog.database.tables import exams, studies
from catalog.pure.errors import Unavailable

_CODE = sa.bindparam("code", type_=sa.String)
BY_CODE = Prepared(sa.select(studies.c.id, studies.c.code).where(studies.c.code_key == _CODE))


@pytest.fixture(autouse=True)
def _studies(database: Database) -> None:
    with database.write() as connection:
        for code in ("S1", "S2"):
            connection.execute(studies.insert().values(code=code, code_key=code, description="", created=0))


def code(database: Database, wanted: str) -> str | None:
    row = database.prepared_row(BY_CODE, {"code": wanted})
    return row[1] if row else None


def test_the_first_and_every_later_answer_is_that_of_the_statement(database: Database) -> None:
    for _ in range(3):
        assert [code(database, wanted) for wanted in ("S1", "S2", "S3")] == ["S1", "S2", None]
        assert list(database.prepared_rows(BY_CODE, {"code": "S2"})) == database.rows(BY_CODE.statement, {"code": "S2"})


def test_what_was_committed_before_is_seen(database: Database) -> None:
    assert code(database, "S3") is None
    with database.write() as connection:
        connection.execute(studies.insert().values(code="S3", code_key="S3", description="", created=0))
    assert code(database, "S3") == "S3"


def test_a_value_of_the_statement_s_own_is_asked_for_each_time(database: Database) -> None:
    """Such as the time, against which a grant's end is held."""
    numbers = itertools.count(1)
    own = Prepared(sa.select(sa.bindparam("now", callable_=lambda: next(numbers), type_=sa.Integer), studies.c.code).where(
        studies.c.code_key == _CODE
    ))  # fmt: skip
    values = {"code": "S1"}
    database.rows(sa.select(1))  # so that there is a connection
    asked = [int(row[0]) for _ in range(3) if (row := database.prepared_row(own, values))]
    assert len(asked) == len(set(asked)) == 3


def test_a_statement_whose_types_need_to_be_turned_is_left_to_sqlalchemy(database: Database) -> None:
    odd = Prepared(sa.select(sa.cast("{}", sa.JSON)) if not database.is_sqlite else sa.select(sa.literal("{}", sa.JSON)))
    assert odd.on(database.engine.dialect, {}) is None
    many = Prepared(sa.select(studies.c.code).where(studies.c.code.in_(sa.bindparam("codes", expanding=True))))
    for _ in range(2):
        assert sorted(row[0] for row in database.prepared_rows(many, {"codes": ["S1", "S2"]})) == ["S1", "S2"]


def test_a_connection_that_broke_is_replaced(database: Database) -> None:
    if database.is_sqlite:
        pytest.skip("SQLite has no connection that breaks")
    assert code(database, "S1") == "S1"
    (pid,) = database.rows(sa.text("select pg_backend_pid()"))[0]
    with database.write() as connection:
        connection.execute(sa.text("select pg_terminate_backend(:pid, 10000)"), {"pid": pid})  # waits until it is gone
    assert code(database, "S1") == "S1"


def test_a_table_that_is_gone_is_said_as_by_sqlalchemy(database: Database) -> None:
    gone = Prepared(sa.select(exams.c.id).where(exams.c.id == sa.bindparam("row", type_=sa.BigInteger)))
    assert database.prepared_row(gone, {"row": 1}) is None
    database.drop_reader()
    with database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE exams RENAME TO other")
    with pytest.raises((Unavailable, sa.exc.DBAPIError)):
        database.prepared_row(gone, {"row": 1})
