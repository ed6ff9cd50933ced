"""The whole way with real programs: DCMTK in, a human's decision, DCMTK, SimpleITK, cp, tar, rsync, curl and rclone out."""

import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.data import get_testdata_file

from tests.e2e.conftest import Appliance
from tests.synthetic import image

SERIES = "2008-0003/E001/003_DCM_MR_t1_mprage"

needs_fuse = pytest.mark.skipif(not os.access("/dev/fuse", os.R_OK | os.W_OK), reason="this machine has no /dev/fuse for us")


def phantom(folder: Path, count: int = 12) -> Path:
    folder.mkdir()
    for number in range(1, count + 1):
        pixels = np.full((16, 16), number, "<u2").tobytes()
        content = image(description="t1_mprage", instance=number, pixels=pixels)
        (folder / f"IM{number}").write_bytes(content)
    return folder


def get(appliance: Appliance, path: str, login: str, token: str) -> bytes:
    credentials = b64encode(f"{login}:{token}".encode()).decode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{appliance.http}/archive/{path}", headers={"Authorization": f"Basic {credentials}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read()


@needs_fuse
def test_from_the_scanner_to_every_reader(appliance: Appliance, tmp_path: Path) -> None:
    sent = phantom(tmp_path / "sent")
    outcome = appliance.store(sent)
    assert outcome.returncode == 0, outcome.stderr
    appliance.publish("E001")
    mount = appliance.mount("ada")

    dump = subprocess.run(["dcmdump", mount / SERIES / "00001.dcm"], capture_output=True, text=True, check=True).stdout
    assert "PN [E001]" in dump
    assert "Doe" not in dump

    reader = SimpleITK.ImageSeriesReader()
    names = reader.GetGDCMSeriesFileNames(str(mount / SERIES))
    assert len(names) == 12
    reader.SetFileNames(names)
    volume = SimpleITK.GetArrayFromImage(reader.Execute())
    assert [int(plane.flat[0]) for plane in volume] == list(range(1, 13))

    by_cat = tmp_path / "by-cat"
    by_cat.mkdir()
    for line in appliance.json("ls", SERIES, "--as", "ada"):
        path = f"{SERIES}/{line['name']}"
        with (by_cat / line["name"]).open("wb") as target:
            subprocess.run(
                ["python3", "-m", "gateway.cli", "cat", path, "--as", "ada"],
                env=appliance.environment | {"PATH": f"{Path(os.sys.executable).parent}:{os.environ['PATH']}"},
                stdout=target, check=True,
            )  # fmt: skip
    subprocess.run(["diff", "-r", mount / SERIES, by_cat], check=True)

    subprocess.run(["cp", "-r", mount / "2008-0003", tmp_path / "by-cp"], check=True)
    subprocess.run(["rsync", "-a", f"{mount}/2008-0003/", tmp_path / "by-rsync"], check=True)
    tarred = subprocess.run(["tar", "cf", "-", "-C", mount / SERIES, "."], stdout=subprocess.PIPE, check=True).stdout
    (tmp_path / "by-tar").mkdir()
    subprocess.run(["tar", "xf", "-", "-C", tmp_path / "by-tar"], input=tarred, check=True)
    for copy in (
        tmp_path / "by-cp/E001/003_DCM_MR_t1_mprage",
        tmp_path / "by-rsync/E001/003_DCM_MR_t1_mprage",
        tmp_path / "by-tar",
    ):
        subprocess.run(["chmod", "-R", "u+w", copy], check=True)
        subprocess.run(["diff", "-r", copy, by_cat], check=True)

    token = appliance.run("token", "create", "ada").stdout.strip()
    assert get(appliance, f"{SERIES}/00001.dcm", "ada", token) == (by_cat / "00001.dcm").read_bytes()
    obscured = subprocess.run(["rclone", "obscure", token], capture_output=True, text=True, check=True).stdout.strip()
    remote = f":webdav,url='http://127.0.0.1:{appliance.http}/archive/',vendor=other,user=ada,pass={obscured}:"
    rclone = ["rclone", "--config", "/dev/null"]
    subprocess.run([*rclone, "copy", remote + SERIES, tmp_path / "by-rclone"], check=True)
    subprocess.run(["diff", "-r", tmp_path / "by-rclone", by_cat], check=True)
    subprocess.run([*rclone, "check", "--download", remote + SERIES, by_cat], check=True, stderr=subprocess.DEVNULL)


