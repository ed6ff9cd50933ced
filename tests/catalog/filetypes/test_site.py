"""The worked example of docs/filetypes.md, installed as a site would: a new type is recognised, cleaned and asked for."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROGRAM = """
import io, sys
from pathlib import Path
from catalog.filetypes import Sample, named, recognise
from catalog.filetypes.describing import type_name, values_of
from catalog.metadata.known import find
from deid import load_profile
from deid.formats import FileCleaner

source, target = Path(sys.argv[1]), Path(sys.argv[2])
kind = recognise(Sample(source))
with target.open("wb+") as stream:
    report = FileCleaner(load_profile(None), b"k" * 32, "S", "E001").clean(source, stream)
told = values_of(report.headers["FileType"], target)
print(kind.name, type_name(report.headers), report.ending, told, find("dwelltime").unit)
"""


def _with_paths(program: str, site: Path) -> str:
    return f"import sys; sys.path[:0] = [{str(site)!r}, {str(ROOT)!r}]\n{program}"


def test_the_worked_example_installs_and_works(tmp_path: Path) -> None:
    blocks = re.findall(r"```(?:python|toml)\n# (\S+)\n(.*?)```", (ROOT / "docs/filetypes.md").read_text(), re.DOTALL)
    package, site = tmp_path / "package", tmp_path / "site"
    package.mkdir()
    for name, text in blocks:
        (package / name).write_text(text)
    assert {name for name, _ in blocks} == {"spectra.py", "pyproject.toml"}
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "--target", site, package],
        check=True, timeout=200, capture_output=True,
    )  # fmt: skip
    (tmp_path / "7").write_bytes(b"SPECTRA 1\npatient=Zqxmarkovic Anna\ndwell=125.5\n1 2 3\n")
    done = subprocess.run(
        [sys.executable, "-c", _with_paths(PROGRAM, site), tmp_path / "7", tmp_path / "8"],
        check=True, timeout=100, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == "SPECTRA SPECTRA .spectra {'DwellTime': 125.5} us\n"
    assert (tmp_path / "8").read_bytes() == b"SPECTRA 1\npatient=E001\ndwell=125.5\n1 2 3\n"


def test_a_type_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    found = tmp_path / "broken-1.dist-info"
    found.mkdir()
    (found / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (found / "entry_points.txt").write_text("[archimed.filetypes]\nspectra = no_such_module:Spectra\n")
    program = "from catalog.filetypes import file_types\ntry:\n file_types()\nexcept Exception as error:\n print(error)\n"
    done = subprocess.run(
        [sys.executable, "-c", _with_paths(program, tmp_path)],
        check=True, timeout=100, capture_output=True, text=True,
    )  # fmt: skip
    assert "the file type spectra (no_such_module:Spectra) cannot be used: ModuleNotFoundError; mend" in done.stdout
