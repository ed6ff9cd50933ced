"""What `/readyz` says, of an archive in order and of each thing that may be away."""

import os
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from archimedfs import mountpoint
from catalog import clock
from catalog.database.tables import batches, jobs, sources
from catalog.gate.staged.area import Staging
from catalog.jobs import JobKind, enqueue
from gateway import health
from gateway.config import load
from gateway.health import MountProbe, Readiness
from gateway.http import service
from gateway.http.metrics import Metrics
from gateway.wiring import open_generations
from tests.builders import BuiltArchive


@pytest.fixture
def readiness(built: BuiltArchive) -> Readiness:
    Staging(built.folder / "var" / "staging").prepare()
    config = load(built.config)
    return Readiness(config, built.database, open_generations(config, built.database))


def problems(readiness: Readiness) -> dict[str, str]:
    return {name: answer.problem for name, answer in readiness.look().items() if answer.problem}


def asked(readiness: Readiness) -> tuple[int, dict[str, object]]:
    answer = service.make_service(Metrics(), readiness.look).test_client().get("/readyz")
    return answer.status_code, answer.get_json()


def test_an_archive_in_order_is_ready(readiness: Readiness) -> None:
    status, told = asked(readiness)
    assert (status, told["ready"]) == (200, True)
    assert told["checks"]["catalogue"] == {"ok": True}  # type: ignore[index] # JSON
    assert told["checks"]["jobs"] == {"ok": True, "waiting": 0, "oldest_seconds": 0}  # type: ignore[index] # JSON
    assert told["checks"]["store"]["free_bytes"] > 0  # type: ignore[index] # JSON


@pytest.mark.parametrize("name", ["store", "staging"])
def test_a_folder_whose_disk_is_away_makes_it_not_ready(readiness: Readiness, built: BuiltArchive, name: str) -> None:
    (built.folder / "var" / name).rename(built.folder / "away")
    status, told = asked(readiness)
    assert (status, told["ready"]) == (503, False)
    assert "its disk is not mounted" in told["checks"][name]["problem"]  # type: ignore[index] # JSON


def test_a_full_disk_makes_it_not_ready(readiness: Readiness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "LEAST_FREE", 1 << 62)
    assert set(problems(readiness)) == {"store", "staging"}
    assert "is full" in problems(readiness)["store"]


def test_a_disk_that_turned_read_only_makes_it_not_ready_and_a_sandbox_does_not(
    readiness: Readiness, built: BuiltArchive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    device = (built.folder / "var" / "store").stat().st_dev
    line = f"1 2 {os.major(device)}:{os.minor(device)} / / {{}} shared:1 - ext4 /dev/vda {{}}\n"
    monkeypatch.setattr(health, "_MOUNTS", tmp_path / "mountinfo")
    (tmp_path / "mountinfo").write_text(line.format("ro,nosuid", "rw,errors=remount-ro"))
    assert problems(readiness) == {}
    (tmp_path / "mountinfo").write_text(line.format("rw,nosuid", "ro,errors=remount-ro"))
    assert "read-only" in problems(readiness)["store"]


def test_a_catalogue_that_is_away_makes_it_not_ready(readiness: Readiness, built: BuiltArchive) -> None:
    with built.database.write() as connection:
        connection.exec_driver_sql("alter table jobs rename to elsewhere")
    status, told = asked(readiness)
    assert status == 503
    assert set(told["checks"]) == {"catalogue", "store", "staging"}  # type: ignore[call-overload] # JSON
    with built.database.write() as connection:
        connection.exec_driver_sql("alter table elsewhere rename to jobs")
    assert asked(readiness)[0] == 200


def test_a_connection_that_was_cut_makes_it_not_ready(readiness: Readiness, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(_: object) -> None:
        raise sa.exc.PendingRollbackError("a transaction that was invalidated")

    monkeypatch.setattr(health, "waiting_jobs", cut)
    assert asked(readiness)[0] == 503


def test_tells_how_long_the_oldest_job_has_waited(
    readiness: Readiness, built: BuiltArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    with built.database.write() as connection:
        source = connection.execute(sources.insert().values(_row(sources, name="s")).returning(sources.c.id)).scalar_one()
        batch = connection.execute(
            batches.insert().values(_row(batches, source_id=source)).returning(batches.c.id)
        ).scalar_one()
        for _ in range(3):
            enqueue(connection, JobKind.CHECK, batch)
        connection.execute(jobs.update().where(jobs.c.id == 1).values(state="running"))
        connection.execute(jobs.update().where(jobs.c.id == 2).values(created=clock.now() - 4000))
    facts = dict(readiness.look()["jobs"].facts)
    assert facts["waiting"] == 2
    assert facts["oldest_seconds"] >= 4000
    monkeypatch.setattr(clock, "now", lambda: 0)  # a clock that was set back
    assert dict(readiness.look()["jobs"].facts)["oldest_seconds"] == 0


_EMPTY: dict[type, object] = {sa.LargeBinary: b"", sa.String: ""}


def _row(table: sa.Table, **given: object) -> dict[str, object]:
    """Return values for every column that needs one."""
    row: dict[str, object] = {}
    for column in table.columns:
        if column.name in given:
            row[column.name] = given[column.name]
        elif not column.nullable and not column.primary_key and column.server_default is None and column.default is None:
            row[column.name] = (
                b"" if isinstance(column.type, sa.LargeBinary) else ("" if isinstance(column.type, sa.String) else 0)
            )
    return row


@pytest.fixture
def fifo_like(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a path that is taken for a mount."""
    monkeypatch.setattr(mountpoint, "is_mounted", lambda _: True)
    return tmp_path / "mount"


def test_a_mount_that_answers_that_is_dead_and_that_is_not_there(fifo_like: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = MountProbe(fifo_like)
    fifo_like.mkdir()
    assert probe.look().problem == ""
    fifo_like.rmdir()
    assert "is dead" in probe.look().problem
    monkeypatch.setattr(mountpoint, "is_mounted", lambda _: False)
    assert "nothing is mounted" in probe.look().problem


def test_a_mount_that_hangs_holds_one_thread_and_nobody_who_asks(fifo_like: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release, asked_times = threading.Event(), []

    class Hanging(type(fifo_like)):  # type: ignore[misc] # the class of this system's paths
        def stat(self, **_: object) -> None:
            asked_times.append(1)
            release.wait(60)

    monkeypatch.setattr(health, "_PATIENCE_SECONDS", 0.05)
    probe = MountProbe(Hanging(fifo_like))
    for _ in range(3):
        assert "does not answer" in probe.look().problem
    assert len(asked_times) == 1
    release.set()
