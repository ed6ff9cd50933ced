"""The open batch of an exam while something in it is changed: which it is, what stands in the way, what must be made first."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from catalog.gate.drops.exams import Dropped, ExamRow, Exams
from catalog.gate.drops.merged_folder import MergedFolder
from catalog.gate.staged.area import Staging
from catalog.gate.staged.disk_tree import DiskTree
from catalog.gate.staged.drop_folder import DropFolder
from catalog.pure.drops import EXAM_DEPTH, Entry, Place
from catalog.pure.errors import Conflict, IsADirectory, NotADirectory, Sealed, Unavailable

# A batch whose folder is closed is sealed in the catalogue a moment later.
_SEALING_SECONDS = 5.0
_PAUSE_SECONDS = 0.02

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """The batch with the number `id`. `folder`: what its exam's folder shows, of sealed batches too."""

    id: int
    drop: DropFolder
    folder: MergedFolder

    @property
    def tree(self) -> DiskTree:
        """The batch's own files."""
        return self.drop.tree

    def refuse_sealed(self, names: Place, *, exclusive: bool = False) -> None:
        """Refuse a place where a sealed batch has something.

        Raises:
            Sealed, IsADirectory: a file, a folder.
            Conflict: a file, and there must be none (`exclusive`).
        """
        _refuse_sealed(self.folder, names, exclusive=exclusive)

    def find(self, names: Place) -> Entry:
        """Return what may be changed at a place: no sealed batch has a part in it.

        Raises:
            NotFound: nothing is there.
            Sealed: a sealed batch has a part in it.
        """
        entry = self.folder.find(names)
        if entry.is_sealed:
            raise sealed()
        return entry

    def make_parents(self, names: Place) -> None:
        """Make the folders above a place that only sealed batches have.

        Raises:
            NotADirectory: one of them is a file.
        """
        above = names[:-1]
        if not above:
            return
        entry = self.folder.sealed(above)
        if entry is not None and not entry.is_folder:
            raise NotADirectory("a file has nothing below it")
        if entry is not None:
            self.tree.make_folders(above)


class OpenBatches:
    """The open batches of one principal. Safe to share between threads.

    Args:
        folder: gives what an exam's folder shows.
        guard: raises while no batch may be begun.
    """

    def __init__(
        self, staging: Staging, exams: Exams, folder: Callable[[ExamRow], MergedFolder], guard: Callable[[], None]
    ) -> None:
        self._staging = staging
        self._exams = exams
        self._folder = folder
        self._guard = guard

    def change(self, place: Place, act: Callable[[OpenBatch], _T], *, begin: bool = False, exam: ExamRow | None = None) -> _T:
        """Do something in the open batch of an exam, which nobody seals meanwhile.

        Args:
            begin: make a batch if all are sealed.
            exam: what the catalogue said of the exam a moment ago; it is not asked again.

        Raises:
            NotFound: the exam has no batch, or nothing is there.
            NotADirectory, IsADirectory, Sealed: what is there is a file, a folder, sealed.
            Unavailable: somebody is just sealing it.
        """
        until = time.monotonic() + _SEALING_SECONDS
        while True:
            row, exam = exam or self._exams.exam_folder(*place[:EXAM_DEPTH]), None  # once: what stood in the way may be gone
            folder = self._folder(row)
            batch = next((batch for batch in row.batches if batch.is_open), None)
            if batch is None and begin:
                _refuse_sealed(folder, place[EXAM_DEPTH:], may_be_folder=True)
                if not folder.find(place[EXAM_DEPTH:-1]).is_folder:
                    raise NotADirectory("a file has nothing below it")
                batch = self.begin(row)
            elif batch is None:
                folder.find(place[EXAM_DEPTH:])
                raise sealed()
            if batch is not None:
                drop = self._staging.drop(batch.key)
                try:
                    drop.begin_writing()
                except Sealed:
                    pass  # in this moment: the catalogue says so soon
                else:
                    try:
                        return act(OpenBatch(batch.id, drop, folder))
                    finally:
                        drop.end_writing()
            if time.monotonic() > until:
                raise Unavailable("the batch is being sealed; try again")
            time.sleep(_PAUSE_SECONDS)

    def begin(self, row: ExamRow) -> Dropped | None:
        """Make an open batch; None if somebody else did in the same moment."""
        self._guard()
        drop = self._staging.make_drop()
        older = [batch.id for batch in row.batches]
        try:
            batch = self._exams.begin(row.study, row.code, drop.path.name, max(older, default=None))
        except Unavailable:
            raise  # the answer may be lost, and the batch be there: a folder that no batch has is swept
        except BaseException:
            drop.erase_all()
            raise
        if batch is None:
            drop.erase_all()
        return batch


def sealed() -> Sealed:
    """Return what is raised when something sealed should change."""
    return Sealed("the batch is sealed: its files can be read and not be changed")


def _refuse_sealed(folder: MergedFolder, names: Place, *, exclusive: bool = False, may_be_folder: bool = False) -> None:
    found = folder.sealed(names)
    if found is None or (found.is_folder and may_be_folder):
        return
    if exclusive:
        raise Conflict("there is something of that name already")
    if found.is_folder:
        raise IsADirectory("it is a folder")
    raise sealed()
