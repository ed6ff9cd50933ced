"""The desk of a whole appliance, by curl: what a scanner sent is sealed, looked at, accepted, and lies in the archive."""

import re
import subprocess
import time
from pathlib import Path

from tests.e2e.conftest import Appliance
from tests.synthetic import image

PNG = b"\x89PNG"


def curl(appliance: Appliance, token: str, path: str, *form: str) -> bytes:
    fields = [word for field in form for word in ("--data-urlencode", field)]
    words = ["--fail", "--silent", "--show-error", "--location", "--user", f"ada:{token}", *fields]
    if form:
        words += ["--header", f"Origin: http://127.0.0.1:{appliance.http}"]
    address = f"http://127.0.0.1:{appliance.http}/desk/{path}"
    return subprocess.run(["curl", *words, address], check=True, capture_output=True, timeout=60).stdout


def read(appliance: Appliance, token: str, words: str) -> str:
    """Return the batch's page once it says so."""
    deadline = time.monotonic() + 60
    while words not in (page := curl(appliance, token, "batches/1").decode()):
        assert time.monotonic() < deadline, page
        time.sleep(0.1)
    return page


def mark(page: str) -> str:
    found = re.search('name="(seen)" value="([^"]+)"', page)
    assert found is not None
    return f"{found[1]}={found[2]}"


def test_from_the_scanner_through_the_desk(appliance: Appliance, tmp_path: Path) -> None:
    sent = tmp_path / "sent"
    sent.mkdir()
    (sent / "one").write_bytes(image())
    assert appliance.store(sent).returncode == 0
    token = appliance.run("token", "create", "ada", "--scope", "staging").stdout.strip()
    assert "/desk/batches/1" in curl(appliance, token, "?show=open").decode()
    curl(appliance, token, "batches/1/seal", mark(curl(appliance, token, "batches/1").decode()))
    read(appliance, token, "waits for a decision")
    page = read(appliance, token, "/picture")
    assert "Doe^Jane" in page
    picture = re.search('src="/desk/([^"]+picture[^"]+)"', page)
    assert picture is not None
    assert curl(appliance, token, picture[1].replace("&amp;", "&")).startswith(PNG)
    chosen = ("study=2008-0003", "exam=E001", "series=3")
    summary = curl(appliance, token, "batches/1/summary", mark(page), *chosen).decode()
    assert "Nothing is decided yet" in summary
    assert "Doe^Jane" in summary
    curl(appliance, token, "batches/1/accept", mark(summary), *chosen)
    read(appliance, token, '<span class="state published">')
    assert [line["name"] for line in appliance.json("ls", "2008-0003/E001", "--as", "ada")] == ["003_DCM_MR_t1_mprage_sag"]
    log = (tmp_path / "log").read_text()
    assert "Doe" not in log
    assert "4711" not in log
