"""`archimed audit` as a user runs it."""

import csv
import json

import pytest

from catalog import clock
from catalog.audit import record
from tests.builders import BuiltArchive
from tests.catalog.audit.tampering import past_the_guard
from tests.gateway.cli.conftest import Run, done

DAY = 86_400
HEAD = ("audit", "verify", "--json")


@pytest.fixture
def noted(built: BuiltArchive, monkeypatch: pytest.MonkeyPatch) -> BuiltArchive:
    """Give an archive in which ada was granted S1 ten days ago, and did something for bob yesterday."""
    now = clock.now()
    for days, fields in (
        (10, {"actor": "root", "action": "grant.add", "study": "S1", "subject": "ada"}),
        (1, {"actor": "root", "acting_as": "ada", "action": "user.add", "subject": "bob"}),
        (0, {"actor": "dicom", "action": "dicom.refused", "subject": "=1+1"}),
    ):
        monkeypatch.setattr(clock, "now", lambda days=days: now - days * DAY)
        with built.database.write() as connection:
            record(connection, **fields)
    return built


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["grant.add", "user.add", "dicom.refused"]), (("--user", "ada"), ["grant.add", "user.add"]),
        (("--user", "ADA", "--limit", "1"), ["user.add"]), (("--study", "S1"), ["grant.add"]),
        (("--since", "2d"), ["user.add", "dicom.refused"]), (("--since", "2000-01-01", "--user", "bob"), ["user.add"]),
        (("--since", "2999-01-01"), []), (("--user", "' or 1=1 --"), []),
    ],
)  # fmt: skip
def test_what_is_asked_for_is_listed(noted: BuiltArchive, archimed: Run, options: tuple[str, ...], expected: list[str]) -> None:
    found = json.loads(done(archimed("audit", *options, "--json")))
    assert [entry["action"] for entry in found] == expected
    rows = list(csv.DictReader(done(archimed("audit", *options, "--csv")).splitlines()))
    assert [row["action"] for row in rows] == expected


def test_csv_holds_nothing_that_a_spreadsheet_would_calculate(noted: BuiltArchive, archimed: Run) -> None:
    head, *_, last = done(archimed("audit", "--csv")).splitlines()
    assert head == "at,actor,acting_as,action,study,subject,detail"
    assert last.endswith(",dicom,,dicom.refused,,'=1+1,{}")


@pytest.mark.parametrize("words", [("--since", "yesterday"), ("verify", "--expect", "12"), ("verify", "--expect", "x" * 64)])
def test_what_cannot_be_read_is_a_usage_error(archimed: Run, words: tuple[str, ...]) -> None:
    result = archimed("audit", *words)
    assert (result.returncode, result.stdout) == (2, "")
    assert "write" in result.stderr


def test_verify_prints_the_head_and_finds_it_again(noted: BuiltArchive, archimed: Run) -> None:
    found = json.loads(done(archimed(*HEAD)))
    assert (found["intact"], found["entries"], found["head"], found["faults"]) == (True, 3, 3, [])
    again = json.loads(done(archimed(*HEAD, "--expect", found["hash"])))
    assert again["expected"] == 3
    assert f"hash      {found['hash']}\n" in done(archimed("audit", "verify"))


def test_verify_names_what_was_tampered_with_and_ends_with_status_1(noted: BuiltArchive, archimed: Run) -> None:
    head = json.loads(done(archimed(*HEAD)))["hash"]
    past_the_guard(noted.database, "delete from audit where id = 3")
    result = archimed("audit", "verify", "--expect", head)
    assert result.returncode == 1
    assert "entries behind it were removed, or the audit was written anew" in result.stdout
    past_the_guard(noted.database, "update audit set subject = 'eve' where id = 1")
    result = archimed(*HEAD)
    assert result.returncode == 1
    assert [fault["entry"] for fault in json.loads(result.stdout)["faults"]] == [1]
    assert "entry 1 is not what was written here" in archimed("audit", "verify").stdout
