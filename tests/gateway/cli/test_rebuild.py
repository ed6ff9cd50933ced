"""`archimed rebuild` as an administrator runs it who has lost the catalogue."""

import json
from pathlib import Path

from gateway.config import load
from gateway.wiring import open_worker
from tests.builders import BuiltArchive
from tests.gateway.cli.conftest import Run, done, refused
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
    assert counted == {"studies": 1, "exams": 1, "series": 1, "files": 1, "users": 1, "missing": 0}
    assert done(archimed("ls", "-l", f"{STUDY}/E001", "--as", "ada")) == listed
    assert [done(archimed("study", "show", STUDY, "--json")), done(archimed("grant", "list", "--json"))] == shown
    assert "knows studies already" in refused(archimed("rebuild"))
    done(archimed("init"))
    done(archimed("staging", "add", "IM1", "--study", STUDY, "--exam", "E002", "--as", "ada"))
    assert [batch["id"] for batch in json.loads(done(archimed("staging", "list", "--json")))] == [1, 2]
