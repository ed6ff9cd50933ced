"""Whatever is binned, brought back, purged and published again, in whatever order: nothing is lost that was not purged, nothing
is shown that is binned, and the store alone says the same as the catalogue."""

import hashlib
import itertools
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from catalog.database.tables import batches, files, series
from catalog.lifecycle.verify import Verifier, findings
from catalog.pure.bin import State
from catalog.pure.errors import NotFound
from catalog.store import records
from tests.binning import Binning
from tests.builders import BuiltArchive, built_in
from tests.catalog.store.test_formats import example

EXAMS = ("E1", "E2")
SERIES = ("001_DCM_MR_x", "002_RAW")
FILES = ("00001.dcm", "00002.dcm", "sub/00003.dcm")
# Few, so that files share objects.
CONTENTS = [b"one", b"two", b"three"]
_examples = itertools.count()
_batches = itertools.count(1)


def _batch(number: int, study: int, exam: str) -> dict[str, Any]:
    """Return a published batch's row."""
    return {
        "id": number, "state": "published", "study_id": study, "exam_code": exam, "files": 0, "bytes": 0, "findings": "[]",
        "summary": "[]", "approved": 0, "reason": "", "opened": 1, "last_write": 1, "decided_by": "ada",
    }  # fmt: skip


class Binned(RuleBasedStateMachine):
    """One study, what should be seen in it, and what should lie in its bin."""

    built: ClassVar[BuiltArchive]

    @initialize()
    def begin(self) -> None:
        self.study = f"S{next(_examples)}"
        self.built.study(self.study)
        self.built.grant("ada", self.study)
        self.binning = Binning(self.built)
        self.seen: dict[str, bytes] = {}
        self.held: dict[int, dict[str, bytes]] = {}
        self.batches: list[int] = []

    @rule(
        exam=st.sampled_from(EXAMS), name=st.sampled_from(SERIES),
        brought=st.dictionaries(st.sampled_from(FILES), st.sampled_from(CONTENTS), min_size=1),
    )  # fmt: skip
    def publish(self, exam: str, name: str, brought: dict[str, bytes]) -> None:
        new = {file: content for file, content in brought.items() if f"{exam}/{name}/{file}" not in self.seen}
        if not new:
            return
        number = self.built.add_series(f"{self.study}/{exam}/{name}", new)
        batch = next(_batches)
        with self.built.database.write() as connection:
            mine = sa.and_(files.c.series_id == number, files.c.batch_id == 1)
            connection.execute(files.update().where(mine).values(batch_id=1_000 + batch))
            rows = connection.execute(sa.select(files).where(files.c.series_id == number, files.c.batch_id == 1_000 + batch))
            told = {row.sha256: row for row in rows}
            of = connection.execute(sa.select(series.c.study_id).where(series.c.id == number)).scalar_one()
            insert = batches.insert().values(_batch(1_000 + batch, of, exam)).returning(batches.c.import_id)
            called = connection.execute(insert).scalar_one()
            identity = connection.execute(sa.select(series.c.identity).where(series.c.id == number)).scalar_one()
        lines = [self._line(exam, name, file, content, identity, told) for file, content in new.items()]
        records.write_manifest(self.built.store, self.study, records.import_name(batch, called), lines)
        self.batches.append(1_000 + batch)
        self.seen |= {f"{exam}/{name}/{file}": content for file, content in new.items()}

    def _line(self, exam: str, name: str, file: str, content: bytes, identity: bytes, told: dict[bytes, Any]) -> dict[str, Any]:
        digest = hashlib.sha256(content).digest()
        assert digest in told
        return {
            "exam": exam, "series": name, "name": file, "sha256": digest.hex(), "size": len(content), "file_type": "RAW",
            "identity": hashlib.sha256(f"{exam}/{name}/{file}".encode()).hexdigest()[:32], "series_identity": identity.hex(),
            "acquired": None, "headers": {},
        }  # fmt: skip

    @rule(data=st.data(), depth=st.sampled_from([1, 2, 4, 4, 4]))
    def put(self, data: st.DataObject, depth: int) -> None:
        if not self.seen:
            return
        chosen = data.draw(st.sampled_from(sorted(self.seen)))
        parts = chosen.split("/")
        path = "/".join(parts if depth > 3 or depth >= len(parts) else parts[:depth])
        if depth == 3 and len(parts) > 3:
            path = chosen
        entry = self.binning.put(f"{self.study}/{path}")
        gone = {name for name in self.seen if name == path or name.startswith(f"{path}/")}
        assert (entry.state, entry.files) == (State.BINNED, len(gone))
        self.held[entry.id] = {name: self.seen.pop(name) for name in gone}

    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        if not self.batches:
            return
        batch = data.draw(st.sampled_from(self.batches))
        before = self._shown()
        try:
            entries = self.binning.withdraw(batch)
        except NotFound:  # nothing of it is there
            return
        after = self._shown()
        gone = {name: content for name, content in before.items() if name not in after}
        for entry in entries:
            mine = {name: content for name, content in gone.items() if name.split("/")[0] == entry.path.split("/")[1]}
            assert entry.files == len(mine)
            self.held[entry.id] = mine
        self.seen = {name: content for name, content in self.seen.items() if name not in gone}

    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        if not self.held:
            return
        number = data.draw(st.sampled_from(sorted(self.held)))
        assert self.binning.restore(number).state is State.RESTORED
        now = self._shown()
        assert {name: now.get(name) for name in self.seen} == self.seen, "nothing was overwritten"
        back = Counter(content for name, content in now.items() if name not in self.seen)
        assert back == Counter(self.held.pop(number).values()), "it came back whole"
        self.seen = now

    @rule(data=st.data())
    def purge(self, data: st.DataObject) -> None:
        if self.held:
            number = data.draw(st.sampled_from(sorted(self.held)))
            assert self.binning.purge(number).state is State.PURGED
            del self.held[number]

    @invariant()
    def what_is_seen_is_what_should_be(self) -> None:
        if not hasattr(self, "study"):
            return
        assert self._shown() == self.seen
        told = {f"{one['exam']}/{one['series']}/{one['name']}" for one in records.manifests(self.built.store, self.study)}
        assert told == set(self.seen), "the store alone says the same"
        assert {one.id for one in self.binning.bin.entries() if one.study == self.study} == set(self.held)

    def _shown(self) -> dict[str, bytes]:
        view = self.built.view("ada")
        found: dict[str, bytes] = {}
        ways = [(view.resolve(self.study), "")]
        while ways:
            node, way = ways.pop()
            for child in view.walk(node.id):
                if child.is_folder:
                    ways.append((child, f"{way}{child.name}/"))
                else:
                    opened = view.open(child.id)
                    found[way + child.name] = opened.read_at(0, child.size)
                    opened.close()
        return found

    def teardown(self) -> None:
        if hasattr(self, "study"):
            Verifier(self.built.database, self.built.store, round_began=1).verify(self.study, lambda _: None)
            assert findings(self.built.database, self.study) == []
            self._read_without_a_catalogue()

    def _read_without_a_catalogue(self) -> None:
        """Read the study by the program that docs/formats.md gives."""
        folder = self.built.folder / "var/store" / self.study
        made = self.built.folder / f"made-{self.study}"
        subprocess.run([sys.executable, "-S", "-E", "-c", example("python"), folder, made], check=True)
        found = {str(path.relative_to(made)): path.read_bytes() for path in made.rglob("*") if not path.is_dir()}
        assert found == self.seen


def test_nothing_is_lost_and_nothing_is_shown_that_is_binned() -> None:
    # In memory where there is such a folder: the machine commits a thousand times.
    where = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=where) as folder, built_in(Path(folder)) as built:
        built.user("ada")
        Binned.built = built
        few = settings(
            max_examples=25, stateful_step_count=16, deadline=None, suppress_health_check=[HealthCheck.too_slow],
        )  # fmt: skip
        run_state_machine_as_test(Binned, settings=few)  # type: ignore[no-untyped-call]
