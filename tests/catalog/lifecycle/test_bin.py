"""The bin: what is gone with it, what comes back and where, who may, and what a purge leaves."""

import json
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest
import sqlalchemy as sa

from catalog import administration, changes, clock
from catalog.audit import Actor, entries
from catalog.database.tables import bin_entries, bin_files, files, jobs, series_columns, series_values
from catalog.lifecycle.bin import Bin, Entry, KeepFor
from catalog.lifecycle.bin.expiry import Expiry, expiring
from catalog.lifecycle.verify import Verifier, findings
from catalog.pure.access import Role
from catalog.pure.bin import State
from catalog.pure.errors import ArchimedError, Conflict, Invalid, NotFound, OutOfSpace, Refused
from catalog.store import records
from catalog.store.local import LocalStore
from tests.catalog.gate.conftest import ROOT, STUDY, Gate
from tests.synthetic import image

WHY = "published into the wrong study"


@pytest.fixture
def archived(gate: Gate) -> Gate:
    for login, role in (("paula", Role.POWER), ("root", Role.ADMINISTRATOR), ("mara", Role.POWER)):
        administration.add_user(gate.database, ROOT, login, role)
        if login != "mara":
            administration.add_grant(gate.database, ROOT, login, STUDY)
    gate.published(image(instance=1), image(instance=2))
    gate.published(image(instance=3, series=2), exam="E002")
    return gate


def of(gate: Gate, login: str | None = "paula", keep: KeepFor = KeepFor()) -> Bin:  # noqa: B008 - frozen
    if login is None:
        return Bin(gate.database, ROOT, None, keep)
    return Bin(gate.database, Actor("root", login), administration.principal(gate.database, login), keep)


def tree(gate: Gate) -> dict[str, bytes]:
    return {
        f"{exam}/{series}/{file}": gate.read(f"{STUDY}/{exam}/{series}/{file}")
        for exam in gate.names(STUDY)
        for series in gate.names(f"{STUDY}/{exam}")
        for file in gate.names(f"{STUDY}/{exam}/{series}")
    }


def from_store(gate: Gate) -> set[str]:
    return {f"{entry['exam']}/{entry['series']}/{entry['name']}" for entry in records.manifests(gate.store, STUDY)}


def metadata(gate: Gate) -> list[tuple[object, ...]]:
    statements = (
        sa.select(series_values).order_by(series_values.c.series_id, series_values.c.field_id),
        sa.select(series_columns).order_by(series_columns.c.series_id),
    )
    return [tuple(row) for statement in statements for row in gate.database.rows(statement)]


def put(gate: Gate, *paths: str) -> list[Entry]:
    asked = of(gate).put([f"{STUDY}/{path}" for path in paths], WHY)
    gate.work()
    return [of(gate).info(entry.id) for entry in asked]


def restore(gate: Gate, number: int) -> Entry:
    of(gate).restore(number)
    gate.work()
    return of(gate).info(number)


def purge(gate: Gate, number: int, **how: bool) -> Entry:
    of(gate, "root").purge(number, WHY, **how)
    gate.work()
    return of(gate, "root").info(number)


def verified(gate: Gate) -> list[object]:
    Verifier(gate.database, gate.store, round_began=clock.now()).verify(STUDY, lambda _: None)
    return list(findings(gate.database, STUDY))


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_what_is_put_into_the_bin_is_gone_and_comes_back_as_it_was(archived: Gate, depth: int) -> None:
    before, known = tree(archived), metadata(archived)
    path = "/".join(next(iter(before)).split("/")[:depth])
    (entry,) = put(archived, path)
    gone = {name for name in before if name == path or name.startswith(f"{path}/")}
    assert (entry.state, entry.path, entry.files) == (State.BINNED, f"{STUDY}/{path}", len(gone))
    assert tree(archived) == {name: content for name, content in before.items() if name not in gone}
    assert from_store(archived) == set(tree(archived))
    assert verified(archived) == [], "its objects are neither unknown nor unlisted"
    assert restore(archived, entry.id).state is State.RESTORED
    assert tree(archived) == before
    assert metadata(archived) == known
    assert from_store(archived) == set(before)
    assert of(archived).entries() == []


def test_the_last_file_takes_its_folders_along_and_each_part_brings_them_back(archived: Gate) -> None:
    before = tree(archived)
    first, second = sorted(name for name in before if name.startswith("E001/"))
    (one,) = put(archived, first)
    (two,) = put(archived, second)
    assert archived.names(STUDY) == ["E002"]
    restore(archived, one.id)
    assert set(tree(archived)) == {name for name in before if name != second}
    restore(archived, two.id)
    assert tree(archived) == before
    assert from_store(archived) == set(before)


def test_names_and_identities_are_free_again_and_what_comes_back_stands_beside(archived: Gate) -> None:
    before = tree(archived)
    series = archived.names(f"{STUDY}/E001")[0]
    (entry,) = put(archived, f"E001/{series}")
    archived.published(image(instance=1), image(instance=2))
    assert tree(archived) == before
    back = restore(archived, entry.id)
    assert back.path == f"{STUDY}/E001/{series}_2"
    assert tree(archived) == before | {name.replace(series, f"{series}_2"): before[name] for name in before if "E001" in name}
    assert from_store(archived) == set(tree(archived))


