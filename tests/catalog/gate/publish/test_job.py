"""Publishing: what a researcher finds afterwards, what stays behind, and what happens when it is killed."""

import io
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest
import sqlalchemy as sa

from catalog import administration
from catalog.database.tables import audit, batches, changes, files, jobs, profiles, staged_files
from catalog.gate.publish.filing import Filing
from catalog.gate.publish.job import Publisher
from catalog.gate.sweep import Sweeper
from catalog.pure.batches import State
from catalog.pure.errors import NotFound, OutOfSpace
from catalog.pure.nodes import ROOT_ID
from catalog.store import records
from catalog.store.local import LocalDeposit
from deid.mapping import BY_PATIENT, Mapping
from tests.catalog.gate.conftest import ROOT, STUDY, Gate
from tests.synthetic import image

SERIES = f"{STUDY}/E001/003_DCM_MR_t1_mprage_sag"


def everything_but_staging(gate: Gate) -> bytes:
    """Return every byte the archive keeps outside staging: all rows, all stored files, all names."""
    tables = (files, batches, staged_files, jobs, audit, changes)
    rows = repr([list(gate.database.rows(sa.select(table))) for table in tables]).encode()
    paths = [path for path in (gate.built.folder / "var/store").rglob("*") if path.is_file()]
    return rows + b"".join(str(path).encode() + path.read_bytes() for path in paths)


def test_files_come_out_in_order_under_safe_names(gate: Gate) -> None:
    gate.published(*(image(instance=number) for number in (3, 1, 2)), image(series=4, description="flair"))
    assert gate.names(f"{STUDY}/E001") == ["003_DCM_MR_t1_mprage_sag", "004_DCM_MR_flair"]
    assert gate.names(SERIES) == ["00001.dcm", "00002.dcm", "00003.dcm"]
    numbers = [pydicom.dcmread(io.BytesIO(gate.read(f"{SERIES}/0000{n}.dcm"))).InstanceNumber for n in (1, 2, 3)]
    assert numbers == [1, 2, 3]


def test_the_batch_keeps_what_was_done_by_which_rules_and_no_value(gate: Gate) -> None:
    """Over several chunks, of all files, after what was staged is erased."""
    info = gate.published(*(image(instance=number) for number in range(1, 67)), image(series=4, description="flair"))
    many, one = info.summary
    assert many["files"], one["files"] == (66, 1)
    for series in (many, one):
        assert sum(series["rules"].values()) == sum(series["done"].values())
    assert many["rules"]["identity is the exam code: exam code"] == 66 * one["rules"]["identity is the exam code: exam code"]
    assert "Doe" not in json.dumps(info.summary)


def test_pixels_are_as_received_and_identities_are_gone(gate: Gate) -> None:
    source = image()
    gate.published(source)
    before, after = pydicom.dcmread(io.BytesIO(source)), pydicom.dcmread(io.BytesIO(gate.read(f"{SERIES}/00001.dcm")))
    assert after.PixelData == before.PixelData
    assert (str(after.PatientName), after.PatientID) == ("E001", "E001")
    kept = everything_but_staging(gate)
    values = (b"Doe", b"Jane", b"HOSP-4711", b"19610507", b"Gregory", before.SOPInstanceUID.encode(), b"A-99")
    assert [value for value in values if value in kept] == []


def test_after_publishing_nothing_is_left_in_staging(gate: Gate) -> None:
    info = gate.published(image())
    assert info.state is State.PUBLISHED
    assert gate.database.rows(sa.select(staged_files)) == []
    assert gate.staging.notes.read_about(info.id) == {}
    assert not list((gate.built.folder / "var/staging/received").glob("*/[0-9]*"))


def test_an_exam_that_exists_gets_the_files_added(gate: Gate) -> None:
    gate.published(image(instance=1))
    gate.published(image(instance=2), image(series=5, description="dwi"))
    assert gate.names(f"{STUDY}/E001") == ["003_DCM_MR_t1_mprage_sag", "005_DCM_MR_dwi"]
    assert gate.names(SERIES) == ["00001.dcm", "00002.dcm"]


