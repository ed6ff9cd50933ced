"""What is handed out: wheel and sdist hold what they must and nothing else, and the bundle installs without a network."""

import hashlib
import json
import os
import re
import subprocess
import tarfile
import tomllib
import zipfile
from pathlib import Path

TOP = Path(__file__).parents[2]
PACKAGES = {"archimedfs", "catalog", "deid", "gateway"}
VERSION = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["version"]


def tracked() -> set[str]:
    answer = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"], cwd=TOP, capture_output=True, check=True, text=True
    )
    return {name for name in answer.stdout.split("\0") if name and (TOP / name).is_file()}


def made() -> set[str]:
    return {str(path.relative_to(TOP)) for path in TOP.joinpath("share").rglob("*") if path.is_file()}


def test_the_wheel_holds_the_packages_and_what_a_system_needs_and_nothing_else(dist: Path) -> None:
    with zipfile.ZipFile(dist / f"archimed-{VERSION}-py3-none-any.whl") as wheel:
        names = {name for name in wheel.namelist() if not name.endswith("/")}
    about, data = f"archimed-{VERSION}.dist-info/", f"archimed-{VERSION}.data/data/"
    units = {
        f"lib/systemd/system/{Path(name).name}"
        for name in tracked()
        if re.fullmatch(r"systemd/[^/]*\.(service|target|timer)", name)
    }
    units |= {"lib/sysusers.d/archimed.conf", "lib/tmpfiles.d/archimed.conf", "share/archimed/pam.d/archimed"}
    units |= {"share/archimed/archimed-http.service.d/pam.conf"}
    assert {name for name in names if name.startswith(data)} == {data + name for name in units | made()}
    assert {name.removeprefix(about) for name in names if name.startswith(about)} == {
        "METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "top_level.txt",
    }  # fmt: skip
    code = {name for name in names if not name.startswith((about, data))}
    assert code == {name for name in tracked() if name.split("/")[0] in PACKAGES}
    for part in ("catalog/database/migrations/script.py.mako", "deid/data/e1-1-2026c.txt", "catalog/py.typed"):
        assert part in code


def test_the_sdist_is_what_git_knows_with_the_pages(dist: Path) -> None:
    with tarfile.open(dist / f"archimed-{VERSION}.tar.gz") as sdist:
        names = {entry.name.partition("/")[2] for entry in sdist if entry.isfile()}
    extra = {name for name in names if name.startswith("archimed.egg-info/")} | {"PKG-INFO", "setup.cfg"}
    assert names - extra == tracked() | made()


def test_one_place_says_the_version(dist: Path) -> None:
    assert [file.name for file in sorted(dist.glob("*.whl"))] == [f"archimed-{VERSION}-py3-none-any.whl"]
    answer = subprocess.run([TOP / ".venv/bin/archimed", "--version"], capture_output=True, text=True, check=True)
    assert answer.stdout == f"archimed {VERSION}\n"
    found = [
        name for name in sorted(tracked())
        if re.search(rf"(?<![0-9.]){re.escape(VERSION)}(?![0-9.])", (TOP / name).read_text("utf-8", "replace"))
    ]  # fmt: skip
    assert [name for name in found if name.split("/")[0] in PACKAGES | {"ansible", "systemd", ".ci"}] == []


def test_the_bundle_says_what_it_holds(dist: Path, tmp_path: Path) -> None:
    folder = unpacked(dist, tmp_path)
    about = json.loads((folder / "bundle.json").read_text())
    assert about["version"] == VERSION
    assert about["python"] in folder.name
    sums = dict(reversed(line.split("  ")) for line in (folder / "SHA256SUMS").read_text().splitlines())
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {"SHA256SUMS"}
    assert {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files} == sums
    assert about["release"] == f"{VERSION}-{sums[about['wheel']][:12]}"
    assert any("pyfuse3" in name for name in files)
    pinned = [line.partition(" --hash=sha256:")[2] for line in (folder / "requirements.txt").read_text().splitlines()]
    assert sorted(pinned) == sorted(digest for name, digest in sums.items() if name.startswith("wheels/"))
    (beside,) = dist.glob("*.tar.sha256")
    (bundle,) = dist.glob("*.tar")
    assert beside.read_text() == f"{hashlib.sha256(bundle.read_bytes()).hexdigest()}  {bundle.name}\n"
    assert not any("pytest" in name or "mypy" in name for name in files)


def test_the_bundle_installs_without_a_network(dist: Path, tmp_path: Path) -> None:
    folder = unpacked(dist, tmp_path)
    subprocess.run([TOP / ".venv/bin/python", "-m", "venv", tmp_path / "venv"], check=True)
    environment = os.environ | {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    install = [
        tmp_path / "venv/bin/pip",
        "install",
        "--quiet",
        "--no-index",
        "--find-links",
        folder / "wheels",
        "--require-hashes",
    ]
    # A wheel that was exchanged is not installed, whatever its name.
    changed = tmp_path / "changed.txt"
    changed.write_text(re.sub("sha256:[0-9a-f]{8}", "sha256:00000000", (folder / "requirements.txt").read_text(), count=1))
    refused = subprocess.run([*install, "--requirement", changed], env=environment, capture_output=True, text=True)
    assert refused.returncode != 0
    assert "DO NOT MATCH THE HASHES" in refused.stderr
    subprocess.run([*install, "--requirement", folder / "requirements.txt"], check=True, env=environment)
    archimed = tmp_path / "venv/bin/archimed"
    config = tmp_path / "archimed.toml"
    config.write_text('[catalog]\nurl = "sqlite:///catalog.db"\n[store]\npath = "store"\n[staging]\npath = "staging"\n')
    answer = subprocess.run([archimed, "--config", config, "init"], capture_output=True, text=True)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert (tmp_path / "venv/share/man/man1/archimed-init.1").is_file()


def unpacked(dist: Path, target: Path) -> Path:
    (bundle,) = dist.glob("*.tar")
    with tarfile.open(bundle) as tar:
        tar.extractall(target, filter="data")
    return target / bundle.stem