def test_a_file_whose_name_was_given_again_comes_back_beside_it(archived: Gate) -> None:
    before = tree(archived)
    (entry,) = put(archived, first := min(before))
    archived.published(image(instance=1))
    assert tree(archived) == before
    back = restore(archived, entry.id)
    beside = first.replace(".dcm", "_2.dcm")
    assert back.path == f"{STUDY}/{beside}"
    assert tree(archived) == before | {beside: before[first]}
    assert from_store(archived) == set(tree(archived))


def test_a_wrong_publication_is_withdrawn_by_its_batch(archived: Gate) -> None:
    before = tree(archived)
    batch = archived.published(image(instance=7), image(instance=8, series=4)).id
    for entry in of(archived).put_batch(batch, WHY):
        archived.work()
        assert of(archived).info(entry.id).files == 2
    assert tree(archived) == before
    with pytest.raises(NotFound, match="nothing of a batch"):
        of(archived).put_batch(batch, WHY)


def test_a_purge_leaves_nothing_but_the_fact(archived: Gate, tmp_path: Path) -> None:
    before = tree(archived)
    series = archived.names(f"{STUDY}/E001")[0]
    (entry,) = put(archived, f"E001/{series}")
    with pytest.raises(Refused, match="administrator"):
        of(archived).purge(entry.id, WHY)
    assert purge(archived, entry.id).state is State.PURGED
    left = {name: content for name, content in before.items() if "E001" not in name}
    assert tree(archived) == left
    assert from_store(archived) == set(left)
    assert archived.database.rows(sa.select(bin_files)) == []
    folder = tmp_path / "var/store" / STUDY
    assert len([path for path in folder.glob("objects/*/*") if path.is_file()]) == len(left)
    texts = "".join(path.read_text() for path in folder.rglob("*.jsonl"))
    assert series not in texts.replace(json.dumps(archived.names(f"{STUDY}/E002")[0]), "")
    assert verified(archived) == []
    with pytest.raises(Conflict):
        of(archived).restore(entry.id)
    told = [one for one in entries(archived.database) if one.action.startswith("bin.")]
    assert [one.action for one in told] == ["bin.put", "bin.binned", "bin.purge", "bin.purged"]
    assert series not in str(told)


def test_bytes_that_another_file_has_stay(archived: Gate) -> None:
    series = archived.names(f"{STUDY}/E001")[0]
    (entry,) = put(archived, f"E001/{series}")
    archived.published(image(instance=1), image(instance=2))
    before = tree(archived)
    purge(archived, entry.id)
    assert tree(archived) == before
    assert verified(archived) == []
    assert from_store(archived) == set(before)


def test_one_file_of_a_series_is_purged_with_its_metadata_and_the_other_stays(archived: Gate) -> None:
    before = tree(archived)
    (entry,) = put(archived, first := min(before))
    purge(archived, entry.id)
    assert tree(archived) == {name: content for name, content in before.items() if name != first}
    assert from_store(archived) == set(tree(archived))
    assert archived.published(image(instance=1)).state is not None
    assert set(tree(archived)) == set(before)


def test_who_may_not_see_the_study_sees_nothing_and_who_may_not_change_does_nothing(archived: Gate) -> None:
    (entry,) = put(archived, "E001")
    assert of(archived, "mara").entries(with_ended=True) == []
    for attempt in (of(archived, "mara").info, of(archived, "mara").restore):
        with pytest.raises(NotFound):
            attempt(entry.id)
    with pytest.raises(NotFound):
        of(archived, "mara").put([f"{STUDY}/E002"], WHY)
    with pytest.raises(Refused, match="power"):
        of(archived, "ada").put([f"{STUDY}/E002"], WHY)
    with pytest.raises(Refused, match="power"):
        of(archived, "ada").restore(entry.id)
    assert [one.id for one in of(archived, "ada").entries()] == [entry.id], "it may be seen by whom the study is granted"


def test_what_cannot_be_asked_is_refused_and_nothing_is_put(archived: Gate) -> None:
    before = tree(archived)
    for paths in (["nothing/E001"], [f"{STUDY}/E009"], [f"{STUDY}/E001", f"{STUDY}/E002/none"], [f"{STUDY}/E001/none/x"]):
        with pytest.raises(NotFound):
            of(archived).put(paths, WHY)
    with pytest.raises(Invalid):
        of(archived).put([STUDY], WHY)
    with pytest.raises(Invalid, match="reason"):
        of(archived).put([f"{STUDY}/E001"], " ")
    archived.work()
    assert tree(archived) == before


def test_two_who_put_the_same_thing_get_one_entry_and_one_refusal(archived: Gate) -> None:
    asked = [of(archived).put([f"{STUDY}/E001"], WHY)[0] for _ in range(2)]
    archived.work()
    assert [of(archived).info(one.id).state for one in asked] == [State.BINNED, State.REFUSED]


