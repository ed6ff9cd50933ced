"""From the configuration to working parts: which class stands behind each, with what it is given.

Every part is opened by whoever uses it, in the process that uses it; nothing here is shared or remembered.
"""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from catalog.audit import Actor, Face, Keeper
from catalog.database import Database, shape
from catalog.gate.deadlines import Deadlines
from catalog.gate.drops.inbox import Inboxes
from catalog.gate.drops.locks import Locks
from catalog.gate.drops.partials import Partials
from catalog.gate.drops.quota import Limits, Quota
from catalog.gate.receive.commitments import Commitments
from catalog.gate.receive.intake import Intake
from catalog.gate.review.decisions import Review
from catalog.gate.staged.area import Staging
from catalog.generation import Generations, MarkedFolder
from catalog.pure.errors import Refused
from catalog.store import Store
from catalog.store.local import LocalStore
from catalog.view import Archive, Beside
from gateway.config import Config, read_secret

if TYPE_CHECKING:
    from catalog.gate.deidentification import Deidentification
    from catalog.jobs import Chore, Handler, JobKind, Queue, Worker
    from catalog.lifecycle.bin import KeepFor
    from gateway.api import ApiServices
    from gateway.dicom import Caller, TLSFiles
    from gateway.dicom.services import Service
    from gateway.dicomweb import DicomwebServices
    from gateway.http.app import Part
    from gateway.http.desk import DeskServices
    from gateway.http.metrics import Metrics
    from gateway.http.service import Look
    from gateway.http.staging import StagingPart


_DRAWERS = 2
# The trees beside the studies, a line for each.
_BESIDE: Sequence[Beside] = ()
STAGING_CONTENT = ("received/*/[0-9]*", "drops/*", "partials/*/*", "batches/*.json", "orphans/*")
_SWEEP_SECONDS = 600
_PRUNE_SECONDS = 3600
_NOTE_SECONDS = 5
_RETRY_SECONDS = 6 * 3600


def database_url(config: Config) -> str:
    """Return the catalogue's URL with its password, if it has one: hand it to `Database` and to nobody else.

    Raises:
        ConfigError: the password's file cannot be read.
    """
    if config.catalog.password_file is None:
        return config.catalog.url
    password = read_secret(config.catalog.password_file, "the catalogue's password")
    return sa.engine.make_url(config.catalog.url).set(password=password).render_as_string(hide_password=False)


def open_database(config: Config) -> Database:
    """Open the catalogue, which must have the shape this program needs.

    Raises:
        Refused: it does not exist, has another shape, or this Unix user may not use it.
        Unavailable: it does not answer.
    """
    database = Database(database_url(config))
    if database.is_sqlite:
        _check_access(Path(config.catalog.url.removeprefix("sqlite:///")))
    shape.require_newest(database)
    return database


def open_store(config: Config) -> Store:
    """Open the store."""
    return LocalStore(config.store.path)


def open_copy(folder: Path) -> Store:
    """Open another copy of the store, or the one in a backup, to read from."""
    return LocalStore(folder / "store" if (folder / "store").is_dir() else folder)


def open_archive(config: Config, database: Database, keeper: Keeper | None = None) -> Archive:
    """Open catalogue and store together, as what views are made from.

    Args:
        config: the configuration.
        database: the catalogue.
        keeper: writes down who opens files; whoever opens none may do without.
    """
    return Archive(database, open_store(config), keeper.reads if keeper else None, _BESIDE)


def keep_for(config: Config) -> "KeepFor":
    """Return how long what is kept."""
    from catalog.lifecycle.bin import KeepFor

    return KeepFor(config.bin.keep_days, config.bin.withdraw_days, config.retention.years)


def open_staging(config: Config) -> Staging:
    """Open the staging folder."""
    return Staging(config.staging.path)


def open_generations(config: Config, database: Database) -> Generations:
    """Open the marks of catalogue, staging and store."""
    return Generations(
        database,
        {
            "the staging folder": MarkedFolder(config.staging.path, STAGING_CONTENT),
            "the store": MarkedFolder(config.store.path, ("*/study.json",)),
        },
    )


def open_intake(config: Config, database: Database) -> Intake:
    """Open what receives files in this process."""
    return Intake(database, open_staging(config), open_generations(config, database).require_one_age)


def open_dicom_services(
    intake: Intake, database: Database, archive: Archive, staging: Staging, caller: "Caller", own_title: str
) -> "list[Service]":
    """Open what DICOM associations are for in this process, a line for each service.

    Args:
        intake: where files go.
        database: the catalogue.
        archive: what is read.
        staging: where requests for storage commitment wait.
        caller: makes the associations that C-MOVE asks for.
        own_title: our AE title.
    """
    from gateway.dicom import Commitment, Echo, Find, Get, Move, Store  # late: only who serves DICOM needs it

    return [
        Echo(),
        Store(intake),
        Commitment(database, Commitments(database, staging)),
        Find(database, archive, own_title),
        Get(database, archive),
        Move(database, archive, caller),
    ]


