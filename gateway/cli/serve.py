"""`archimed serve`: the appliance as one process tree, each part in a process of its own."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import click

from catalog import marks
from catalog.jobs import Worker
from gateway import logs
from gateway.cli.common import configuration
from gateway.config import Config
from gateway.supervisor import Part, Supervisor, address_of, listen, listen_locally, stop_on_sigterm

_TOUCHES_IN_QUIET_TIME = 3
# Within one file the worker says nothing, and one of many gigabytes takes its time.
_LONGEST_FILE_SECONDS = 1800.0
# Peers that are called at the same time.
_DELIVERERS = 3
_FAREWELL_SECONDS = 5.0


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(["http", "dicom", "worker"]), metavar="[http] [dicom] [worker]")
def serve(names: Sequence[str]) -> None:
    """Serve WebDAV (http), receive DICOM (dicom), check and publish (worker); without a name, all three.

    Prints one line `ready http=HOST:PORT dicom=HOST:PORT` (and `dicom-tls=HOST:PORT` where TLS is set up) when it accepts
    work. SIGTERM or Ctrl-C stops it in order; a part that dies is started again.

    \b
    Examples:
      archimed serve
      archimed serve dicom worker
    """
    config = configuration()
    form = "text" if sys.stderr.isatty() else config.log.format
    logs.configure("supervisor", form, config.log.level)
    marks.require(config.store.path, "the store")
    marks.require(config.staging.path, "the staging folder")
    parts = [make(config) for name, make in _MAKERS.items() if name in names or not names]
    addresses = [f"{part.name}={address_of(part.listener)}" for part in reversed(parts) if part.listener is not None]
    addresses += [f"dicom-tls={address_of(other)}" for part in parts if part.name == "dicom" for other in part.others]
    supervisor = Supervisor(parts, lambda name: logs.configure(name, form, config.log.level))
    supervisor.run(lambda: click.echo(" ".join(["ready", *addresses])))


# Each part's modules are imported in the parent, once for all its lives; what it opens, it opens in its own process.


def _http(config: Config) -> Part:
    from catalog.audit import Keeper
    from gateway import figures
    from gateway.credentials import Opener
    from gateway.health import Readiness
    from gateway.http import server
    from gateway.http.app import Front, WSGIApplication
    from gateway.http.metrics import Metrics
    from gateway.wiring import open_archive, open_database, open_generations, open_http_parts

    listener = listen(config.http.host, config.http.port, "[http] port")
    local = [listen_locally(config.http.socket, "[http] socket")] if config.http.socket else []
    credentials = Opener(config)

    def make() -> WSGIApplication:
        database = open_database(config)
        keeper = Keeper(database)
        keeper.start()
        metrics, archive = Metrics(partial(figures.look, database)), open_archive(config, database, keeper)
        readiness = Readiness(config, database, open_generations(config, database))
        parts = open_http_parts(config, database, archive, metrics, readiness.look)
        return Front(parts, credentials.open(database, keeper.refusals), metrics, at_end=keeper.stop)

    def run(ready: Callable[[], None], alive: Callable[[], None]) -> None:
        server.run(
            make, listener.detach(), *(proxy.detach() for proxy in local), workers=config.http.workers,
            threads=config.http.threads, proxies=config.auth.trusted_proxies, on_ready=ready, on_turn=alive,
        )  # fmt: skip

    return Part("http", run, listener, others=tuple(local))


def _dicom(config: Config) -> Part:
    from catalog.audit import Keeper
    from gateway import dicom
    from gateway.wiring import (
        open_archive,
        open_caller,
        open_database,
        open_deliverer,
        open_dicom_services,
        open_intake,
        open_staging,
        tls_files,
    )

    listener = listen(config.dicom.host, config.dicom.port, "[dicom] port")
    files = tls_files(config)
    secure: tuple[dicom.SecureListener, ...] = ()
    if files is not None:
        context = dicom.server_context(files)
        secure = (dicom.SecureListener(listen(config.dicom.host, config.tls.port, "[dicom.tls] port"), context),)
    caller = open_caller(config)
    settings = dicom.Settings(
        ae_title=config.dicom.ae_title,
        accept_any_called=config.dicom.accept_any_called,
        echo_from_anyone=config.dicom.echo_from_anyone,
        associations=config.dicom.max_associations,
        touch_seconds=config.staging.quiet_seconds / _TOUCHES_IN_QUIET_TIME,
    )

    def run(ready: Callable[[], None], alive: Callable[[], None]) -> None:
        database = open_database(config)
        intake, keeper = open_intake(config, database), Keeper(database)
        keeper.start()
        archive, staging = open_archive(config, database, keeper), open_staging(config)
        services = open_dicom_services(intake, database, archive, staging, caller, config.dicom.ae_title)
        deliverers = [open_deliverer(config, database, archive, caller) for _ in range(_DELIVERERS)]
        try:
            with running(deliverers):
                dicom.run(services, dicom.KnownPeers(intake, database), listener, settings, ready, alive, *secure)
        finally:
            intake.close()
            keeper.stop()

    return Part("dicom", run, listener, others=tuple(each.listener for each in secure))


@contextmanager
def running(workers: Sequence[Worker]) -> Iterator[None]:
    """Run each worker in a thread of its own."""
    stop = threading.Event()
    threads = [threading.Thread(target=worker.run, args=(stop,), name="dicom-delivery", daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(_FAREWELL_SECONDS)  # one that waits for a peer dies with the process; its job is taken over


def _worker(config: Config) -> Part:
    from gateway.wiring import open_database, open_worker

    def run(ready: Callable[[], None], alive: Callable[[], None]) -> None:
        worker = open_worker(config, open_database(config))
        stop = stop_on_sigterm()
        ready()
        worker.run(stop, alive)

    return Part("worker", run, longest_silence=_LONGEST_FILE_SECONDS)


# In the order in which they are stopped: what brings work in goes first.
_MAKERS = {"dicom": _dicom, "http": _http, "worker": _worker}