def test_what_is_archived_already_is_not_archived_again(gate: Gate) -> None:
    gate.published(image(instance=1))
    again = gate.published(image(instance=1), image(instance=2))
    assert again.state is State.PUBLISHED
    assert gate.names(SERIES) == ["00001.dcm", "00002.dcm"]
    assert len(gate.review.list()) == 2


def test_an_archived_instance_with_other_bytes_waits_for_its_reviewer(gate: Gate) -> None:
    gate.published(image(instance=1))
    before = gate.read(f"{SERIES}/00001.dcm")
    info = gate.published(image(instance=1, EchoTime=7.7))
    assert gate.read(f"{SERIES}/00001.dcm") == before
    left = gate.review.list()[-1]
    assert (left.state, left.follows, left.files) == (State.CHECKED, info.id, 1)
    assert "archived already" in left.findings[0]["message"]
    assert gate.review.show(left.id).about["patients"][0]["id"] == "HOSP-4711"


def test_two_visits_of_one_patient_keep_their_interval(gate: Gate) -> None:
    exams = ("P01-V1", "P01-V2", "P02-V1")
    for number, exam in enumerate(exams):
        gate.published(image(study=str(number), AcquisitionDate=f"200803{12 + 7 * number}"), exam=exam)
    places = (f"{STUDY}/{exam}/003_DCM_MR_t1_mprage_sag/00001.dcm" for exam in exams)
    first, second, other = (gate.view().resolve(place).mtime for place in places)
    assert second - first == 7 * 86400
    assert other - second != 7 * 86400  # another subject, whatever the file says of its patient
    assert first != 1205316900  # as acquired: the date is shifted


def test_an_exam_goes_on_with_the_pseudonyms_it_was_begun_with(gate: Gate) -> None:
    gate.published(image(series=3))
    with gate.database.write() as connection:
        connection.execute(profiles.update().values(engine="deid 1"))
    gate.published(image(series=4, description="flair"))
    gate.published(image(series=5, study="9", description="flair"), exam="E002")
    key = bytes.fromhex("ab" * 32)  # as the fixture's
    old, new = Mapping(key, STUDY, scheme=BY_PATIENT), Mapping(key, STUDY, "E002")
    for place, mapping, series, study in (("E001/004_DCM_MR_flair", old, 4, "1"), ("E002/005_DCM_MR_flair", new, 5, "9")):
        found = pydicom.dcmread(io.BytesIO(gate.read(f"{STUDY}/{place}/00001.dcm")))
        original = pydicom.dcmread(io.BytesIO(image(series=series, study=study, description="flair")))
        assert found.SOPInstanceUID == mapping.uid(original.SOPInstanceUID)


def test_held_files_stay_behind_and_can_be_approved(gate: Gate) -> None:
    info = gate.published(image(instance=1), image(instance=2, BurnedInAnnotation="YES"))
    assert info.state is State.PUBLISHED
    assert gate.names(SERIES) == ["00001.dcm"]
    left = gate.review.list()[-1]
    assert "burned" in gate.review.show(left.id).files[0].reason
    gate.review.accept(left.id, STUDY, "E001", pixels_approved=True)
    gate.work()
    assert gate.names(SERIES) == ["00001.dcm", "00002.dcm"]


def test_when_nothing_can_be_published_the_batch_failed_and_can_be_tried_again(gate: Gate) -> None:
    info = gate.published(image(BurnedInAnnotation="YES"))
    assert (info.state, info.files) == (State.FAILED, 1)
    with pytest.raises(NotFound):
        gate.view().resolve(f"{STUDY}/E001")
    gate.review.accept(info.id, STUDY, "E001", pixels_approved=True)
    gate.work()
    assert gate.review.info(info.id).state is State.PUBLISHED
    assert gate.names(SERIES) == ["00001.dcm"]


