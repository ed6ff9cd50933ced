import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from catalog.administration import Actor, Scope, list_tokens, revoke_token
from gateway.cli import main
from tests.behaviour.dropping import staging_of
from tests.builders import built_in
from tests.gateway.http.serving import Serving, new_token

SERIES = "S1/E1/003_DCM_MR_t1"
BIG = bytes(range(256)) * 12_000
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with built_in(tmp_path_factory.mktemp("remote")) as built:
        staging_of(built).prepare()
        built.user("rita", "standard")
        built.user("root", "administrator")
        built.study("S1")
        built.study("SECRET")
        built.grant("rita", "S1")
        built.add_series(SERIES, {"00001.dcm": b"one", "big #é.raw": BIG}, mtime=1_234_567_890)
        with Serving(built, login="rita", scopes=(Scope.READ, Scope.STAGING)) as running:
            yield running


@pytest.fixture
def run(serving: Serving, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    def run(*arguments: str, url: str = serving.url, token: str = serving.token, local: bool = False) -> tuple[int, str, str]:
        file = tmp_path / "token"
        file.write_text(token + "\n")
        before = ["--config", str(serving.built.config)] if local else ["remote", "--url", url, "--token-file", str(file)]
        status = main([*before, *arguments])
        out, err = capfdbinary.readouterr()
        return status, out.decode("utf-8", "surrogateescape"), err.decode()

    return run


@pytest.mark.parametrize(
    "command",
    [
        ["ls"], ["ls", "-l", SERIES], ["ls", "S1/E1", "--json"], ["stat", SERIES, "--json"], ["stat", f"{SERIES}/big #é.raw"],
        ["cat", f"{SERIES}/big #é.raw"], ["query", "size > 1 kB"], ["query", "has size", "--files", "--json"],
        ["query", 'file_type = "DCM_MR"', "--paths"], ["query", "has size", "--files", "--limit", "1", "--json"],
        ["stats", "--json"], ["stats", "--study", "S1"], ["staging", "list", "--json"],
        ["query", "has size and"], ["query", "has Rows"], ["stats", "--study", "SECRET"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_it_prints_what_is_printed_there(run: Run, command: list[str]) -> None:
    there = run(*command, "--as", "rita", local=True)
    here = run(*command)
    assert here[:2] == there[:2]
    if command[0] != "stats":
        assert here[2] == there[2]


def test_batches_are_listed_sealed_and_decided(run: Run, serving: Serving) -> None:
    for exam in ("E7", "E8"):
        for path in (f"/staging/S1/{exam}", f"/staging/S1/{exam}/x.txt"):
            is_file = path.endswith("txt")
            made = serving.request("PUT" if is_file else "MKCOL", path, body=b"text" if is_file else None)
            assert made.status == 201
    listed = json.loads(run("staging", "list", "--state", "open", "--json")[1])
    one, two = (each["id"] for each in listed)
    assert run("staging", "seal", str(one))[:2] == (0, f"batch {one} sealed into S1/E7: 1 files, 0 problems\n")
    assert "source" in run("staging", "show", str(one))[1]
    assert run("staging", "accept", str(one), "--study", "S1", "--exam", "E7")[0] == 1
    assert run("staging", "reject", str(two), "--reason", "wrong")[1].startswith(f"batch {two} rejected")
    assert json.loads(run("staging", "restore", str(two), "--json")[1])["state"] == "sealed"
    assert run("staging", "show", "999")[0] == 1


def test_studies_and_jobs(run: Run, serving: Serving) -> None:
    assert [each["code"] for each in json.loads(run("study", "list", "--json")[1])] == ["S1"]
    assert json.loads(run("study", "show", "S1", "--json")[1])["exams"] == 1
    status, _, told = run("job", "list")
    assert (status, "--scope admin" in told) == (1, True)
    admin = new_token(serving.built, "root", Scope.ADMIN)
    assert isinstance(json.loads(run("job", "list", "--json", token=admin)[1]), list)


def test_what_is_not_granted_is_told_as_what_is_not_there(run: Run) -> None:
    for command in (["ls"], ["stat"], ["cat"], ["study", "show"]):
        assert run(*command, "SECRET") == run(*command, "NOTHING")


def test_each_thing_that_can_be_wrong_is_one_line(run: Run, serving: Serving, tmp_path: Path) -> None:
    def refused(*arguments: str, **how: str) -> str:
        status, out, err = run(*arguments, **how)
        assert (status, out, err.count("\n")) == (1, "", 1), err
        return err

    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert "cannot be reached" in refused("ls", url=f"http://127.0.0.1:{port}")
    assert "one like https://" in refused("ls", url="archive.example.org")
    assert "use https://" in refused("ls", url="http://archive.example.org")
    assert "holds no token" in refused("ls", token="two words")
    assert "log in" in refused("ls", token="amt_wrong")
    revoked = new_token(serving.built, "rita", Scope.READ)
    revoke_token(serving.built.database, Actor("root"), max(each.id for each in list_tokens(serving.built.database)))
    assert "log in" in refused("ls", token=revoked)
    assert "the first line" in refused("ls", token="")


def test_without_an_address_it_says_how(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARCHIMED_URL", raising=False)
    assert main(["remote", "ls"]) == 2
    assert "--url URL --token-file FILE" in capsys.readouterr().err
    assert main(["remote", "ls", "--help"]) == 0
