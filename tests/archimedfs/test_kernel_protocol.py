"""The kernel's protocol: requests of any shape get one answer or none, and whoever comes next is served."""

import contextlib
import errno
import os
import resource
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archimedfs import inodes
from archimedfs.archive import ArchiveOperations
from archimedfs.calling import inline
from archimedfs.kernel import messages
from archimedfs.kernel.device import Device
from archimedfs.kernel.messages import UNANSWERED, WRITING, Opcode
from archimedfs.kernel.workers import Workers
from archimedfs.user_roots import Account, UserRoot, UserRoots
from catalog.pure.nodes import ROOT_ID
from tests.archimedfs.kernel import UID, Kernel, message, number_of, read_in
from tests.behaviour.suite import eventually
from tests.builders import BuiltArchive, built_in

SERIES = "S1/E1/001_DCM_MR_x"
NAMES = [f"{number:05d}.dcm" for number in range(1, 41)]
DIRENT = 24
ENTRY = 128


class Site:
    """An archive of one series, spoken with as the kernel does."""

    def __init__(self, built: BuiltArchive, asking: Workers | None = None) -> None:
        user = built.user("ada")
        built.study("S1")
        built.grant("ada", "S1")
        built.add_series(SERIES, {name: name.encode() for name in NAMES})
        self.view = built.view("ada")
        self.user_root: UserRoot[Any] = UserRoot(0, user.user_id, "ada", self.view, Account(UID, UID))
        user_roots: UserRoots[Any] = UserRoots()
        user_roots.add(self.user_root)
        self.operations = ArchiveOperations(user_roots, inline, asking, built.archive.capacity)
        self.kernel = Kernel(self.operations.handlers())

    def inode(self, path: str) -> int:
        return inodes.encode(0, self.view.resolve(path).id)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with built_in(tmp_path_factory.mktemp("archive")) as built:
        made = Site(built)
        with made.kernel:
            yield made
        made.operations.close()


def init(major: int = 7, minor: int = 38, flags: int = 0xFFFFFFFF) -> bytes:
    return struct.pack("<IIII", major, minor, 131_072, flags)


def lists(site: Site, opcode: int, size: int) -> list[str]:
    """List the series, a few entries at a time."""
    node = site.inode(SERIES)
    number = number_of(site.kernel.ask(Opcode.OPENDIR, node, bytes(8)))
    names, cookie = [], 0
    while payload := site.kernel.ask(opcode, node, read_in(number, cookie, size)).payload:
        assert len(payload) <= size
        place = 0
        while place < len(payload):
            place += ENTRY if opcode == Opcode.READDIRPLUS else 0
            _, cookie, length, _ = struct.unpack_from("<QQII", payload, place)
            names.append(payload[place + DIRENT : place + DIRENT + length].decode())
            place += DIRENT + length + -length % 8
    site.kernel.ask(Opcode.RELEASEDIR, node, number.to_bytes(8, "little") + bytes(16))
    return names


@pytest.mark.parametrize("opcode", [Opcode.READDIR, Opcode.READDIRPLUS])
@pytest.mark.parametrize("size", [200, 4096, 1 << 17])
def test_a_listing_with_and_without_attributes(site: Site, opcode: Opcode, size: int) -> None:
    assert lists(site, opcode, size) == [".", "..", *NAMES]


@pytest.mark.parametrize("flags", [0xFFFFFFFF, 0, messages.ASYNC_READ, ~messages.MAX_PAGES & 0xFFFFFFFF])
@pytest.mark.parametrize("minor", [31, 37, 38, 45])
def test_nothing_is_taken_that_the_kernel_did_not_offer(site: Site, flags: int, minor: int) -> None:
    """Linux 6.1 says 7.37 and knows fewer flags than a new one."""
    answer = site.kernel.ask(Opcode.INIT, 0, init(minor=minor, flags=flags) + bytes(48))
    assert len(answer.payload) == 64
    major, agreed, readahead, taken = struct.unpack_from("<IIII", answer.payload)
    pages = struct.unpack_from("<H", answer.payload, 28)[0]
    assert (major, agreed, readahead) == (7, min(minor, 38), 131_072)
    assert taken & ~flags == 0
    assert taken == flags & messages.WANTED
    assert bool(pages) == bool(flags & messages.MAX_PAGES)
    assert not taken & 1 << 4, "with EXPORT_SUPPORT the kernel looks up numbers that somebody guessed"


