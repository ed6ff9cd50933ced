"""What a monitoring system is told of proofs, copies and work: with one process and with several."""

import math
from pathlib import Path

import pytest

from catalog import clock
from catalog.audit import Actor
from catalog.jobs import JobKind, enqueue
from catalog.lifecycle.backup.running import Copied, Running
from catalog.lifecycle.verify import Verifier
from catalog.pure.errors import Unavailable
from gateway import figures
from gateway.http.metrics import Metrics
from tests.builders import BuiltArchive


def test_what_never_happened_is_infinitely_long_ago_and_what_did_is_not(
    built: BuiltArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    built.study("S")
    assert figures.look(built.database)["archimed_backup_age_seconds"][1] == math.inf
    assert figures.look(built.database)["archimed_verify_age_seconds"][1] == math.inf
    Running(built.database).finish(Actor("root"), Copied(0, 0, 0))
    Verifier(built.database, built.store, round_began=clock.now()).verify("S", lambda _: None)
    with built.database.write() as connection:
        enqueue(connection, JobKind.ERASE)
    later = clock.now() + 1000
    monkeypatch.setattr("catalog.clock.now", lambda: later)
    found = {name: value for name, (_, value) in figures.look(built.database).items()}
    assert 1000 <= found["archimed_backup_age_seconds"] < 2000
    assert 1000 <= found["archimed_verify_age_seconds"] < 2000
    assert (found["archimed_jobs_waiting"], found["archimed_jobs_failed"], found["archimed_object_findings"]) == (1, 0, 0)
    assert found["archimed_catalogue_up"] == 1


def test_a_catalogue_that_does_not_answer_is_told(built: BuiltArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_args: object) -> None:
        raise Unavailable("the catalogue does not answer")

    monkeypatch.setattr(type(built.database), "row", away)
    assert figures.look(built.database) == {"archimed_catalogue_up": ("Whether the catalogue answers", 0.0)}


@pytest.mark.parametrize("processes", [1, 2])
def test_they_stand_among_the_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int) -> None:
    if processes > 1:
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    body, _ = Metrics(lambda: {"archimed_backup_age_seconds": ("Since", math.inf)}).text()
    assert b"\narchimed_backup_age_seconds +Inf\n" in body
