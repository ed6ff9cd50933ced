"""The staging tree as one principal sees and changes it: what every face of staging is a translation of.

Each call asks the catalogue again whether role and grant allow it. What is sealed is read-only; what is written where all is
sealed begins a batch that follows. Errors are those of `catalog.pure.errors`; a face translates them.
"""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeVar

from catalog.gate.drops.exams import Dropped, ExamRow, Exams
from catalog.gate.drops.handles import Growth, Upload, Writing
from catalog.gate.drops.merged_folder import Layer
from catalog.gate.drops.quota import Quota
from catalog.gate.drops.staging_view import Located, StagingView
from catalog.gate.staged.area import Staging
from catalog.gate.staged.drop_folder import DropFolder
from catalog.pure import drops as rules
from catalog.pure.access import Principal
from catalog.pure.capacity import Capacity, capacity
from catalog.pure.drops import EXAM_DEPTH, REVIEW, Entry, Place
from catalog.pure.errors import (
    Conflict,
    Elsewhere,
    IsADirectory,
    NotADirectory,
    NotEmpty,
    Refused,
    Sealed,
    Unavailable,
)
from catalog.pure.names import check_code

# A batch whose folder is closed is sealed in the catalogue a moment later.
_SEALING_SECONDS = 5.0
_PAUSE_SECONDS = 0.02

_T = TypeVar("_T")


