"""What somebody who brings files may rely on, whichever face of staging they use.

A face's test module subclasses `DroppingSuite` and gives `face`: anna's staging tree in `filled`, as `DropFace` has it.

    class TestMount(DroppingSuite):
        @pytest.fixture
        def face(self, filled: BuiltArchive) -> Iterator[DropFace]: ...

Errors are Python's: FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError (refused, or
sealed), and OSError with ENOTEMPTY. A change may take `PATIENCE` seconds to show.
"""

import errno
import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import pytest
import sqlalchemy as sa

from catalog.administration import principal
from catalog.audit import Actor
from catalog.database.tables import batches
from catalog.gate.drops.inbox import Inbox
from catalog.gate.review.decisions import Review
from catalog.gate.staged.area import Staging
from catalog.pure.errors import ArchimedError, Conflict, IsADirectory, NotADirectory, NotEmpty, NotFound, Refused
from tests.behaviour.suite import eventually
from tests.builders import BuiltArchive

STUDY = "2008-0003"
EXAM = f"{STUDY}/E001"
_T = TypeVar("_T")

BIG = random.Random(5).randbytes(3_000_001)


class DropFace(Protocol):
    """A staging tree as its user changes it. Paths are `study/exam/...`."""

    def names(self, path: str) -> list[str]:
        """Return the names in a folder."""

    def read(self, path: str) -> bytes:
        """Return a file's bytes."""

    def put(self, path: str, content: bytes) -> None:
        """Write a file whole, be it there or not."""

    def mkdir(self, path: str) -> None:
        """Make a folder."""

    def remove(self, path: str) -> None:
        """Remove a file."""

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""

    def rename(self, old: str, new: str) -> None:
        """Give a file or folder another name."""

    def is_folder(self, path: str) -> bool:
        """Whether it is a folder; raise FileNotFoundError if it is not there."""


def fill(built: BuiltArchive) -> BuiltArchive:
    """Put the suite's users and studies into an archive: anna and ben bring files for one study, lea may only look."""
    staging_of(built).prepare()
    for login, role in (("anna", "standard"), ("ben", "standard"), ("lea", "limited")):
        built.user(login, role)
    for code in (STUDY, "2010-A.7", "SECRET"):
        built.study(code)
    for login in ("anna", "ben", "lea"):
        built.grant(login, STUDY)
    built.grant("anna", "2010-A.7")
    return built


def staging_of(built: BuiltArchive) -> Staging:
    return Staging(built.folder / "var" / "staging")


def review_of(built: BuiltArchive, login: str = "") -> Review:
    """Return the desk of a user, or of the machine itself."""
    who = principal(built.database, login) if login else None
    return Review(built.database, staging_of(built), Actor("root", login), who)


def exists(face: DropFace, path: str) -> bool:
    try:
        face.is_folder(path)
    except FileNotFoundError:
        return False
    return True


def seal_all(built: BuiltArchive) -> list[int]:
    """Seal all open batches, as `archimed staging seal` does, and return them."""
    rows = built.database.rows(sa.select(batches.c.id).where(batches.c.state == "open").order_by(batches.c.id))
    return [review_of(built).seal(row.id).id for row in rows]


