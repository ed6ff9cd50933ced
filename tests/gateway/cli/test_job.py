"""`archimed job` as an administrator runs it."""

import json
import threading

import pytest
import sqlalchemy as sa

from catalog.database.tables import batches
from catalog.gate.deadlines import Deadlines
from gateway.config import load
from gateway.wiring import open_worker
from tests.behaviour.dropping import staging_of
from tests.builders import BuiltArchive
from tests.gateway.cli.conftest import Run, done, refused

STUDY = "2008-0003"


@pytest.fixture
def failed(built: BuiltArchive, archimed: Run) -> int:
    """Give the number of a check that failed because the batch's folder is gone from staging."""
    done(archimed("init"))
    done(archimed("study", "create", STUDY))
    done(archimed("user", "add", "ada", "--role", "standard"))
    done(archimed("grant", "add", "ada", STUDY))
    (built.folder / "note.txt").write_text("brought")
    done(archimed("staging", "add", "note.txt", "--study", STUDY, "--exam", "E001", "--as", "ada"))
    (drop,) = (built.folder / "var/staging/drops").iterdir()
    drop.rename(built.folder / "gone")
    worker = open_worker(load(built.config), built.database)
    worker.do_chores()
    Deadlines(built.database, staging_of(built), quiet_seconds=0, keep_rejected_seconds=0).seal_quiet()
    while worker.run_one(threading.Event()):
        pass
    (job,) = json.loads(done(archimed("job", "list", "--state", "failed", "--json")))
    assert "folder is gone from staging" in job["error"]
    return int(job["id"])


def test_a_failed_check_is_shown_and_tried_again(built: BuiltArchive, archimed: Run, failed: int) -> None:
    shown = json.loads(done(archimed("job", "show", str(failed), "--json")))
    assert (shown["kind"], shown["state"]) == ("check", "failed")
    assert "failed" in done(archimed("job", "list"))
    batch = json.loads(done(archimed("staging", "show", str(shown["batch"]), "--json")))
    assert "folder is gone" in batch["job"]["error"]
    (built.folder / "gone").rename(built.folder / "var/staging/drops" / _key(built))
    assert "runs as soon as" in done(archimed("job", "retry", str(failed)))
    assert json.loads(done(archimed("job", "show", str(failed), "--json")))["state"] == "queued"
    assert "given up" in done(archimed("job", "cancel", str(failed), "--reason", "not wanted"))
    assert json.loads(done(archimed("job", "show", str(failed), "--json")))["error"] == "not wanted"
    actions = [entry["action"] for entry in json.loads(done(archimed("audit", "--json")))]
    assert actions[-2:] == ["job.retry", "job.cancel"]


def test_what_is_no_job_or_is_over_is_refused(archimed: Run, failed: int) -> None:
    assert "there is no job 999" in refused(archimed("job", "show", "999"))
    assert "does not wait" in refused(archimed("job", "cancel", str(failed)))


def _key(built: BuiltArchive) -> str:
    row = built.database.row(sa.select(batches.c.drop_folder))
    assert row is not None
    return str(row.drop_folder)
