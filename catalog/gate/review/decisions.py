"""Where batches are decided: seal, accept, reject, check again, for one principal or for the machine itself.

Decisions are one transaction each: state, job and audit, or nothing. May live here: what a reviewer decides. Not: what a
reviewer sees (`overview`), checks, publishing, protocols.
"""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from catalog import clock
from catalog.audit import Actor, record
from catalog.database import Database, Row
from catalog.database.tables import batches, jobs, staged_files
from catalog.gate import subjects
from catalog.gate.batches import Batch, as_columns, enqueue_effects, read_batch
from catalog.gate.centres import of_acceptance
from catalog.gate.drops import reopening, sealing
from catalog.gate.report import hand_on, write_report
from catalog.gate.review.queries import BatchInfo, BatchQueries
from catalog.gate.review.selection import Selection, check_labels, divide
from catalog.gate.staged.area import Staging
from catalog.gate.visibility import visible
from catalog.jobs import JobKind, cancel, enqueue
from catalog.pure.access import Principal
from catalog.pure.batches import Approval, Effect, Event, State, transition
from catalog.pure.checks import Severity, subject
from catalog.pure.errors import Conflict, Invalid, Refused
from catalog.pure.expectations import Expectations, expectations
from catalog.pure.jobs import UNFINISHED
from catalog.pure.names import check_code, check_description
from catalog.pure.staged_files import NEVER_PUBLISHED, FileEvent, after, before
from catalog.visible import StudyRef

_SEALED_ALREADY = (State.SEALED, State.CHECKED)
_DECISIONS = (Event.ACCEPT, Event.RETRY, Event.REJECT)
_DECIDED = (State.ACCEPTED, State.PUBLISHED, State.FAILED, State.REJECTED, State.ERASED)


