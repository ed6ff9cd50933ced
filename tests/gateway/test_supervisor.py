"""The supervisor over real processes: started, restarted, stopped in order, never left behind."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from catalog.pure.errors import Unavailable
from gateway.supervisor import address_of, listen, listen_locally
from gateway.supervisor.notify import alive_seconds

TOP = Path(__file__).parents[2]

Tree = Callable[..., "Running"]


class Running:
    """A supervisor in a process of its own, with what its parts noted and logged."""

    def __init__(self, scenario: str, folder: Path, environment: dict[str, str] | None = None) -> None:
        self.story = folder / "story"
        self.story.touch()
        self.errors = folder / "errors"
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.gateway.supervised", scenario, str(folder)], cwd=TOP, text=True,
                stdout=subprocess.PIPE, stderr=errors, env=os.environ | (environment or {}),
            )  # fmt: skip

    def wait_ready(self) -> int:
        """Return the port of the part that answers with its process id."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("ready http=127.0.0.1:"), self.log
        return int(line.rsplit(":", 1)[1])

    def noted(self, name: str) -> list[int]:
        lines = [line.split() for line in self.story.read_text().splitlines()]
        return [int(words[1]) for words in lines if words[0] == name and words[1].isdigit()]

    def end(self) -> int:
        return self.process.wait(timeout=60)

    @property
    def log(self) -> str:
        return self.errors.read_text()


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    running: list[Running] = []

    def start(scenario: str, environment: dict[str, str] | None = None) -> Running:
        running.append(Running(scenario, tmp_path, environment))
        return running[-1]

    yield start
    for one in running:
        one.process.kill()
        one.process.wait()
        assert one.process.stdout is not None
        one.process.stdout.close()


