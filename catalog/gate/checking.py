"""The check job: read every file of a sealed batch, run the rules, leave the findings for a reviewer.

May live here: gathering what the rules see, and writing down what they say. The rules are in `catalog.pure.checks`.
"""

import json
from collections import Counter
from collections.abc import Callable

import sqlalchemy as sa

from catalog import clock
from catalog.database import Database
from catalog.database.tables import batches, staged_files
from catalog.filetypes.dicom import DicomFacts, read_facts
from catalog.gate.drops import sealing
from catalog.gate.jobs import Job, Queue
from catalog.gate.staging import Staging
from catalog.pure import checks
from catalog.pure.batches import Event, State, transition
from catalog.pure.checks import CheckedFile
from catalog.pure.errors import Unavailable, Unreadable

_WAITING = (State.OPEN, State.SEALED, State.CHECKED, State.ACCEPTED)
_PROGRESS_EVERY = 200
_LATE_SECONDS = 7 * 24 * 3600

Stop = Callable[[], None]
"""Called between files; raises when the job should be given back."""


class Checker:
    """Runs check jobs. Nothing is kept half done: a job that is repeated reads the batch again."""

    def __init__(self, database: Database, staging: Staging, queue: Queue) -> None:
        self._database = database
        self._staging = staging
        self._queue = queue

    def run(self, job: Job, stop: Stop) -> None:
        """Check the job's batch.

        Raises:
            Conflict: another worker took the job over.
            OutOfSpace, Unavailable: the job can be tried again.
        """
        sealing.take_stock(self._database, self._staging, job.batch_id)
        columns = staged_files.c
        rows = self._database.rows(
            sa.select(columns.id, columns.file, columns.instance).where(columns.batch_id == job.batch_id).order_by(columns.id)
        )
        elsewhere = self._elsewhere(job.batch_id)
        seen: list[tuple[CheckedFile, DicomFacts | None]] = []
        for count, row in enumerate(rows, 1):
            stop()
            seen.append(self._look(row.id, row.file, elsewhere.get(row.instance)))
            if count % _PROGRESS_EVERY == 0:
                with self._database.write() as connection:
                    self._queue.progress(connection, job, count)
        self._staging.write_about(job.batch_id, _about([facts for _, facts in seen if facts is not None], self._staging))
        self._write(job, [file for file, _ in seen])

    def _look(self, number: int, file: str, elsewhere: int | None) -> tuple[CheckedFile, DicomFacts | None]:
        try:
            facts = read_facts(self._staging.path(file))
        except (Unreadable, Unavailable) as error:
            # Unavailable: a bad block under one file; the rest of the batch goes on (DESIGN, law 8).
            return CheckedFile(number, problem=str(error)), None
        except FileNotFoundError:
            return CheckedFile(number, problem="its bytes are missing from the staging folder"), None
        digest = self._staging.digest
        checked = CheckedFile(
            file=number,
            instance=digest(f"instance {facts.sop_instance}").hex(),
            patient=digest(f"patient {facts.patient_id} {'' if facts.patient_id else facts.patient_name}").hex(),
            study=digest(f"study {facts.study}").hex(),
            series=digest(f"series {facts.series}").hex(),
            modality=facts.modality,
            series_number=facts.series_number,
            same_in_meta=facts.meta_instance == facts.sop_instance,
            lacks_pixels=facts.lacks_pixels,
            elsewhere=elsewhere,
        )
        return checked, facts

    def _elsewhere(self, batch_id: int) -> dict[bytes, int]:
        """Return the instances of this batch that wait in another batch too, with that batch."""
        mine, other = staged_files.alias(), staged_files.alias()
        statement = (
            sa.select(other.c.instance, sa.func.min(other.c.batch_id))
            .select_from(mine.join(other, other.c.instance == mine.c.instance).join(batches, batches.c.id == other.c.batch_id))
            .where(mine.c.batch_id == batch_id, other.c.batch_id != batch_id, batches.c.state.in_(_WAITING))
            .group_by(other.c.instance)
        )
        return {row[0]: row[1] for row in self._database.rows(statement)}

    def _write(self, job: Job, files: list[CheckedFile]) -> None:
        findings = checks.check(files)
        bad = [finding for finding in findings if finding.severity is checks.Severity.ERROR and finding.file is not None]
        follows = self._late_for(job.batch_id, {file.study for file in files if file.study})
        with self._database.write() as connection:
            self._queue.finish(connection, job)
            state = connection.execute(sa.select(batches.c.state).where(batches.c.id == job.batch_id)).scalar_one()
            if state == State.REJECTED:
                return  # decided while the checks ran
            after, _ = transition(State(state), Event.CHECKS_DONE)
            connection.execute(
                staged_files.update().where(staged_files.c.batch_id == job.batch_id).values(state="staged", reason="")
            )
            for finding in bad:
                connection.execute(
                    staged_files.update().where(staged_files.c.id == finding.file).values(state="bad", reason=finding.message)
                )
            values: dict[str, object] = {
                "state": after,
                "findings": json.dumps([finding.as_dict() for finding in findings]),
                "summary": json.dumps(checks.summary(files)),
            }
            if follows is not None:
                values["follows"] = follows
            connection.execute(batches.update().where(batches.c.id == job.batch_id).values(values))

    def _late_for(self, batch_id: int, studies: set[str]) -> int | None:
        """Return the earlier batch of the same source that these files are late for: it has files of the same DICOM study."""
        earlier, this = batches.alias(), batches.alias()
        statement = (
            sa.select(earlier.c.id)
            .select_from(earlier.join(this, sa.and_(this.c.id == batch_id, this.c.source_id == earlier.c.source_id)))
            .where(earlier.c.id < batch_id, earlier.c.opened > clock.now() - _LATE_SECONDS)
            .order_by(earlier.c.id.desc())
        )
        for row in self._database.rows(statement):
            if studies & set(self._staging.read_about(row.id).get("studies", ())):
                return int(row.id)
        return None


def _about(facts: list[DicomFacts], staging: Staging) -> dict[str, object]:
    """Return what a reviewer must see to decide, identities included."""
    patients = Counter((one.patient_name, one.patient_id, one.birth_date, one.sex) for one in facts)
    series = Counter((one.series_number, one.modality, one.series_description, one.series) for one in facts)
    return {
        "patients": [
            {"name": name, "id": number, "birth_date": born, "sex": sex, "files": count}
            for (name, number, born, sex), count in sorted(patients.items())
        ],
        "study_descriptions": sorted({one.study_description for one in facts if one.study_description}),
        "study_dates": sorted({one.study_date for one in facts if one.study_date}),
        "series": [
            {"number": number, "modality": modality, "description": description, "files": count}
            for (number, modality, description, _), count in sorted(
                series.items(), key=lambda item: (item[0][0] or 0, item[0][1:])
            )
        ],
        # Digests, so that files of the same DICOM study that come later are known as late.
        "studies": sorted({staging.digest(f"study {one.study}").hex() for one in facts}),
    }
