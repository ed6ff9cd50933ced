"""Fixtures of the format handlers' tests: a cleaner for files of any kind, a mark to plant, nibabel's files."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel
import pytest

from deid import Report, load_profile
from deid.formats import FileCleaner

KEY = b"a key that only the tests know.."
MARK = b"Zqxmarkovic"
DEFAULT = load_profile(None).text

Clean = Callable[..., tuple[bytes, Report]]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name tests of whole files by a number: bytes make no name that a terminal could show."""
    return f"{argname}-{zlib.crc32(val):08x}" if isinstance(val, bytes) else None


def nibabel_file(name: str) -> Path:
    return Path(nibabel.__file__).parent / "tests" / "data" / name


def attesting(*types: str) -> str:
    names = ", ".join(f'"{name}"' for name in types)
    return DEFAULT.replace("schema = 1\n", f"schema = 1\nattest = [{names}]\n")


@pytest.fixture
def clean() -> Clean:
    """Cleans a file; the second time must give the same bytes, and nothing may show the mark."""

    def run(source: Path, profile: str | None = None, **more: object) -> tuple[bytes, Report]:
        outs = []
        for _ in range(2):
            out = io.BytesIO()
            cleaner = FileCleaner(load_profile(profile), KEY, "2008-0003", "E001", **more)
            report = cleaner.clean(source, out)
            outs.append(out.getvalue())
        assert outs[0] == outs[1]
        assert MARK.lower() not in outs[0].lower()
        assert MARK.decode().encode("utf-16-le").lower() not in outs[0].lower()
        assert MARK.lower().decode() not in f"{report}{report.actions}{report.headers}".lower()
        return outs[0], report

    return run
