"""The MATLAB functions, run by GNU Octave against a served archive."""

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.administration import Scope
from tests.behaviour.suite import add_many
from tests.builders import built_in
from tests.gateway.http.serving import Serving

MATLAB = Path(__file__).parents[2] / "clients" / "matlab"
SERIES = "S1/E1/003_DCM_MR_t1"
BIG = bytes(range(256)) * 400

pytestmark = pytest.mark.skipif(shutil.which("octave-cli") is None, reason="GNU Octave is not installed")


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with built_in(tmp_path_factory.mktemp("octave")) as built:
        built.user("lea")
        built.study("S1")
        built.study("SECRET")
        built.grant("lea", "S1")
        built.add_series(SERIES, {"00001.dcm": BIG, "größe #2.dcm": b"", "00003.dcm": b"\r\n\x00\x1a"})
        built.add_series("S1/E1/003_RESULT_seg", {"zones/a.nii": b"a"})
        add_many(built, "S1/E2/001_MR_RAW", (f"{number:05d}.raw" for number in range(1200)))
        with Serving(built, login="lea", scopes=(Scope.READ,)) as running:
            yield running


def test_asking_and_getting(serving: Serving, tmp_path: Path) -> None:
    program = f"""
        addpath ('{MATLAB}'); url = '{serving.url}/'; token = '{serving.token}';
        series = archimed_query (url, token, 'file_type = "DCM_MR" and size >= 0');
        printf ('%d %s %d %s\\n', numel (series), series.path, series.files, class (series.number));
        printf ('%d\\n', numel (archimed_query (url, token, 'exam = "E2"', 'files')));
        printf ('%d\\n', numel (archimed_query (url, token, 'exam = "E9"')));
        names = archimed_get (url, token, series, 'got');
        names = [names; archimed_get(url, token, {{'S1/E1/003_RESULT_seg'}}, 'got')];
        printf ('%d %s\\n', numel (names), names{{end}});
        archimed_get (url, token, 'S1/E1', 'got');
        for wrong = {{'SECRET', 'NOTHING'}}
          try, archimed_get (url, token, wrong{{1}}, 'got'); catch problem, disp (problem.message); end
        end
        try, archimed_query (url, token, 'Echotme > 3'); catch problem, disp (problem.message); end
    """
    told = subprocess.run(
        ["octave-cli", "--norc", "--eval", program], cwd=tmp_path, capture_output=True, text=True, timeout=200
    )
    *lines, hidden, absent, wrong = told.stdout.splitlines()
    assert lines == [f"1 {SERIES} 3 double", "1200", "0", "4 got/S1/E1/003_RESULT_seg/zones/a.nii"], told.stderr
    assert hidden.replace("SECRET", "NOTHING") == absent
    assert "not granted to you" in absent
    assert "the question is wrong" in wrong
    assert hashlib.sha256((tmp_path / "got" / SERIES / "00001.dcm").read_bytes()).digest() == hashlib.sha256(BIG).digest()
    assert (tmp_path / "got" / SERIES / "größe #2.dcm").read_bytes() == b""
    assert (tmp_path / "got" / SERIES / "00003.dcm").read_bytes() == b"\r\n\x00\x1a"
