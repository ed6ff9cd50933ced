"""The commands that administer: what they say, what JSON they print, who may run them."""

import getpass
import json
import os
import pty
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from catalog.administration import token_digest
from catalog.database.tables import tokens
from tests.builders import BuiltArchive
from tests.gateway.cli.conftest import Run, command, done, environment, refused

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def listed(archimed: Run, *words: str) -> Any:
    return json.loads(done(archimed(*words, "--json")))


def test_a_days_work(archimed: Run, built: BuiltArchive) -> None:
    assert done(archimed("study", "create", "2008-0003", "--description", "Höhe [b]", "--end-date", "2031-12-31")) == (
        "study 2008-0003 created\n"
    )
    assert done(archimed("user", "add", "ada", "--role", "standard")) == "user ada added as standard\n"
    assert done(archimed("grant", "add", "ada", "2008-0003")) == "ada may see 2008-0003\n"
    source = ("source", "add", "MR1", "--ae", "SIEMENS MR", "--host", "192.0.2.7", "--reviewer", "ada", "--study", "2008-0003")
    assert done(archimed(*source)) == "source MR1 added\n"

    (study,) = listed(archimed, "study", "list")
    assert MOMENT.fullmatch(study.pop("created"))
    expected = {
        "id": 1, "code": "2008-0003", "description": "Höhe [b]", "end_date": "2031-12-31", "own_profile": False,
        "closed": None, "retention_years": None,
    }  # fmt: skip
    assert study == expected
    shown = listed(archimed, "study", "show", "2008-0003")
    assert {key: shown[key] for key in expected} == expected
    assert (shown["users"], shown["exams"], shown["profile"]) == (["ada"], 0, None)

    (user,) = listed(archimed, "user", "list")
    assert (user["login"], user["role"]) == ("ada", "standard")
    (grant,) = listed(archimed, "grant", "list")
    assert (grant["login"], grant["study"]) == ("ada", "2008-0003")
    (found,) = listed(archimed, "source", "list")
    assert (found["name"], found["ae_title"], found["host"]) == ("MR1", "SIEMENS MR", "192.0.2.7")
    assert (found["study"], found["reviewers"]) == ("2008-0003", ["ada"])

    audit = listed(archimed, "audit")
    assert [entry["action"] for entry in audit] == ["study.create", "user.add", "grant.add", "source.add"]
    assert {entry["actor"] for entry in audit} == {getpass.getuser()}
    assert audit[3]["detail"] == {"ae_title": "SIEMENS MR", "host": "192.0.2.7", "reviewers": ["ada"]}
    assert [entry["action"] for entry in listed(archimed, "audit", "--limit", "1")] == ["source.add"]


def test_undoing_it(archimed: Run, built: BuiltArchive) -> None:
    built.user("ada", "power")
    built.user("bob", "power")
    built.study("S")
    built.grant("ada", "S")
    done(archimed("source", "add", "MR1", "--ae", "A", "--reviewer", "ada"))
    assert done(archimed("grant", "remove", "ada", "S")) == "ada may not see S any more\n"
    assert done(archimed("user", "set-role", "ada", "limited")) == "user ada is limited\n"
    removed = archimed("user", "remove", "ada")
    assert (removed.returncode, removed.stdout) == (0, "user ada removed\n")
    assert "nobody reviews MR1 any more" in removed.stderr
    done(archimed("source", "set-reviewers", "MR1", "--reviewer", "bob"))
    assert done(archimed("source", "remove", "MR1")) == "source MR1 removed\n"
    assert [listed(archimed, what, "list") for what in ("grant", "source", "token")] == [[], [], []]


def test_a_token_is_printed_once(archimed: Run, built: BuiltArchive) -> None:
    built.user("ada")
    secret = done(archimed("token", "create", "ada", "--scope", "staging", "--scope", "read", "--expires", "12h")).strip()
    row = built.database.row(tokens.select())
    assert row is not None
    assert (row.sha256, row.expires - row.created) == (token_digest(secret), 12 * 3600)
    (token,) = listed(archimed, "token", "list")
    assert (token["login"], token["scopes"]) == ("ada", ["read", "staging"])
    assert MOMENT.fullmatch(token["expires"])
    everything = "".join(done(archimed(*words)) for words in (["token", "list"], ["audit"], ["audit", "--json"]))
    assert secret not in everything
    assert done(archimed("token", "revoke", "1")) == "token 1 of ada revoked\n"
    refused(archimed("token", "revoke", "1"))


def test_acting_as_somebody(archimed: Run, built: BuiltArchive) -> None:
    built.user("boss", "administrator")
    built.user("ada", "power")
    assert "the role power may not administer" in refused(archimed("study", "create", "S", "--as", "ada"))
    assert "no user ghost" in refused(archimed("study", "create", "S", "--as", "ghost"))
    done(archimed("study", "create", "S", "--as", "BOSS"))
    (entry,) = listed(archimed, "audit")
    assert (entry["actor"], entry["acting_as"], entry["study"]) == (getpass.getuser(), "boss", "S")


@pytest.mark.parametrize(
    "words",
    [["study", "create", "a/b"], ["study", "create", "S", "--end-date", "tomorrow"], ["study", "show", "S"],
     ["user", "add", "a b", "--role", "limited"], ["user", "remove", "ada"], ["grant", "add", "ada", "S"],
     ["source", "add", "MR", "--ae", "A", "--reviewer", "ada"], ["token", "create", "ada"], ["token", "revoke", "9"],
     ["study", "create", "S", "--profile", "missing.toml"]],
)  # fmt: skip
def test_refusals_leave_no_entry(archimed: Run, words: list[str]) -> None:
    refused(archimed(*words))
    assert listed(archimed, "audit") == []


def test_profile_is_checked_before_it_is_kept(archimed: Run, tmp_path: Path) -> None:
    profile = tmp_path / "profile.toml"
    profile.write_text("schema = 1\nnonsense = 2\n")
    assert "nonsense" in refused(archimed("study", "create", "S", "--profile", "profile.toml"))
    profile.write_bytes(b"\xff")
    assert "not UTF-8" in refused(archimed("study", "create", "S", "--profile", "profile.toml"))
    profile.write_text("schema = 1\n")
    done(archimed("study", "create", "S", "--profile", "profile.toml"))
    assert listed(archimed, "study", "show", "S")["profile"] == "schema = 1\n"


def test_tables_are_whole_in_a_pipe_and_on_a_terminal(archimed: Run, built: BuiltArchive) -> None:
    long, code = "long " * 60 + "end", "q" * 64
    done(archimed("study", "create", code, "--description", f"[red]{long}"))
    piped = done(archimed("study", "list"))
    assert f"[red]{long}" in piped
    assert "\x1b" not in piped
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command("--config", built.config, "study", "list"), stdout=theirs, env=environment(COLUMNS="60", TERM="xterm")
    ) as process:
        os.close(theirs)
        shown = b""
        while block := _read(ours):
            shown += block
    os.close(ours)
    assert process.returncode == 0
    words = re.sub(rb"\x1b\[[0-9;]*m", b"", shown).decode()
    assert (words.count("long"), words.count("q")) == (60, 64)
    assert "[red]" in words


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # EIO: the other side is closed
        return b""
