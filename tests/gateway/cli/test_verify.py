"""`archimed verify` and `archimed repair` as an administrator runs them."""

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.builders import BuiltArchive
from tests.gateway.cli.conftest import Run, done, refused

if TYPE_CHECKING:
    from subprocess import CompletedProcess


def failed(result: "CompletedProcess[str]") -> str:
    assert (result.returncode, result.stderr) == (1, "")
    return result.stdout


@pytest.fixture
def damaged(built: BuiltArchive, archimed: Run) -> BuiltArchive:
    """Give an archive with one damaged object, and a good copy of its store in `backup/store`."""
    done(archimed("init"))
    built.study("S")
    built.add_series("S/E/001_RAW", {"a.raw": b"a" * 1000, "b.raw": b"b"})
    store = built.folder / "var/store"
    shutil.copytree(store, built.folder / "backup/store")
    (path,) = [path for path in store.rglob("objects/*/*") if path.stat().st_size == 1000]
    path.chmod(0o600)
    path.write_bytes(b"x" * 1000)
    return built


def test_damage_is_found_and_repaired(damaged: BuiltArchive, archimed: Run) -> None:
    (found,) = json.loads(failed(archimed("verify", "--json")))
    assert (found["study"], found["fault"], found["path"]) == ("S", "damaged", "S/E/001_RAW/a.raw")
    assert "S/E/001_RAW/a.raw" in failed(archimed("verify", "--study", "S", "--resume", "--rate", "100M"))
    (told,) = [one for one in json.loads(archimed("doctor", "--json").stdout) if one["check"] == "objects"][:1]
    assert "1 objects of the store are damaged" in told["says"]
    assert "0 objects repaired, 1 not" in failed(archimed("repair"))
    assert "1 objects repaired, 0 not" in done(archimed("repair", "--from", damaged.folder / "backup"))
    assert json.loads(done(archimed("verify", "--json"))) == []


def test_an_unknown_study_and_a_rate_that_is_none_are_refused(damaged: BuiltArchive, archimed: Run) -> None:
    assert "there is no study X" in refused(archimed("verify", "--study", "X"))
    assert archimed("verify", "--rate", "fast").returncode == 2