def test_a_kernel_of_a_newer_kind_is_told_ours_and_an_old_one_is_refused(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    assert struct.unpack_from("<I", site.kernel.ask(Opcode.INIT, 0, init(major=8)).payload)[0] == 7
    assert site.kernel.ask(Opcode.INIT, 0, init(minor=12)).error == errno.EPROTO
    assert "too old" in caplog.text


@pytest.mark.parametrize("opcode", sorted(WRITING))
def test_writing_is_refused_as_on_a_read_only_file_system(site: Site, opcode: int) -> None:
    assert site.kernel.ask(opcode, site.inode(SERIES), bytes(64)).error == errno.EROFS


@pytest.mark.parametrize("opcode", [0, 22, 23, 25, 34, 39, 46, 52, 53, 4096, 0xFFFFFFFF])
def test_what_is_not_known_is_said_to_be_so(site: Site, opcode: int) -> None:
    assert site.kernel.ask(opcode, 1, bytes(64)).error == errno.ENOSYS


@pytest.mark.parametrize(
    "opcode", [Opcode.LOOKUP, Opcode.OPEN, Opcode.READ, Opcode.READDIR, Opcode.READDIRPLUS, Opcode.RELEASE]
)
def test_a_request_that_is_too_short_is_an_error(site: Site, opcode: Opcode) -> None:
    answer = site.kernel.ask(opcode, site.inode(SERIES), b"x")
    assert answer.error == errno.EINVAL


@pytest.mark.parametrize("number", [0, 7_777_777, (1 << 64) - 1])
@pytest.mark.parametrize("opcode", [Opcode.READ, Opcode.READDIR, Opcode.READDIRPLUS])
def test_a_number_that_was_never_given_is_none(site: Site, opcode: Opcode, number: int) -> None:
    assert site.kernel.ask(opcode, 1, read_in(number, 0, 4096)).error == errno.EBADF
    assert site.kernel.ask(Opcode.RELEASE, 1, number.to_bytes(8, "little") + bytes(16)).error == 0


@pytest.mark.parametrize(
    "body", [bytes(8), struct.pack("<II", 2, 0) + struct.pack("<QQQQ", 5, 1, 6, 2), struct.pack("<II", 9, 0)]
)
@pytest.mark.parametrize("opcode", sorted(UNANSWERED))
def test_what_the_kernel_waits_for_no_answer_to_gets_none(site: Site, opcode: int, body: bytes) -> None:
    site.kernel.send(message(opcode, 3, body))
    assert site.kernel.received() is None


def test_what_the_kernel_forgets_is_forgotten(site: Site) -> None:
    site.kernel.forgotten.clear()
    site.kernel.send(message(Opcode.FORGET, 3, struct.pack("<Q", 1)))
    site.kernel.send(message(Opcode.BATCH_FORGET, 0, struct.pack("<II", 2, 0) + struct.pack("<QQQQ", 5, 1, 6, 2)))
    site.kernel.send(message(Opcode.BATCH_FORGET, 0, struct.pack("<II", 1 << 31, 0) + struct.pack("<QQ", 7, 1)))
    assert site.kernel.forgotten == [3, 5, 6, 7]


def test_a_file_is_remembered_until_the_kernel_forgets_it_open_or_not(site: Site) -> None:
    inode, study = site.inode(f"{SERIES}/{NAMES[0]}"), site.view.resolve("S1").id.row
    number = number_of(site.kernel.open(inode))
    site.kernel.ask(Opcode.RELEASE, inode, number.to_bytes(8, "little") + bytes(16))
    assert inode in site.operations.open_files(site.user_root, [study])
    assert site.operations.open_files(site.user_root, [study + 1]) == []
    site.operations.forgotten([inode])
    assert inode not in site.operations.open_files(site.user_root, [study])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    raw=st.binary(max_size=200), length=st.none() | st.integers(0, 2**32 - 1), opcode=st.none() | st.sampled_from(list(Opcode))
)
def test_garbled_messages_harm_nobody(site: Site, raw: bytes, length: int | None, opcode: Opcode | None) -> None:
    if len(raw) >= 40:
        head = list(messages.IN_HEADER.unpack_from(raw))
        head[0] = len(raw) if length is None else length
        head[1] = head[1] if opcode is None else int(opcode)
        raw = messages.IN_HEADER.pack(*head) + raw[40:]
    site.kernel.others.clear()
    site.kernel.send(raw)
    # Whoever comes next is served; a worker may answer later than that.
    assert site.kernel.ask(Opcode.GETATTR, 1, bytes(16)).error == 0
    answers = [found[0] for found in site.kernel.others if found]
    assert len(answers) == len(set(answers)), "answered twice"