class Review(BatchQueries):
    """The gate for one principal; `principal` None is the machine itself, which sees and may decide everything."""

    def __init__(self, database: Database, staging: Staging, actor: Actor, principal: Principal | None) -> None:
        super().__init__(database, staging, principal)
        self._actor = actor

    def seal(self, batch_id: int) -> BatchInfo:
        """Close a batch to more files and have it checked; one that is sealed or checked already stays as it is.

        Raises:
            NotFound: as `info`.
            Refused: it is decided already; files of it are still open for writing, or there is none.
        """
        info = self.info(batch_id)
        counted = sealing.close_to_writers(self._database, self._staging, batch_id) if info.state is State.OPEN else {}
        with self._database.write() as connection:
            if info.state not in _SEALED_ALREADY:
                self._move(connection, info, Event.SEAL, values=counted)
                self._audit(connection, info, "batch.seal")
            elif info.state is State.SEALED and not self._has_job(connection, batch_id):
                enqueue(connection, JobKind.CHECK, batch_id)  # its checks were given up: try again
        return self.info(batch_id)

    def accept(
        self,
        batch_id: int,
        study: str,
        exam: str,
        *,
        despite: str = "",
        pixels_approved: bool = False,
        looked: str | None = None,
        attest: str = "",
        series: Collection[str] = (),
        labels: Mapping[str, str] = MappingProxyType({}),
        centre: str = "",
    ) -> BatchInfo:
        """Decide that a batch is published into an exam, which is made if it is not there; also tries a failed one again.

        Args:
            batch_id: the batch.
            study: code of the study.
            exam: code of the exam; one that exists gets the files added.
            despite: why what forbids it does not matter.
            pixels_approved: who decides has looked at the images and seen no identity in the pixels.
            looked: why the images that were not drawn for who decides identify nobody; None: they were seen elsewhere, and what
                was drawn is noted, not asked for.
            attest: why files that nothing can look through, or that a heuristic holds, identify nobody; '' holds them.
            series: labels of the series that are accepted; the rest waits in a batch of its own. None: all.
            labels: by label of a series, the description it gets instead of its own.
            centre: code of the centre of the study that a new exam belongs to; '': the batch's, else as `catalog.gate.centres`.

        Raises:
            NotFound: no such batch, study or centre, or not granted.
            Invalid: the exam code is none; no such series; a description of nothing that can be a name.
            Refused: its state, its findings, the study's expectations or the role do not allow it; images were not seen; the
                exam is of another centre.
            Conflict: somebody else decided in the same moment.
        """
        info = self.info(batch_id)
        found, selection, descriptions = self._acceptable(info, study, exam, despite, series, labels)
        event = _event_of_acceptance(info)
        shown = self._seen_images(info, selection, pixels_approved, looked)
        self._forget_preview_of_study(batch_id, found.id)
        approval = (Approval.PIXELS if pixels_approved else 0) | (Approval.CONTENT if attest.strip() else 0)
        with self._database.write() as connection:
            values = {"study_id": found.id, "exam_code": exam, "reason": despite, "approved": int(approval), "profile_id": None}
            whole = read_batch(connection, batch_id)
            before = whole.centre_id if whole.study_id == found.id else None
            of = of_acceptance(connection, found.id, exam, self._user, said=centre, before=before)
            if not despite.strip():
                self._require_own_exam(connection, info, selection, found.id, exam, expectations(found.profile), of)
            self._move(connection, info, event, found.id, values | {"centre_id": of} | as_columns(labels=descriptions))
            rest = divide(connection, whole, selection)
            if whole.study_id is not None and (whole.study_id, whole.centre_id) != (found.id, of):
                self._forget_findings_of_study(connection, batch_id)
            self._begin_anew(connection, batch_id)
            detail = {"exam": exam, "files": info.files, "pixels_approved": pixels_approved} | _given(
                attest=attest.strip(), despite=despite, series=sorted(selection.labels), rest=rest, labels=sorted(descriptions),
                centre=centre, **shown,
            )  # fmt: skip
            self._audit(connection, info, "batch.accept", found.code, detail)
        self._write_reports(batch_id, rest)
        return self.info(batch_id)

    def _write_reports(self, batch_id: int, rest: int | None) -> None:
        """Write the report of a batch, and of the one that its rest waits in."""
        if rest is not None:
            hand_on(self._database, self._staging, batch_id)
            write_report(self._database, self._staging, rest)
        write_report(self._database, self._staging, batch_id)

    def _seen_images(
        self, info: BatchInfo, selection: Selection, pixels_approved: bool, looked: str | None
    ) -> dict[str, object]:
        """Return what the audit keeps of how many images were drawn for who says that they looked through them.

        Raises:
            Refused: `looked` is given, and they may not say so.
        """
        if not pixels_approved:
            return {}
        found = self.evidence(info.id, selection.labels)
        if looked is not None:
            found.require(looked)
        return {"images": found.images, "not_seen": found.not_seen, "looked": (looked or "").strip()}

    def require_acceptable(
        self,
        batch_id: int,
        study: str,
        exam: str,
        *,
        despite: str = "",
        series: Collection[str] = (),
        labels: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Raise what `accept` would raise now, and change nothing: for who asks once more before it is done.

        Raises:
            NotFound, Invalid, Refused: as `accept`.
        """
        self._acceptable(self.info(batch_id), study, exam, despite, series, labels)

    def _acceptable(
        self, info: BatchInfo, study: str, exam: str, despite: str, series: Collection[str], labels: Mapping[str, str]
    ) -> tuple[StudyRef, Selection, dict[str, str]]:
        """Return the study, what is selected and the checked descriptions of an acceptance that nothing forbids."""
        check_code(exam, "exam")
        found = self._study(study)
        self._allowed(info, _event_of_acceptance(info))
        selection = Selection.of(series, info.summary)
        descriptions = {label: check_description(text) for label, text in labels.items()}
        check_labels(descriptions, info.summary, selection)
        if not despite.strip():
            self._require_no_objection(info, selection, exam, expectations(found.profile))
        self._require_good_files(info.id, selection)
        return found, selection, descriptions

    def recheck(self, batch_id: int, study: str = "", exam: str = "") -> BatchInfo:
        """Have a batch checked again, say because the study's profile was mended.

        Args:
            batch_id: the batch.
            study: the study it is meant for from now on; '' leaves that as it is.
            exam: the exam it is meant for from now on; '' likewise.

        Raises:
            NotFound: as `info`; no such study, or not granted.
            Invalid: the exam code is none.
            Refused: it is not checked yet, or decided.
            Conflict: somebody else decided in the same moment.
        """
        meant: dict[str, Any] = {"study_id": self._study(study).id} if study else {}
        if exam:
            meant["exam_code"] = check_code(exam, "exam")
        return self._back(batch_id, Event.RECHECK, "batch.recheck", meant)

    def restore(self, batch_id: int) -> BatchInfo:
        """Take a rejection back, as long as the bytes are kept: the batch is checked again and waits for a decision.

        Raises:
            NotFound: as `info`.
            Refused: it is not rejected, or erased already.
            Conflict: somebody else decided in the same moment.
        """
        return self._back(batch_id, Event.RESTORE, "batch.restore")

    def reopen(self, batch_id: int) -> BatchInfo:
        """Let the uploader of a dropped batch mend it: it is open again, and nothing that was found of it counts.

        Raises:
            NotFound: as `info`.
            Refused: it is somebody else's, was not dropped into a folder, or its state does not allow it.
            Conflict: the uploader has another open batch for that exam; somebody else decided in the same moment.
        """
        info = self.info(batch_id)
        self._allowed(info, Event.REOPEN)
        user = self._principal.user_id if self._principal is not None else None
        reopening.open_folder(self._database, self._staging, batch_id, user)
        with self._database.write() as connection:
            cancel(connection, batch_id)
            self._move(connection, info, Event.REOPEN, values=reopening.begin(connection, batch_id, user))
            self._audit(connection, info, "batch.reopen", info.study)
        self._staging.notes.erase_about(batch_id)
        return self.info(batch_id)

    def _back(self, batch_id: int, event: Event, action: str, meant: Mapping[str, Any] = MappingProxyType({})) -> BatchInfo:
        info = self.info(batch_id)
        self._allowed(info, event)
        if "study_id" in meant:
            self._forget_preview_of_study(batch_id, meant["study_id"])
        with self._database.write() as connection:
            cancel(connection, batch_id)  # what still runs would speak of the batch as it was
            before = read_batch(connection, batch_id)
            study, exam = meant.get("study_id", before.study_id), meant.get("exam_code", before.exam_code)
            if meant and study is not None:
                meant = {**meant, "centre_id": self._meant_centre(connection, before, study, exam)}
            self._move(connection, info, event, values={"reason": "", "profile_id": None, **meant})
            if before.study_id is not None and (before.study_id, before.centre_id) != (
                study,
                meant.get("centre_id", before.centre_id),
            ):
                self._forget_findings_of_study(connection, batch_id)
            self._begin_anew(connection, batch_id)
            self._audit(connection, info, action, info.study)
        write_report(self._database, self._staging, batch_id)
        return self.info(batch_id)

    def _meant_centre(self, connection: sa.Connection, before: Batch, study: int, exam: str) -> int | None:
        """Return the centre of a batch that is meant for another study or exam: its own, unless the exam has one."""
        return of_acceptance(
            connection, study, exam, self._user, said="", before=before.centre_id if before.study_id == study else None
        )

    def reject(self, batch_id: int, reason: str) -> BatchInfo:
        """Decide that a batch is not published; its bytes are erased when the time for taking that back is over.

        Raises:
            NotFound: as `info`.
            Invalid: no reason is given.
            Refused: it is decided already.
            Conflict: somebody else decided in the same moment.
        """
        if not reason.strip():
            raise Invalid("say why: --reason TEXT")
        info = self.info(batch_id)
        if info.state is State.OPEN:
            sealing.close_to_writers(self._database, self._staging, batch_id, may_be_empty=True)
        with self._database.write() as connection:
            self._move(connection, info, Event.REJECT, values={"reason": reason})
            self._audit(connection, info, "batch.reject", info.study, {"files": info.files})
        write_report(self._database, self._staging, batch_id)
        return self.info(batch_id)

    def _move(
        self,
        connection: sa.Connection,
        info: BatchInfo,
        event: Event,
        study_id: int | None = None,
        values: dict[str, Any] | None = None,
    ) -> None:
        state, effects = self._allowed(info, event)
        decided = {"decided_by": self._decider(), "decided": clock.now()} if event in _DECISIONS else {}
        moved = connection.execute(
            batches.update()
            .where(batches.c.id == info.id, batches.c.state == info.state, *self._still_seen())
            .values({"state": state} | decided | (values or {}))
        )
        if moved.rowcount != 1:
            raise Conflict(f"batch {info.id} was {self._rival(connection, info.id)} in this moment; look at it again")
        enqueue_effects(connection, effects, info.id, study_id)

    def _still_seen(self) -> Sequence[sa.ColumnElement[bool]]:
        """Return the condition that role and grant are still there when the decision is written."""
        return () if self._principal is None else (visible(self._principal.user_id),)

    def _forget_findings_of_study(self, connection: sa.Connection, batch_id: int) -> None:
        """Forget what was found of the study that a batch was meant for: who has another one may not have that."""
        findings = read_batch(connection, batch_id).findings
        kept = as_columns(findings=[finding for finding in findings if not finding.get("of_study")])
        connection.execute(batches.update().where(batches.c.id == batch_id).values(kept))

    def _forget_preview_of_study(self, batch_id: int, study_id: int) -> None:
        """Forget the preview by the profile of the study that a batch was meant for, before it is meant for another one."""
        row = self._database.row(sa.select(batches.c.study_id).where(batches.c.id == batch_id))
        if row is None or row.study_id in {None, study_id}:
            return
        about = self._staging.notes.read_about(batch_id)
        if about.pop("preview", None) is not None:
            self._staging.notes.write_about(batch_id, about)

    def _allowed(self, info: BatchInfo, event: Event) -> tuple[State, tuple[Effect, ...]]:
        """Return what the event does; a refusal says who decided before."""
        try:
            return transition(info.state, event)
        except Refused as refusal:
            if info.state in _DECIDED and info.decided_by:
                raise Refused(f"{refusal} (decided by {info.decided_by})") from None
            raise

    def _rival(self, connection: sa.Connection, batch_id: int) -> str:
        """Return what became of a batch meanwhile and by whom."""
        row = connection.execute(sa.select(batches.c.state, batches.c.decided_by).where(batches.c.id == batch_id)).first()
        if row is None:
            return "removed"
        by = row.decided_by if row.state in _DECIDED and row.decided_by else "somebody else"
        return f"{row.state if row.state in _DECIDED else 'changed'} by {by}"

    def _begin_anew(self, connection: sa.Connection, batch_id: int) -> None:
        """Let what an earlier attempt to publish stored or held back be tried again: study, exam and profile may be others."""
        connection.execute(
            staged_files.update()
            .where(staged_files.c.batch_id == batch_id, staged_files.c.state.in_(before(FileEvent.TRY_AGAIN)))
            .values(state=after(FileEvent.TRY_AGAIN), reason="", result="")
        )

    def _has_job(self, connection: sa.Connection, batch_id: int) -> bool:
        waiting = sa.select(jobs.c.id).where(jobs.c.batch_id == batch_id, jobs.c.state.in_(UNFINISHED))
        return connection.execute(waiting).first() is not None

    def _require_no_objection(self, info: BatchInfo, selection: Selection, exam: str, expected: Expectations) -> None:
        if not expected.takes(exam):
            raise Refused(
                f"the study expects exam codes like {expected.exam}, and {exam} is none; give another, or --despite REASON"
            )
        for finding in info.findings:
            # Whose exam it is, is asked of the exam that it goes into now.
            serious = finding["severity"] == Severity.BLOCKING and finding["file"] is None and finding["check"] != subject.NAME
            if serious and selection.concerns(finding, info.summary):
                raise Refused(f"batch {info.id} cannot be accepted as it is: {finding['message']}")

    def _require_own_exam(
        self, connection: sa.Connection, info: BatchInfo, selection: Selection, study_id: int, exam: str,
        expected: Expectations, centre: int | None,
    ) -> None:  # fmt: skip
        """Refuse files of another person than the exam's, as the catalogue is in the transaction of the decision."""

        def rows(statement: sa.Select[Any]) -> Sequence[Row]:
            return connection.execute(statement).all()

        whose = subjects.of_batch(rows, info.id, selection.labels)
        for finding in subjects.objections(rows, info.id, study_id, exam, whose, expected, centre):
            if finding.severity is Severity.BLOCKING:
                raise Refused(f"batch {info.id} cannot be accepted as it is: {finding.message}")

    def _require_good_files(self, batch_id: int, selection: Selection) -> None:
        good = (
            sa.select(staged_files.c.id)
            .where(staged_files.c.batch_id == batch_id, staged_files.c.state.not_in(NEVER_PUBLISHED))
            .limit(1)
        )
        if selection.labels:
            good = good.where(staged_files.c.series.in_(selection.labels))
        if self._database.row(good) is None:
            raise Refused(
                f"batch {batch_id} has no file that can be published; see why with `archimed staging show {batch_id}`"
            )

    def _decider(self) -> str:
        return self._actor.acting_as or self._actor.name

    def _audit(
        self, connection: sa.Connection, info: BatchInfo, action: str, study: str = "", detail: dict[str, Any] | None = None
    ) -> None:
        record(
            connection, actor=self._actor.name, acting_as=self._actor.acting_as, action=action, study=study,
            subject=f"batch {info.id}", detail=detail,
        )  # fmt: skip


def _given(**values: object) -> dict[str, object]:
    """Return those values that say something."""
    return {name: value for name, value in values.items() if value}


def _event_of_acceptance(info: BatchInfo) -> Event:
    return Event.RETRY if info.state is State.FAILED else Event.ACCEPT
