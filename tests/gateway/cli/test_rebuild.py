"""`archimed rebuild` as an administrator runs it who has lost the catalogue."""

import json
import subprocess
import time
from pathlib import Path

from catalog.store import records
from gateway.config import load
from gateway.wiring import open_worker
from tests.builders import BuiltArchive
from tests.gateway.cli.conftest import Run, command, done, environment, refused
from tests.synthetic import image

STUDY = "2008-0003"


def test_a_lost_catalogue_comes_back(built: BuiltArchive, archimed: Run) -> None:
    done(archimed("init"))
    done(archimed("study", "create", STUDY, "--description", "Knees", "--end-date", "2030-12-31"))
    done(archimed("user", "add", "ada", "--role", "power"))
    done(archimed("grant", "add", "ada", STUDY))
    (built.folder / "IM1").write_bytes(image())
    done(archimed("staging", "add", "IM1", "--study", STUDY, "--exam", "E001", "--as", "ada"))
    done(archimed("staging", "seal", "1", "--as", "ada"))
    done(archimed("staging", "accept", "1", "--study", STUDY, "--exam", "E001", "--wait", "--as", "ada"))
    open_worker(load(built.config), built.database).do_chores()
    built.database.close()
    shown = [done(archimed("study", "show", STUDY, "--json")), done(archimed("grant", "list", "--json"))]
    listed = done(archimed("ls", "-l", f"{STUDY}/E001", "--as", "ada"))
    assert listed
    catalogue = Path(load(built.config).catalog.url.removeprefix("sqlite:///"))
    for file in catalogue.parent.glob(f"{catalogue.name}*"):
        file.unlink()
    assert "archimed rebuild" in refused(archimed("init"))
    counted = json.loads(done(archimed("rebuild", "--json")))
    assert counted == {"studies": 1, "exams": 1, "series": 1, "files": 1, "users": 1, "binned": 0, "bin_left": 0, "missing": 0}
    assert done(archimed("ls", "-l", f"{STUDY}/E001", "--as", "ada")) == listed
    assert [done(archimed("study", "show", STUDY, "--json")), done(archimed("grant", "list", "--json"))] == shown
    assert "knows studies already" in refused(archimed("rebuild"))
    done(archimed("init"))
    done(archimed("staging", "add", "IM1", "--study", STUDY, "--exam", "E002", "--as", "ada"))
    assert [batch["id"] for batch in json.loads(done(archimed("staging", "list", "--json")))] == [1, 2]


def test_one_that_was_killed_leaves_nothing_by_halves(built: BuiltArchive, archimed: Run) -> None:
    """A power cut in the middle: no catalogue is there, so nothing starts on it, and it is begun again."""
    done(archimed("init"))
    built.study(STUDY)
    write_many(built, 3000)
    built.database.close()
    catalogue = Path(load(built.config).catalog.url.removeprefix("sqlite:///"))
    for file in catalogue.parent.glob(f"{catalogue.name}*"):
        file.unlink()
    running = subprocess.Popen(
        command("--config", built.config, "rebuild"), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 60
    while running.poll() is None and not list(catalogue.parent.glob(".catalog.db.new*")) and time.monotonic() < until:
        time.sleep(0.001)
    running.kill()
    assert running.wait() == -9
    assert not catalogue.exists()
    assert "archimed rebuild" in refused(archimed("init"))
    assert json.loads(done(archimed("rebuild", "--json")))["files"] == 3000
    assert not list(catalogue.parent.glob(".catalog.db.new*"))


def write_many(built: BuiltArchive, count: int) -> None:
    """Let the store tell of many files of one import; their bytes are missing."""
    lines = (
        {
            "exam": "E001", "series": "001_RAW", "name": f"{at}.raw", "sha256": f"{at:064x}", "size": 1, "file_type": "RAW",
            "identity": f"{at:032x}", "series_identity": "0" * 32, "number": 1, "description": "",
            "acquired": None, "headers": {},
        }
        for at in range(count)
    )  # fmt: skip
    records.write_manifest(built.store, STUDY, records.import_name(1, "ab" * 16), lines)
