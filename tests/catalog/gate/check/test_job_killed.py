"""kill -9 of the worker while it unpacks and checks: the batch is whole afterwards, nothing twice, nothing left over."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa

from catalog.database.tables import jobs, staged_files
from catalog.gate.sweep import Sweeper
from catalog.pure.batches import State
from tests.catalog.gate.conftest import Gate
from tests.catalog.gate.publish.test_job import WORKER
from tests.catalog.gate.unpacking.test_unpacking import brought, zipped
from tests.synthetic import image


def test_killed_in_a_loop_the_checks_come_to_the_same(gate: Gate, tmp_path: Path) -> None:
    random.seed(4711)
    gate.worker.run_one = lambda *_: False  # type: ignore[method-assign] # the killed process does the work
    inner = {f"IM{number}": image(series=4, instance=number) for number in range(1, 61)}
    batch = brought(gate, *(image(instance=number) for number in range(1, 31)), zipped(inner))
    url = gate.database.url.render_as_string(hide_password=False)
    kills, longest = 0, 0.4
    while gate.review.info(batch).state is State.SEALED:
        with subprocess.Popen(
            [sys.executable, "-c", WORKER, url, str(tmp_path)], cwd=Path(__file__).parents[4], stdout=subprocess.PIPE
        ) as worker:
            assert worker.stdout is not None
            worker.stdout.readline()
            try:
                # The moment of death is what the test is about, so it is drawn, not waited for; later each time.
                worker.wait(timeout=random.uniform(0.02, longest))
            except subprocess.TimeoutExpired:
                worker.send_signal(signal.SIGKILL)
                kills, longest = kills + 1, longest * 1.4
        with gate.database.write() as connection:
            connection.execute(jobs.update().values(not_before=0, deaths=0))  # more deaths than a job may have
    assert kills > 0
    info = gate.review.info(batch)
    assert (info.files, [one["files"] for one in info.summary]) == (91, [30, 60])
    assert [finding["check"] for finding in info.findings] == ["unpacked"]
    Sweeper(gate.database, gate.staging, keep_seconds=60).sweep()
    rows = gate.database.rows(sa.select(staged_files.c.file))
    known = {gate.staging.path(row.file) for row in rows}
    assert len(known) == 91
    assert all(path.is_file() for path in known)
    unpacked = set((tmp_path / "var/staging/received").glob("*/[0-9]*"))
    assert len(unpacked) == 60
    assert unpacked <= known, "what a killed attempt unpacked is gone"