class DroppingSuite:
    """The tests. A subclass gives the fixture `face`: anna's staging tree in `filled`."""

    @pytest.fixture
    def filled(self, built: BuiltArchive) -> BuiltArchive:
        return fill(built)

    def test_the_root_lists_the_studies_one_may_import_into(self, face: DropFace) -> None:
        assert sorted(face.names("")) == [STUDY, "2010-A.7"]
        assert face.names(STUDY) == []

    def test_what_is_put_is_there(self, face: DropFace) -> None:
        face.mkdir(EXAM)
        assert face.names(STUDY) == ["E001"]
        assert face.names(EXAM) == []
        for name, content in (("a.dat", b"abc"), ("empty", b""), ("big", BIG), ("Größe #1+2;a=b&c'é.txt", b"x")):
            face.put(f"{EXAM}/{name}", content)
            assert face.read(f"{EXAM}/{name}") == content
        assert sorted(face.names(EXAM)) == sorted(["a.dat", "empty", "big", "Größe #1+2;a=b&c'é.txt"])
        assert face.is_folder(EXAM)
        assert not face.is_folder(f"{EXAM}/big")

    def test_names_in_every_encoding(self, face: DropFace) -> None:
        """Bytes are a name, UTF-8 or not: none is lost, made another, or takes another's place."""
        face.mkdir(EXAM)
        names = [
            "M\udcfcller", "\udcff\udcfe", "Müller", "日本 \U0001f9e0", "100%", "a%20b", "a b", "a\\b",
            "x?y#z;w", "\x7f", "line\nbreak", "-rf", "~", "con", "trailing. ", "ü" * 127,
        ]  # fmt: skip
        for number, name in enumerate(names):
            face.put(f"{EXAM}/{name}", b"%d" % number)
        assert sorted(face.names(EXAM)) == sorted(names)
        assert [face.read(f"{EXAM}/{name}") for name in names] == [b"%d" % number for number in range(len(names))]
        assert face.read(f"{EXAM}/Mu\u0308ller") == b"2"  # macOS sends it decomposed
        face.mkdir(f"{EXAM}/in \udcff")
        face.rename(f"{EXAM}/{names[0]}", f"{EXAM}/in \udcff/{names[1]}")
        assert face.names(f"{EXAM}/in \udcff") == [names[1]]
        with pytest.raises(OSError):  # noqa: PT011 - each face has its own number for it
            face.put(f"{EXAM}/" + "ü" * 128, b"")

    def test_folders_in_folders(self, face: DropFace) -> None:
        face.mkdir(EXAM)
        for depth in range(1, 8):
            face.mkdir(f"{EXAM}/" + "/".join(["sub"] * depth))
        deep = f"{EXAM}/" + "/".join(["sub"] * 7)
        face.put(f"{deep}/file", b"deep")
        assert face.read(f"{deep}/file") == b"deep"
        assert face.names(f"{EXAM}/sub") == ["sub"]

    def test_overwriting_leaves_nothing_of_what_was(self, face: DropFace) -> None:
        face.mkdir(EXAM)
        face.put(f"{EXAM}/a", b"long" * 1000)
        face.put(f"{EXAM}/a", b"short")
        assert face.read(f"{EXAM}/a") == b"short"

    def test_renaming(self, face: DropFace) -> None:
        face.mkdir(EXAM)
        face.mkdir(f"{EXAM}/one")
        face.put(f"{EXAM}/one/a", b"1")
        face.rename(f"{EXAM}/one/a", f"{EXAM}/one/b")
        face.rename(f"{EXAM}/one", f"{EXAM}/two")
        assert face.names(EXAM) == ["two"]
        assert face.read(f"{EXAM}/two/b") == b"1"
        face.put(f"{EXAM}/c", b"2")
        face.rename(f"{EXAM}/two/b", f"{EXAM}/c")
        assert face.read(f"{EXAM}/c") == b"1"
        assert face.names(f"{EXAM}/two") == []

    def test_removing(self, face: DropFace) -> None:
        face.mkdir(EXAM)
        face.mkdir(f"{EXAM}/sub")
        face.put(f"{EXAM}/sub/a", b"1")
        face.remove(f"{EXAM}/sub/a")
        assert not exists(face, f"{EXAM}/sub/a")
        face.rmdir(f"{EXAM}/sub")
        assert not exists(face, f"{EXAM}/sub")
        face.rmdir(EXAM)
        assert not exists(face, EXAM)
        assert face.names(STUDY) == []

    def test_an_exam_can_get_another_code(self, face: DropFace) -> None:
        face.mkdir(EXAM)
        face.put(f"{EXAM}/a", b"1")
        face.rename(EXAM, f"{STUDY}/E002")
        assert face.names(STUDY) == ["E002"]
        assert face.read(f"{STUDY}/E002/a") == b"1"

    @pytest.mark.parametrize(
        "path", ["E001", "new-study", f"{STUDY}/_review", f"{STUDY}/bad code", f"{STUDY}/_x", "SECRET/E001"]
    )
    def test_what_cannot_be_made(self, face: DropFace, path: str) -> None:
        with pytest.raises(OSError):  # noqa: PT011 - which, is the face's
            face.mkdir(path)
        assert sorted(face.names("")) == [STUDY, "2010-A.7"]
        assert face.names(STUDY) == []

    def test_files_lie_in_exams_only(self, face: DropFace) -> None:
        for path in ("file", f"{STUDY}/file", f"{STUDY}/E009/file", "SECRET/E001/file"):
            with pytest.raises(OSError):  # noqa: PT011 - which, is the face's
                face.put(path, b"x")
            assert not exists(face, path)

    def test_the_reports_name_is_the_systems(self, face: DropFace) -> None:
        face.mkdir(EXAM)
        for name in ("_REPORT.txt", "_report.TXT"):
            with pytest.raises(OSError):  # noqa: PT011 - which, is the face's
                face.put(f"{EXAM}/{name}", b"x")
        face.put(f"{EXAM}/_other", b"x")
        face.mkdir(f"{EXAM}/sub")
        face.put(f"{EXAM}/sub/_REPORT.txt", b"x")
        assert sorted(face.names(EXAM)) == ["_other", "sub"]

    def test_nobody_else_sees_what_was_brought(
        self, face: DropFace, filled: BuiltArchive, inbox_of: Callable[[str], Inbox]
    ) -> None:
        face.mkdir(EXAM)
        face.put(f"{EXAM}/a", b"1")
        assert inbox_of("ben").children((STUDY,)) == []
        assert inbox_of("lea").children(()) == []
        ben = CoreDropFace(inbox_of("ben"))
        ben.mkdir(EXAM)
        ben.put(f"{EXAM}/b", b"2")
        assert face.names(EXAM) == ["a"]
        assert ben.names(EXAM) == ["b"]

    def test_what_is_sealed_is_read_only(self, face: DropFace, filled: BuiltArchive) -> None:
        face.mkdir(EXAM)
        face.mkdir(f"{EXAM}/sub")
        face.put(f"{EXAM}/sub/a", b"1")
        assert seal_all(filled) == [1]
        assert face.read(f"{EXAM}/sub/a") == b"1"
        for change in (
            lambda: face.put(f"{EXAM}/sub/a", b"2"),
            lambda: face.remove(f"{EXAM}/sub/a"),
            lambda: face.rename(f"{EXAM}/sub/a", f"{EXAM}/sub/b"),
            lambda: face.rename(f"{EXAM}/sub", f"{EXAM}/other"),
            lambda: face.rename(EXAM, f"{STUDY}/E002"),
            lambda: face.rmdir(f"{EXAM}/sub"),
            lambda: face.rmdir(EXAM),
        ):
            with pytest.raises(OSError):  # noqa: PT011 - which, is the face's
                change()
        assert face.read(f"{EXAM}/sub/a") == b"1"
        assert face.names(f"{EXAM}/sub") == ["a"]

    def test_late_writes_begin_a_batch_that_names_the_first(self, face: DropFace, filled: BuiltArchive) -> None:
        face.mkdir(EXAM)
        face.mkdir(f"{EXAM}/sub")
        face.put(f"{EXAM}/sub/a", b"1")
        seal_all(filled)
        face.put(f"{EXAM}/sub/b", b"2")
        face.mkdir(f"{EXAM}/more")
        assert sorted(face.names(f"{EXAM}/sub")) == ["a", "b"]
        assert sorted(face.names(EXAM)) == ["more", "sub"]
        face.remove(f"{EXAM}/sub/b")
        face.put(f"{EXAM}/sub/c", b"3")
        first, second = review_of(filled).list()
        assert (first.id, second.follows) == (1, 1)
        assert eventually(lambda: seal_all(filled) == [2] or review_of(filled).info(2).state == "sealed")
        assert review_of(filled).info(2).files == 1
        assert sorted(face.names(f"{EXAM}/sub")) == ["a", "c"]

    def test_what_fails_begins_no_batch(self, face: DropFace, filled: BuiltArchive) -> None:
        face.mkdir(EXAM)
        face.put(f"{EXAM}/a", b"1")
        seal_all(filled)
        for path in (f"{EXAM}/nothing/x", f"{EXAM}/a/x"):
            with pytest.raises(OSError):  # noqa: PT011 - which, is the face's
                face.put(path, b"2")
        assert len(review_of(filled).list()) == 1

    def test_a_grant_that_is_gone_takes_the_study_along(self, face: DropFace, filled: BuiltArchive) -> None:
        face.mkdir(EXAM)
        face.put(f"{EXAM}/a", b"1")
        filled.revoke("anna", STUDY)
        assert eventually(lambda: face.names("") == ["2010-A.7"])
        assert eventually(lambda: not exists(face, f"{EXAM}/a"))
        with pytest.raises(OSError):  # noqa: PT011 - which, is the face's
            face.put(f"{EXAM}/b", b"2")

    def test_the_report_of_the_checks_shows(self, face: DropFace, filled: BuiltArchive) -> None:
        face.mkdir(EXAM)
        face.put(f"{EXAM}/a", b"1")
        (batch,) = seal_all(filled)
        staging_of(filled).notes.write_report(batch, "all is well: ä\n")
        assert eventually(lambda: "_REPORT.txt" in face.names(EXAM))
        assert face.read(f"{EXAM}/_REPORT.txt").decode() == "all is well: ä\n"
        for change in (lambda: face.remove(f"{EXAM}/_REPORT.txt"), lambda: face.put(f"{EXAM}/_REPORT.txt", b"")):
            with pytest.raises(OSError):  # noqa: PT011 - which, is the face's
                change()

    def test_reviewers_see_what_others_sealed(
        self, face: DropFace, filled: BuiltArchive, inbox_of: Callable[[str], Inbox]
    ) -> None:
        ben = CoreDropFace(inbox_of("ben"))
        ben.mkdir(EXAM)
        ben.mkdir(f"{EXAM}/sub")
        ben.put(f"{EXAM}/sub/b", b"2")
        assert face.names(STUDY) == []
        seal_all(filled)
        assert eventually(lambda: face.names(STUDY) == ["_review"])
        assert face.names(f"{STUDY}/_review") == ["1"]
        assert face.read(f"{STUDY}/_review/1/sub/b") == b"2"
        for change in (
            lambda: face.put(f"{STUDY}/_review/1/sub/b", b"3"),
            lambda: face.put(f"{STUDY}/_review/1/c", b"3"),
            lambda: face.remove(f"{STUDY}/_review/1/sub/b"),
            lambda: face.mkdir(f"{STUDY}/_review/2"),
        ):
            with pytest.raises(OSError):  # noqa: PT011 - which, is the face's
                change()
        assert ben.names(STUDY) == ["E001"]

    def test_many_writers_at_once(self, face: DropFace) -> None:
        face.mkdir(EXAM)

        def bring(number: int) -> bool:
            content = bytes([number]) * (number * 1000)
            face.put(f"{EXAM}/{number:03d}", content)
            return face.read(f"{EXAM}/{number:03d}") == content

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(bring, range(100)))
        assert len(face.names(EXAM)) == 100


