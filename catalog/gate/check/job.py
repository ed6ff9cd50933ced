"""The check job: read every file of a sealed batch, run the rules, leave the findings for a reviewer.

Files are looked at in chunks, and about a kilobyte of each is kept, mostly its name (benchmarks/checks.md).
May live here: the order of the steps, and writing down what the rules say. The rules are in `catalog.pure.checks`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from catalog import clock
from catalog.database import Database
from catalog.database.tables import batches, staged_files, studies
from catalog.gate import subjects
from catalog.gate.batches import StagedFile, as_columns
from catalog.gate.check import discs
from catalog.gate.check.archive_lookup import ArchiveLookup
from catalog.gate.check.examine import Examined, Examiner
from catalog.gate.check.preview import previews
from catalog.gate.deidentification import NO_EXAM_YET, Cleaner, Deidentification
from catalog.gate.drops import sealing
from catalog.gate.drops.local_files import counted_kinds
from catalog.gate.drops.quota import Quota
from catalog.gate.pseudonyms import begun_by
from catalog.gate.report import write_report
from catalog.gate.staged.area import Staging
from catalog.gate.staged.companions import Companions
from catalog.gate.unpacking import Unpacker
from catalog.jobs import Job, Queue, Stop
from catalog.pure.batches import Event, State, transition
from catalog.pure.checks import Checks, Finding, Severity
from catalog.pure.checks.expected import made_of_nothing
from catalog.pure.errors import Invalid, Refused, Unavailable, Unreadable
from catalog.pure.expectations import expectations
from catalog.pure.names import folded
from catalog.pure.staged_files import FileEvent, FileState, after

_WAITING = (State.OPEN, State.SEALED, State.CHECKED, State.ACCEPTED)
_CHUNK_FILES = 200
_LATE_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class _Batch:
    """The batch that is being checked; `study_id` None and `cleaner` None: its study is not known yet."""

    id: int
    exam: str
    study_id: int | None
    profile: str | None
    cleaner: Cleaner | None
    trouble: str
    study: str = ""
    is_received: bool = False
    centre: int | None = None


class Checker:
    """Runs check jobs. Nothing is kept half done: a job that is repeated reads the batch again.

    Args:
        quota: how much may wait at the gate, unpacked.
    """

    def __init__(
        self,
        database: Database,
        staging: Staging,
        queue: Queue,
        deidentification: Deidentification,
        quota: Quota,
    ) -> None:
        self._database = database
        self._staging = staging
        self._queue = queue
        self._deidentification = deidentification
        self._quota = quota

    def run(self, job: Job, stop: Stop) -> None:
        """Check the job's batch.

        Raises:
            Conflict: another worker took the job over.
            OutOfSpace, Unavailable: the job can be tried again.
        """
        sealing.take_stock(self._database, self._staging, job.batch_id)
        this = self._batch(job.batch_id)
        examiner = Examiner(
            self._staging,
            Companions.of(self._database, self._staging, this.id),
            lambda source: self._deidentification.burned_in(this.profile, source),
            this.cleaner or self._default(),
            self._vouched(this),
            this.exam,
        )
        lookup = self._lookup(this)
        checks = Checks()
        unpacker = Unpacker(self._database, self._staging, this.id, self._quota)
        done = 0
        for chunk in self._chunks(this.id):
            seen = []
            for file in chunk:
                stop()
                one = examiner.examine(file)
                seen.append(self._foreign(unpacker, file, examiner, stop) if one.is_foreign else one)
            done += len(seen)
            self._note(job, done, self._judge(this, checks, examiner, lookup, seen))
        findings = self._conclude(this, checks, examiner, lookup)
        self._write(job, examiner, findings)

    def give_up(self, connection: sa.Connection, job: Job, reason: str) -> None:
        """Leave the batch sealed: it is checked again when the job is tried again, by itself or by `archimed job retry`."""

    def _batch(self, batch_id: int) -> _Batch:
        row = self._database.row(
            sa.select(
                batches.c.exam_code,
                batches.c.study_id,
                batches.c.source_id,
                batches.c.centre_id,
                studies.c.code,
                studies.c.profile,
            )
            .select_from(batches.outerjoin(studies, studies.c.id == batches.c.study_id))
            .where(batches.c.id == batch_id)
        )
        if row is None or row.study_id is None:
            is_received = row is not None and row.source_id is not None
            return _Batch(batch_id, row.exam_code if row else "", None, None, None, "", is_received=is_received)
        is_received = row.source_id is not None
        exam = row.exam_code or NO_EXAM_YET
        try:
            begun = begun_by(self._database, row.study_id, exam)
            cleaner = self._deidentification.cleaner(row.code, exam, row.profile, approved=False, begun=begun)
        except (Invalid, Refused) as error:
            # Publishing will not do without; the checks report it and go on.
            return _Batch(batch_id, row.exam_code, row.study_id, None, None, str(error), row.code, is_received, row.centre_id)
        return _Batch(batch_id, row.exam_code, row.study_id, row.profile, cleaner, "", row.code, is_received, row.centre_id)

    def _vouched(self, this: _Batch) -> Cleaner | None:
        """Return what cleans when a reviewer vouches; None for a scanner's batch: what it sends is DICOM or broken."""
        if this.is_received:
            return None
        try:
            return self._deidentification.cleaner(
                this.study or NO_EXAM_YET, this.exam or NO_EXAM_YET, this.profile, approved=True, attested=True
            )
        except (Invalid, Refused):
            return None

    def _default(self) -> Cleaner | None:
        """Return what cleans by the default profile; None where there is no key yet."""
        try:
            return self._deidentification.cleaner(NO_EXAM_YET, NO_EXAM_YET, None, approved=False)
        except Refused:
            return None

    def _foreign(self, unpacker: Unpacker, file: StagedFile, examiner: Examiner, stop: Stop) -> Examined:
        """Look at a file that is no DICOM; of an archive, its files become files of the batch, which come later."""
        try:
            is_archive = unpacker.is_archive(file.file)
        except (Unreadable, Unavailable) as error:
            return Examined(file, problem=str(error))
        if not is_archive:
            return examiner.foreign(file)
        try:
            unpacker.unpack(file, stop)
        except Unreadable as error:
            return Examined(file, problem=str(error))
        return Examined(file, is_aside=True)

    def _lookup(self, this: _Batch) -> ArchiveLookup | None:
        if this.study_id is None or this.cleaner is None:
            return None
        return ArchiveLookup(self._database, this.study_id, this.cleaner, this.centre)

    def _chunks(self, batch_id: int) -> Iterator[Sequence[StagedFile]]:
        columns = staged_files.c
        chunk = (
            sa.select(columns.id, columns.file, columns.size)
            .where(columns.batch_id == batch_id, columns.state != FileState.UNPACKED, columns.id > sa.bindparam("after"))
            .order_by(columns.id)
            .limit(_CHUNK_FILES)
        )
        last = 0
        while rows := self._database.rows(chunk, {"after": last}):
            yield [StagedFile(row.id, row.file, row.size) for row in rows]
            last = rows[-1].id

    def _judge(
        self, this: _Batch, checks: Checks, examiner: Examiner, lookup: ArchiveLookup | None, seen: Sequence[Examined]
    ) -> list[dict[str, object]]:
        """Show a chunk to the rules; return what its rows say from now on."""
        elsewhere = self._elsewhere(this.id, seen)
        archived = lookup.archived(seen) if lookup else {}
        for one in seen:
            if one.series is not None and folded(archived.get(one.file.id, "")) == folded(this.exam or NO_EXAM_YET):
                one.series.again += 1
        outcomes: list[dict[str, object]] = []
        for one in seen:
            others = elsewhere.get(one.identity, ()) if one.identity else ()
            why = "" if one.is_aside else checks.see(examiner.checked(one, others, archived.get(one.file.id, "")))
            event = FileEvent.UNPACK if one.is_aside else FileEvent.FAIL if why else FileEvent.PASS
            outcomes.append(
                {
                    "row": one.file.id, "new_state": after(event), "new_reason": why,
                    "new_series": one.series.label if one.series else "", "new_identity": one.identity,
                    "new_number": one.number,
                }
            )  # fmt: skip
        return outcomes

    def _elsewhere(self, batch_id: int, seen: Sequence[Examined]) -> dict[bytes, list[int]]:
        """Return the instances among these that wait in other batches too, with those batches."""
        identities = {one.identity for one in seen if one.identity is not None}
        statement = (
            sa.select(staged_files.c.identity, staged_files.c.batch_id)
            .distinct()
            .join(batches, batches.c.id == staged_files.c.batch_id)
            .where(staged_files.c.identity.in_(identities), batches.c.id != batch_id, batches.c.state.in_(_WAITING))
        )
        found: dict[bytes, list[int]] = {}
        for row in self._database.rows(statement):
            found.setdefault(row.identity, []).append(row.batch_id)
        return found

    def _note(self, job: Job, done: int, outcomes: list[dict[str, object]]) -> None:
        with self._database.write() as connection:
            self._queue.progress(connection, job, done)
            connection.execute(_OUTCOME, outcomes)

    def _conclude(self, this: _Batch, checks: Checks, examiner: Examiner, lookup: ArchiveLookup | None) -> list[Finding]:
        """Return all findings; leave what a reviewer must see beside the staged bytes."""
        for file in examiner.with_identifying_names():
            checks.see(file)
        series = examiner.series()
        about = examiner.about()
        if this.cleaner is not None and lookup is not None:
            found = previews(self._database, self._staging, this.cleaner, this.id)
            about["preview"] = [preview.as_dict() for preview in found]
            published = {preview.label: preview for preview in found if preview.file_type}
            for one in series:
                if preview := published.get(one.label):
                    one.siblings = lookup.sizes(preview.file_type, preview.description, this.exam)
                if this.exam and (numbers := lookup.standing(one, this.exam)):
                    one.archived = len(numbers)
                    checks.know_archived(one.label, numbers)
        findings = checks.end(series, this.exam, expectations(this.profile) if this.study_id is not None else None)
        if lookup is not None and this.exam:
            findings += made_of_nothing(series, lookup.numbers(this.exam), this.exam)
        if this.study_id is not None and this.exam:
            whose = set[bytes]().union(*examiner.subjects().values())
            findings += subjects.objections(
                self._database.rows, this.id, this.study_id, this.exam, whose, expectations(this.profile), this.centre,
                sum(one.again for one in series),
            )  # fmt: skip
        if this.trouble:
            findings.append(
                Finding(
                    "profile",
                    Severity.WARNING,
                    f"{this.trouble}; nothing can be published before that is mended",
                    of_study=True,
                )
            )
        findings += self._asides(this.id)
        left_out = self._left_out(this.id)
        about["left_out"] = [{"file": place, "kind": kind} for place, kind in sorted(left_out.items())]
        if left_out:
            findings.append(
                Finding(
                    "left_out", Severity.WARNING,
                    f"not all of what was brought is here: {counted_kinds(left_out.values())} were left out, for only regular "
                    "files are taken; if they are needed, bring the files that they lead to",
                )
            )  # fmt: skip
        of_discs, about["missing"] = discs.compared(self._database, self._staging, this.id)
        findings += of_discs
        self._staging.notes.write_about(this.id, about)
        return findings

    def _asides(self, batch_id: int) -> Iterator[Finding]:
        aside = sa.select(sa.func.count()).where(
            staged_files.c.batch_id == batch_id, staged_files.c.state == FileState.UNPACKED
        )
        row = self._database.row(aside)
        if row is not None and row[0]:
            message = (
                f"{row[0]} archives or disc indexes are in the batch; the files in them are checked and accepted as files of "
                "their own, and they themselves are not archived"
            )
            yield Finding("unpacked", Severity.NOTE, message)

    def _left_out(self, batch_id: int) -> dict[str, str]:
        row = self._database.row(sa.select(batches.c.drop_folder).where(batches.c.id == batch_id))
        return self._staging.drop(row.drop_folder).left_out() if row is not None and row.drop_folder is not None else {}

    def _write(self, job: Job, examiner: Examiner, findings: list[Finding]) -> None:
        follows = self._late_for(job.batch_id, examiner)
        columns = as_columns(
            findings=[finding.as_dict() for finding in findings], summary=[one.summary() for one in examiner.series()]
        )
        with self._database.write() as connection:
            self._queue.finish(connection, job)
            state = connection.execute(sa.select(batches.c.state).where(batches.c.id == job.batch_id)).scalar_one()
            if state != State.SEALED:
                return  # decided, or opened again, while the checks ran
            subjects.keep(connection, job.batch_id, examiner.subjects())
            checked, _ = transition(State(state), Event.CHECKS_DONE)
            values: dict[str, object] = {"state": checked, **columns}
            if follows is not None:
                values["follows"] = follows
            connection.execute(batches.update().where(batches.c.id == job.batch_id).values(values))
        write_report(self._database, self._staging, job.batch_id)

    def _late_for(self, batch_id: int, examiner: Examiner) -> int | None:
        """Return the earlier batch of the same source that these files are late for.

        It has files of the same DICOM study or, where that is forgotten because it was decided on, of the same patient; a batch
        that is known to be of other patients alone, as what was left of a mixed one, is not it.
        """
        studies_seen = examiner.studies()
        whose = set[bytes]().union(*examiner.subjects().values())
        earlier, this = batches.alias(), batches.alias()
        statement = (
            sa.select(earlier.c.id)
            .select_from(earlier.join(this, sa.and_(this.c.id == batch_id, this.c.source_id == earlier.c.source_id)))
            .where(earlier.c.id < batch_id, earlier.c.opened > clock.now() - _LATE_SECONDS)
            .order_by(earlier.c.id.desc())
        )
        for row in self._database.rows(statement):
            theirs = subjects.of_batch(self._database.rows, row.id)
            if whose and theirs and not whose & theirs:
                continue
            about = self._staging.notes.read_about(row.id)
            if studies_seen & set(about.get("studies", ())) if about else whose & theirs:
                return int(row.id)
        return None


_OUTCOME = (
    staged_files.update()
    .where(staged_files.c.id == sa.bindparam("row"))
    .values(
        state=sa.bindparam("new_state"),
        reason=sa.bindparam("new_reason"),
        series=sa.bindparam("new_series"),
        identity=sa.bindparam("new_identity"),
        number=sa.bindparam("new_number"),
    )
)
