"""`archimed demo` as a user runs it: what `make demo` and `make demo ONCE=1` call."""

import contextlib
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from archimedfs.mountpoint import is_mounted
from catalog.pure.errors import Refused
from gateway.demo import phantom
from gateway.demo.folder import prepare
from gateway.demo.tour import picture

TOP = Path(__file__).parents[1]
CAN_MOUNT = os.access("/dev/fuse", os.R_OK | os.W_OK)
IDENTITIES = (b"DEMO^PHANTOM", b"PHANTOM-4711", b"REFERRER^ROSA", b"Archibald", b"Doe^Peter")
COMMAND = [sys.executable, "-m", "gateway.cli", "demo"]


def processes_of(folder: Path) -> list[str]:
    """Return the command lines of the programs that work in a demo's folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes()
        except OSError:
            continue
        if str(folder / "archimed.toml").encode() in line:
            found.append(line.replace(b"\0", b" ").decode())
    return found


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Give the folder and the output of a demo that ran to its end, with the ports taken that it would like."""
    folder = tmp_path_factory.mktemp("once") / "demo"
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # taken already, by somebody else: as good
            taken.bind(("127.0.0.1", 8080))
            taken.listen()
        answer = subprocess.run(
            [*COMMAND, "--once", "--dir", str(folder)], cwd=TOP, capture_output=True, text=True, timeout=280
        )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stderr == ""
    return folder, answer.stdout


def test_once_reads_everything_back_through_every_door(once: tuple[Path, str]) -> None:
    _, said = once
    read = dict(re.findall(r"read back through (.*): ([0-9]+) files, [0-9,]+ bytes, the same as `archimed cat` gives", said))
    sent = re.search(r"([0-9]+) DICOM files in ([0-9]+) batches", said)
    assert sent is not None
    # Of what was sent, three files are rejected, two are held for their pixels, one lies in a study that lea may not see.
    assert int(read["WebDAV as ada"]) == int(sent[1]) - 5
    assert int(read["WebDAV as lea"]) == int(sent[1]) - 6
    if CAN_MOUNT:
        assert read["the mount"] == read["WebDAV as lea"]
        assert said.endswith("\nunmounted and stopped\n")
    else:
        assert "The demo goes on with WebDAV" in said


def test_once_shows_the_gate_and_what_it_keeps_out(once: tuple[Path, str]) -> None:
    _, said = once
    assert re.search(r"phantom, DEMO\^PHANTOM +64 +2008-0003/E001\n", said)
    assert re.search(r"PatientName +DEMO\^PHANTOM +E001\n", said)
    assert re.search(r"\d+ clean, .*\d+ map UID", said)
    assert re.search(r"\d+ +\d+ +identity is the exam code: exam code\n", said)
    assert re.search(r"ultrasound, 30 frames +1 +held: text may be burned into the pixels", said)
    assert re.search(r"two patients at once +2 +rejected", said)
    assert "003_DCM_MR_t1_mprage/" in said
    assert "P001/" not in said  # lea's tree has nothing of ada's other study


def test_once_leaves_nothing_running_and_no_identity_outside_staging(once: tuple[Path, str]) -> None:
    folder, _ = once
    assert processes_of(folder) == []
    assert not is_mounted(folder / "archive")
    kept = [path for part in ("var", "log") for path in (folder / part).rglob("*") if path.is_file()]
    assert {path.suffix for path in kept} >= {".db", ".log"}
    for path in kept:
        if "staging" not in path.parts:
            content = path.read_bytes()
            assert [identity for identity in IDENTITIES if identity in content] == [], path


