"""An older catalogue is noticed, nothing is erased, and what it does not know is taken up again or erased by a person."""

import json
import os
import shutil
from pathlib import Path

import pytest

from catalog.gate.receive.intake import Intake
from catalog.pure.errors import Unavailable
from gateway.config import load
from gateway.wiring import open_database, open_intake, open_staging, open_worker
from tests.builders import BuiltArchive
from tests.gateway.cli.conftest import Run, done, refused
from tests.synthetic import image

STUDY = "2008-0003"


@pytest.fixture
def older(built: BuiltArchive, archimed: Run) -> BuiltArchive:
    """Give an archive whose catalogue was copied back from before a file was received."""
    done(archimed("init"))
    done(archimed("study", "create", STUDY))
    done(archimed("user", "add", "ada", "--role", "standard"))
    done(archimed("grant", "add", "ada", STUDY))
    done(archimed("source", "add", "MR1", "--ae", "MR1", "--reviewer", "ada"))
    catalogue = Path(load(built.config).catalog.url.removeprefix("sqlite:///"))
    built.database.close()
    shutil.copy(catalogue, built.folder / "older.db")
    database = open_database(load(built.config))
    intake = open_intake(load(built.config), database)
    _receive(intake)
    intake.close()
    done(archimed("user", "add", "bob", "--role", "limited"))
    open_worker(load(built.config), database).do_chores()
    database.close()
    shutil.copy(built.folder / "older.db", catalogue)
    for beside in ("-wal", "-shm"):
        catalogue.with_name(catalogue.name + beside).unlink(missing_ok=True)
    return built


def _receive(intake: Intake) -> None:
    source = intake.source_for("MR1", "127.0.0.1")
    assert source is not None
    incoming = intake.begin(source)
    os.write(incoming.fd, image())
    incoming.commit("1")


def _staged(built: BuiltArchive) -> list[Path]:
    return list((built.folder / "var/staging/received").glob("*/[0-9]*"))


def test_nothing_is_done_with_an_older_catalogue_until_somebody_says_so(older: BuiltArchive, archimed: Run) -> None:
    config = load(older.config)
    database = open_database(config)
    worker = open_worker(config, database)
    with pytest.raises(Unavailable, match="older than the staging folder"):
        worker.run_one(None)  # type: ignore[arg-type] # it gets no further
    intake = open_intake(config, database)
    with pytest.raises(Unavailable, match="older than the staging folder"):
        _receive(intake)
    intake.close()
    database.close()
    assert len(_staged(older)) == 1
    assert "older than the staging folder" in refused(archimed("init"))
    doctor = archimed("doctor", "--json")
    (found,) = [one for one in json.loads(doctor.stdout) if one["check"] == "generation" and "staging" in one["says"]]
    assert (doctor.returncode, found["grade"]) == (1, "wrong")
    assert "archimed restore" in found["mend"]
    done(archimed("study", "list"))  # what only reads stays open


def test_what_an_older_catalogue_does_not_know_is_taken_up_again(older: BuiltArchive, archimed: Run) -> None:
    done(archimed("init", "--adopt"))
    database = open_database(load(older.config))
    open_worker(load(older.config), database).do_chores()
    database.close()
    assert _staged(older) == []
    (orphan,) = json.loads(done(archimed("staging", "orphans", "--json")))
    assert (orphan["kind"], orphan["files"]) == ("received", 1)
    assert orphan["id"] in done(archimed("staging", "orphans"))
    adopt = ("staging", "adopt", orphan["id"], "--study", STUDY, "--exam", "E001")
    assert "--as LOGIN" in refused(archimed(*adopt))
    assert "1 files are in batch" in done(archimed(*adopt, "--as", "ada"))
    assert json.loads(done(archimed("staging", "orphans", "--json"))) == []
    (batch,) = json.loads(done(archimed("staging", "list", "--as", "ada", "--json")))
    assert (batch["study"], batch["exam"], batch["files"]) == (STUDY, "E001", 1)


def test_only_an_administrator_erases_what_was_set_aside_and_it_is_audited(older: BuiltArchive, archimed: Run) -> None:
    done(archimed("init", "--adopt"))
    database = open_database(load(older.config))
    open_worker(load(older.config), database).do_chores()
    database.close()
    (orphan,) = json.loads(done(archimed("staging", "orphans", "--json")))
    erase = ("staging", "erase", orphan["id"], "--reason", "sent again")
    assert "administrator" in refused(archimed(*erase, "--as", "ada"))
    assert "1 files erased" in done(archimed(*erase))
    assert open_staging(load(older.config)).orphans.all() == []
    assert "is set aside" in refused(archimed(*erase))
    (entry,) = [one for one in json.loads(done(archimed("audit", "--json"))) if one["action"] == "orphan.erase"]
    assert (entry["subject"], entry["detail"]["reason"]) == (f"orphan {orphan['id']}", "sent again")