def ask(port: int) -> int:
    """Return the process id of whoever serves; a part that is being restarted makes its client wait."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        return int(connection.recv(100))


def wait_for(what: Callable[[], bool]) -> None:
    """Wait until something is noted; a file has no event that is simpler than looking."""
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextlib.contextmanager
def watched(*pids: int) -> Iterator[Callable[[], None]]:
    """Give a function that waits until each of the processes is gone."""
    descriptors = [os.pidfd_open(pid) for pid in pids]

    def wait() -> None:
        for descriptor in descriptors:
            readable, _, _ = select.select([descriptor], [], [], 60)
            assert readable, "a process is still there"

    yield wait
    for descriptor in descriptors:
        os.close(descriptor)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_its_parts_in_order_and_ends_with_status_0(tree: Tree, number: signal.Signals) -> None:
    running = tree("two")
    port = running.wait_ready()
    assert ask(port) == running.noted("echo")[0]
    pids = [running.noted(name)[0] for name in ("echo", "helper", "job")]
    with watched(*pids) as wait_gone:
        running.process.send_signal(number)
        assert running.end() == 0
        wait_gone()
    assert [line for line in running.story.read_text().splitlines() if "finished" in line] == ["echo finished", "job finished"]
    with pytest.raises(ConnectionRefusedError):
        ask(port)


def test_restarts_a_part_that_is_killed_and_loses_no_connection(tree: Tree) -> None:
    running = tree("two")
    port = running.wait_ready()
    served = [ask(port)]
    for _ in range(3):
        helper = running.noted("helper")[-1]
        with watched(helper) as wait_gone:
            os.kill(served[-1], signal.SIGKILL)
            served.append(ask(port))  # waits in the socket's queue until somebody serves it again
            wait_gone()
    assert len(set(served)) == 4
    assert running.noted("job")[1:] == []  # the other part was left alone
    delays = [line.split("again in ")[1] for line in running.log.splitlines() if "echo ended unasked (signal SIGKILL)" in line]
    assert delays == ["0.1 seconds", "0.2 seconds", "0.4 seconds"]
    running.process.terminate()
    assert running.end() == 0


def test_a_parent_that_is_killed_leaves_nobody_behind(tree: Tree) -> None:
    running = tree("two")
    ask(running.wait_ready())
    with watched(*(running.noted(name)[0] for name in ("echo", "helper", "job"))) as wait_gone:
        running.process.kill()
        wait_gone()


def test_a_second_request_kills_a_part_that_does_not_finish(tree: Tree) -> None:
    running = tree("deaf")
    port = running.wait_ready()
    (deaf,) = running.noted("deaf")
    with watched(deaf, *running.noted("job")) as wait_gone:
        running.process.terminate()
        while "stopping deaf" not in running.log:
            os.sched_yield()
        with pytest.raises(ConnectionError):  # not left waiting for a part that has stopped
            ask(port)
        running.process.terminate()
        assert running.end() == 0
        wait_gone()
    assert "deaf does not finish; it is killed" in running.log


def test_a_part_that_cannot_start_says_why_and_stops_the_others(tree: Tree) -> None:
    running = tree("misconfigured")
    assert running.end() == 1
    assert running.log.splitlines()[-1] == "archimed: [auth] backends: none of them can be used here"
    assert "ready http" not in (running.process.stdout.read() if running.process.stdout else "")
    for pid in running.noted("job"):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_part_that_crashes_at_the_start_is_named_and_its_error_not_quoted(tree: Tree) -> None:
    running = tree("crashing")
    assert running.end() == 1
    assert running.log.splitlines()[-1] == "archimed: the part crashing could not start (status 70); see the log above"
    assert "ValueError at tests/gateway/supervised.py" in running.log
    assert "Doe" not in running.log


def test_a_part_that_is_killed_before_it_is_ready_is_started_again(tree: Tree) -> None:
    running = tree("killed")
    running.wait_ready()
    assert len(running.noted("killed")) == 3
    assert len(running.noted("job")) == 2, "the other part's process stays"


def test_a_part_that_is_killed_whenever_it_starts_ends_the_tree(tree: Tree) -> None:
    running = tree("doomed")
    assert running.end() == 1
    assert len(running.noted("killed")) == 5
    assert "the part killed could not start (signal SIGKILL)" in running.log


def test_a_part_that_never_becomes_ready_is_not_waited_for_without_end(tree: Tree) -> None:
    running = tree("silent")
    assert running.end() == 1
    assert "not ready after 0 seconds: silent" in running.log.splitlines()[-1]


def test_a_process_that_a_dead_part_left_behind_delays_nothing_and_is_ended(tree: Tree) -> None:
    running = tree("holding")
    assert running.end() == 1
    assert "the part holding could not start (status 3)" in running.log
    (left,) = running.noted("left")
    assert not Path(f"/proc/{left}/cmdline").exists() or Path(f"/proc/{left}/cmdline").read_bytes() == b""


def test_the_service_manager_is_told(tree: Tree, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(60)
        manager.bind(str(tmp_path / "notify"))
        running = tree("two", {"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert manager.recv(100) == b"READY=1"
        running.process.terminate()
        assert manager.recv(100) == b"STOPPING=1"
        assert running.end() == 0


def test_tells_the_watchdog_that_it_is_alive_as_often_as_it_wants(tree: Tree, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(60)
        manager.bind(str(tmp_path / "notify"))
        running = tree("two", {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"})
        assert [manager.recv(100) for _ in range(5)] == [b"READY=1"] + [b"WATCHDOG=1"] * 4
        running.process.terminate()
        assert running.end() == 0


def test_the_watchdog_of_another_process_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    assert alive_seconds() == 1.5
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert alive_seconds() == 1.5
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert alive_seconds() == 0
    monkeypatch.delenv("WATCHDOG_PID")
    monkeypatch.setenv("WATCHDOG_USEC", "often")
    assert alive_seconds() == 0


def test_a_part_that_hangs_is_killed_and_started_again_and_one_that_works_is_not(tree: Tree) -> None:
    running = tree("hanging")
    story = running.story
    wait_for(lambda: len(running.noted("hanging")) == 2)
    assert "hanging hangs: nothing was heard of it for 2 seconds; it is killed" in running.log
    assert "hanging ended unasked (signal SIGKILL)" in running.log
    # For two seconds, longer than it may be silent, the first life said that it was alive; so does the second.
    wait_for(lambda: story.read_text().count("still here") == 2)
    assert len(running.noted("hanging")) == 2
    running.process.terminate()
    assert running.end() == 0


def test_a_part_that_says_it_is_alive_before_it_is_ready_becomes_ready(tree: Tree) -> None:
    running = tree("eager")
    running.wait_ready()
    assert "eager is ready" in running.log
    running.process.terminate()
    assert running.end() == 0


def test_a_part_that_is_stopped_from_outside_is_started_again(tree: Tree) -> None:
    running = tree("hanging")
    wait_for(lambda: len(running.noted("hanging")) == 2)
    os.kill(running.noted("hanging")[-1], signal.SIGSTOP)
    wait_for(lambda: len(running.noted("hanging")) == 3)
    running.process.terminate()
    assert running.end() == 0


def test_a_taken_port_is_an_error_that_names_it() -> None:
    with listen("127.0.0.1", 0, "[http] port") as first:
        port = first.getsockname()[1]
        with pytest.raises(Unavailable, match=rf"^\[dicom\] port: port {port} on 127.0.0.1 is taken by another program"):
            listen("127.0.0.1", port, "[dicom] port")
        assert address_of(first) == f"127.0.0.1:{port}"


def test_an_address_that_is_not_here_is_an_error_that_names_it() -> None:
    with pytest.raises(Unavailable, match=r"192\.0\.2\.1 is not an address of this machine"):
        listen("192.0.2.1", 0, "[http] host")
    with pytest.raises(Unavailable, match=r"the host nowhere\.invalid has no address"):
        listen("nowhere.invalid", 0, "[http] host")


def test_an_ipv6_address_is_written_as_a_client_needs_it() -> None:
    if not Path("/proc/net/if_inet6").exists() or "lo" not in Path("/proc/net/if_inet6").read_text():
        pytest.skip("this machine has no IPv6 loopback")
    with listen("::1", 0, "[http] host") as listener:
        assert address_of(listener).startswith("[::1]:")


def test_a_socket_is_for_its_folder_alone_and_replaces_what_a_former_process_left(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    place = tmp_path / "proxy.sock"
    with listen_locally(place, "[http] socket"):
        assert place.stat().st_mode & 0o777 == 0o660
        with pytest.raises(Unavailable, match=r"^\[http\] socket: another program listens at"):
            listen_locally(place, "[http] socket")
    assert place.is_socket(), "nobody removes it"
    listen_locally(place, "[http] socket").close()


def test_a_socket_that_others_could_reach_or_that_would_replace_a_file_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o751)
    with pytest.raises(Unavailable, match=r"others may look into .*; close it: chmod o= "):
        listen_locally(tmp_path / "proxy.sock", "[http] socket")
    tmp_path.chmod(0o750)
    (tmp_path / "proxy.sock").write_text("precious")
    with pytest.raises(Unavailable, match="is no socket; remove it, or choose another path"):
        listen_locally(tmp_path / "proxy.sock", "[http] socket")
    with pytest.raises(Unavailable, match="No such file or directory"):
        listen_locally(tmp_path / "missing/proxy.sock", "[http] socket")
    assert (tmp_path / "proxy.sock").read_text() == "precious"
