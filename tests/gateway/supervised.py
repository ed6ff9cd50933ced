"""A process tree of small parts to supervise, run as `python -m tests.gateway.supervised SCENARIO FOLDER`.

`echo` answers each connection with its process id; `job` is a worker without a socket; both note their life in FOLDER/story.
"""

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from catalog.pure.errors import ArchimedError, ConfigError
from gateway import logs
from gateway.supervisor import Part, Patience, Supervisor, address_of, listen, stop_on_sigterm

scenario, folder = sys.argv[1], Path(sys.argv[2])


Said = Callable[[], None]


def note(line: str) -> None:
    with (folder / "story").open("a") as story:
        story.write(line + "\n")


def echo(listener: socket.socket, ready: Said) -> None:
    stop = stop_on_sigterm()
    helper = os.fork()  # a process of the part's own, which must not outlive it
    if helper == 0:
        signal.pause()
    note(f"helper {helper}")
    note(f"echo {os.getpid()}")
    ready()
    with selectors.DefaultSelector() as waiting:
        waiting.register(listener, selectors.EVENT_READ)
        while not stop.is_set():
            if waiting.select(0.05):
                connection, _ = listener.accept()
                connection.sendall(str(os.getpid()).encode())
                connection.close()
    note("echo finished")


def job(ready: Said, _alive: Said) -> None:
    stop = stop_on_sigterm()
    note(f"job {os.getpid()}")
    ready()
    stop.wait()
    note("job finished")


def deaf(ready: Said, _alive: Said) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note(f"deaf {os.getpid()}")
    ready()
    while True:
        time.sleep(3600)


def eager(ready: Said, alive: Said) -> None:
    """Say two words before the parent can listen."""
    stop = stop_on_sigterm()
    os.kill(os.getppid(), signal.SIGSTOP)
    alive()
    ready()
    os.kill(os.getppid(), signal.SIGCONT)
    stop.wait()


def misconfigured(_ready: Said, _alive: Said) -> None:
    raise ConfigError(["[auth] backends: none of them can be used here"])


def crashing(_ready: Said, _alive: Said) -> None:
    raise ValueError("Doe^Jane")


def killed(ready: Said, _alive: Said) -> None:
    """Be killed twice before it is ready, or whenever it starts."""
    note(f"killed {os.getpid()}")
    if scenario == "doomed" or (folder / "story").read_text().count("killed") < 3:
        os.kill(os.getpid(), signal.SIGKILL)
    job(ready, _alive)


def silent(_ready: Said, _alive: Said) -> None:
    stop_on_sigterm().wait()


def hanging(ready: Said, alive: Said) -> None:
    """Live, and in the first life fall silent after a while."""
    note(f"hanging {os.getpid()}")
    ready()
    first = (folder / "story").read_text().count("hanging") == 1
    stop = stop_on_sigterm()
    for _ in range(20):
        alive()
        time.sleep(0.1)
    note("still here")
    while not first:
        alive()
        if stop.wait(0.1):
            return
    signal.pause()


def echoing() -> Part:
    return Part("echo", lambda ready, _alive: echo(listener, ready), listener)


def holding(ready: Said, _alive: Said) -> None:
    """Leave a process behind that keeps everything open that it was given."""
    left = subprocess.Popen(["sleep", "1000"], close_fds=False)
    note(f"left {left.pid}")
    del ready
    os._exit(3)


listener = listen("127.0.0.1", 0, "[http] port")
parts = {
    "two": [echoing(), Part("job", job)],
    "deaf": [echoing(), Part("deaf", deaf), Part("job", job)],
    "misconfigured": [Part("job", job), Part("misconfigured", misconfigured)],
    "crashing": [Part("job", job), Part("crashing", crashing)],
    "killed": [Part("killed", killed), Part("job", job)],
    "doomed": [Part("killed", killed)],
    "silent": [Part("job", job), Part("silent", silent)],
    "holding": [Part("holding", holding)],
    "eager": [Part("eager", eager)],
    "hanging": [Part("hanging", hanging, longest_silence=1.5), Part("job", job)],
}[scenario]
patience = Patience(start=0.5 if scenario == "silent" else 60.0, finish=60.0, first_delay=0.1, longest_delay=0.4)
logs.configure("supervisor", "text")
try:
    Supervisor(parts, lambda name: logs.configure(name, "text"), patience).run(
        lambda: print(f"ready http={address_of(listener)}", flush=True)
    )
except ArchimedError as error:
    sys.exit(f"archimed: {error}")
