"""What every command has in common: exit status, one line on stderr, no traceback, quiet pipes."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from catalog.pure.errors import ConfigError
from gateway.cli import frame
from gateway.config import load
from tests.builders import BuiltArchive
from tests.gateway.cli.conftest import Run, command, done, environment, refused


def test_version_and_help(run: Run) -> None:
    assert done(run("--version")).startswith("archimed ")
    assert "Commands:" in done(run("--help"))
    assert "Example:" in done(run("study", "create", "-h"))


@pytest.mark.parametrize(
    "arguments",
    [[], ["frobnicate"], ["study"], ["study", "create"], ["user", "add", "ada"], ["user", "add", "ada", "--role", "king"],
     ["ls", "a", "b"], ["--colour"], ["token", "create", "ada", "--expires", "soon"], ["audit", "--limit", "0"]],
)  # fmt: skip
def test_usage(run: Run, arguments: list[str]) -> None:
    result = run(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert "Usage: archimed" in result.stderr


def test_no_configuration(run: Run, tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    assert f"there is no configuration at {missing}" in refused(run("--config", missing, "study", "list"))
    assert f"there is no configuration at {missing}" in refused(run("study", "list", ARCHIMED_CONFIG=str(missing)))


def test_broken_configuration(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "broken.toml"
    file.write_text('[http]\nprot = 1\nport = "x"\n[stor]\n')
    line = refused(run("--config", "broken.toml", "ls"))
    assert "[http] prot" in line
    assert "(and 2 more: see `archimed config check`)" in line
    check = run("--config", "broken.toml", "config", "check")
    assert (check.returncode, check.stdout) == (1, "")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert check.stderr.splitlines() == [f"archimed: {problem}" for problem in caught.value.problems]
    assert len(caught.value.problems) == 3


def test_configuration_in_order(archimed: Run, built: BuiltArchive) -> None:
    assert done(archimed("config", "check")) == f"{built.config} is in order\n"
    built.config.write_text(built.config.read_text().replace('["token"]', '["token", "pam"]'))
    assert done(archimed("config", "check")) == f"{built.config} is in order\n"
    built.config.write_text(
        built.config.read_text().replace('"pam"', '"ldap"')
        + '[auth.ldap]\nservers = ["ldaps://x"]\nbase = "dc=x"\nbind_dn = "cn=a"\n'
    )
    assert "[auth.ldap] bind_password_file: needed" in refused(archimed("config", "check"))


def test_check_looks_for_the_password(run: Run, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[catalog]\nurl = "postgresql+psycopg://a@b/c"\npassword_file = "missing"\n')
    assert "the catalogue's password cannot be read" in refused(run("--config", "c.toml", "config", "check"))


def test_no_catalogue_yet(run: Run, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[catalog]\nurl = "sqlite:///c.db"\n')
    assert "run `archimed init`" in refused(run("--config", "c.toml", "study", "list"))
    assert not (tmp_path / "c.db").exists()


def test_catalogue_that_does_not_answer(run: Run, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(f'[catalog]\nurl = "postgresql+psycopg://a@/c?host={tmp_path}"\n')
    for arguments in (["study", "list"], ["init"]):
        assert "the catalogue" in refused(run("--config", "c.toml", *arguments))


# The interpreter may lie where others may not look: all is imported first.
_AS_NOBODY = """
import os, sys
from gateway.cli import main, study
os.setgroups([]), os.setgid(65534), os.setuid(65534)
sys.exit(main())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_catalogue_of_somebody_else(run: Run) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        config = folder / "archimed.toml"
        config.write_text(f'[catalog]\nurl = "sqlite:///c.db"\n[store]\npath = "s"\n[staging]\npath = "{folder}/t"\n')
        done(run("--config", config, "init"))

        def as_nobody() -> "subprocess.CompletedProcess[str]":
            return subprocess.run(
                [sys.executable, "-P", "-c", _AS_NOBODY, "--config", config, "study", "list"], capture_output=True, text=True,
                env=environment(), cwd="/", timeout=60,
            )  # fmt: skip

        assert f"you may not use the catalogue {folder}/c.db" in refused(as_nobody())
        (folder / "c.db").rename(folder / "t" / "c.db")
        config.write_text('[catalog]\nurl = "sqlite:///t/c.db"\n')
        assert f"you may not use the catalogue {folder}/t/c.db" in refused(as_nobody())
        config.chmod(0o600)
        assert "cannot be read: Permission denied; run this as a user who may read it" in refused(as_nobody())


def test_an_error_nobody_foresaw_tells_where_but_not_what(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def surprise(*_: object) -> None:
        raise RuntimeError("DOE^JANE")

    monkeypatch.setattr("gateway.cli.common.load", surprise)
    monkeypatch.delenv("ARCHIMED_DEBUG", raising=False)
    assert frame.main(["study", "list"]) == 1
    plain = capsys.readouterr()
    assert plain.err.startswith("archimed: unexpected error (RuntimeError)")
    assert "ARCHIMED_DEBUG=1" in plain.err
    monkeypatch.setenv("ARCHIMED_DEBUG", "1")
    assert frame.main(["study", "list"]) == 1
    traced = capsys.readouterr()
    assert "surprise" in traced.err
    assert "Traceback" not in plain.err + traced.err
    assert "DOE" not in plain.out + plain.err + traced.out + traced.err


def test_arguments_cannot_forge_a_second_line(archimed: Run) -> None:
    refused(archimed("grant", "add", "ada\narchimed: all is well\x1b[2K", "S"))


def test_reader_that_goes_away_early(built: BuiltArchive) -> None:
    built.user("ada")
    built.study("S")
    built.grant("ada", "S")
    built.add_series("S/E/001_RAW", {f"{number:05d}.raw": b"x" * 1000 for number in range(3000)})
    for arguments in (["ls", "S/E/001_RAW"], ["ls", "--json", "S/E/001_RAW"], ["cat", "S/E/001_RAW/00001.raw"], ["ls"]):
        reading, writing = os.pipe()
        os.close(reading)
        process = subprocess.run(
            command("--config", built.config, *arguments, "--as", "ada"), stdout=writing, stderr=subprocess.PIPE, text=True,
            env=environment(), timeout=60,
        )  # fmt: skip
        os.close(writing)
        assert (process.returncode, process.stderr) == (frame.BROKEN_PIPE, "")


def test_ctrl_c_is_quiet(built: BuiltArchive, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    process = subprocess.Popen(
        command("--config", fifo, "study", "list"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    writer = os.open(fifo, os.O_WRONLY)  # returns when the command has begun to read its configuration
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    os.close(writer)
    assert (process.returncode, out, err) == (130, "", "")


def test_names_outside_the_terminals_encoding(archimed: Run, built: BuiltArchive) -> None:
    built.user("ada")
    built.study("S")
    built.grant("ada", "S")
    built.add_series("S/E/001_RAW_höhe", {"a.raw": b"x"})
    assert done(archimed("ls", "S/E", "--as", "ada", PYTHONIOENCODING="ascii")) == "001_RAW_h\\xf6he/\n"
    listed = done(archimed("ls", "S/E", "--as", "ada", "--json"))
    assert json.loads(listed)[0]["name"] == "001_RAW_höhe"