def tls_files(config: Config) -> "TLSFiles | None":
    """Return the files of DICOM TLS, None where it is not set up."""
    from gateway.dicom import TLSFiles  # late: only who speaks DICOM needs it

    certificate, key, ca = config.tls.certificate_file, config.tls.key_file, config.tls.ca_file
    return TLSFiles(certificate, key, ca) if certificate is not None and key is not None and ca is not None else None


def open_caller(config: Config) -> "Caller":
    """Open what calls DICOM peers.

    Raises:
        Refused: a file of `[dicom.tls]` cannot be used.
    """
    from gateway.dicom import Caller, client_context  # late: only who speaks DICOM needs it

    files = tls_files(config)
    return Caller(config.dicom.ae_title, client_context(files) if files is not None else None)


def open_deliverer(config: Config, database: Database, archive: Archive, caller: "Caller") -> "Worker":
    """Open what runs the jobs that call DICOM peers, in one thread of this process."""
    from catalog.jobs import Chore, Queue, Worker, worker_name

    commitments = Commitments(database, open_staging(config))
    queue = Queue(database, worker_name())
    chores = (Chore("forgetting requests that were never queued", commitments.forget_lost, _SWEEP_SECONDS),)
    guard = open_generations(config, database).require_one_age
    return Worker(database, queue, delivery_handlers(database, archive, commitments, queue, caller), chores, guard)


def delivery_handlers(
    database: Database, archive: Archive, commitments: Commitments, queue: "Queue", caller: "Caller"
) -> "dict[JobKind, Handler]":
    """Return what each kind of job does that calls DICOM peers."""
    from catalog.jobs import JobKind
    from gateway.dicom import Reporter, Sender

    return {
        JobKind.SEND: Sender(database, archive, queue, caller),
        JobKind.COMMIT: Reporter(database, commitments, queue, caller),
    }


def open_inboxes(config: Config, database: Database) -> Inboxes:
    """Open what the faces of the staging folder work on, in this process."""
    return Inboxes(database, open_staging(config), _limits(config), open_generations(config, database).require_one_age)


def _limits(config: Config) -> Limits:
    return Limits(config.staging.quota_per_user or None, config.staging.quota_total or None)


def open_http_parts(
    config: Config, database: Database, archive: Archive, metrics: "Metrics", look: "Look" = dict
) -> "list[Part]":
    """Open the parts of the HTTP door in this process, a line for each.

    Args:
        config: the configuration.
        database: the catalogue.
        archive: what is read.
        metrics: where the door counts requests.
        look: looks whether all that requests need is there.
    """
    from gateway.api import ApiPart
    from gateway.dicomweb import DicomwebPart
    from gateway.http import readonly, service  # late: only who serves HTTP needs it
    from gateway.http.desk import DESK_PAGES, DeskPart
    from gateway.http.staging import STAGING

    inboxes = open_inboxes(config, database)  # closed by the part at /staging/
    return [
        *service.parts(metrics, look),
        readonly.root_part([readonly.ARCHIVE, STAGING], DESK_PAGES),
        readonly.archive_part(archive),
        open_staging_part(config, database, inboxes).registration(),
        DeskPart(open_desk_services(config, database, archive)).registration(),
        *ApiPart(open_api_services(config, database, archive, inboxes)).registrations(),
        DicomwebPart(open_dicomweb_services(config, database, archive)).registration(),
    ]


