"""The publish job: de-identify, store, catalogue. The only thing that writes to the store (docs/laws.md, law 3).

In chunks: each file is cleaned into the store's private folder, the chunk is made durable and put in place, and then its rows
say so. When all are stored, one transaction makes the series, the files, the audit and the batch's new state. Killed anywhere,
the job begins at the first file that no row calls stored: cleaning again gives the same bytes and so the same object, and what
is not in the catalogue yet is not there for anybody.

May live here: the order of these steps. Not: how a file is cleaned, what it is called.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedRandom
from itertools import chain
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from catalog import clock, durable
from catalog.audit import record
from catalog.changes import ChangeKind, announce
from catalog.database import Database, Row
from catalog.database.tables import batches, profiles, staged_files, studies
from catalog.filetypes import dicom
from catalog.filetypes.describing import is_dicom, values_of
from catalog.gate.batches import enqueue_effects
from catalog.gate.deidentification import Cleaner, Deidentification
from catalog.gate.pseudonyms import begun_by
from catalog.gate.publish import results, tree_rows
from catalog.gate.publish.collecting import collect, headers_of
from catalog.gate.staged.area import Staging
from catalog.gate.staged.companions import Companions
from catalog.jobs import Job, Queue, Stop
from catalog.pure.batches import Approval, Event, State, transition
from catalog.pure.checks import MOST_FILES, Finding, Severity, counted
from catalog.pure.errors import Held, Unreadable
from catalog.pure.filing import Plan, plan
from catalog.pure.results import result_path
from catalog.store import Deposit, Store, records

_CHUNK_FILES = 64
_CHUNK_BYTES = 256 << 20
_CHECK = "publish"
_UNORDERED = (
    "its number has more digits than the names in its series have, so by name it would stand among the first: "
    "bring the whole series into an exam of its own"
)
_CONTRADICTS = "an instance of this UID is archived already, with other content"


@dataclass(frozen=True, slots=True)
class _Import:
    """The batch that is being published."""

    batch: Row
    study: str
    profile_id: int
    profile: str | None
    tree: Companions


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

    def run(self, job: Job, stop: Stop) -> None:
        """Publish the job's batch.

        Raises:
            Conflict: another worker took the job over.
            Invalid: the study's profile cannot be used.
            OutOfSpace, Unavailable: the job can be tried again.
        """
        this = self._begin(job)
        approval = Approval(this.batch.approved)
        begun = begun_by(self._database, this.batch.study_id, this.batch.exam_code)
        cleaner = self._deidentification.cleaner(
            this.study, this.batch.exam_code, this.profile,
            approved=Approval.PIXELS in approval, attested=Approval.CONTENT in approval, begun=begun,
        )  # fmt: skip
        deposit = self._store.deposit(this.study, f"{job.batch_id}")
        try:
            done, after = self._done(job.batch_id), 0
            while rows := self._next_chunk(job.batch_id, after):
                done, after = done + len(rows), rows[-1].id
                self._publish_chunk(job, this, rows, cleaner, deposit, stop, done)
        finally:
            deposit.close()
        self._file(job, this, cleaner)

    def give_up(self, connection: sa.Connection, job: Job, reason: str) -> None:
        """Leave the batch to its reviewer, in the transaction that gives up the job: nothing of it is in the archive."""
        row = connection.execute(
            sa.select(batches, studies.c.code)
            .select_from(batches.join(studies, studies.c.id == batches.c.study_id))
            .where(batches.c.id == job.batch_id)
        ).one()
        # Its commit failed, so the manifest that may have been written before tells of files nobody has.
        records.remove_manifest(self._store, row.code, _manifest_name(row))
        after, _ = transition(State(row.state), Event.PUBLISH_FAILED)
        connection.execute(batches.update().where(batches.c.id == job.batch_id).values(state=after, reason=reason))

    def _begin(self, job: Job) -> _Import:
        """Return the import, with its profile as it was when its first attempt began."""
        with self._database.write() as connection:
            row = connection.execute(
                sa.select(batches, studies.c.code, studies.c.profile.label("study_profile"))
                .select_from(batches.join(studies, studies.c.id == batches.c.study_id))
                .where(batches.c.id == job.batch_id)
            ).one()
            if row.profile_id is None:
                profile_id = self._keep_profile(connection, row.study_profile)
                connection.execute(batches.update().where(batches.c.id == job.batch_id).values(profile_id=profile_id))
            else:
                profile_id = row.profile_id
            text = connection.execute(sa.select(profiles.c.text).where(profiles.c.id == profile_id)).scalar_one()
        return _Import(row, row.code, profile_id, text, Companions.of(self._database, self._staging, job.batch_id))

    def _keep_profile(self, connection: sa.Connection, text: str | None) -> int:
        key = {"hash": self._deidentification.profile_hash(text), "engine": self._deidentification.engine}
        connection.execute(self._database.insert_new(profiles).values(key | {"text": text}).on_conflict_do_nothing())
        same = sa.select(profiles.c.id).where(*(profiles.c[name] == value for name, value in key.items()))
        return int(connection.execute(same).scalar_one())

    def _done(self, batch_id: int) -> int:
        """Return how many files an earlier attempt has worked through."""
        columns = staged_files.c
        earlier = sa.select(sa.func.count()).where(columns.batch_id == batch_id, columns.state.in_(("stored", "held")))
        row = self._database.row(earlier)
        return int(row[0]) if row is not None else 0

    def _next_chunk(self, batch_id: int, after: int) -> list[Row]:
        """Return the next files behind that row."""
        columns = staged_files.c
        rows = self._database.rows(
            sa.select(columns.id, columns.file, columns.size, columns.series)
            .where(columns.batch_id == batch_id, columns.state == "staged", columns.id > after)
            .order_by(columns.id)
            .limit(_CHUNK_FILES)
        )
        chunk, size = [], 0
        for row in rows:
            chunk.append(row)
            size += row.size
            if size >= _CHUNK_BYTES:
                break
        return chunk

    def _publish_chunk(
        self, job: Job, this: _Import, rows: Sequence[Row], cleaner: Cleaner, deposit: Deposit, stop: Stop, done: int
    ) -> None:
        outcomes = []
        for row in rows:
            stop()
            outcomes.append((row, self._publish_file(row, this, cleaner, deposit)))
        deposit.settle()
        with self._database.write() as connection:
            connection.execute(_OUTCOME, _as_rows(outcomes))
            self._queue.progress(connection, job, done)

    def _publish_file(self, row: Row, this: _Import, cleaner: Cleaner, deposit: Deposit) -> dict[str, Any]:
        """Clean one file into the deposit; a file that may not or cannot be published fails alone (docs/laws.md, law 8)."""
        source = self._staging.path(row.file)
        if not source.exists():
            return {"new_state": "held", "new_reason": "its bytes are missing from the staging folder", "new_result": ""}
        with durable.translated("the publish job cannot go on"):
            target = deposit.new()
            try:
                about = self._clean(row, source, this, cleaner, target)
            except (Held, Unreadable) as error:
                deposit.discard(target)
                return {"new_state": "held", "new_reason": str(error), "new_result": ""}
            except BaseException:
                deposit.discard(target)
                raise
            stored = deposit.add(target)
        kept = {"sha256": stored.digest.hex(), "size": stored.size, **about}
        return {"new_state": "stored", "new_reason": "", "new_result": kept}

    def _clean(self, row: Row, source: Path, this: _Import, cleaner: Cleaner, target: BufferedRandom) -> dict[str, Any]:
        """Write what is published of a file, and return what its row keeps of it.

        Raises:
            Held, Unreadable: it may not or cannot be published.
        """
        if made := result_path(self._staging.name_of(row.file)):
            results.take(source, target, made, this.batch.exam_code)
            return {"headers": {}, "done": {}, "is_result": True}
        with this.tree.readable(row.file) as readable:
            cleaned = cleaner.clean(readable, target)
        about: dict[str, Any] = {"headers": dict(cleaned.headers), "done": cleaned.summary(), "rules": cleaned.by_rule()}
        if is_dicom(cleaned.headers):
            dicom.describe(cleaned.headers)  # what cannot be filed is found out now, not when all are stored
            return about
        target.flush()
        about["headers"] |= values_of(str(cleaned.headers["FileType"]), Path(target.name))
        return about | {"ending": cleaned.ending}

    def _file(self, job: Job, this: _Import, cleaner: Cleaner) -> None:
        """Give everything that is stored its place, in one transaction."""
        collected = collect(self._database, self._staging, this.tree, this.batch, cleaner.known_words)
        taken = collected.taken
        with self._database.write() as connection:
            self._queue.finish(connection, job)
            if not collected.files and all(one.lineage for one in collected.brought):
                self._hold(connection, taken)
                self._fail(connection, this)
                return
            exam = tree_rows.exam(connection, this.batch.study_id, this.batch.exam_code)
            placed = plan(collected.files, tree_rows.known_series(connection, exam))
            exam = tree_rows.put(
                connection, this.batch.study_id, exam, this.batch.exam_code, job.batch_id, placed,
                lambda numbers: headers_of(connection, numbers),
            )  # fmt: skip
            made = results.put(connection, this.batch, exam, collected.brought)
            entries = chain(_manifest(connection, this, placed), made.entries)
            records.write_manifest(self._store, this.study, _manifest_name(this.batch), entries)
            taken |= dict.fromkeys((file.staged for file in placed.contradicting), _CONTRADICTS)
            taken |= dict.fromkeys((file.staged for file in placed.unordered), _UNORDERED)
            taken |= dict.fromkeys(made.contradicting, "the result has another file of that name already")
            left = self._leave_behind(connection, this, taken)
            connection.execute(batches.update().where(batches.c.id == job.batch_id).values(summary=collected.summary))
            count = sum(len(series.files) for series in placed.series) + len(made.entries)
            self._close(connection, this, count, len(placed.known), left)

    def _hold(self, connection: sa.Connection, taken: Mapping[int, str]) -> None:
        """Say of stored files why they cannot be filed."""
        outcomes = [{"row": row, "new_state": "held", "new_reason": why, "new_result": ""} for row, why in taken.items()]
        if outcomes:
            connection.execute(_OUTCOME, outcomes)

    def _fail(self, connection: sa.Connection, this: _Import) -> None:
        """Leave a batch of which nothing could be published as it is, for its reviewer to mend or reject."""
        after, _ = transition(State(this.batch.state), Event.PUBLISH_FAILED)
        left = self._left(connection, this)
        reason = "no file could be published; see the reason of each"
        values = {"state": after, "reason": reason, "findings": _with(this.batch.findings, left)}
        connection.execute(batches.update().where(batches.c.id == this.batch.id).values(values))

    def _left(self, connection: sa.Connection, this: _Import) -> dict[int, str]:
        """Return the files of the batch that are not published, with the reason of each."""
        rows = connection.execute(
            sa.select(staged_files.c.id, staged_files.c.reason)
            .where(staged_files.c.batch_id == this.batch.id, staged_files.c.state.in_(("held", "bad")))
            .order_by(staged_files.c.id)
        )
        return {row.id: row.reason for row in rows}

    def _leave_behind(self, connection: sa.Connection, this: _Import, taken: Mapping[int, str]) -> dict[int, str]:
        """Move what was not published into a batch of its own, checked, for its reviewer to reject or try again.

        Args:
            taken: why a stored file cannot be filed, by its row.
        """
        self._hold(connection, taken)
        left = self._left(connection, this)
        if not left:
            return left
        here = sa.and_(staged_files.c.batch_id == this.batch.id, staged_files.c.state.in_(("held", "bad")))
        now = clock.now()
        values = {
            "state": State.CHECKED, "source_id": this.batch.source_id, "uploader_id": this.batch.uploader_id,
            "study_id": this.batch.study_id, "exam_code": this.batch.exam_code, "follows": this.batch.id, "files": len(left),
            "drop_folder": this.batch.drop_folder,
            "bytes": connection.execute(sa.select(sa.func.sum(staged_files.c.size)).where(here)).scalar_one(),
            "findings": _with("[]", left), "summary": "[]", "reason": "", "approved": 0, "opened": now, "last_write": now,
            "decided_by": "",
        }  # fmt: skip
        number = connection.execute(batches.insert().values(values).returning(batches.c.id)).scalar_one()
        state = sa.case((staged_files.c.state == "bad", "bad"), else_="staged")
        connection.execute(staged_files.update().where(here).values(batch_id=number, state=state, result=""))
        self._staging.copy_about(this.batch.id, number)
        return left

    def _close(self, connection: sa.Connection, this: _Import, count: int, known: int, left: Mapping[int, str]) -> None:
        after, effects = transition(State(this.batch.state), Event.PUBLISHED)
        values = {"state": after, "findings": _with(this.batch.findings, left)}
        connection.execute(batches.update().where(batches.c.id == this.batch.id).values(values))
        enqueue_effects(connection, effects, this.batch.id)
        record(
            connection, actor="worker", acting_as=this.batch.decided_by, action="batch.publish", study=this.study,
            subject=f"batch {this.batch.id}",
            detail={
                "exam": this.batch.exam_code, "files": count, "known": known, "left": len(left),
                "profile": this.profile_id,
            },
        )  # fmt: skip
        announce(connection, ChangeKind.PUBLISHED, study_id=this.batch.study_id)


_OUTCOME = (
    staged_files.update()
    .where(staged_files.c.id == sa.bindparam("row"))
    .values(state=sa.bindparam("new_state"), reason=sa.bindparam("new_reason"), result=sa.bindparam("new_result"))
)


def _with(findings: str, left: Mapping[int, str]) -> str:
    """Return the batch's findings, and one for each file that was not published and is not named by them yet.

    So many are named by one check; the rest is counted, and told by `staging show --json`.
    """
    before = json.loads(findings)
    named = {finding["file"] for finding in before if finding["severity"] == Severity.ERROR}
    unnamed = [(number, reason) for number, reason in left.items() if number not in named]
    added = [Finding(_CHECK, Severity.ERROR, reason, number).as_dict() for number, reason in unnamed[:MOST_FILES]]
    if (more := len(unnamed) - len(added)) > 0:
        message = f"and {counted(more, 'more file')} were not published; `archimed staging show --json` has the reason of each"
        added.append(Finding(_CHECK, Severity.ERROR, message).as_dict())
    return json.dumps(before + added)


def _as_rows(outcomes: Iterable[tuple[Row, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return what the rows of a chunk say from now on.

    By which rules its files were cleaned is summed by series and told by the first file of each: told by all, it would be most
    of what the rows hold.
    """
    sums: dict[str, Counter[str]] = {}
    told: list[dict[str, Any]] = []
    for row, outcome in outcomes:
        result = dict(outcome["new_result"] or {})
        if row.series in sums:
            sums[row.series].update(result.pop("rules", {}))
        elif "rules" in result:
            result["rules"] = sums[row.series] = Counter(result["rules"])
        told.append({"row": row.id, **outcome, "new_result": result})
    return [row | {"new_result": json.dumps(row["new_result"]) if row["new_result"] else ""} for row in told]


def _manifest_name(batch: Row) -> str:
    # The time keeps names apart when a catalogue was put back from a backup and gives a batch's number again.
    return f"{batch.opened:010d}-{batch.id:08d}"


def _manifest(connection: sa.Connection, this: _Import, placed: Plan) -> Iterator[dict[str, Any]]:
    """Yield one entry a file: enough to read the study, or to rebuild its catalogue, from its folder alone."""
    for series in placed.series:
        told = headers_of(connection, [file.stored.staged for file in series.files])
        for file, headers in zip(series.files, told, strict=True):
            yield {
                "exam": this.batch.exam_code,
                "series": series.name,
                "name": file.name,
                "sha256": file.stored.digest.hex(),
                "size": file.stored.size,
                "file_type": file.stored.description.file_type,
                "identity": file.stored.description.identity.hex(),
                "series_identity": file.stored.description.series.hex(),
                "acquired": file.stored.description.acquired,
                "headers": headers,
            }