class CoreDropFace:
    """The bare inbox: what every other face must agree with."""

    _ERRNOS = ((NotEmpty, errno.ENOTEMPTY), (NotFound, errno.ENOENT), (Conflict, errno.EEXIST), (IsADirectory, errno.EISDIR),
               (NotADirectory, errno.ENOTDIR), (Refused, errno.EACCES))  # fmt: skip

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    def names(self, path: str) -> list[str]:
        return [entry.name for entry in self._call(self._inbox.children, path)]

    def read(self, path: str) -> bytes:
        handle = self._call(self._inbox.open, path)
        try:
            return os.pread(handle.fd, 1 << 30, 0)
        finally:
            handle.close()

    def put(self, path: str, content: bytes) -> None:
        handle = self._call(lambda place: self._inbox.write(place, create=True), path)
        handle.truncate(0)
        handle.write(content, 0)
        handle.close()

    def mkdir(self, path: str) -> None:
        self._call(self._inbox.make_folder, path)

    def remove(self, path: str) -> None:
        self._call(self._inbox.remove, path)

    def rmdir(self, path: str) -> None:
        self._call(self._inbox.remove_folder, path)

    def rename(self, old: str, new: str) -> None:
        self._call(lambda place: self._inbox.rename(place, tuple(new.split("/"))), old)

    def is_folder(self, path: str) -> bool:
        return self._call(self._inbox.stat, path).is_folder

    def _call(self, function: Callable[[tuple[str, ...]], _T], path: str) -> _T:
        try:
            return function(tuple(path.split("/")) if path else ())
        except ArchimedError as error:
            for kind, number in self._ERRNOS:
                if isinstance(error, kind):
                    raise OSError(number, str(error)) from None
            raise OSError(errno.EINVAL, str(error)) from None
