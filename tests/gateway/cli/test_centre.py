"""`archimed centre`, and grants for centres and until a day: what they say, what JSON they print, what they refuse."""

import json

from tests.builders import BuiltArchive
from tests.gateway.cli.conftest import Run, done, refused

STUDY = "2008-0003"


def test_centres_and_grants_for_them(archimed: Run, built: BuiltArchive) -> None:
    built.study(STUDY)
    built.user("ada")
    for exam in ("E001", "E002"):
        built.add_series(f"{STUDY}/{exam}/001_DCM_MR_t1", {"00001.dcm": b"x"})
    assert done(archimed("centre", "add", STUDY, "LYON", "--description", "hospital")) == f"centre LYON of {STUDY} added\n"
    assert "already" in refused(archimed("centre", "add", STUDY, "lyon"))
    done(archimed("centre", "assign", STUDY, "LYON", "--exam", "E001"))
    done(archimed("grant", "add", "ada", STUDY, "--centre", "LYON", "--until", "2999-12-31"))
    (grant,) = json.loads(done(archimed("grant", "list", "--json")))
    assert (grant["login"], grant["centres"], grant["until"]) == ("ada", ["LYON"], "3000-01-01T00:00:00Z")
    assert done(archimed("ls", STUDY, "--as", "ada")).split() == ["E001/"]
    assert "no such" in refused(archimed("ls", f"{STUDY}/E002", "--as", "ada"))
    (centre,) = json.loads(done(archimed("centre", "list", STUDY, "--json")))
    assert (centre["code"], centre["exams"], centre["users"]) == ("LYON", 1, ["ada"])
    assert "belong to LYON" in refused(archimed("centre", "remove", STUDY, "LYON"))
    assert "over already" in refused(archimed("grant", "add", "ada", STUDY, "--until", "2020-01-01"))
    done(archimed("grant", "remove", "ada", STUDY, "--centre", "LYON"))
    done(archimed("centre", "release", STUDY, "--exam", "E001"))
    done(archimed("centre", "remove", STUDY, "LYON"))
    assert json.loads(done(archimed("centre", "list", "--json"))) == []
    assert archimed("centre", "assign", STUDY, "LYON").returncode == 2
    assert archimed("grant", "add", "ada", STUDY, "--until", "soon").returncode == 2