@pytest.fixture
def staying(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[str], dict[str, str]]]:
    """Give a demo that waits for Ctrl-C: its folder, its process, and the commands it told, by their first word."""
    folder = tmp_path / "demo"
    running = subprocess.Popen(
        [*COMMAND, "--dir", str(folder)], cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert running.stdout is not None
    said = ""
    while (line := running.stdout.readline()) and not line.startswith("Ctrl-C"):
        said += line
    told = {words[0]: line.strip() for line in said.splitlines() if (words := line.split()) and line.startswith("    ")}
    assert "curl" in told, said
    yield folder, running, told
    running.kill()
    running.wait()
    running.stdout.close()
    subprocess.run(["fusermount3", "-u", "-z", folder / "archive"], capture_output=True)


def test_what_it_tells_works_and_ctrl_c_ends_it(staying: tuple[Path, subprocess.Popen[str], dict[str, str]]) -> None:
    folder, running, told = staying
    for command in ("curl", "ls") if CAN_MOUNT else ("curl",):
        assert "E001" in subprocess.run(["sh", "-c", told[command]], capture_output=True, text=True, check=True).stdout
    environment = os.environ | {"ARCHIMED_CONFIG": str(folder / "archimed.toml")}
    listed = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "staging", "list", "--as", "ada"], cwd=TOP, env=environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "failed" in listed.stdout  # the ultrasound, which waits for somebody who looks at it
    with pytest.raises(Refused, match="a demo is running in"):
        prepare(folder)
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=100) == 0
    assert processes_of(folder) == []
    assert not is_mounted(folder / "archive")


def test_killed_it_leaves_nothing_and_can_be_started_again(
    staying: tuple[Path, subprocess.Popen[str], dict[str, str]],
) -> None:
    folder, running, told = staying
    address = re.search(r"http://[0-9.:]+/", told["curl"])
    assert address is not None
    assert running.stdout is not None
    running.kill()
    # Each child holds the other end of this pipe, or of one that does; the server ends last.
    while processes_of(folder):
        os.sched_yield()
    assert not is_mounted(folder / "archive")
    with pytest.raises(OSError, match=r"[Rr]efused"):
        urllib.request.urlopen(f"{address[0]}healthz", timeout=10)
    made_before = folder / "var/catalog.db"
    assert made_before.exists()
    with prepare(folder).lock:
        assert not made_before.exists()


def test_without_a_fuse_device_it_says_so_and_goes_on(tmp_path: Path) -> None:
    private = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*private, "mount --bind /dev/null /dev/fuse"], capture_output=True).returncode and CAN_MOUNT:
        pytest.skip("this machine lets nobody hide /dev/fuse from a process")
    hidden = [
        *private,
        'mount --bind /dev/null /dev/fuse; exec "$@"',
        "sh",
        *COMMAND,
        "--once",
        "--dir",
        str(tmp_path / "demo"),
    ]
    answer = subprocess.run(hidden, cwd=TOP, capture_output=True, text=True, timeout=280)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "no mount here: " in answer.stdout
    assert "read back through WebDAV as lea: 103 files" in answer.stdout
    assert answer.stdout.endswith("\nstopped\n")


def test_it_takes_no_folder_that_it_did_not_make(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    answer = subprocess.run([*COMMAND, "--dir", str(tmp_path)], cwd=TOP, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 1
    assert answer.stderr == f"archimed: {tmp_path} holds files that no demo made; name another folder with --dir\n"
    assert precious.read_text() == "mine"


def test_the_phantom_is_a_stack_of_slices_with_identities(tmp_path: Path) -> None:
    files = phantom.write(tmp_path / "phantom")
    datasets = [pydicom.dcmread(file) for file in files]
    first = datasets[: phantom.SLICES]
    assert len({dataset.SOPInstanceUID for dataset in datasets}) == len(files) == 2 * phantom.SLICES
    assert len({dataset.SeriesInstanceUID for dataset in datasets}) == 2
    heights = [float(dataset.ImagePositionPatient[2]) for dataset in first]
    assert {round(b - a, 3) for a, b in itertools.pairwise(heights)} == {4.5}
    assert str(first[0].PatientName) == phantom.PATIENT
    middle = first[phantom.SLICES // 2].pixel_array
    assert middle.max() > 800  # scalp
    assert (middle == 0).any()  # air
    again = phantom.write(tmp_path / "again")
    assert [file.read_bytes() for file in again] == [file.read_bytes() for file in files]


def test_a_picture_of_the_tree_shows_the_ends_of_a_long_folder() -> None:
    assert picture(["S/E/1_a/1", "S/E/1_a/2", "S/E/2_b/1", "S/E/2_b/2", "S/E/2_b/3", "S/E/2_b/4"]) == [
        "└── S/",
        "    └── E/",
        "        ├── 1_a/",
        "        │   ├── 1",
        "        │   └── 2",
        "        └── 2_b/",
        "            ├── 1",
        "            ├── ... 2 more",
        "            └── 4",
    ]
