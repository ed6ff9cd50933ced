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


def note(line: str) -> None:
    with (folder / "story").open("a") as story:
        story.write(line + "\n")


def echo(listener: socket.socket, ready: Callable[[], None]) -> None:
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


def job(ready: Callable[[], None]) -> None:
    stop = stop_on_sigterm()
    note(f"job {os.getpid()}")
    ready()
    stop.wait()
    note("job finished")


def deaf(ready: Callable[[], None]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note(f"deaf {os.getpid()}")
    ready()
    while True:
        time.sleep(3600)


def misconfigured(_ready: Callable[[], None]) -> None:
    raise ConfigError(["[auth] backends: none of them can be used here"])


def crashing(_ready: Callable[[], None]) -> None:
    raise ValueError("Doe^Jane")


def silent(_ready: Callable[[], None]) -> None:
    stop_on_sigterm().wait()


def holding(ready: Callable[[], None]) -> None:
    """Leave a process behind that keeps everything open that it was given."""
    left = subprocess.Popen(["sleep", "1000"], close_fds=False)
    note(f"left {left.pid}")
    del ready
    os._exit(3)


listener = listen("127.0.0.1", 0, "[http] port")
parts = {
    "two": [Part("echo", lambda ready: echo(listener, ready), listener), Part("job", job)],
    "deaf": [Part("echo", lambda ready: echo(listener, ready), listener), Part("deaf", deaf), Part("job", job)],
    "misconfigured": [Part("job", job), Part("misconfigured", misconfigured)],
    "crashing": [Part("job", job), Part("crashing", crashing)],
    "silent": [Part("job", job), Part("silent", silent)],
    "holding": [Part("holding", holding)],
}[scenario]
patience = Patience(start=0.5 if scenario == "silent" else 60.0, finish=60.0, first_delay=0.1, longest_delay=0.4)
logs.configure("supervisor", "text")
try:
    Supervisor(parts, lambda name: logs.configure(name, "text"), patience).run(
        lambda: print(f"ready http={address_of(listener)}", flush=True)
    )
except ArchimedError as error:
    sys.exit(f"archimed: {error}")
