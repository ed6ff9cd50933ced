"""The Python client against a served archive: questions, downloads that go on, uploads, results."""

import ast
import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import archimed
import pytest

from catalog.administration import Scope
from tests.behaviour.dropping import staging_of
from tests.builders import BuiltArchive, built_in
from tests.gateway.http.serving import Serving

SERIES = "S1/E1/003_DCM_MR_t1"
BIG = bytes(range(256)) * 12_000
CONTENTS = {f"{number:05d}.dcm": b"%d" % number * 100 for number in range(1, 6)} | {"big äöü #1.raw": BIG}
SOURCE = Path(archimed.__file__).parent


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with built_in(tmp_path_factory.mktemp("client")) as built:
        _fill(built)
        with Serving(built, login="rita", scopes=(Scope.READ, Scope.STAGING)) as running:
            yield running


def _fill(built: BuiltArchive) -> None:
    staging_of(built).prepare()
    built.user("rita", "standard")
    built.study("S1")
    built.study("SECRET")
    built.grant("rita", "S1")
    built.add_series(SERIES, CONTENTS, mtime=1_234_567_890)
    built.add_series("S1/E1/003_RESULT_seg", {"zones/a.nii": b"a", "table.csv": b"1,2"})


@pytest.fixture
def archive(serving: Serving) -> Iterator[archimed.Archive]:
    with archimed.open(serving.url, serving.token) as opened:
        yield opened


def test_a_question_becomes_a_table(archive: archimed.Archive) -> None:
    table = archive.query('file_type = "DCM_MR"').to_pandas()
    assert table[["path", "files", "number"]].values.tolist() == [[SERIES, 6, 3]]
    assert str(table["acquired"][0]) == "2009-02-13 23:31:30+00:00"
    assert archive.query("size > 1 MB").to_pandas(files=True)["name"].tolist() == ["big äöü #1.raw"]
    assert archive.query('file_type = "NIFTI"').to_pandas().empty


def test_listings(archive: archimed.Archive) -> None:
    assert archive.about()["login"] == "rita"
    assert [each["code"] for each in archive.studies()] == ["S1"]
    assert [each["name"] for each in archive.exams("S1")] == ["E1"]
    assert [each["path"] for each in archive.series("S1", "E1")] == [SERIES, "S1/E1/003_RESULT_seg"]
    assert [each["series"] for each in archive.results("S1", "E1")] == ["003_RESULT_seg"]
    assert [each["name"] for each in archive.ls()] == ["S1"]
    assert {each["path"].rpartition("/")[2] for each in archive.walk("S1/E1/003_RESULT_seg")} == {"a.nii", "table.csv"}
    assert archive.stats("S1")[0]["files"] == 8
    assert archive.metadata(SERIES) == {}


def test_parts_of_a_file(archive: archimed.Archive) -> None:
    path = f"{SERIES}/big äöü #1.raw"
    assert archive.read(path) == BIG
    assert archive.read(path, 5, 10) == BIG[5:15]
    assert archive.read(path, len(BIG) - 3) == BIG[-3:]
    assert archive.read(path, 7, 0) == b""


def test_errors_say_what_the_archive_says(archive: archimed.Archive, serving: Serving) -> None:
    for path in ("SECRET", "NOTHING", f"{SERIES}/none.dcm"):
        with pytest.raises(archimed.NotFound):
            archive.stat(path)
    with pytest.raises(archimed.Invalid, match="there is no field `Echotme`"):
        list(archive.query("Echotme > 3"))
    with pytest.raises(archimed.Refused), archimed.open(serving.url, "amt_wrong") as wrong:
        wrong.studies()
    with pytest.raises(ValueError, match="insecure=True"):
        archimed.open("http://archive.example.org", "amt_x")
    with pytest.raises(ValueError, match="https://"):
        archimed.open("archive.example.org", "amt_x")


