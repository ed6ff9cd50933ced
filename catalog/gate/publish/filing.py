"""The last step of a publish job: what is stored gets its place in the tree.

What grows with the import is done first: the plan, the metadata, and the manifest, which is durable before the commit. Then
one transaction writes the rows, in chunks, and nothing else: who receives files waits for it. Killed before its commit,
nothing is in the archive, and the job plans again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from catalog import changes, clock
from catalog.audit import record
from catalog.changes import ChangeKind, announce
from catalog.database import Database
from catalog.database.tables import batches as batches_table
from catalog.derived import touch
from catalog.exchange import queue_routes
from catalog.gate.batches import Batch, as_columns, enqueue_effects
from catalog.gate.publish import left_over, results, tree_rows
from catalog.gate.publish.collecting import Collected
from catalog.gate.publish.results import PlannedResults
from catalog.gate.publish.stored import headers_of, hold
from catalog.gate.staged.area import Staging
from catalog.jobs import Job, Queue
from catalog.metadata.keeping import Prepared, prepare
from catalog.pure.batches import Event, transition
from catalog.pure.errors import Unavailable
from catalog.pure.filing import Plan, is_instance, plan
from catalog.pure.nodes import Kind, NodeId
from catalog.store import RecordStore, records

_MISNAMED = (
    "a header names it by a number that other files of its series have already: bring the whole folder into an exam of its own"
)
_UNORDERED = (
    "its number has more digits than the names in its series have, so by name it would stand among the first: "
    "bring the whole series into an exam of its own"
)
_CONTRADICTS = "this instance is archived already in the study, or comes twice with this import, and this one has other content"
_RESULT_CONTRADICTS = "the result has another file of that name already"
_MOST_PLANS = 5


@dataclass(frozen=True, slots=True)
class Target:
    """Where an import goes: the study, and the profile it was cleaned with: its row, its text (None: the default), its hash."""

    study_id: int
    study: str
    profile_id: int
    profile: str | None
    profile_hash: str
    engine: str


@dataclass(frozen=True, slots=True)
class _Planned:
    """What is going to be committed. `seen`: the newest change of the archive that it takes into account; `added`: since when
    it counts as archived, in seconds since 1970 UTC."""

    seen: int
    added: int
    exam: int | None
    images: Plan
    metadata: Mapping[str, Prepared]
    results: PlannedResults

    @property
    def files(self) -> int:
        return sum(len(series.files) for series in self.images.series) + self.results.files

    def refused(self) -> dict[int, str]:
        """Return the stored files that get no place, by their numbers, each with the reason."""
        return (
            dict.fromkeys((file.staged for file in self.images.contradicting), _CONTRADICTS)
            | dict.fromkeys((file.staged for file in self.images.unordered), _UNORDERED)
            | dict.fromkeys((file.staged for file in self.images.misnamed), _MISNAMED)
            | dict.fromkeys(self.results.contradicting, _RESULT_CONTRADICTS)
        )


class _ChangedMeanwhileError(Exception):
    """The study was changed between plan and commit: plan again."""


class Filing:
    """Gives what publish jobs stored its place."""

    def __init__(self, database: Database, staging: Staging, store: RecordStore, queue: Queue) -> None:
        self._database = database
        self._staging = staging
        self._store = store
        self._queue = queue

    def file(self, job: Job, batch: Batch, target: Target, collected: Collected, done: int) -> None:
        """File what was collected of a batch, and end the job.

        Args:
            done: how many files the job has worked through.

        Raises:
            Conflict: another worker took the job over.
            OutOfSpace, Unavailable: the job can be tried again.
        """
        if not collected.files and all(one.lineage for one in collected.brought):
            self._fail(job, batch, collected.taken)
            return
        for _ in range(_MOST_PLANS):
            planned = self._plan(batch, target, collected)
            # Still ours, so nobody has published it meanwhile: the manifest replaces none that is in use.
            with self._database.write() as connection:
                self._queue.progress(connection, job, done)
            self._write_manifest(batch, target, planned)
            try:
                rest = self._commit(job, batch, target, collected, planned)
            except _ChangedMeanwhileError:
                continue
            if rest is not None:
                self._staging.notes.copy_about(batch.id, rest)
            return
        raise Unavailable("the study was changed again and again while the files were filed; this is tried again")

    def _plan(self, batch: Batch, target: Target, collected: Collected) -> _Planned:
        seen = changes.newest(self._database)
        exam = tree_rows.exam(self._database, target.study_id, batch.exam_code, batch.centre_id)
        identities = [file.description.identity for file in collected.files if is_instance(file)]
        archived = tree_rows.archived_instances(self._database, target.study_id, identities)
        images = plan(collected.files, tree_rows.known_series(self._database, exam), archived)
        metadata = {
            one.name: prepare(headers_of(self._database, [file.stored.staged for file in one.files])) for one in images.series
        }
        made = results.plan_results(self._database, batch, exam, [one.name for one in images.series], collected.brought)
        return _Planned(seen, clock.now(), exam, images, metadata, made)

    def _write_manifest(self, batch: Batch, target: Target, planned: _Planned) -> None:
        images = _manifest(self._database, batch.exam_code, planned.images)
        entries = chain(images, results.manifest_entries(planned.results, batch.exam_code))
        about = records.ImportRecord(
            batch.import_id, batch.id, batch.opened, planned.added, batch.decided, batch.decided_by, target.profile,
            target.profile_hash, target.engine,
        )  # fmt: skip
        name = records.import_name(batch.opened, batch.import_id)
        records.write_import(self._store, target.study, name, about)
        records.write_manifest(self._store, target.study, name, entries)

    def _commit(self, job: Job, batch: Batch, target: Target, collected: Collected, planned: _Planned) -> int | None:
        """Write all rows in one transaction; return the batch of what is left over, if there is any."""
        with self._database.write() as connection:
            self._queue.finish(connection, job)
            if changes.content_changed(connection, target.study_id, planned.seen):
                raise _ChangedMeanwhileError
            exam, touched = tree_rows.put(
                connection, target.study_id, planned.exam, batch.exam_code, batch.id, planned.images, planned.metadata,
                planned.added, batch.centre_id,
            )  # fmt: skip
            touched |= results.put(connection, batch, exam, planned.results, planned.added)
            queue_routes(connection, target.study_id, exam, batch.id)
            if planned.exam is None:
                touched.discard(NodeId(Kind.EXAM, exam))  # it was made here
            touch(connection, touched, planned.added)
            hold(connection, collected.taken | planned.refused())
            left = left_over.left_of(connection, batch.id)
            rest = left_over.leave_behind(connection, batch, left)
            after, effects = transition(batch.state, Event.PUBLISHED)
            columns = as_columns(findings=left_over.with_reasons(batch.findings, left), summary=collected.summary)
            connection.execute(batches_table.update().where(batches_table.c.id == batch.id).values({"state": after} | columns))
            enqueue_effects(connection, effects, batch.id)
            detail = {
                "exam": batch.exam_code, "files": planned.files, "known": len(planned.images.known), "left": len(left),
                "profile": target.profile_id,
            }  # fmt: skip
            record(
                connection, actor="worker", acting_as=batch.decided_by, action="batch.publish", study=target.study,
                subject=f"batch {batch.id}", detail=detail,
            )  # fmt: skip
            announce(connection, ChangeKind.PUBLISHED, study_id=target.study_id)
        return rest

    def _fail(self, job: Job, batch: Batch, taken: Mapping[int, str]) -> None:
        """Leave a batch of which nothing could be published as it is, for its reviewer to mend or reject."""
        with self._database.write() as connection:
            self._queue.finish(connection, job)
            hold(connection, taken)
            after, _ = transition(batch.state, Event.PUBLISH_FAILED)
            findings = left_over.with_reasons(batch.findings, left_over.left_of(connection, batch.id))
            values = {"state": after, "reason": "no file could be published; see the reason of each"}
            connection.execute(
                batches_table.update().where(batches_table.c.id == batch.id).values(values | as_columns(findings=findings))
            )


def _manifest(database: Database, exam_code: str, placed: Plan) -> Iterator[dict[str, Any]]:
    """Yield one entry a file: enough to read the study, or to rebuild its catalogue, from its folder alone."""
    for series in placed.series:
        headers_in_order = headers_of(database, [file.stored.staged for file in series.files])
        for file, headers in zip(series.files, headers_in_order, strict=True):
            yield {
                "exam": exam_code,
                "series": series.name,
                "name": file.name,
                "sha256": file.stored.digest.hex(),
                "size": file.stored.size,
                "file_type": file.stored.description.file_type,
                "identity": file.stored.description.identity.hex(),
                "series_identity": file.stored.description.series.hex(),
                "number": file.stored.description.series_number,
                "description": file.stored.description.series_description,
                "acquired": file.stored.description.acquired,
                "headers": headers,
            }