def test_many_readers_of_what_is_not_in_memory_get_their_own_bytes(site: Site) -> None:
    numbers = {name: number_of(site.kernel.open(site.inode(f"{SERIES}/{name}"))) for name in NAMES}
    for unique, name in enumerate(NAMES, 100):
        held = site.operations._files[numbers[name]]
        os.fsync(held.fd)
        os.posix_fadvise(held.fd, 0, 0, os.POSIX_FADV_DONTNEED)
        site.kernel.send(message(Opcode.READ, 1, read_in(numbers[name], 0, 4096), unique=unique))
    found: dict[int, bytes] = {}

    def all_there() -> bool:
        while (answer := site.kernel.received()) is not None:
            found[answer[0]] = answer[1].payload
        return len(found) == len(NAMES)

    assert eventually(all_there)
    assert found == {unique: name.encode() for unique, name in enumerate(NAMES, 100)}
    for number in numbers.values():
        site.kernel.ask(Opcode.RELEASE, 1, number.to_bytes(8, "little") + bytes(16))


def test_a_catalogue_that_does_not_answer_keeps_nobody_from_reading_what_is_open(tmp_path: Path) -> None:
    """Asked by workers, as PostgreSQL is: a read, a new open of a held file and an interrupt go on meanwhile."""
    with built_in(tmp_path) as built:
        site = Site(built, Workers("asking", 2))
        first = site.inode(f"{SERIES}/{NAMES[0]}")
        with site.kernel:
            number = number_of(site.kernel.open(first))
            os.pread(site.operations._files[number].fd, 100, 0)
            answers, asked = threading.Event(), threading.Event()

            class Stalled:
                def __getattr__(self, _name: str) -> Any:
                    def wait(*_args: Any) -> Any:
                        asked.set()
                        answers.wait()
                        return site.view.attributes(ROOT_ID)

                    return wait

            site.user_root.shown = Stalled()
            for unique in range(50, 60):
                site.kernel.send(message(Opcode.LOOKUP, 1, b"S1\0", unique=unique))
            assert asked.wait(20)
            assert site.kernel.read(number).payload == NAMES[0].encode()
            assert number_of(site.kernel.open(first)) != number
            site.kernel.send(message(Opcode.INTERRUPT, 0, struct.pack("<Q", 50)))
            assert site.kernel.received() is None
            answers.set()
            uniques: set[int] = set()

            def all_answered() -> bool:
                while (answer := site.kernel.received()) is not None:
                    uniques.add(answer[0])
                return uniques == set(range(50, 60))

            assert eventually(all_answered)
        site.operations.close()


def test_nothing_is_answered_once_it_is_stopped() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        device = Device({}, lambda _: None)
        device.attach(theirs.fileno(), lambda: None)
        assert device.is_turning()
        serving = threading.Thread(target=device.serve)
        serving.start()
        ours.send(message(Opcode.INIT, 0, init()))
        assert ours.recv(4096)
        device.stop()
        ours.send(message(Opcode.INIT, 0, init()))
        serving.join(20)
        assert not serving.is_alive()
        ours.setblocking(False)
        with pytest.raises(BlockingIOError):
            ours.recv(4096)


def test_a_file_that_nobody_waits_for_any_more_is_closed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who opens may be killed before the answer; the kernel then takes none, and closes nothing."""
    before = len(site.operations._files)
    with monkeypatch.context() as patched:
        patched.setattr(os, "writev", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOENT, "interrupted")))
        site.kernel.send(message(Opcode.OPEN, site.inode(f"{SERIES}/{NAMES[1]}"), bytes(8)))
    assert len(site.operations._files) == before
    assert site.kernel.received() is None


def test_descriptors_that_nobody_uses_are_given_up_when_there_are_no_more(site: Site) -> None:
    for name in NAMES:
        inode = site.inode(f"{SERIES}/{name}")
        number = number_of(site.kernel.open(inode))
        site.kernel.ask(Opcode.RELEASE, inode, number.to_bytes(8, "little") + bytes(16))
    site.operations._held._held[site.inode(f"{SERIES}/{NAMES[0]}")].epoch = -1  # so that it has to be opened
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208 - numbers are wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 8, hard))
    taken = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        answer = site.kernel.open(site.inode(f"{SERIES}/{NAMES[0]}"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)
    assert site.kernel.read(number_of(answer)).payload == NAMES[0].encode()
    assert len(site.operations._held) < len(NAMES) // 2


def test_workers_do_everything_once_with_no_more_threads_than_they_may() -> None:
    workers, done, lock = Workers("testing", 3), [], threading.Lock()
    gate = threading.Event()

    def work(number: int) -> None:
        gate.wait(20)
        with lock:
            done.append((number, threading.get_ident()))

    for number in range(30):
        workers.do(lambda number=number: work(number))
    gate.set()
    assert eventually(lambda: len(done) == 30)
    for number in range(30, 33):
        workers.do(lambda number=number: work(number))
    assert eventually(lambda: len(done) == 33)
    assert sorted(number for number, _ in done) == list(range(33))
    assert workers.stop(20)
    workers.do(lambda: done.append((99, 0)))
    assert workers.stop(20)
    assert len(done) == 33
    assert len({thread for _, thread in done}) <= 3