@needs_fuse
def test_who_has_no_grant_finds_nothing_anywhere(appliance: Appliance, tmp_path: Path) -> None:
    appliance.store(phantom(tmp_path / "sent", 1))
    appliance.publish("E001")
    mount = appliance.mount("eve")
    assert list(mount.iterdir()) == []
    assert not (mount / SERIES).exists()
    refused = appliance.run("ls", "2008-0003", "--as", "eve", check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    token = appliance.run("token", "create", "eve").stdout.strip()
    for path in ("2008-0003", f"{SERIES}/00001.dcm"):
        with pytest.raises(urllib.error.HTTPError) as answer:
            get(appliance, path, "eve", token)
        assert answer.value.code == 404
        answer.value.close()


@needs_fuse
def test_what_is_published_later_appears_in_the_mount(appliance: Appliance, tmp_path: Path) -> None:
    mount = appliance.mount("ada")
    assert [path.name for path in mount.iterdir()] == ["2008-0003"]
    appliance.store(phantom(tmp_path / "sent", 2))
    appliance.publish("E001")
    subprocess.run(
        ["timeout", "30", "sh", "-c", 'until test -e "$0"; do sleep 0.1; done', mount / SERIES / "00002.dcm"], check=True
    )


@pytest.mark.parametrize("program", ["storescu", "dcmsend"])
def test_real_files_of_many_syntaxes_come_in_as_they_are(appliance: Appliance, tmp_path: Path, program: str) -> None:
    folder = tmp_path / "sent"
    folder.mkdir()
    names = ("CT_small.dcm", "MR_small.dcm", "ExplVR_BigEnd.dcm", "JPEG-LL.dcm", "rtplan.dcm", "emri_small_RLE.dcm")
    for name in names:
        shutil.copy(get_testdata_file(name), folder / name)
    options = ["-aet", "SCANNER1", "-aec", "ARCHIMED", "127.0.0.1", str(appliance.dicom)]
    for name in names:
        # One association a file: storescu proposes one transfer syntax for all, dcmsend what each file has.
        proposed = {"JPEG-LL.dcm": ["-xs"], "ExplVR_BigEnd.dcm": ["-xb"], "emri_small_RLE.dcm": ["-xr"]}
        extra = proposed.get(name, []) if program == "storescu" else []
        subprocess.run([program, *extra, *options, folder / name], check=True, capture_output=True, timeout=60)
    (batch,) = appliance.json("staging", "list")
    appliance.run("staging", "seal", str(batch["id"]))
    shown = appliance.json("staging", "show", str(batch["id"]))
    assert shown["files"] == len(names)
    assert [finding for finding in shown["findings"] if finding["severity"] == "error"] == []
    received = sorted((tmp_path / "var/staging/received").glob("*/[0-9]*"), key=lambda path: int(path.name))
    for name, path in zip(names, received, strict=True):
        sent, came = pydicom.dcmread(folder / name), pydicom.dcmread(path)
        if name in {"CT_small.dcm", "JPEG-LL.dcm", "emri_small_RLE.dcm"}:
            # The uncompressed others these two programs turn into what they like best before they send.
            assert came.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID
            assert came.get("PixelData") == sent.get("PixelData")


def test_every_part_may_die_and_nothing_acknowledged_is_lost(appliance: Appliance, tmp_path: Path) -> None:
    phantom(tmp_path / "sent", 30)
    log = tmp_path / "log"
    for round_, victim in enumerate(("dicom", "worker", "http")):
        outcome = appliance.store(*sorted((tmp_path / "sent").iterdir())[round_ * 10 : round_ * 10 + 10])
        assert outcome.returncode == 0, outcome.stderr
        before = log.stat().st_size
        subprocess.run(["pkill", "-9", "-P", str(appliance.serving.pid), "-f", "gateway.cli"], check=False)
        # All three die each time, perhaps before they were ready again: only what is said from now on counts.
        ready = f'tail -c +{before} "$0" | grep -q "{victim} is ready"'
        subprocess.run(["timeout", "60", "sh", "-c", f"until {ready}; do sleep 0.1; done", log], check=True)
    appliance.publish("E001")
    assert [line["name"] for line in appliance.json("ls", SERIES, "--as", "ada")] == [f"{n:05d}.dcm" for n in range(1, 31)]


def test_killing_the_tree_leaves_no_orphan_and_it_starts_again(appliance: Appliance, tmp_path: Path) -> None:
    appliance.store(phantom(tmp_path / "sent", 3))
    pid = appliance.serving.pid
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=True).stdout.split()
    assert len(children) == 3
    appliance.stop(signal.SIGKILL)
    gone = 'for p in "$@"; do while kill -0 $p 2>/dev/null; do sleep 0.05; done; done'
    subprocess.run(["timeout", "30", "sh", "-c", gone, "sh", *children], check=True)
    appliance.start()
    appliance.publish("E001")
    assert len(appliance.json("ls", SERIES, "--as", "ada")) == 3


def test_no_identity_is_in_any_log_line_or_kept_row(appliance: Appliance, tmp_path: Path) -> None:
    sent = phantom(tmp_path / "sent", 3)
    (sent / "IM9").write_bytes(image(instance=9)[:-64])
    appliance.store(sent)
    appliance.store(sent, sender="STRANGER")
    appliance.publish("E001")
    appliance.stop()
    assert appliance.serving is None
    log = (tmp_path / "log").read_bytes()
    catalogue = b"".join(path.read_bytes() for path in (tmp_path / "var").glob("catalog.db*"))
    store = b"".join(path.read_bytes() for path in (tmp_path / "var/store").rglob("*") if path.is_file())
    for value in (b"Doe", b"Jane", b"HOSP-4711", b"19610507", b"1.2.826.0.1.3680043.10.1999", b"Gregory"):
        assert value not in log
        assert value not in catalogue
        assert value not in store
