"""What one principal sees of the gate: batches, what is in them, what was found of them, and where they could go.

Who sees a batch is decided in SQL. A batch that may not be seen is not found. May live here: reading. Not: deciding (`desk`),
checks, protocols.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from catalog.database import Database, Row
from catalog.database.tables import batches, centres, jobs, sources, staged_files, studies, users
from catalog.gate.batches import batch_of
from catalog.gate.deidentification import FirstImport
from catalog.gate.pseudonyms import begun_by
from catalog.gate.review.evidence import evidence, note_drawn
from catalog.gate.staged.area import Staging
from catalog.gate.visibility import has_receipt, visible
from catalog.pure.access import Principal
from catalog.pure.batches import State
from catalog.pure.errors import NotFound
from catalog.pure.expectations import expectations
from catalog.pure.looking import Evidence
from catalog.pure.names import folded
from catalog.pure.staged_files import NEVER_PUBLISHED, FileState
from catalog.visible import StudyRef, visible_studies, visible_study

_MOST_DIGITS = 16


@dataclass(frozen=True, slots=True)
class BatchInfo:
    """A batch as a list shows it. No identities. Times are seconds since 1970 UTC.

    `centre` is of the study, '' if it is of none. `uploader` brought it, '' if a scanner did; `dropped`: into a folder, which
    its uploader can open again. `receipt`: who asks brought it and may not see it (any more), so only `id`, `state` and
    `files` are told.
    """

    id: int
    state: State
    source: str
    study: str
    exam: str
    files: int
    bytes: int
    findings: list[dict[str, Any]]
    summary: list[dict[str, Any]]
    follows: int | None
    reason: str
    opened: int
    last_write: int
    decided_by: str
    decided: int | None
    uploader: str
    dropped: bool
    receipt: bool = False
    centre: str = ""


@dataclass(frozen=True, slots=True)
class StagedFileInfo:
    """A staged file as `show` lists it. `name` is what it was called where it came from, '' if it had none: it may identify."""

    file: int
    size: int
    state: str
    reason: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class BatchDetails:
    """A batch as its reviewer sees it. `about` holds identities: patients, dates, series as the scanner named them."""

    batch: BatchInfo
    files: list[StagedFileInfo]
    about: dict[str, Any]
    progress: int
    job_error: str


@dataclass(frozen=True, slots=True)
class StudyChoice:
    """A study that a batch could go into; `exam` is the pattern of its exam codes, '' if it takes every code."""

    code: str
    description: str
    exam: str


class BatchQueries:
    """The gate as one principal sees it; `principal` None is the machine itself, which sees everything."""

    def __init__(self, database: Database, staging: Staging, principal: Principal | None) -> None:
        self._database = database
        self._staging = staging
        self._principal = principal

    @property
    def _user(self) -> int | None:
        return self._principal.user_id if self._principal is not None else None

    def list(
        self,
        states: Collection[State] = (),
        *,
        before: int | None = None,
        most: int | None = None,
        study: str = "",
        since: int | None = None,
        after: int | None = None,
        text: str = "",
    ) -> list[BatchInfo]:
        """Return the batches that may be seen, oldest first, and receipts of those that were brought and may not.

        Args:
            states: only batches in one of these; none given: all.
            before: only batches with a smaller number.
            most: so many of them, those with the largest numbers.
            study: only batches that may be seen and are meant for, or were accepted into, the study of this code.
            since: only batches that got a file from then on, in seconds since 1970 UTC.
            after: only batches with a larger number, and if `most` are asked for, those with the smallest.
            text: only batches that may be seen, with this in their number, source, uploader, study, exam or reason.
        """
        statement = self._listed()
        if states:
            statement = statement.where(batches.c.state.in_(states))
        if before is not None:
            statement = statement.where(batches.c.id < before)
        if study:
            seen = sa.true() if self._principal is None else visible(self._principal.user_id)
            statement = statement.where(studies.c.code_key == folded(study), seen)
        if text:
            seen = sa.true() if self._principal is None else visible(self._principal.user_id)
            statement = statement.where(seen, _holds(text))
        if since is not None:
            statement = statement.where(batches.c.last_write >= since)
        if after is not None:
            return [*self._infos(self._database.rows(statement.where(batches.c.id > after).order_by(batches.c.id).limit(most)))]
        rows = self._database.rows(statement.order_by(batches.c.id.desc()).limit(most))
        return [*self._infos(rows[::-1])]

    def numbers(self, states: Collection[State]) -> Sequence[int]:
        """Return the numbers of the batches in these states that may be seen, oldest first."""
        statement = self._visible().with_only_columns(batches.c.id).where(batches.c.state.in_(states))
        return [row.id for row in self._database.rows(statement.order_by(batches.c.id))]

    def counts(self) -> dict[State, int]:
        """Return how many of the batches that `list` returns are in each state."""
        seen = self._listed().subquery()
        rows = self._database.rows(sa.select(seen.c.state, sa.func.count()).group_by(seen.c.state))
        return {State(row[0]): row[1] for row in rows}

    def info(self, batch_id: int) -> BatchInfo:
        """Return one batch.

        Raises:
            NotFound: there is none of that number, or it may not be seen.
        """
        return self._seen(self._visible(), batch_id)

    def receipt(self, batch_id: int) -> BatchInfo:
        """Return one batch as `list` does: as far as it may be seen, else a receipt.

        Raises:
            NotFound: there is none of that number, or it may not be seen and was brought by somebody else.
        """
        return self._seen(self._listed(), batch_id)

    def followers(self, batch_id: int) -> Sequence[int]:
        """Return the batches that may be seen and are late for this one, or hold what is left over of it."""
        rows = self._database.rows(self._visible().where(batches.c.follows == batch_id).order_by(batches.c.id))
        return [row.id for row in rows]

    def show(self, batch_id: int) -> BatchDetails:
        """Return all a reviewer needs to decide on a batch; of a receipt, nothing but that.

        Raises:
            NotFound: as `receipt`.
        """
        info = self.receipt(batch_id)
        if info.receipt:
            return BatchDetails(info, [], {}, 0, "")
        columns = staged_files.c
        rows = self._database.rows(
            sa.select(columns.id, columns.size, columns.state, columns.reason, columns.file)
            .where(columns.batch_id == batch_id)
            .order_by(columns.id)
        )
        done, error = self.progress(batch_id)
        found = [StagedFileInfo(row.id, row.size, row.state, row.reason, self._staging.name_of(row.file) or "") for row in rows]
        return BatchDetails(info, found, self._staging.notes.read_about(batch_id), done, error)

    def about(self, batch_id: int) -> dict[str, Any]:
        """Return what the checks read of a batch, identities included; empty before they have, and once it is erased.

        Raises:
            NotFound: as `info`.
        """
        self._require_seen(batch_id)
        return self._staging.notes.read_about(batch_id)

    def report(self, batch_id: int) -> str:
        """Return the batch's report, identities included; '' before the checks wrote it, and once it is erased.

        Raises:
            NotFound: as `info`.
        """
        self._require_seen(batch_id)
        return self._staging.notes.read_report(batch_id)

    def progress(self, batch_id: int) -> tuple[int, str]:
        """Return how many files the batch's newest job has worked through, and why its last attempt failed, '' if it did not.

        Raises:
            NotFound: as `info`.
        """
        self._require_seen(batch_id)
        job = self._database.row(
            sa.select(jobs.c.done, jobs.c.error).where(jobs.c.batch_id == batch_id).order_by(jobs.c.id.desc()).limit(1)
        )
        return (job.done, job.error) if job else (0, "")

    def series_files(self, batch_id: int) -> dict[str, Sequence[int]]:
        """Return the numbers of the files of each series that the checks found, as they follow one another in it.

        Raises:
            NotFound: as `info`.
        """
        self._require_seen(batch_id)
        columns = staged_files.c
        rows = self._database.rows(
            sa.select(columns.series, columns.id)
            .where(columns.batch_id == batch_id, columns.series != "", columns.state != FileState.UNPACKED)
            .order_by(columns.number.is_(None), columns.number, columns.id)
        )
        found: dict[str, list[int]] = {}
        for row in rows:
            found.setdefault(row.series, []).append(row.id)
        return dict(found)

    def names(self, batch_id: int, numbers: Collection[int]) -> dict[int, str]:
        """Return the original names of files of a batch, which may identify, where they came with one.

        Raises:
            NotFound: as `info`.
        """
        self._require_seen(batch_id)
        columns = staged_files.c
        rows = self._database.rows(
            sa.select(columns.id, columns.file).where(columns.batch_id == batch_id, columns.id.in_(numbers))
        )
        named = ((row.id, self._staging.name_of(row.file)) for row in rows)
        return {number: name for number, name in named if name}

    def staged(self, batch_id: int, number: int | None) -> Path:
        """Return where the bytes of a batch's staged file are: for a reviewer's own eyes.

        Args:
            batch_id: the batch.
            number: the file's, as `show` lists it; None for the first that can be published.

        Raises:
            NotFound: no such batch, or no such file in it.
        """
        self._require_seen(batch_id)
        columns = staged_files.c
        which = columns.state.not_in(NEVER_PUBLISHED) if number is None else columns.id == number
        statement = sa.select(columns.file).where(columns.batch_id == batch_id, which).order_by(columns.id).limit(1)
        row = self._database.row(statement)
        if row is None:
            raise NotFound(f"batch {batch_id} has no such file; see `archimed staging show {batch_id} --json`")
        return self._staging.path(row.file)

    def note_drawn(self, number: int, frame: int, frames: int) -> None:
        """Write down that one of the pictures of a staged file, which `staged` gave, was shown; see `evidence.note_drawn`."""
        if self._principal is not None:
            note_drawn(self._database, self._principal.user_id, number, frame, frames)

    def evidence(self, batch_id: int, labels: Collection[str] = ()) -> Evidence:
        """Return what was shown of a batch's series to who asks; without labels, of all its series.

        Raises:
            NotFound: as `info`.
        """
        user = self._principal.user_id if self._principal is not None else None
        return evidence(self._database.rows, batch_id, user, labels, self.info(batch_id).findings)

    def profile(self, code: str) -> str | None:
        """Return the text of a study's profile; None for the default.

        Raises:
            NotFound: there is no such study, or it is not granted.
        """
        text: str | None = self._study(code).profile
        return text

    def begun_by(self, code: str, exam: str) -> FirstImport | None:
        """Return the first import into an exam of a study, whose pseudonyms go on; None if there is none.

        Raises:
            NotFound: there is no such study, or it is not granted.
        """
        return begun_by(self._database, self._study(code).id, exam)

    def studies(self) -> Sequence[StudyChoice]:
        """Return the studies that are granted, by code."""
        user = self._user
        statement = visible_studies(user, studies.c.code, studies.c.description, studies.c.profile)
        rows = self._database.rows(statement.order_by(studies.c.code_key))
        return [StudyChoice(row.code, row.description, expectations(row.profile).exam) for row in rows]

    def _study(self, code: str) -> StudyRef:
        return visible_study(self._database, code, self._user)

    def _require_seen(self, batch_id: int) -> None:
        if self._database.row(self._visible().with_only_columns(batches.c.id).where(batches.c.id == batch_id)) is None:
            raise _no_batch(batch_id)

    def _seen(self, visible_batches: sa.Select[*tuple[Any, ...]], batch_id: int) -> BatchInfo:
        row = self._database.row(visible_batches.where(batches.c.id == batch_id))
        if row is None:
            raise _no_batch(batch_id)
        return self._infos([row])[0]

    def _visible(self) -> sa.Select[*tuple[Any, ...]]:
        statement = self._listed()
        return statement if self._principal is None else statement.where(visible(self._principal.user_id))

    def _listed(self) -> sa.Select[*tuple[Any, ...]]:
        user = self._user
        is_seen = sa.true() if user is None else visible(user)
        statement = sa.select(
            batches,
            sources.c.name.label("source_name"),
            studies.c.code.label("study_code"),
            users.c.login.label("uploader"),
            centres.c.code.label("centre_code"),
            is_seen.label("is_seen"),
        ).select_from(
            batches.outerjoin(sources, sources.c.id == batches.c.source_id)
            .outerjoin(studies, studies.c.id == batches.c.study_id)
            .outerjoin(users, users.c.id == batches.c.uploader_id)
            .outerjoin(centres, centres.c.id == batches.c.centre_id)
        )
        return statement if user is None else statement.where(sa.or_(visible(user), has_receipt(user)))

    def _infos(self, rows: Sequence[Row]) -> Sequence[BatchInfo]:
        """Return rows as they may be shown: of other batches, they name only those that may be seen too."""
        found = [_info(row) if row.is_seen else _receipt(row) for row in rows]
        if self._principal is None:
            return found
        named = {number for info in found for number in _named(info)}
        seen = set()
        if named:
            statement = sa.select(batches.c.id).where(batches.c.id.in_(named), visible(self._principal.user_id))
            seen = {row.id for row in self._database.rows(statement)}
        return [_without(info, named - seen) for info in found]


def _holds(text: str) -> sa.ColumnElement[bool]:
    """Whether a batch has a text in what a list shows of it, in small or capital letters."""
    columns = (sources.c.name, users.c.login, studies.c.code, batches.c.exam_code, batches.c.reason)
    held = [sa.func.lower(column).contains(text.lower(), autoescape=True) for column in columns]
    number = [batches.c.id == int(text)] if text.isascii() and text.isdigit() and len(text) < _MOST_DIGITS else []
    return sa.or_(*held, *number)


def _named(info: BatchInfo) -> set[int]:
    """Return the other batches that are named in what is shown of a batch."""
    return {number for number in (info.follows, *(finding.get("batch") for finding in info.findings)) if number is not None}


def _without(info: BatchInfo, hidden: set[int]) -> BatchInfo:
    findings = [finding for finding in info.findings if finding.get("batch") not in hidden]
    return replace(info, findings=findings, follows=None if info.follows in hidden else info.follows)


def _no_batch(batch_id: int) -> NotFound:
    return NotFound(f"there is no batch {batch_id}; see `archimed staging list`")


def _receipt(row: Row) -> BatchInfo:
    return BatchInfo(
        id=row.id, state=State(row.state), source="", study="", exam="", files=row.files, bytes=0, findings=[], summary=[],
        follows=None, reason="", opened=0, last_write=0, decided_by="", decided=None, uploader="", dropped=False, receipt=True,
    )  # fmt: skip


def _info(row: Row) -> BatchInfo:
    batch = batch_of(row)
    return BatchInfo(
        id=batch.id,
        state=batch.state,
        source=row.source_name or (f"upload by {row.uploader}" if row.uploader else ""),
        study=row.study_code or "",
        exam=batch.exam_code,
        files=batch.files,
        bytes=batch.bytes,
        findings=list(batch.findings),
        summary=list(batch.summary),
        follows=batch.follows,
        reason=batch.reason,
        opened=batch.opened,
        last_write=batch.last_write,
        decided_by=batch.decided_by,
        decided=batch.decided,
        uploader=row.uploader or "",
        dropped=batch.drop_folder is not None,
        centre=row.centre_code or "",
    )