def test_a_study_can_be_read_from_its_folder_alone(gate: Gate) -> None:
    gate.published(image(instance=1), image(instance=2))
    gate.published(image(instance=3))
    entries = list(records.manifests(gate.store, STUDY))
    assert [(entry["exam"], entry["series"], entry["name"]) for entry in entries] == [
        ("E001", "003_DCM_MR_t1_mprage_sag", f"0000{number}.dcm") for number in (1, 2, 3)
    ]
    folder = gate.built.folder / "var/store" / STUDY / "objects"
    for entry in entries:
        content = (folder / entry["sha256"][:2] / entry["sha256"]).read_bytes()
        assert content == gate.read(f"{STUDY}/{entry['exam']}/{entry['series']}/{entry['name']}")


def test_publishing_is_announced_and_audited(gate: Gate) -> None:
    info = gate.published(image())
    change = gate.database.rows(sa.select(changes).order_by(changes.c.id))[-1]
    assert (change.kind, change.study_id) == ("published", gate.database.row(sa.select(batches.c.study_id)).study_id)
    entry = gate.database.rows(sa.select(audit).where(audit.c.action == "batch.publish"))[0]
    assert json.loads(entry.detail)["files"] == 1
    assert entry.subject == f"batch {info.id}"


def test_a_full_disk_is_waited_for_and_hurts_nothing(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    gate.published(image(instance=1))
    with monkeypatch.context() as patch:

        def full(_deposit: LocalDeposit) -> None:
            raise OutOfSpace("the store cannot be written: the disk is full; free some space and try again")

        patch.setattr(LocalDeposit, "settle", full)
        info = gate.published(image(instance=2))
    assert info.state is State.ACCEPTED
    assert "disk is full" in gate.review.show(info.id).job_error
    with gate.database.write() as connection:
        connection.execute(jobs.update().values(not_before=0))
    gate.work()
    assert gate.review.info(info.id).state is State.PUBLISHED
    assert gate.names(SERIES) == ["00001.dcm", "00002.dcm"]


def test_a_fault_of_the_program_gives_up_in_the_end_and_quotes_nothing(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = gate.checked(image()).id

    def broken(*_: object) -> None:
        raise ZeroDivisionError("Doe^Jane")

    with monkeypatch.context() as patch:
        patch.setattr(Publisher, "_begin", broken)
        gate.review.accept(batch, STUDY, "E001")
        while gate.review.info(batch).state is State.ACCEPTED:
            with gate.database.write() as connection:
                connection.execute(jobs.update().values(not_before=0))
            gate.work()
    info = gate.review.info(batch)
    assert info.state is State.FAILED
    assert "ZeroDivisionError" in info.reason
    assert "Doe" not in info.reason + gate.review.show(batch).job_error


def test_what_was_given_up_is_not_in_the_manifest_either(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = gate.checked(image()).id

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(Filing, "_commit", broken)
        gate.review.accept(batch, STUDY, "E001")
        while gate.review.info(batch).state is State.ACCEPTED:
            with gate.database.write() as connection:
                connection.execute(jobs.update().values(not_before=0))
            gate.work()
    assert list(records.manifests(gate.store, STUDY)) == []
    gate.review.accept(batch, STUDY, "E001")
    gate.work()
    assert len(list(records.manifests(gate.store, STUDY))) == 1


def test_a_profile_is_kept_with_the_import_as_it_was(gate: Gate) -> None:
    gate.published(image())
    row = gate.database.row(sa.text("select hash, engine, text from profiles"))
    assert row is not None
    assert (len(row.hash) > 20, row.engine.startswith("deid "), row.text) == (True, True, None)


def test_jobs_of_one_study_run_one_after_the_other(gate: Gate) -> None:
    from catalog.jobs import Queue

    first, second = (gate.checked(image(instance=number)).id for number in (1, 2))
    for batch in (first, second):
        gate.review.accept(batch, STUDY, "E001")
    one, other = Queue(gate.database, f"{os.uname().nodename}:{os.getpid()}:x"), Queue(gate.database, "elsewhere:1:1")
    job = other.claim()
    assert job is not None
    assert job.batch_id == first
    assert one.claim() is None
    with gate.database.write() as connection:
        other.finish(connection, job)
    following = other.claim()
    assert following is not None
    assert following.batch_id == second


WORKER = """
import sys, threading
from pathlib import Path
from catalog.database import Database
from catalog.gate.staged.area import Staging
from catalog.gate.deadlines import Deadlines
from catalog.store.local import LocalStore
from gateway.deidentification import StandardDeidentification
from gateway.wiring import make_worker
url, folder = sys.argv[1], Path(sys.argv[2])
database, staging = Database(url), Staging(folder / "var/staging")
worker = make_worker(database, staging, LocalStore(folder / "var/store"), StandardDeidentification(folder / "deid.key"),
                     Deadlines(database, staging, quiet_seconds=60, keep_rejected_seconds=0))
print("begun", flush=True)
while worker.run_one(threading.Event()):
    pass
"""


def test_killed_in_a_loop_it_ends_with_everything_once(gate: Gate, tmp_path: Path) -> None:
    """kill -9 at any instruction: nothing lost, nothing twice (docs/laws.md, law 7)."""
    count = 150
    random.seed(4711)
    batch = gate.checked(*(image(series=1 + n % 3, instance=1 + n // 3) for n in range(count))).id
    gate.review.accept(batch, STUDY, "E001")
    url = gate.database.url.render_as_string(hide_password=False)
    kills = 0
    while True:
        with subprocess.Popen(
            [sys.executable, "-c", WORKER, url, str(tmp_path)], cwd=Path(__file__).parents[4], stdout=subprocess.PIPE
        ) as worker:
            assert worker.stdout is not None
            worker.stdout.readline()
            try:
                # The moment of death is drawn, not waited for: the test is about it. Ever later, to end on a busy machine.
                if worker.wait(timeout=random.uniform(0.02, 0.4 + 0.05 * kills)) == 0:
                    break
            except subprocess.TimeoutExpired:
                worker.send_signal(signal.SIGKILL)
                kills += 1
        with gate.database.write() as connection:
            connection.execute(jobs.update().values(not_before=0, deaths=0))  # more deaths than a job may have
    assert kills > 0
    assert gate.review.info(batch).state is State.PUBLISHED
    numbers = []
    for name in gate.names(f"{STUDY}/E001"):
        for file in gate.names(f"{STUDY}/E001/{name}"):
            header = pydicom.dcmread(io.BytesIO(gate.read(f"{STUDY}/E001/{name}/{file}")))
            numbers.append((header.SeriesNumber, header.InstanceNumber))
    assert sorted(numbers) == sorted((1 + n % 3, 1 + n // 3) for n in range(count))
    assert gate.database.rows(sa.select(staged_files)) == []
    objects = [path.name for path in (tmp_path / "var/store" / STUDY / "objects").rglob("*") if path.is_file()]
    assert len(objects) == count
    assert list((tmp_path / "var/store" / STUDY / "incoming").iterdir()) == []
    assert len(list(records.manifests(gate.store, STUDY))) == count


def test_what_a_dead_receiver_left_without_a_row_is_swept(gate: Gate) -> None:
    batch = gate.receive(image())
    lost = gate.intake.begin(gate.source)
    os.write(lost.fd, b"half")
    os.close(lost.fd)
    gate.intake.close()
    Sweeper(gate.database, gate.staging, keep_seconds=60).sweep()
    gate.intake._session = gate.staging.session()
    left = [path.name for path in (gate.built.folder / "var/staging/received").glob("*/[0-9]*")]
    assert left == ["1"]
    gate.review.seal(batch)
    gate.work()
    assert gate.review.info(batch).findings == []


def test_a_user_without_grant_sees_nothing_of_it(gate: Gate) -> None:
    gate.published(image())
    administration.remove_grant(gate.database, ROOT, "bob", STUDY)
    assert gate.view("bob").children(ROOT_ID) == []
    with pytest.raises(NotFound):
        gate.view("bob").resolve(SERIES)
