"""The staging tree as one principal sees and changes it: what every face of staging is a translation of.

Each call asks the catalogue again whether role and grant allow it. What is sealed is read-only; what is written where all is
sealed begins a batch that follows. Errors are those of `catalog.pure.errors`; a face translates them.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress

from catalog.database import Database
from catalog.gate.drops.exams import ExamRow, Exams
from catalog.gate.drops.handles import Growth, Upload, Writing
from catalog.gate.drops.merged_folder import Layer
from catalog.gate.drops.open_batch import OpenBatch, OpenBatches, sealed
from catalog.gate.drops.quota import Limits, Quota
from catalog.gate.drops.staging_view import Located, StagingView
from catalog.gate.staged.area import Staging
from catalog.pure import drops as rules
from catalog.pure.access import Principal
from catalog.pure.capacity import Capacity, capacity
from catalog.pure.drops import EXAM_DEPTH, REVIEW, Place
from catalog.pure.errors import (
    Conflict,
    Elsewhere,
    IsADirectory,
    NotADirectory,
    NotEmpty,
    Refused,
)
from catalog.pure.names import check_code


class Inbox(StagingView):
    """The staging tree of one principal. Safe to share between threads; made by `Inboxes.of`."""

    def __init__(
        self, staging: Staging, exams: Exams, quota: Quota, principal: Principal, guard: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(staging, exams)
        self._quota = quota
        self._batches = OpenBatches(staging, exams, self._trees, guard)
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
        found = self._exams.exam_folder(*place[:EXAM_DEPTH]).batches
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

        def act(batch: OpenBatch) -> Writing:
            batch.refuse_sealed(names, exclusive=exclusive)
            grow = self._growth(batch.id)
            batch.drop.begin_writing()
            try:
                if create:
                    batch.make_parents(names)
                    try:
                        fd, folder = batch.tree.create(names, flags)
                    except Conflict:
                        if exclusive:
                            raise
                    else:
                        grow(0, 1)
                        return Writing(batch.drop, fd, folder, grow)
                return Writing(batch.drop, batch.tree.open(names, flags), -1, grow)
            except BaseException:
                batch.drop.end_writing()
                raise

        return self._batches.change(place, act, begin=create)

    def upload(self, place: Place, located: Located | None = None) -> Upload:
        """Begin a file that comes in whole or not at all.

        Args:
            place: where it goes.
            located: the place as `locate` found it in this request; the catalogue is not asked again.

        Raises:
            IsADirectory, Sealed, Refused, Invalid, TooLong, NotFound: as `write`.
        """
        names = self._changeable(place)

        def act(batch: OpenBatch) -> Upload:
            batch.refuse_sealed(names)
            batch.drop.begin_writing()
            try:
                batch.make_parents(names)
                return Upload(batch.drop, names, self._growth(batch.id))
            except BaseException:
                batch.drop.end_writing()
                raise

        return self._batches.change(place, act, begin=True, exam=located.exam if located else None)

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
            if row.batches or self._batches.begin(row) is None:
                raise Conflict("there is something of that name already")
            return
        names = self._changeable(place)

        def act(batch: OpenBatch) -> None:
            if batch.folder.sealed(names) is not None:
                raise Conflict("there is something of that name already")
            batch.make_parents(names)
            batch.tree.make_folder(names)

        self._batches.change(place, act, begin=True)

    def remove(self, place: Place) -> None:
        """Remove a file.

        Raises:
            NotFound, IsADirectory: it is not there, or is a folder.
            Sealed: its batch is sealed.
            Refused: it is the system's.
        """
        names = self._changeable(place)

        def act(batch: OpenBatch) -> None:
            entry = batch.find(names)
            if entry.is_folder:
                raise IsADirectory("it is a folder")
            batch.tree.remove(names)
            self._growth(batch.id)(-entry.size, -1)

        self._batches.change(place, act)

    def remove_folder(self, place: Place) -> None:
        """Remove an empty folder; with that of an exam goes its batch.

        Raises:
            NotFound, NotADirectory: it is not there, or is a file.
            NotEmpty: something is in it.
            Sealed: its batch is sealed.
            Refused: it is the system's.
        """
        if len(place) == EXAM_DEPTH and place[1] != REVIEW:
            self._remove_exam(self._exams.exam_folder(*place[:EXAM_DEPTH]))
            return
        names = self._changeable(place)

        def act(batch: OpenBatch) -> None:
            if not batch.find(names).is_folder:
                raise NotADirectory("it is a file")
            batch.tree.remove_folder(names)

        self._batches.change(place, act)

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

        def act(batch: OpenBatch) -> None:
            batch.find(old_names)
            batch.refuse_sealed(new_names)
            if len(new_names) > len(old_names):
                rules.check_depth(len(new_names) + batch.tree.height(old_names))
            batch.make_parents(new_names)
            replaced = Layer(batch.drop, is_sealed=False).find(new_names) if may_replace and old_names != new_names else None
            batch.tree.rename(old_names, new_names, may_replace=may_replace)
            if replaced is not None and not replaced.is_folder:
                self._growth(batch.id)(-replaced.size, -1)

        self._batches.change(old, act)

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

        def act(batch: OpenBatch) -> None:
            entry = batch.folder.find(names)
            if entry.is_sealed and entry.is_folder:
                return  # programs that copy set the times of all folders
            batch.find(names)
            found = batch.tree.stat(names)
            batch.tree.set_times(
                names, found.st_atime_ns if atime_ns is None else atime_ns, found.st_mtime_ns if mtime_ns is None else mtime_ns
            )

        self._batches.change(place, act)

    def set_properties(self, place: Place, value: bytes) -> None:
        """Keep something of a client beside a file or folder, durably; it goes where the file goes, until it is published.

        Raises:
            NotFound: it is not there.
            Sealed: its batch is sealed.
            Refused: it is the system's.
            OutOfSpace, Unavailable: it is too much, or the file system keeps nothing beside files.
        """
        names = self._changeable(place)

        def act(batch: OpenBatch) -> None:
            batch.find(names)
            batch.tree.set_attribute(names, value)

        self._batches.change(place, act)

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
            self._batches.change(folder[:EXAM_DEPTH], lambda batch: batch.drop.note_left_out(places), begin=True)

    def sync_names(self, place: Place) -> None:
        """Return when the names in a folder would survive a power cut.

        Raises:
            NotFound, NotADirectory: it is not there, or is a file.
        """
        if len(place) < EXAM_DEPTH or place[1] == REVIEW:
            return
        for batch in self._exams.exam_folder(*place[:EXAM_DEPTH]).batches:
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

    def _growth(self, batch: int) -> Growth:
        return lambda size, files: self._quota.grow(self._user, batch, size, files)

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
        row = self._exams.exam_folder(*old)
        if old[0] != new[0]:
            raise Elsewhere("it would go to another study: copy it, then remove it here")
        check_code(new[1], "exam")
        if len(row.batches) > 1 or not row.batches[0].is_open:
            raise sealed()
        if old != new and self._exams.exam(*new).batches:
            raise NotEmpty("there is something of that name already")
        self._exams.rename(row.batches[0].id, new[1])


class Inboxes:
    """The staging folder and the catalogue together: one a process, shared by its threads.

    Args:
        guard: raises while no batch may be begun.
    """

    def __init__(self, database: Database, staging: Staging, limits: Limits, guard: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._staging = staging
        self._quota = Quota(database, limits)
        self._guard = guard

    def of(self, principal: Principal) -> Inbox:
        """Return the staging tree as this principal sees and changes it."""
        return Inbox(self._staging, Exams(self._database, principal), self._quota, principal, self._guard)

    def capacity(self) -> Capacity:
        """Return size and free space for nobody in particular."""
        return capacity(self._staging.capacity())

    def close(self) -> None:
        """Write the last sums to the catalogue."""
        self._quota.close()
