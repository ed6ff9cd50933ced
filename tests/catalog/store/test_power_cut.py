"""The power goes: what was settled and committed is there with its bytes, on a real ext4 whose journal is cut off."""

import hashlib
import os
import random
import subprocess
import sys

import sqlalchemy as sa

from catalog.database import Database, migrate
from catalog.database.tables import studies
from catalog.store import StoredObject, records
from catalog.store.local import LocalStore
from catalog.store.testing import put, read
from tests.catalog.disks import FragileDisk
from tests.catalog.store.conftest import STUDY
from tests.catalog.store.test_local import PLACE


def open_database(disk: FragileDisk) -> Database:
    return Database(f"sqlite:///{disk.folder}/catalog/catalog.db")


# Ends without closing: that would write the log back, for which a power cut leaves no time.
_COMMIT = """
import os, sys
from catalog.database import Database
from catalog.database.tables import studies
url, code = sys.argv[1:]
with Database(url).write() as connection:
    connection.execute(studies.insert().values(code=code, code_key=code, description="", created=0))
os._exit(0)
"""


def commit(disk: FragileDisk, code: str) -> None:
    url = f"sqlite:///{disk.folder}/catalog/catalog.db"
    subprocess.run(
        [sys.executable, "-c", _COMMIT, url, code], check=True, timeout=60, env={"PYTHONPATH": os.pathsep.join(sys.path)}
    )


def test_the_disk_does_lose_what_was_not_made_durable(disk: FragileDisk) -> None:
    """Without this, the other tests prove nothing."""
    (disk.folder / "kept").write_bytes(b"kept")
    fd = os.open(disk.folder, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
    (disk.folder / "lost").write_bytes(b"lost")
    disk.cut()
    assert (disk.folder / "kept").exists()
    assert not (disk.folder / "lost").exists()


def test_what_is_settled_and_committed_outlives_a_power_cut(disk: FragileDisk) -> None:
    choice = random.Random(1)
    database = open_database(disk)
    migrate.upgrade(database)
    database.close()
    store = LocalStore(disk.folder / "store")
    store.prepare()
    records.write_study(store, STUDY, {"description": "a protocol"})
    disk.cut()
    expected: dict[StoredObject, bytes] = {}
    for round_ in range(3):
        contents = [choice.randbytes(choice.randint(0, 200_000)) for _ in range(20)]
        stored = put(store, contents, name=f"{round_}")
        disk.cut()
        expected |= dict(zip(stored, contents, strict=True))
        assert [read(store, one) for one in expected] == list(expected.values())
        records.write_manifest(
            store, STUDY, f"{round_:010d}-00000001", [PLACE | {"sha256": one.digest.hex()} for one in stored]
        )
        disk.cut()
        assert [entry["sha256"] for entry in records.manifests(store, STUDY)] == [one.digest.hex() for one in expected]
        commit(disk, f"S{round_}")
        disk.cut()
        assert committed(disk) == [f"S{number}" for number in range(round_ + 1)]
    assert [read(store, one) for one in expected] == list(expected.values())


def committed(disk: FragileDisk) -> list[str]:
    database = open_database(disk)
    try:
        assert database.rows(sa.text("pragma integrity_check"))[0][0] == "ok"
        return [row.code for row in database.rows(sa.select(studies.c.code).order_by(studies.c.id))]
    finally:
        database.close()


def test_what_was_not_settled_leaves_no_object_with_wrong_bytes(disk: FragileDisk) -> None:
    store = LocalStore(disk.folder / "store")
    store.prepare()
    records.write_study(store, STUDY, {})
    deposit = store.deposit(STUDY, "1")
    for number in range(20):
        file = deposit.new()
        file.write(b"%d" % number * 10_000)
        deposit.add(file)
    disk.cut()
    objects = disk.folder / "store" / STUDY / "objects"
    for path in (path for path in objects.rglob("*") if path.is_file()):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    assert put(store, [b"again"]), "the same import can be begun again"
    disk.cut()
    assert read(store, StoredObject(hashlib.sha256(b"again").digest(), 5)) == b"again"
