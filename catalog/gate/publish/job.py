"""The publish job: de-identify, store, catalogue. The only thing that writes to the store (docs/laws.md, law 3).

In chunks: each file is cleaned into the store's private folder, the chunk is made durable and put in place, and then its rows
say so. When all are stored, one transaction makes the series, the files, the audit and the batch's new state. Killed anywhere,
the job begins at the first file that no row calls stored: cleaning again gives the same bytes and so the same object, and what
is not in the catalogue yet is not there for anybody.

May live here: the order of these steps up to the last, which is `filing`. Not: how a file is cleaned, what it is called.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from io import BufferedRandom
from pathlib import Path

import sqlalchemy as sa

from catalog import durable
from catalog.database import Database
from catalog.database.tables import batches, profiles, staged_files, studies
from catalog.filetypes import dicom
from catalog.filetypes.describing import is_dicom, values_of
from catalog.gate.batches import Batch, StagedFile, batch_of, read_batch
from catalog.gate.deidentification import Cleaner, Deidentification
from catalog.gate.pseudonyms import begun_by
from catalog.gate.publish import results
from catalog.gate.publish.collecting import collect
from catalog.gate.publish.filing import Filing, Target
from catalog.gate.publish.stored import Outcome, Stored, outcome_rows, write_outcomes
from catalog.gate.staged.area import Staging
from catalog.gate.staged.companions import Companions
from catalog.jobs import Job, Queue, Stop
from catalog.pure.batches import Approval, Event, transition
from catalog.pure.errors import Held, Unreadable
from catalog.pure.expectations import expectations
from catalog.pure.results import result_path
from catalog.pure.staged_files import FileState
from catalog.store import Deposit, Store, records

_CHUNK_FILES = 64
_CHUNK_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class _Import:
    """The batch that is being published. `tree`: where its files stood."""

    batch: Batch
    target: Target
    profile: str | None
    tree: Companions

    @property
    def vouched_alone(self) -> bool:
        """Whether somebody vouches for this one file: for many at once nobody has looked at what was found in each."""
        return self.batch.files == 1 and Approval.CONTENT in self.batch.approval

    @property
    def vouches_for_results(self) -> bool:
        """Whether somebody vouches for its results: for all of them, or where the study wants it so for this one alone."""
        if expectations(self.profile).holds_results:
            return self.vouched_alone
        return Approval.CONTENT in self.batch.approval


class Publisher:
    """Runs publish jobs."""

    def __init__(
        self, database: Database, staging: Staging, store: Store, deidentification: Deidentification, queue: Queue
    ) -> None:
        self._database = database
        self._staging = staging
        self._store = store
        self._deidentification = deidentification
        self._queue = queue
        self._filing = Filing(database, staging, store, queue)

    def run(self, job: Job, stop: Stop) -> None:
        """Publish the job's batch.

        Raises:
            Conflict: another worker took the job over.
            Invalid: the study's profile cannot be used.
            OutOfSpace, Unavailable: the job can be tried again.
        """
        this = self._begin(job)
        approval = this.batch.approval
        begun = begun_by(self._database, this.batch.study_id, this.batch.exam_code)
        cleaner = self._deidentification.cleaner(
            this.target.study, this.batch.exam_code, this.profile,
            approved=Approval.PIXELS in approval, attested=Approval.CONTENT in approval, begun=begun,
        )  # fmt: skip
        deposit = self._store.deposit(this.target.study, f"{job.batch_id}")
        done, after = self._done(job.batch_id), 0
        try:
            while chunk := self._next_chunk(job.batch_id, after):
                done, after = done + len(chunk), chunk[-1].id
                self._publish_chunk(job, this, chunk, cleaner, deposit, stop, done)
        finally:
            deposit.close()
        collected = collect(self._database, self._staging, this.tree, this.batch, cleaner.known_words)
        self._filing.file(job, this.batch, this.target, collected, done)

    def give_up(self, connection: sa.Connection, job: Job, reason: str) -> None:
        """Leave the batch to its reviewer, in the transaction that gives up the job: nothing of it is in the archive."""
        batch = read_batch(connection, job.batch_id)
        code = connection.execute(sa.select(studies.c.code).where(studies.c.id == batch.study_id)).scalar_one()
        # Its commit failed, so the manifest that may have been written before names files nobody has. Removed here, where the
        # job is known to be ours still: a moment later another attempt could have written its own.
        records.remove_manifest(self._store, code, records.import_name(batch.opened, batch.import_id))
        after, _ = transition(batch.state, Event.PUBLISH_FAILED)
        connection.execute(batches.update().where(batches.c.id == job.batch_id).values(state=after, reason=reason))

    def _begin(self, job: Job) -> _Import:
        """Return the import, with its profile as it was when its first attempt began."""
        with self._database.write() as connection:
            row = connection.execute(
                sa.select(batches, studies.c.code, studies.c.profile)
                .select_from(batches.join(studies, studies.c.id == batches.c.study_id))
                .where(batches.c.id == job.batch_id)
            ).one()
            profile_id = row.profile_id
            if profile_id is None:
                profile_id = self._keep_profile(connection, row.profile)
                connection.execute(batches.update().where(batches.c.id == job.batch_id).values(profile_id=profile_id))
            profile = connection.execute(sa.select(profiles).where(profiles.c.id == profile_id)).one()
        tree = Companions.of(self._database, self._staging, job.batch_id)
        target = Target(row.study_id, row.code, profile_id, profile.text, profile.hash, profile.engine)
        return _Import(batch_of(row), target, profile.text, tree)

    def _keep_profile(self, connection: sa.Connection, text: str | None) -> int:
        key = {"hash": self._deidentification.profile_hash(text), "engine": self._deidentification.engine}
        connection.execute(self._database.insert_new(profiles).values(key | {"text": text}).on_conflict_do_nothing())
        same = sa.select(profiles.c.id).where(*(profiles.c[name] == value for name, value in key.items()))
        return int(connection.execute(same).scalar_one())

    def _done(self, batch_id: int) -> int:
        """Return how many files an earlier attempt has worked through."""
        columns = staged_files.c
        worked = columns.state.in_((FileState.STORED, FileState.HELD))
        row = self._database.row(sa.select(sa.func.count()).where(columns.batch_id == batch_id, worked))
        return int(row[0]) if row is not None else 0

    def _next_chunk(self, batch_id: int, after: int) -> list[StagedFile]:
        """Return the next files behind that number."""
        columns = staged_files.c
        rows = self._database.rows(
            sa.select(columns.id, columns.file, columns.size, columns.series)
            .where(columns.batch_id == batch_id, columns.state == FileState.STAGED, columns.id > after)
            .order_by(columns.id)
            .limit(_CHUNK_FILES)
        )
        chunk: list[StagedFile] = []
        size = 0
        for row in rows:
            chunk.append(StagedFile(row.id, row.file, row.size, row.series))
            size += row.size
            if size >= _CHUNK_BYTES:
                break
        return chunk

    def _publish_chunk(
        self,
        job: Job,
        this: _Import,
        chunk: Sequence[StagedFile],
        cleaner: Cleaner,
        deposit: Deposit,
        stop: Stop,
        done: int,
    ) -> None:
        outcomes = []
        for file in chunk:
            stop()
            outcomes.append(self._publish_file(file, this, cleaner, deposit))
        deposit.settle()
        rows = outcome_rows(outcomes)
        with self._database.write() as connection:
            write_outcomes(connection, rows)
            self._queue.progress(connection, job, done)

    def _publish_file(self, file: StagedFile, this: _Import, cleaner: Cleaner, deposit: Deposit) -> Outcome:
        """Clean one file into the deposit; a file that may not or cannot be published fails alone (docs/laws.md, law 8)."""
        source = self._staging.path(file.file)
        if not source.exists():
            return Outcome(file, held="its bytes are missing from the staging folder")
        with durable.translated("the publish job cannot go on"):
            target = deposit.new()
            try:
                complete = self._clean(file, source, this, cleaner, target)
            except (Held, Unreadable) as error:
                deposit.discard(target)
                return Outcome(file, held=str(error))
            except BaseException:
                deposit.discard(target)
                raise
            stored = deposit.add(target)
        return Outcome(file, complete(stored.digest, stored.size))

    def _clean(
        self, file: StagedFile, source: Path, this: _Import, cleaner: Cleaner, target: BufferedRandom
    ) -> Callable[[bytes, int], Stored]:
        """Write what is published of a file; return what makes what its row keeps, of the stored bytes' SHA-256 and size.

        Raises:
            Held, Unreadable: it may not or cannot be published.
        """
        if made := result_path(self._staging.name_of(file.file)):
            results.take(source, target, made, this.batch.exam_code, cleaner, vouched=this.vouches_for_results)
            return partial(Stored, is_result=True)
        with this.tree.readable(file.file) as readable:
            naming = this.tree.naming(file.file, this.batch.exam_code)
            cleaned = cleaner.clean(readable, target, stem=naming.stem, renamed=naming.renamed, overruled=this.vouched_alone)
        cleaned_by = partial(Stored, done=cleaned.summary(), rules=cleaned.by_rule())
        if naming.renamed is not None:
            return partial(cleaned_by, is_result=True)
        if is_dicom(cleaned.headers):
            dicom.describe(cleaned.headers)  # what cannot be filed is found out now, not when all are stored
            return partial(cleaned_by, headers=dict(cleaned.headers))
        target.flush()
        values = values_of(str(cleaned.headers["FileType"]), Path(target.name))
        return partial(cleaned_by, headers={**cleaned.headers, **values}, ending=cleaned.ending)
