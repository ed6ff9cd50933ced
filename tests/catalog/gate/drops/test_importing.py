"""Files of this machine on their way into an inbox: whole, once, and again where it was cut short."""

import contextlib
import io
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.gate.drops import importing
from catalog.gate.drops.inbox import Inbox
from catalog.gate.drops.local_files import LocalFiles, open_file
from catalog.pure.errors import Invalid, NotFound, OutOfSpace, Refused, Sealed, TooLong
from tests.catalog.gate.conftest import STUDY, Gate, gate, inbox, inbox_of, inboxes, intake, staging

__all__ = ["gate", "inbox", "inbox_of", "inboxes", "intake", "staging"]

EXAM = (STUDY, "E001")


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    folder = tmp_path / "stick"
    (folder / "sub" / "deeper").mkdir(parents=True)
    for number, name in enumerate(("a", "sub/b", "sub/deeper/c", "sub/\udcff latin")):
        (folder / name).write_bytes(bytes([number]) * number)
        os.utime(folder / name, ns=(1_200_000_000_000_000_000 + number,) * 2)
    return folder


def bring(inbox: Inbox, folder: Path) -> int:
    with LocalFiles([folder]) as local:
        return importing.bring(inbox, EXAM, local, lambda _done: None)


def content(inbox: Inbox, *names: str) -> bytes:
    reading = inbox.open((*EXAM, *names))
    try:
        return os.read(reading.fd, 100)
    finally:
        reading.close()


def test_a_tree_comes_with_names_and_times_and_once(inbox: Inbox, stick: Path) -> None:
    assert bring(inbox, stick) == 4
    assert content(inbox, "sub", "deeper", "c") == b"\2\2"
    assert content(inbox, "sub", "\udcff latin") == b"\3\3\3"
    assert inbox.stat((*EXAM, "sub", "b")).mtime_ns == 1_200_000_000_000_000_001
    assert bring(inbox, stick) == 0
    (stick / "a").write_bytes(b"new")
    assert bring(inbox, stick) == 1
    assert content(inbox, "a") == b"new"