def test_names_that_are_gone_are_announced(archived: Gate) -> None:
    last = changes.newest(archived.database)
    put(archived, "E001")
    assert "E001" in [one.name for one in changes.since(archived.database, last)]


def test_a_job_that_is_killed_before_it_commits_does_the_same_again(archived: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree(archived)
    (entry,) = put(archived, "E001")

    class Killed(BaseException):
        pass

    def kill(*_: object, **__: object) -> None:
        raise Killed

    for ask, where in (
        ("restore", "catalog.lifecycle.bin.job.announce"),
        ("purge", "catalog.lifecycle.bin.purging.delete_rows"),
    ):
        if ask == "restore":
            of(archived).restore(entry.id)
        else:
            (entry,) = put(archived, "E001")
            of(archived, "root").purge(entry.id, WHY)
        with monkeypatch.context() as patched:
            patched.setattr(where, kill)
            with pytest.raises(Killed):
                archived.worker.run_one(threading.Event())
        with archived.database.write() as connection:
            connection.execute(jobs.update().where(jobs.c.state == "running").values(state="queued", lease=0, worker=""))
        archived.work()
        expected = before if ask == "restore" else {name: content for name, content in before.items() if "E001" not in name}
        assert tree(archived) == expected
        assert from_store(archived) == set(expected)
    assert verified(archived) == []


def test_a_purge_waits_for_a_backup(archived: Gate) -> None:
    from catalog.lifecycle.backup.running import Running

    (entry,) = put(archived, "E001")
    running = Running(archived.database)
    before = sorted(path.name for path in archived.built.folder.glob("var/store/*/objects/*/*"))
    assert purge(archived, entry.id).state is State.PURGING
    assert sorted(path.name for path in archived.built.folder.glob("var/store/*/objects/*/*")) == before
    running.break_off()
    with archived.database.write() as connection:
        connection.execute(jobs.update().values(not_before=0))
    archived.work()
    assert of(archived).info(entry.id).state is State.PURGED


def test_a_backup_waits_for_a_purge_that_deletes_already(archived: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    from catalog.lifecycle.backup.running import Running

    (entry,) = put(archived, "E001")
    backup_runs, steps = threading.Event(), []
    delete = LocalStore.delete

    def deleting(store: LocalStore, study: str, digest: bytes) -> None:
        thread.start()
        assert backup_runs.wait(60)
        delete(store, study, digest)
        monkeypatch.setattr(LocalStore, "delete", delete)
        steps.append("deleted")

    def back_up() -> None:
        running = Running(archived.database)
        backup_runs.set()
        running.wait_for_purges()
        steps.append(f"backed up {of(archived).info(entry.id).state}")
        running.break_off()

    thread = threading.Thread(target=back_up)
    monkeypatch.setattr(LocalStore, "delete", deleting)
    purge(archived, entry.id)
    thread.join(60)
    assert steps == ["deleted", "backed up purged"]


def test_a_purge_that_was_given_up_is_tried_again_by_itself(archived: Gate) -> None:
    (entry,) = put(archived, "E001")
    of(archived, "root").purge(entry.id, WHY)
    with archived.database.write() as connection:
        connection.execute(jobs.update().values(state="failed"))
    with pytest.raises(ArchimedError):
        of(archived).restore(entry.id)
    Expiry(archived.database, KeepFor()).expire()
    archived.work()
    assert of(archived).info(entry.id).state is State.PURGED


def test_a_purge_works_on_a_full_disk(archived: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be written before something is deleted."""
    (entry,) = put(archived, "E001")
    deleted: list[bytes] = []
    delete, write = LocalStore.delete, LocalStore.write_record

    def deleting(store: LocalStore, study: str, digest: bytes) -> None:
        delete(store, study, digest)
        deleted.append(digest)

    def writing(store: LocalStore, study: str, name: str, chunks: Iterable[bytes]) -> None:
        if not deleted:
            raise OutOfSpace("the disk is full")
        write(store, study, name, chunks)

    monkeypatch.setattr(LocalStore, "delete", deleting)
    monkeypatch.setattr(LocalStore, "write_record", writing)
    assert purge(archived, entry.id).state is State.PURGED
    assert len(deleted) == 2


def test_what_is_over_goes_by_itself_and_what_is_kept_stays(archived: Gate) -> None:
    keep = KeepFor(bin=1)
    fresh, old = (of(archived, keep=keep).put([f"{STUDY}/{exam}"], WHY)[0] for exam in ("E001", "E002"))
    archived.work()
    assert expiring(archived.database, 2) == [fresh.id, old.id]
    with archived.database.write() as connection:
        connection.execute(bin_entries.update().values(expires=clock.now() - 1))
        connection.execute(bin_entries.update().where(bin_entries.c.id == old.id).values(oldest=0))
    Expiry(archived.database, keep).expire()
    archived.work()
    assert of(archived).info(fresh.id).state is State.PURGED
    kept = of(archived).info(old.id)
    assert kept.state is State.BINNED
    assert "no end date" in kept.kept
    assert archived.database.rows(sa.select(files)) == []
