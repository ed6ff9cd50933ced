"""litmus, the WebDAV test program: the scores of stock wsgidav, and so all of its tests."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.gateway.http.serving import Serving
from tests.gateway.http.staging.conftest import FOLDER

SCORES = {"basic": 16, "copymove": 13, "props": 30, "locks": 41, "http": 4}


@pytest.mark.parametrize("suite", SCORES)
def test_litmus_passes_all_of(taking: Serving, suite: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["litmus", "--keep-going", taking.url + FOLDER + "/", taking.login, taking.token],
        env={"PATH": "/usr/bin:/bin", "TESTS": suite}, cwd=tmp_path, text=True, timeout=120, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    summary = re.search(rf"summary for `{suite}': of (\d+) tests run: (\d+) passed, 0 failed", done.stdout)
    assert summary is not None, done.stdout
    assert int(summary[1]) == int(summary[2]) == SCORES[suite]
    assert "WARNING" not in done.stdout
