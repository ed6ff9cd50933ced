"""`archimed init` makes what is missing and replaces nothing."""

import os
import stat
from pathlib import Path

import pytest

from catalog.pure.errors import Refused, Unavailable
from gateway.cli.init import prepare
from gateway.config import Config, load
from tests.builders import BuiltArchive
from tests.gateway.cli.conftest import Run, done, refused


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Give a configuration of an archive that is not there yet."""
    file = tmp_path / "archimed.toml"
    file.write_text('[catalog]\nurl = "sqlite:///var/c.db"\n[store]\npath = "var/store"\n[staging]\npath = "var/staging"\n')
    return load(file)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_everything_is_made_for_its_owner_alone(run: Run, config: Config) -> None:
    lines = done(run("--config", config.file, "init")).splitlines()
    var = config.file.parent / "var"
    assert [line.split()[0] for line in lines] == ["catalogue", "store", "staging", "key"]
    assert "created at revision" in lines[0]
    for folder in (var, config.store.path, config.staging.path, config.deid.key_file.parent):
        assert mode(folder) == 0o700
    assert mode(var / "c.db") == mode(config.deid.key_file) == 0o600
    assert len(bytes.fromhex(config.deid.key_file.read_text())) == 32
    assert [path.name for path in config.deid.key_file.parent.iterdir()] == ["deid.key"]
    assert done(run("--config", config.file, "study", "list", "--json")) == "[]\n"


def test_again_is_harmless(config: Config) -> None:
    first, key = prepare(config), config.deid.key_file.read_bytes()
    second = prepare(config)
    assert config.deid.key_file.read_bytes() == key
    assert "created" in first[3]
    assert second[3].endswith("kept")
    assert "is at revision" in second[0]


def test_open_folders_are_closed(config: Config) -> None:
    config.store.path.mkdir(parents=True, mode=0o755)
    config.staging.path.mkdir(mode=0o777)
    prepare(config)
    assert mode(config.store.path) == mode(config.staging.path) == 0o700


def test_a_key_that_is_for_the_service_manager_to_hand_out_is_left_unread(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(config)
    monkeypatch.setattr(os, "access", lambda _, wanted: wanted == os.F_OK)  # root, who runs tests, may read every key
    assert "left unread" in prepare(config)[3]


def test_a_store_whose_disk_is_away_is_not_begun_anew(built: BuiltArchive) -> None:
    config = load(built.config)
    prepare(config)
    built.study("S")
    built.add_series("S/E/001_RAW", {"00001.raw": b"bytes"})
    prepare(config)
    path = config.store.path
    path.rename(path.with_name("away"))
    for there in (False, True):
        if there:
            path.mkdir()
        with pytest.raises(Refused, match="missing or empty though the catalogue knows files: mount its disk"):
            prepare(config)
        assert not (there and list(path.iterdir()))


@pytest.mark.parametrize("content", ["", "00" * 31, "zz" * 32, "00" * 64])
def test_what_is_no_key_is_left_alone(config: Config, content: str) -> None:
    config.deid.key_file.parent.mkdir(parents=True)
    config.deid.key_file.write_text(content)
    with pytest.raises(Refused, match="is no key"):
        prepare(config)
    assert config.deid.key_file.read_text() == content


def test_a_lost_key_is_not_replaced_behind_published_files(built: BuiltArchive) -> None:
    built.study("S")
    built.add_series("S/E/001_RAW", {"a.raw": b"x"})
    config = load(built.config)
    with pytest.raises(Refused, match="is missing though files were published"):
        prepare(config)
    assert not config.deid.key_file.exists()


def test_key_that_somebody_else_makes_meanwhile_stays(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    other = "ab" * 32

    def looked_a_moment_too_early(file: Path) -> bool:
        file.parent.mkdir(parents=True)
        file.write_text(other)
        return False

    with monkeypatch.context() as patched:
        patched.setattr("gateway.cli.init._is_key", looked_a_moment_too_early)
        with pytest.raises(Unavailable, match="File exists"):
            prepare(config)
    assert config.deid.key_file.read_text() == other
    assert prepare(config)[3].endswith("kept")


def test_folder_in_the_way(run: Run, config: Config) -> None:
    (config.file.parent / "var").write_text("in the way")
    refused(run("--config", config.file, "init"))


def test_a_new_catalogue_over_an_archives_files_is_refused_unless_adopted(run: Run, built: BuiltArchive) -> None:
    config = load(built.config)
    prepare(config)
    built.study("S")
    built.add_series("S/E/001_RAW", {"00001.raw": b"bytes"})
    built.database.close()
    catalogue = Path(config.catalog.url.removeprefix("sqlite:///"))
    for file in catalogue.parent.glob(f"{catalogue.name}*"):
        file.unlink()
    result = run("--config", config.file, "init")
    assert "archimed rebuild" in refused(result)
    assert not catalogue.exists()
    assert "archimed staging orphans" in done(run("--config", config.file, "init", "--adopt"))
    assert "is at revision" in done(run("--config", config.file, "init"))