def test_what_was_cut_short_goes_on(inbox: Inbox, stick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    real = Inbox.upload

    def full(self: Inbox, place: tuple[str, ...]) -> object:
        if len(taken) == 2:
            raise OutOfSpace("full")
        taken.append(place)
        return real(self, place)

    with monkeypatch.context() as patched:
        patched.setattr(Inbox, "upload", full)
        with pytest.raises(OutOfSpace):
            bring(inbox, stick)
    assert bring(inbox, stick) == 2


def test_what_cannot_be_read_leaves_nothing_and_tells_no_name(inbox: Inbox, stick: Path) -> None:
    with LocalFiles([stick]) as local:
        (stick / "sub" / "b").unlink()
        with pytest.raises(Refused, match="file 2 of 4 cannot be read: No such file") as caught:
            importing.bring(inbox, EXAM, local, lambda _done: None)
    assert "sub" not in str(caught.value)
    with LocalFiles([]) as local, pytest.raises(Invalid, match="no file"):
        importing.bring(inbox, EXAM, local, lambda _done: None)


def test_a_file_that_changes_while_it_is_read_does_not_count(inbox: Inbox, stick: Path) -> None:
    class Growing(io.FileIO):
        def read(self, size: int = -1) -> bytes:
            found = super().read(size)
            with (stick / "a").open("ab") as grown:
                grown.write(b"more")
            return found if self.tell() < 20 else b""

    (stick / "a").write_bytes(b"begun")
    with Growing(stick / "a") as source, pytest.raises(Exception):  # noqa: B017, PT011 - translated by its caller
        importing.put(inbox, (*EXAM, "a"), source)  # type: ignore[arg-type] # as far as it is used
    assert inbox.children(EXAM) == []


def test_what_is_sealed_is_not_brought_again_nor_replaced(gate: Gate, inbox: Inbox, stick: Path) -> None:
    bring(inbox, stick)
    gate.review.seal(inbox.batch(EXAM))
    assert bring(inbox, stick) == 0
    assert [info.state for info in gate.review.list()] == ["sealed"], "no new batch for what is there"
    (stick / "a").write_bytes(b"other")
    with pytest.raises(Sealed):
        bring(inbox, stick)
    (stick / "a").unlink()
    (stick / "late").write_bytes(b"late")
    assert bring(inbox, stick) == 1
    assert [info.state for info in gate.review.list()] == ["sealed", "open"]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A folder that the tree's owner may not read, with names as in the tree."""
    folder = tmp_path / "secret"
    (folder / "deeper").mkdir(parents=True)
    for name in ("a", "b", "deeper/c"):
        (folder / name).write_bytes(b"SECRET")
    return folder


def plant(stick: Path, secret: Path) -> None:
    """Put into a tree what is no regular file, in all ways that an ordinary user can."""
    (stick / "to-file").symlink_to(secret / "a")
    (stick / "sub" / "to-folder").symlink_to(secret)
    (stick / "sub" / "dangling").symlink_to(stick / "nothing")
    os.mkfifo(stick / "sub" / "pipe")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listening, contextlib.chdir(stick):
        listening.bind("socket")


def test_only_regular_files_of_the_tree_come_and_the_batch_says_what_was_left_out(
    gate: Gate, inbox: Inbox, stick: Path, secret: Path
) -> None:
    plant(stick, secret)
    assert bring(inbox, stick) == 4
    assert sorted(entry.name for entry in inbox.children(EXAM)) == ["a", "sub"]
    assert sorted(entry.name for entry in inbox.children((*EXAM, "sub"))) == ["b", "deeper", "\udcff latin"]
    assert bring(inbox, stick) == 0
    (stick / "sub" / "dangling").unlink()
    (stick / "sub" / "dangling").write_bytes(b"a file by now")
    assert bring(inbox, stick) == 1
    batch = inbox.batch(EXAM)
    gate.review.seal(batch)
    gate.work()
    (finding,) = [one for one in gate.review.info(batch).findings if one["check"] == "left_out"]
    assert "1 FIFO, 1 socket, 2 symbolic links were left out" in finding["message"]
    assert "sub/to-folder  symbolic link" in gate.review.report(batch)
    assert "SECRET" not in str(gate.review.show(batch))
    assert bring(inbox, stick) == 0, "no new batch for what is there and for what is left out again"
    assert len(gate.review.list()) == 1


def test_a_tree_of_which_all_came_has_no_such_finding(gate: Gate, inbox: Inbox, stick: Path) -> None:
    bring(inbox, stick)
    gate.review.seal(inbox.batch(EXAM))
    gate.work()
    assert "left_out" not in [one["check"] for one in gate.review.info(inbox.batch(EXAM)).findings]


def test_what_is_no_file_cannot_be_named(inbox: Inbox, stick: Path, secret: Path) -> None:
    plant(stick, secret)
    for name, why in (
        ("to-file", "symbolic link"),
        ("sub/to-folder", "symbolic link"),
        ("sub/pipe", "FIFO"),
        ("none", "No such"),
    ):
        with pytest.raises(Refused, match=why):
            LocalFiles([stick / "a", stick / name])
    only_links = stick / "only"
    only_links.mkdir()
    (only_links / "link").symlink_to(secret / "a")
    with pytest.raises(Invalid, match="no file in what was named: 1 symbolic link cannot be brought"):
        bring(inbox, only_links)
    deep = stick.joinpath(*["d"] * 102)
    deep.mkdir(parents=True)
    with pytest.raises(TooLong, match="nested more than 100 deep"):
        LocalFiles([stick])


def _link_for_folder(stick: Path, secret: Path) -> None:
    (stick / "sub").rename(stick / "away")
    (stick / "sub").symlink_to(secret)


def _link_for_file(stick: Path, secret: Path) -> None:
    (stick / "sub" / "b").unlink()
    (stick / "sub" / "b").symlink_to(secret / "b")


def _link_for_root(stick: Path, secret: Path) -> None:
    stick.rename(stick.with_name("away"))
    stick.symlink_to(secret)


def _pipe_for_file(stick: Path, _secret: Path) -> None:
    (stick / "sub" / "b").unlink()
    os.mkfifo(stick / "sub" / "b")


@pytest.mark.parametrize("swap", [_link_for_folder, _link_for_file, _link_for_root, _pipe_for_file])
def test_what_is_swapped_after_it_was_listed_is_never_followed(
    inbox: Inbox, stick: Path, secret: Path, swap: Callable[[Path, Path], None]
) -> None:
    with LocalFiles([stick]) as local:
        swap(stick, secret)
        if swap is _link_for_root:
            assert importing.bring(inbox, EXAM, local, lambda _done: None) == 4, (
                "the open folder is brought, wherever it is now"
            )
        else:
            with pytest.raises(Refused, match="replaced by something else"):
                importing.bring(inbox, EXAM, local, lambda _done: None)
    brought = [content(inbox, *place) for place in (("a",), ("sub", "b"), ("sub", "deeper", "c")) if _is_there(inbox, place)]
    assert b"SECRET" not in brought


def _is_there(inbox: Inbox, place: tuple[str, ...]) -> bool:
    try:
        return inbox.stat((*EXAM, *place)).size > 0
    except NotFound:
        return False


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(kinds=st.lists(st.sampled_from(["file", "folder", "link", "dangling", "pipe"]), max_size=12), data=st.data())
def test_a_tree_is_what_its_regular_files_are(
    kinds: list[str], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    top = tmp_path_factory.mktemp("tree")
    outside = top / "outside"
    outside.mkdir()
    (outside / "x").write_bytes(b"SECRET")
    folders, files, left = [top / "in"], set(), {}
    folders[0].mkdir()
    for number, kind in enumerate(kinds):
        path = data.draw(st.sampled_from(folders)) / f"{number}"
        names = path.relative_to(folders[0]).parts
        if kind == "folder":
            path.mkdir()
            folders.append(path)
        elif kind == "file":
            path.write_bytes(b"%d" % number)
            files.add(names)
        elif kind == "pipe":
            os.mkfifo(path)
            left[names] = "FIFO"
        else:
            path.symlink_to(outside if kind == "link" else top / "nothing")
            left[names] = "symbolic link"
    with LocalFiles([folders[0]]) as local:
        assert {file.place for file in local.files} == files
        assert local.left_out == left
        for file in local.files:
            with open_file(file) as opened:
                assert opened.read() == file.names[-1].encode()