class Inbox(StagingView):
    """The staging tree of one principal. Safe to share between threads; made by `Inboxes.of`."""

    def __init__(
        self, staging: Staging, exams: Exams, quota: Quota, principal: Principal, guard: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(staging, exams)
        self._quota = quota
        self._guard = guard
        self._user = principal.user_id

    def left(self) -> int | None:
        """Return how many bytes this principal may still bring; None for as many as the disk takes."""
        return self._quota.left(self._user)

    def capacity(self) -> Capacity:
        """Return size and free space: of the quota, where there is one that is smaller than the disk."""
        return capacity(self._staging.capacity(), self._quota.limit(), self._quota.left(self._user))

    def batch(self, place: Place) -> int:
        """Return the number of the batch that files of an exam are in: the open one, else the newest.

        Raises:
            NotFound: there is none.
        """
        found = self._row(place).batches
        return next((batch.id for batch in found if batch.is_open), found[-1].id)

    # What changes.

    def write(self, place: Place, *, create: bool = False, exclusive: bool = False, append: bool = False) -> Writing:
        """Open a file for writing; its batch stays open as long as it is.

        Args:
            create: make it if it is not there.
            exclusive: fail if it is there.
            append: write at the end, whatever offset is named.

        Raises:
            NotFound, IsADirectory: it is not there, or is a folder.
            Conflict: it is there.
            Sealed: its batch is sealed.
            Refused, Invalid, TooLong: it cannot have that name.
            OutOfSpace: no file can be made any more.
        """
        names = self._changeable(place)
        flags = os.O_RDWR | (os.O_APPEND if append else 0)

        def act(row: ExamRow, drop: DropFolder, batch: int) -> Writing:
            self._refuse_sealed(row, names, exclusive=exclusive)
            grow = self._growth(batch)
            drop.begin_writing()
            try:
                if create:
                    self._make_parents(row, drop, names)
                    try:
                        fd, folder = drop.tree.create(names, flags)
                    except Conflict:
                        if exclusive:
                            raise
                    else:
                        grow(0, 1)
                        return Writing(drop, fd, folder, grow)
                return Writing(drop, drop.tree.open(names, flags), -1, grow)
            except BaseException:
                drop.end_writing()
                raise

        return self._change(place, act, begin=create)

    def upload(self, place: Place, located: Located | None = None) -> Upload:
        """Begin a file that comes in whole or not at all.

        Args:
            place: where it goes.
            located: the place as `locate` found it in this request; the catalogue is not asked again.

        Raises:
            IsADirectory, Sealed, Refused, Invalid, TooLong, NotFound: as `write`.
        """
        names = self._changeable(place)

        def act(row: ExamRow, drop: DropFolder, batch: int) -> Upload:
            self._refuse_sealed(row, names)
            drop.begin_writing()
            try:
                self._make_parents(row, drop, names)
                return Upload(drop, names, self._growth(batch))
            except BaseException:
                drop.end_writing()
                raise

        return self._change(place, act, begin=True, exam=located.exam if located else None)

    def make_folder(self, place: Place) -> None:
        """Make a folder, durably; that of an exam begins a batch.

        Raises:
            Conflict: there is something of that name.
            NotFound, NotADirectory: nothing, or a file, is above it.
            Refused, Invalid, TooLong: no folder can be made there, or with that name.
        """
        if len(place) == EXAM_DEPTH and place[1] != REVIEW:
            check_code(place[1], "exam")
            row = self._exams.exam(*place)
            if row.batches or self._begin(row) is None:
                raise Conflict("there is something of that name already")
            return
        names = self._changeable(place)

        def act(row: ExamRow, drop: DropFolder, _batch: int) -> None:
            if self._trees(row).sealed(names) is not None:
                raise Conflict("there is something of that name already")
            self._make_parents(row, drop, names)
            drop.tree.make_folder(names)

        self._change(place, act, begin=True)

    def remove(self, place: Place) -> None:
        """Remove a file.

        Raises:
            NotFound, IsADirectory: it is not there, or is a folder.
            Sealed: its batch is sealed.
            Refused: it is the system's.
        """
        names = self._changeable(place)

        def act(row: ExamRow, drop: DropFolder, batch: int) -> None:
            entry = self._open_entry(row, names)
            if entry.is_folder:
                raise IsADirectory("it is a folder")
            drop.tree.remove(names)
            self._growth(batch)(-entry.size, -1)

        self._change(place, act)

    def remove_folder(self, place: Place) -> None:
        """Remove an empty folder; with that of an exam goes its batch.

        Raises:
            NotFound, NotADirectory: it is not there, or is a file.
            NotEmpty: something is in it.
            Sealed: its batch is sealed.
            Refused: it is the system's.
        """
        if len(place) == EXAM_DEPTH and place[1] != REVIEW:
            self._remove_exam(self._row(place))
            return
        names = self._changeable(place)

        def act(row: ExamRow, drop: DropFolder, _batch: int) -> None:
            if not self._open_entry(row, names).is_folder:
                raise NotADirectory("it is a file")
            drop.tree.remove_folder(names)

        self._change(place, act)

    def rename(self, old: Place, new: Place, *, may_replace: bool = True) -> None:
        """Move a file or folder within a batch, durably; or the folder of an exam to another code of its study.

        Raises:
            NotFound: it is not there, or the folder it should go to is not.
            Elsewhere: it would go to another batch.
            Conflict, NotEmpty, IsADirectory, NotADirectory: what has the new name cannot be replaced by it.
            Sealed: a part of it is sealed.
            Refused, Invalid, TooLong: it is the system's, or cannot have that name, or lie so deep.
        """
        if len(old) == len(new) == EXAM_DEPTH and REVIEW not in {old[1], new[1]}:
            self._rename_exam(old, new)
            return
        old_names, new_names = self._changeable(old), self._changeable(new)
        if old[:EXAM_DEPTH] != new[:EXAM_DEPTH]:
            self.stat(old)
            raise Elsewhere("it would go to another batch: copy it, then remove it here")

        def act(row: ExamRow, drop: DropFolder, batch: int) -> None:
            self._open_entry(row, old_names)
            self._refuse_sealed(row, new_names)
            if len(new_names) > len(old_names):
                rules.check_depth(len(new_names) + drop.tree.height(old_names))
            self._make_parents(row, drop, new_names)
            replaced = Layer(drop, is_sealed=False).find(new_names) if may_replace and old_names != new_names else None
            drop.tree.rename(old_names, new_names, may_replace=may_replace)
            if replaced is not None and not replaced.is_folder:
                self._growth(batch)(-replaced.size, -1)

        self._change(old, act)

    def truncate(self, place: Place, size: int) -> None:
        """Cut a file off, or let it grow by a hole.

        Raises:
            As `write`.
        """
        handle = self.write(place)
        try:
            handle.truncate(size)
        finally:
            handle.close()

    def set_times(self, place: Place, atime_ns: int | None, mtime_ns: int | None) -> None:
        """Set a file's or folder's times, None as they are; those of system folders stay, without complaint.

        Raises:
            NotFound: it is not there.
            Sealed: its batch is sealed.
        """
        if len(place) <= EXAM_DEPTH:
            self.stat(place)
            return
        names = self._changeable(place)

        def act(row: ExamRow, drop: DropFolder, _batch: int) -> None:
            entry = self._trees(row).find(names)
            if entry.is_sealed and entry.is_folder:
                return  # programs that copy set the times of all folders
            self._open_entry(row, names)
            found = drop.tree.stat(names)
            drop.tree.set_times(
                names, found.st_atime_ns if atime_ns is None else atime_ns, found.st_mtime_ns if mtime_ns is None else mtime_ns
            )

        self._change(place, act)

    def set_properties(self, place: Place, value: bytes) -> None:
        """Keep something of a client beside a file or folder, durably; it goes where the file goes, until it is published.

        Raises:
            NotFound: it is not there.
            Sealed: its batch is sealed.
            Refused: it is the system's.
            OutOfSpace, Unavailable: it is too much, or the file system keeps nothing beside files.
        """
        names = self._changeable(place)

        def act(row: ExamRow, drop: DropFolder, _batch: int) -> None:
            self._open_entry(row, names)
            drop.tree.set_attribute(names, value)

        self._change(place, act)

    def note_left_out(self, folder: Place, left_out: Mapping[Place, str]) -> None:
        """Keep with the batch, durably, what was not taken of a tree that is brought, so that its checks say so.

        Args:
            folder: `study/exam/...`, where the tree is brought to.
            left_out: by the names below the folder, what kind of thing stands there.

        Raises:
            As `upload`.
        """
        above = folder[EXAM_DEPTH:]
        places = {"/".join((*above, *names)): kind for names, kind in left_out.items()}
        for batch in self._exams.exam(*folder[:EXAM_DEPTH]).batches:
            noted = self._staging.drop(batch.key).left_out()
            places = {place: kind for place, kind in places.items() if place not in noted}
        if places:
            with suppress(Conflict):
                self.make_folder(folder[:EXAM_DEPTH])
            self._change(folder[:EXAM_DEPTH], lambda _row, drop, _batch: drop.note_left_out(places), begin=True)

    def sync_names(self, place: Place) -> None:
        """Return when the names in a folder would survive a power cut.

        Raises:
            NotFound, NotADirectory: it is not there, or is a file.
        """
        if len(place) < EXAM_DEPTH or place[1] == REVIEW:
            return
        for batch in self._row(place).batches:
            if batch.is_open:
                self._staging.drop(batch.key).tree.sync_names(place[EXAM_DEPTH:])

    # How.

    def _changeable(self, place: Place) -> Place:
        """Return the names below the exam of a place that people may change; a study that is not theirs is not there."""
        try:
            rules.check_changeable(place)
        except Refused:
            if len(place) > 1:
                self._exams.study(place[0])
            raise
        names = place[EXAM_DEPTH:]
        for name in names:
            rules.encoded(name)
        return names

    def _change(
        self,
        place: Place,
        act: Callable[[ExamRow, DropFolder, int], _T],
        *,
        begin: bool = False,
        exam: ExamRow | None = None,
    ) -> _T:
        """Do something in the open batch of an exam, as `exam` says it is; `begin`: make one if all are sealed."""
        until = time.monotonic() + _SEALING_SECONDS
        while True:
            row, exam = exam or self._row(place), None  # once: what stood in the way may be gone the second time
            batch = next((batch for batch in row.batches if batch.is_open), None)
            if batch is None and begin:
                self._refuse_sealed(row, place[EXAM_DEPTH:], may_be_folder=True)
                if not self._trees(row).find(place[EXAM_DEPTH:-1]).is_folder:
                    raise NotADirectory("a file has nothing below it")
                batch = self._begin(row)
            elif batch is None:
                self._trees(row).find(place[EXAM_DEPTH:])
                raise _sealed()
            if batch is not None:
                drop = self._staging.drop(batch.key)
                try:
                    drop.begin_writing()
                except Sealed:
                    pass  # in this moment: the catalogue says so soon
                else:
                    try:
                        return act(row, drop, batch.id)
                    finally:
                        drop.end_writing()
            if time.monotonic() > until:
                raise Unavailable("the batch is being sealed; try again")
            time.sleep(_PAUSE_SECONDS)

    def _begin(self, row: ExamRow) -> Dropped | None:
        """Make an open batch; None if somebody else did in the same moment."""
        self._guard()
        drop = self._staging.make_drop()
        sealed = [batch.id for batch in row.batches]
        try:
            batch = self._exams.begin(row.study, row.code, drop.path.name, max(sealed, default=None))
        except Unavailable:
            raise  # the answer may be lost, and the batch be there: a folder that no batch has is swept
        except BaseException:
            drop.erase_all()
            raise
        if batch is None:
            drop.erase_all()
        return batch

    def _growth(self, batch: int) -> Growth:
        return lambda size, files: self._quota.grow(self._user, batch, size, files)

    def _refuse_sealed(self, row: ExamRow, names: Place, *, exclusive: bool = False, may_be_folder: bool = False) -> None:
        found = self._trees(row).sealed(names)
        if found is None or (found.is_folder and may_be_folder):
            return
        if exclusive:
            raise Conflict("there is something of that name already")
        if found.is_folder:
            raise IsADirectory("it is a folder")
        raise _sealed()

    def _open_entry(self, row: ExamRow, names: Place) -> Entry:
        """Return what may be changed at a place: no sealed batch has a part in it."""
        entry = self._trees(row).find(names)
        if entry.is_sealed:
            raise _sealed()
        return entry

    def _make_parents(self, row: ExamRow, drop: DropFolder, names: Place) -> None:
        """Make the folders above a place that only sealed batches have."""
        above = names[:-1]
        if not above:
            return
        sealed = self._trees(row).sealed(above)
        if sealed is not None and not sealed.is_folder:
            raise NotADirectory("a file has nothing below it")
        if sealed is not None:
            drop.tree.make_folders(above)

    def _remove_exam(self, row: ExamRow) -> None:
        if len(row.batches) > 1 or not row.batches[0].is_open:
            raise NotEmpty("the folder is not empty")
        drop = self._staging.drop(row.batches[0].key)
        if drop.tree.scan(()):
            raise NotEmpty("the folder is not empty")
        try:
            drop.seal(if_empty=True)
        except Refused:
            raise NotEmpty("the folder is not empty") from None
        self._exams.end(row.batches[0].id)
        self._quota.forget(row.batches[0].id)
        drop.erase_all()

    def _rename_exam(self, old: Place, new: Place) -> None:
        row = self._row(old)
        if old[0] != new[0]:
            raise Elsewhere("it would go to another study: copy it, then remove it here")
        check_code(new[1], "exam")
        if len(row.batches) > 1 or not row.batches[0].is_open:
            raise _sealed()
        if old != new and self._exams.exam(*new).batches:
            raise NotEmpty("there is something of that name already")
        self._exams.rename(row.batches[0].id, new[1])


def _sealed() -> Sealed:
    return Sealed("the batch is sealed: its files can be read and not be changed")
