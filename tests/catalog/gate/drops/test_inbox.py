"""The inbox beyond what all faces share: what lies outside of its tree, odd names, quotas, durability, several processes."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog import administration
from catalog.database.tables import batches
from catalog.gate.drops.inbox import Inbox, Inboxes
from catalog.gate.drops.quota import Limits
from catalog.gate.staged.disk_tree import DiskTree
from catalog.pure.access import Role
from catalog.pure.errors import (
    ArchimedError,
    Conflict,
    Elsewhere,
    Invalid,
    IsADirectory,
    NotFound,
    OutOfSpace,
    TooLong,
)
from tests.catalog.gate.conftest import STUDY, Gate, put
from tests.catalog.gate.drops.test_sealing import folder_of

PLACE = (STUDY, "E001")


def names(inbox: Inbox, place: tuple[str, ...] = PLACE) -> list[str]:
    return [entry.name for entry in inbox.children(place)]


def test_links_and_devices_in_a_tree_are_not_there(gate: Gate, inbox: Inbox) -> None:
    put(inbox, "a", b"1")
    tree = folder_of(gate) / "tree"
    (tree / "link").symlink_to("/etc/passwd")
    (tree / "folder").symlink_to("/etc")
    os.mkfifo(tree / "pipe")
    assert names(inbox) == ["a"]
    for place in (("link",), ("folder",), ("folder", "passwd"), ("pipe",)):
        for act in (inbox.stat, inbox.open, inbox.children, inbox.write, inbox.remove):
            with pytest.raises(ArchimedError):
                act((*PLACE, *place))
    for name in ("link", "folder", "pipe"):
        with pytest.raises(ArchimedError):
            inbox.write((*PLACE, name, "x"), create=True)
    assert not Path("/etc/x").exists()


COMPOSED, DECOMPOSED = "M\u00fcller.dat", "Mu\u0308ller.dat"


@pytest.mark.parametrize(("there", "asked"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_characters_are_the_same_composed_or_not(inbox: Inbox, there: str, asked: str) -> None:
    put(inbox, there, b"1")
    place = (*PLACE, asked)
    assert inbox.stat(place).size == 1
    inbox.open(place).close()
    with pytest.raises(Conflict):
        inbox.write(place, create=True, exclusive=True)
    put(inbox, asked, b"22")
    assert names(inbox) == [there]
    inbox.rename(place, (*PLACE, "other"))
    inbox.rename((*PLACE, "other"), place)
    assert names(inbox) == [asked]
    inbox.remove((*PLACE, there))
    assert names(inbox) == []


def test_names_are_found_in_any_case_for_who_asks_so(inbox: Inbox) -> None:
    inbox.make_folder((*PLACE, "Scans"))
    put(inbox, "Scans/IMG.dcm", b"1")
    put(inbox, "Scans/img2.dcm", b"1")
    assert inbox.as_there((STUDY, "e001", "SCANS", "img.DCM")) == (*PLACE, "Scans", "IMG.dcm")
    assert inbox.as_there((*PLACE, "Scans", "img2.dcm")) == (*PLACE, "Scans", "img2.dcm")
    assert inbox.as_there((*PLACE, "SCANS", "new", "x")) == (*PLACE, "Scans", "new", "x")
    assert inbox.as_there(("nothing", "E001")) == ("nothing", "E001")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0b", "\ud800", "x" * 256, "ü" * 128])
def test_names_that_lead_elsewhere_or_cannot_be(inbox: Inbox, name: str) -> None:
    for act in (inbox.make_folder, lambda place: inbox.write(place, create=True), inbox.upload):
        with pytest.raises(TooLong if len(name) > 3 else Invalid):
            act((*PLACE, name))
    with pytest.raises(ArchimedError):
        inbox.stat((*PLACE, name))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(raw=st.binary(min_size=1, max_size=255).filter(lambda raw: raw not in {b".", b".."} and not set(raw) & {0, 47}))
def test_any_bytes_are_a_name(tmp_path: Path, raw: bytes) -> None:
    tree = DiskTree(tmp_path)
    name = raw.decode("utf-8", "surrogateescape")
    fd, folder = tree.create((name,), os.O_RDWR)
    os.close(fd)
    os.close(folder)
    assert [found for found, _ in tree.scan(())] == [name]
    assert os.listdir(os.fsencode(tmp_path)) == [raw]  # noqa: PTH208 - bytes
    tree.remove((name,))


def test_moves_between_batches_are_copies(inbox: Inbox) -> None:
    put(inbox, "a", b"1")
    inbox.make_folder((STUDY, "E002"))
    with pytest.raises(Elsewhere):
        inbox.rename((*PLACE, "a"), (STUDY, "E002", "a"))
    with pytest.raises(NotFound):
        inbox.rename((*PLACE, "b"), (STUDY, "E002", "b"))


def test_renaming_without_replacing(inbox: Inbox) -> None:
    put(inbox, "a", b"1")
    put(inbox, "b", b"2")
    with pytest.raises(Conflict):
        inbox.rename((*PLACE, "a"), (*PLACE, "b"), may_replace=False)
    inbox.rename((*PLACE, "a"), (*PLACE, "c"), may_replace=False)
    assert names(inbox) == ["b", "c"]


def test_two_writers_of_one_file(inbox: Inbox) -> None:
    one = inbox.write((*PLACE, "log"), create=True, append=True)
    two = inbox.write((*PLACE, "log"), append=True)
    for number in range(50):
        one.write(b"one\n", 0)
        two.write(b"two\n", 0)
        if number == 25:
            one.sync()
    one.close()
    two.write(b"two\n", 0)
    assert inbox.stat((*PLACE, "log")).is_unfinished, "one of them still writes"
    two.close()
    assert not inbox.stat((*PLACE, "log")).is_unfinished
    handle = inbox.open((*PLACE, "log"))
    lines = os.pread(handle.fd, 4096, 0).split()
    handle.close()
    assert (lines.count(b"one"), lines.count(b"two")) == (50, 51)


def test_two_processes_agree_on_one_open_batch(gate: Gate, inbox: Inbox) -> None:
    other = Inboxes(gate.database, type(gate.staging)(gate.staging.drop("x").path.parents[1]), Limits())
    same = other.of(administration.principal(gate.database, "ada"))
    with pytest.raises(Conflict):
        same.make_folder(PLACE)
    put(same, "b", b"2")
    put(inbox, "a", b"1")
    assert names(inbox) == names(same) == ["a", "b"]
    other.close()
    assert gate.database.row(sa.select(sa.func.count()).select_from(batches))[0] == 1  # type: ignore[index] # a count has a row


def test_uploads_have_a_name_when_they_are_whole(gate: Gate, inbox: Inbox) -> None:
    place = (*PLACE, "up")
    upload = inbox.upload(place)
    upload.write(b"half")
    assert names(inbox) == []
    upload.discard()
    assert names(inbox) == []
    upload = inbox.upload(place)
    upload.write(b"who")
    upload.write(b"le")
    upload.commit()
    again = inbox.upload(place)
    again.write(b"new")
    with pytest.raises(Conflict):
        again.commit(may_replace=False)
    again.commit()
    handle = inbox.open(place)
    assert os.read(handle.fd, 100) == b"new"
    handle.close()
    assert list((folder_of(gate) / "incoming").iterdir()) == []
    gate.review.seal(1)
    assert (gate.review.info(1).files, gate.review.info(1).bytes) == (1, 3)


def test_the_role_limited_has_no_staging(gate: Gate, inbox_of: Callable[[str], Inbox]) -> None:
    lea = inbox_of("lea")
    assert lea.children(()) == []
    with pytest.raises(NotFound):
        lea.stat((STUDY,))
    with pytest.raises(NotFound):
        lea.make_folder(PLACE)
    bob = inbox_of("bob")
    bob.make_folder(PLACE)
    administration.set_role(gate.database, administration.Actor("root"), "bob", Role.LIMITED)
    with pytest.raises(NotFound):
        bob.write((*PLACE, "a"), create=True)


class TestQuota:
    @pytest.fixture
    def inboxes(self, gate: Gate) -> Iterator[Inboxes]:
        opened = Inboxes(gate.database, gate.staging, Limits(per_user=1000, total=1500))
        yield opened
        opened.close()

    def test_of_a_user(self, inbox: Inbox) -> None:
        put(inbox, "a", b"x" * 900)
        assert inbox.left() == 100
        handle = inbox.write((*PLACE, "b"), create=True)
        handle.write(b"y" * 100, 0)
        with pytest.raises(OutOfSpace):
            handle.write(b"z", 100)
        handle.write(b"Z", 99)
        with pytest.raises(OutOfSpace):
            handle.truncate(1000)
        handle.truncate(50)
        handle.write(b"w" * 50, 50)
        handle.close()
        assert inbox.stat((*PLACE, "b")).size == 100
        inbox.remove((*PLACE, "a"))
        assert inbox.left() == 900
        upload = inbox.upload((*PLACE, "c"))
        with pytest.raises(OutOfSpace):
            upload.write(b"x" * 901)
        upload.discard()
        assert inbox.left() == 900

    def test_of_all_together(self, inbox: Inbox, inbox_of: Callable[[str], Inbox]) -> None:
        put(inbox, "a", b"x" * 900)
        bob = inbox_of("bob")
        bob.make_folder(PLACE)
        with pytest.raises(OutOfSpace):
            put(bob, "a", b"x" * 601)
        assert bob.left() == 600

    def test_counts_anew_when_sealed(self, gate: Gate, inbox: Inbox, inboxes: Inboxes) -> None:
        put(inbox, "a", b"x" * 900)
        with gate.database.write() as connection:
            connection.execute(batches.update().values(bytes=5, files=77))  # what a process that died left
        gate.review.seal(1)
        assert (gate.review.info(1).files, gate.review.info(1).bytes) == (1, 900)
        inboxes.close()
        assert (gate.review.info(1).files, gate.review.info(1).bytes) == (1, 900)


def test_a_folder_is_no_file(inbox: Inbox) -> None:
    inbox.make_folder((*PLACE, "sub"))
    for act in (inbox.open, inbox.write, inbox.remove):
        with pytest.raises(IsADirectory):
            act((*PLACE, "sub"))
    with pytest.raises(IsADirectory):
        inbox.open(PLACE)


def test_folders_are_nested_to_a_depth_and_no_rename_goes_beyond(inbox: Inbox) -> None:
    names: tuple[str, ...] = ()
    for _ in range(99):
        names = (*names, "d")
        inbox.make_folder((*PLACE, *names))
    put(inbox, "/".join((*names, "file")), b"1")
    assert inbox.stat((*PLACE, *names, "file")).size == 1
    with pytest.raises(TooLong, match="nested more than 100 deep"):
        inbox.write((*PLACE, *names, "d", "file"), create=True)
    for place in ((*PLACE, "e"), (*PLACE, "e", "e")):
        inbox.make_folder(place)
    with pytest.raises(TooLong):
        inbox.rename((*PLACE, "d"), (*PLACE, "e", "d"))
    inbox.rename((*PLACE, "e", "e"), (*PLACE, "d", "d", "e"))
    inbox.rename((*PLACE, "d"), (*PLACE, "f"))
