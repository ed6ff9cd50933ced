"""Years that are over leave the catalogue, and the chain goes through their files."""

import datetime as dt
from pathlib import Path

import pytest
import sqlalchemy as sa

from catalog.audit import Actor, Closed, close_year, entries, record, verify
from catalog.audit.journal import Wanted
from catalog.audit.read_log import close_reads, list_reads, write_reads
from catalog.audit.reads import DAY, Face, Reader, Tally
from catalog.database import Database
from catalog.pure.errors import Refused

ROOT = Actor("root")


def tally(now: int) -> Tally:
    counted = Tally(now)
    counted.files, counted.bytes = 1, 2
    return counted


def moment(year: int) -> int:
    return int(dt.datetime(year, 6, 1, tzinfo=dt.UTC).timestamp())


@pytest.fixture
def years(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Give an audit of four years, with reads in two of them."""
    for year in (2021, 2022, 2023, 2024):
        now = moment(year)
        monkeypatch.setattr("catalog.clock.now", lambda now=now: now)
        with database.write() as connection:
            for number in range(3):
                record(connection, actor="root", action=f"n{number}", detail={"ä": year})
        if year in (2021, 2024):
            write_reads(database, {Reader("ada", "", Face.CLI, "(unknown)", 0): tally(now)})
            close_reads(database, now + DAY)
    return database


def test_what_is_over_goes_into_files_and_the_chain_goes_through_them(years: Database, tmp_path: Path) -> None:
    head = verify(years).hash
    assert close_year(years, tmp_path, ROOT, 2022) == Closed(2022, 1, 7, 7, 1)
    assert close_year(years, tmp_path, ROOT, 2023).entries == 3
    left = entries(years)
    assert [entry.action for entry in left] == ["n0", "n1", "n2", "reads.close", "audit.close", "audit.close"]
    assert len(list_reads(years, Wanted())) == 1
    verdict = verify(years, head, tmp_path)
    assert (verdict.faults, verdict.entries, verdict.expected) == ((), 16, 14)
    assert sorted(path.name for path in tmp_path.glob("*.jsonl")) == [
        "2022-reads.jsonl", "2022.jsonl", "2023-reads.jsonl", "2023.jsonl",
    ]  # fmt: skip
    with pytest.raises(Refused, match="nothing of 2023"):
        close_year(years, tmp_path, ROOT, 2023)
    with pytest.raises(Refused, match="not over"):
        close_year(years, tmp_path, ROOT, 2024)


@pytest.mark.parametrize("name", ["2022.jsonl", "2022-reads.jsonl"])
def test_a_file_that_was_changed_or_lost_is_named(years: Database, tmp_path: Path, name: str) -> None:
    close_year(years, tmp_path, ROOT, 2022)
    path = tmp_path / name
    content = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(content.replace(b'"root"', b'"evil"', 1).replace(b'"ada"', b'"eva"', 1))
    assert any(f"{name} was changed" in fault.what for fault in verify(years, closed=tmp_path).faults)
    path.unlink()
    assert any(f"{name} is missing" in fault.what for fault in verify(years, closed=tmp_path).faults)
    path.write_bytes(content)
    assert verify(years, closed=tmp_path).faults == ()


def test_the_triggers_let_go_what_was_closed_and_nothing_else(years: Database, tmp_path: Path) -> None:
    close_year(years, tmp_path, ROOT, 2022)
    for statement in (
        "delete from audit",
        "delete from reads",
        "delete from audit_closed",
        "update audit_closed set last = 99",
    ):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), years.engine.begin() as connection:
            connection.execute(sa.text(statement))


def test_broken_off_before_its_commit_it_is_done_again(
    years: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("catalog.audit.closing.record", lambda *_args, **_more: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            close_year(years, tmp_path, ROOT, 2022)
    assert (len(entries(years)), verify(years, closed=tmp_path).faults) == (14, ())
    assert close_year(years, tmp_path, ROOT, 2022).entries == 7
    assert verify(years, closed=tmp_path).faults == ()
