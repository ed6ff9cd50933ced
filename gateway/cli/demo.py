"""`archimed demo`: the whole appliance on loopback, in a folder of its own."""

import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import click
from rich.console import Console

from catalog.pure.errors import Unavailable
from gateway.cli.output import print_records
from gateway.demo import processes
from gateway.demo.folder import DemoFolder, prepare, unmount_left_over
from gateway.demo.operator import Operator
from gateway.demo.specimens import STUDY
from gateway.demo.tour import CALLED, CALLING, RESEARCHER, REVIEWER, Tour


@click.command()
@click.option("--dir", "folder", type=click.Path(path_type=Path), default=Path("demo"), show_default=True, help="Where.")
@click.option("--once", is_flag=True, help="Compare what every door gives, and end.")
def demo(folder: Path, once: bool) -> None:
    """Show the whole appliance at work: scanner, gate, de-identification, mount, WebDAV; Ctrl-C ends it.

    Everything happens in one folder, made new each time, and on 127.0.0.1.

    \b
    Example:
      archimed demo --dir /tmp/demo
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(highlight=False, soft_wrap=True)
    place = prepare(folder)
    cli = click.get_current_context().find_root().command
    tour = Tour(console, Operator(cli, place.config), lambda records: print_records(records, list(records[0]), as_json=False))
    with ExitStack() as stack:
        stack.callback(unmount_left_over, place.mountpoint)
        tour.set_up()
        server = stack.enter_context(processes.appliance(place.config, place.logs / "serve.log"))
        addresses = dict(word.split("=", 1) for word in server.first_line.split()[1:])
        with processes.scanner(addresses["dicom"], CALLING, CALLED, place.logs / "scanner.log") as scanner:
            tour.send(scanner, place.sent)
        tour.review()
        tour.compare_headers()
        tour.show_report()
        tour.draw_tree()
        is_mounted = _mount(stack, place, console)
        if once:
            tour.prove(place.mountpoint if is_mounted else None, addresses["http"])
        else:
            _show(console, place, addresses, tour.tokens, is_mounted=is_mounted)
            _stay(server, place)
        # What is begun is ended, however often somebody presses Ctrl-C.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    console.print("\nunmounted and stopped" if is_mounted else "\nstopped")


def _mount(stack: ExitStack, place: DemoFolder, console: Console) -> bool:
    try:
        stack.enter_context(processes.mount(place.config, place.mountpoint, RESEARCHER, place.logs / "mount.log"))
    except Unavailable as error:
        console.print(f"\n[bold]*[/bold] no mount here: {error}. The demo goes on with WebDAV.", soft_wrap=True)
        return False
    return True


def _show(console: Console, place: DemoFolder, addresses: dict[str, str], tokens: dict[str, str], *, is_mounted: bool) -> None:
    lines = ["", "Look around:"]
    if is_mounted:
        lines += ["", f"  as {RESEARCHER}, in a folder:", f"    ls -R {place.mountpoint}/{STUDY}"]
    lines += ["", f"  over WebDAV, at http://{addresses['http']}/archive/ with login and token:"]
    lines += [f"    curl -u {login}:{token} http://{addresses['http']}/archive/{STUDY}/" for login, token in tokens.items()]
    lines += [
        "", f"  at the gate, as {REVIEWER}: in a browser, where a batch waits for somebody to look at its images,",
        f"    http://{addresses['http']}/desk/   login {REVIEWER}, password {tokens[REVIEWER]}",
        "  or in a terminal:",
        f"    export ARCHIMED_CONFIG={place.config}",
        f"    {_program()} staging list --as {REVIEWER}",
        "", f"  send to it as a scanner: {CALLING} -> {CALLED} at {addresses['dicom']}",
        f"    storescu -aet {CALLING} -aec {CALLED} {addresses['dicom'].replace(':', ' ')} FILE.dcm",
        "", "Ctrl-C unmounts and stops everything.",
    ]  # fmt: skip
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _program() -> str:
    beside = Path(sys.executable).with_name("archimed")
    return str(beside) if beside.exists() else f"{sys.executable} -m gateway.cli"


def _stay(server: processes.Program, place: DemoFolder) -> None:
    try:
        status = server.wait()
    except KeyboardInterrupt:
        return
    raise Unavailable(f"the appliance ended by itself (status {status}); see {place.logs / 'serve.log'}")