def test_downloads_are_whole_and_not_made_twice(archive: archimed.Archive, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    files = archive.download("S1", tmp_path, progress=lambda done, whole: seen.append((done, whole)))
    assert {file.relative_to(tmp_path / SERIES).as_posix(): file.read_bytes() for file in files[:6]} == CONTENTS
    assert (tmp_path / "S1/E1/003_RESULT_seg/zones/a.nii").read_bytes() == b"a"
    whole = sum(map(len, CONTENTS.values())) + 4
    assert seen[-1] == (whole, whole)
    before = {file: file.stat().st_mtime_ns for file in files}
    (tmp_path / SERIES / "00002.dcm").write_bytes(b"damaged")
    assert [*archive.query("has size").download(tmp_path)] == [*files]
    assert {file for file in files if file.stat().st_mtime_ns != before[file]} == {tmp_path / SERIES / "00002.dcm"}
    assert not list(tmp_path.rglob("*.part"))


def test_a_download_that_was_cut_off_goes_on(archive: archimed.Archive, serving: Serving, tmp_path: Path) -> None:
    path = f"{SERIES}/big äöü #1.raw"
    part = tmp_path / f"{path}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(BIG[:1_000_000])
    log = serving.log.read_text()
    (file,) = archive.download(path, tmp_path)
    assert file.read_bytes() == BIG
    assert "206" in serving.log.read_text().removeprefix(log)
    file.unlink()
    part.write_bytes(b"x" * 1_000_000)  # of another file: the digest tells
    with pytest.raises(archimed.Damaged):
        archive.download(path, tmp_path)
    assert archive.download(path, tmp_path)[0].read_bytes() == BIG


def test_a_connection_that_breaks_is_made_again(serving: Serving, tmp_path: Path) -> None:
    with _Breaking(serving.port, 700_000) as port, archimed.open(f"http://127.0.0.1:{port}", serving.token) as archive:
        (file,) = archive.download(f"{SERIES}/big äöü #1.raw", tmp_path)
    assert hashlib.sha256(file.read_bytes()).digest() == hashlib.sha256(BIG).digest()


def test_a_server_that_is_away_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archimed.http.time.sleep", lambda _: None)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(archimed.Unavailable, match="cannot be reached"), archimed.open(f"http://127.0.0.1:{port}", "x") as away:
        away.studies()


def test_files_and_results_are_brought_to_the_gate(archive: archimed.Archive, tmp_path: Path) -> None:
    folder = tmp_path / "scan"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "größe.dat").write_bytes(BIG)
    (folder / "empty.txt").touch()
    batch = archive.upload(folder, "S1", "E7")
    assert (batch["state"], batch["exam"], batch["uploader"]) == ("open", "E7", "rita")
    assert archive.upload([folder / "empty.txt"], "S1", "E7", folder="more")["id"] == batch["id"]
    result = archive.add_result(SERIES, folder, "seg2", program="FreeSurfer 7.4.1")
    assert result["exam"] == "E1"
    assert archive.seal(batch["id"])["state"] == "sealed"
    assert archive.seal(batch["id"])["files"] == 3
    with pytest.raises(archimed.NotFound):
        archive.add_result("S1/E1/004_none", folder, "seg2")
    with pytest.raises(archimed.NotFound):
        archive.upload(folder, "SECRET", "E1")
    with pytest.raises(FileNotFoundError):
        archive.upload(tmp_path / "nothing", "S1", "E1")


def test_the_archive_cannot_name_a_file_outside_the_folder(tmp_path: Path) -> None:
    from archimed.fetching import _target

    for path in ("../x", "a/../../x", "/etc/passwd", "a\\..\\x", "C:/x", ""):
        with pytest.raises(archimed.ArchimedError):
            _target(tmp_path, path)


@pytest.mark.parametrize("source", sorted(SOURCE.glob("*.py")), ids=lambda path: path.name)
def test_it_is_python_3_9(source: Path) -> None:
    ast.parse(source.read_text(), feature_version=(3, 9))


class _Breaking:
    """A way to a server on which the first connections that carry much are broken in the middle."""

    def __init__(self, port: int, most: int) -> None:
        self._to = port
        self._most = most
        self._left = 2
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> int:
        self._start(self._accept)
        port: int = self._listener.getsockname()[1]
        return port

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in (self._listener, *self._sockets):
            each.close()

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
                self._sockets += [client, server]
                self._start(self._carry, client, server, False)
                self._start(self._carry, server, client, True)

    def _carry(self, one: socket.socket, other: socket.socket, breaks: bool) -> None:
        carried = 0
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
                carried += len(data)
                if breaks and self._left and carried > self._most:
                    self._left -= 1
                    break
        for each in (one, other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