def open_staging_part(config: Config, database: Database, inboxes: Inboxes) -> "StagingPart":
    """Open staging over WebDAV, in this process."""
    from gateway.http.staging import StagingPart

    staging = open_staging(config)
    return StagingPart(
        inboxes,
        lambda principal: Locks(database, staging.digest, principal),
        lambda principal, inbox: Partials(staging, inbox, principal),
        # A quarter of the threads is never taken by bodies that come in, however slowly.
        at_once=max(1, config.http.threads * 3 // 4),
    )


def open_api_services(config: Config, database: Database, archive: Archive, inboxes: Inboxes) -> "ApiServices":
    """Open what the HTTP API works on, in this process."""
    from catalog.lifecycle.bin import Bin
    from gateway.api import ApiServices
    from gateway.http.files import Files

    staging, keep = open_staging(config), keep_for(config)
    return ApiServices(
        database, archive, open_store(config),
        lambda principal: Review(database, staging, Actor(principal.login), principal),
        lambda principal: Bin(database, Actor(principal.login, principal.login), principal, keep),
        partial(open_worker, config, database), Files(),
        inboxes.of,
    )  # fmt: skip


def open_dicomweb_services(config: Config, database: Database, archive: Archive) -> "DicomwebServices":
    """Open what DICOMweb works on, in this process."""
    from gateway.dicomweb import DicomwebServices
    from gateway.dicomweb.storing import Storing
    from gateway.drawing.processes import Drawing

    storing = Storing(open_inboxes(config, database), open_staging(config), max(1, config.http.threads // 2))
    return DicomwebServices(database, archive, storing, Drawing(_DRAWERS, waiting=config.http.threads // 2))


def open_desk_services(config: Config, database: Database, archive: Archive) -> "DeskServices":
    """Open what the web desk works on, in this process."""
    from catalog.lifecycle.bin import Bin
    from gateway.drawing.processes import Drawing
    from gateway.http.desk import DeskServices

    staging = open_staging(config)
    return DeskServices(
        lambda principal: Review(database, staging, Actor(principal.login), principal),
        # Whoever waits for a picture holds a thread: some of them stay free for everything else.
        Drawing(_DRAWERS, waiting=config.http.threads // 2),
        lambda principal: Bin(database, Actor(principal.login), principal, keep_for(config)),
        lambda principal: archive.view(principal, Face.DESK),
        config.bin.withdraw_days,
        database,
        config.http.idle_minutes * 60,
        str(config.mounts.archive or ""),
    )


def open_worker(config: Config, database: Database) -> "Worker":
    """Open what runs the jobs in this process."""
    from catalog.gate.sweep import Sweeper
    from catalog.jobs import Chore
    from catalog.lifecycle.access import AccessWriter
    from catalog.lifecycle.bin.expiry import Expiry
    from catalog.lifecycle.pruning import prune
    from gateway.deidentification import StandardDeidentification  # late: DICOM libraries, which listing does without

    deadlines = Deadlines(
        database, open_staging(config),
        quiet_seconds=config.staging.quiet_seconds, keep_rejected_seconds=config.staging.keep_rejected_days * 86400,
    )  # fmt: skip
    deidentification = StandardDeidentification(config.deid.key_file)
    sweeper = Sweeper(database, open_staging(config), keep_seconds=config.staging.keep_orphans_days * 86400)
    generations = open_generations(config, database)
    chores = (
        Chore("moving the archive's generation on", generations.advance, _SWEEP_SECONDS),
        Chore("marking the folders", generations.note, _NOTE_SECONDS),
        Chore("looking for orphans", sweeper.sweep, _SWEEP_SECONDS),
        Chore("forgetting what is old", partial(prune, database), _PRUNE_SECONDS),
        Chore("emptying the bin", Expiry(database, keep_for(config)).expire, _SWEEP_SECONDS),
        Chore("writing who may see what into the store", AccessWriter(database, open_store(config)).write, _NOTE_SECONDS),
    )
    guard = generations.require_one_age
    return make_worker(
        database, open_staging(config), open_store(config), deidentification, deadlines, chores, guard, _limits(config)
    )  # fmt: skip


def make_worker(
    database: Database,
    staging: Staging,
    store: Store,
    deidentification: "Deidentification",
    deadlines: Deadlines,
    chores: "Sequence[Chore]" = (),
    guard: Callable[[], None] = lambda: None,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> "Worker":
    """Return a worker that runs every kind of job.

    Args:
        chores: what it does besides, between jobs.
        guard: raises while nothing may be done.
        limits: how much may wait at the gate, which archives unpack into.
    """
    from catalog.gate.report import bring_up_to_date
    from catalog.jobs import Chore, JobKind, Queue, Worker, requeue_failed, worker_name

    queue = Queue(database, worker_name())
    by_the_clock = (
        Chore(
            "trying failed jobs again",
            lambda: requeue_failed(database, (JobKind.CHECK, JobKind.ERASE), _RETRY_SECONDS),
            _SWEEP_SECONDS,
        ),
        Chore("sealing quiet batches", deadlines.seal_quiet),
        Chore("erasing rejected batches", deadlines.expire_rejected),
        Chore("reports of batches", lambda: bring_up_to_date(database, staging), _SWEEP_SECONDS),
    )
    handlers = _handlers(database, staging, store, deidentification, queue, Quota(database, limits))
    return Worker(database, queue, handlers, (*chores, *by_the_clock), guard)


def _handlers(
    database: Database,
    staging: Staging,
    store: Store,
    deidentification: "Deidentification",
    queue: "Queue",
    quota: Quota,
) -> "dict[JobKind, Handler]":
    """Return what each kind of job does."""
    from catalog.corrections import Corrector
    from catalog.gate.check.job import Checker
    from catalog.gate.publish.erase import Eraser
    from catalog.gate.publish.job import Publisher
    from catalog.jobs import JobKind
    from catalog.lifecycle.bin import BinJob

    return {
        JobKind.CHECK: Checker(database, staging, queue, deidentification, quota),
        JobKind.PUBLISH: Publisher(database, staging, store, deidentification, queue),
        JobKind.ERASE: Eraser(database, staging, queue),
        JobKind.CORRECT: Corrector(database, store, queue),
        JobKind.BIN: BinJob(database, store, queue),
    }


def _check_access(file: Path) -> None:
    # SQLite says the same of a missing folder, a forbidden one and a file that is no database.
    try:
        exists = file.exists()
    except PermissionError:
        exists = True
    if exists and not os.access(file, os.R_OK | os.W_OK):
        raise Refused(f"you may not use the catalogue {file}; run this as the user that owns it")
