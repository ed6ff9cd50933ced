"""What a principal's staging tree shows: the places of the system, the exams' folders laid over each other, the reviews.

Reads only. Each call asks the catalogue again whether role and grant allow it.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass

from catalog.gate.drops.exams import Dropped, ExamRow, Exams
from catalog.gate.drops.handles import Reading
from catalog.gate.drops.merged_folder import Layer, MergedFolder
from catalog.gate.drops.review_folders import ReviewFolders
from catalog.gate.staged.area import Staging
from catalog.pure.drops import EXAM_DEPTH, REPORT, REVIEW, Entry, Place
from catalog.pure.errors import IsADirectory, NotADirectory, NotFound
from catalog.pure.names import folded

_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Located:
    """A place as it was found with one look at the catalogue: what is there and in which folder it lies, None for nothing.

    `exam` is what the catalogue said of the exam that it is below; None for places of the system.
    """

    entry: Entry | None
    parent: Entry | None
    exam: ExamRow | None = None


class StagingView:
    """The staging tree of one principal, to look at. Safe to share between threads."""

    def __init__(self, staging: Staging, exams: Exams) -> None:
        self._staging = staging
        self._exams = exams
        self._reviews = ReviewFolders(staging, exams)

    def stat(self, place: Place) -> Entry:
        """Return what is known of a file or folder.

        Raises:
            NotFound: it is not there for this principal.
        """
        if not place:
            return _system_folder("", 0)
        if len(place) == 1:
            study, created = self._exams.study(place[0])
            return _system_folder(place[0], created, study)
        if place[1] == REVIEW:
            return self._reviews.stat(place)
        return self._stat_in(self._exams.exam_folder(*place[:EXAM_DEPTH]), place)

    def as_there(self, place: Place) -> Place:
        """Return a place by the names that it has here, for a client that does not know case; exact names come first.

        What is not there is returned as it is.
        """
        if _or_none(self.stat, place) is not None:
            return place
        found: Place = ()
        for depth, name in enumerate(place):
            if _or_none(self.stat, (*found, name)) is None:
                try:
                    names = [entry.name for entry in self.children(found)]
                except (NotFound, NotADirectory):
                    return (*found, *place[depth:])
                name = next((other for other in names if folded(other) == folded(name)), name)  # noqa: PLW2901 - as it is there
            found = (*found, name)
        return found

    def locate(self, place: Place) -> Located:
        """Return what is at a place, which may be new, for a change that is handed it.

        Raises:
            NotFound: the study is not there for this principal.
        """
        if len(place) <= EXAM_DEPTH or place[1] == REVIEW:
            return Located(_or_none(self.stat, place), _or_none(self.stat, place[:-1]) if place else None)
        exam = self._exams.exam(place[0], place[1])
        if not exam.batches:
            return Located(None, None, exam)

        def stat(names: Place) -> Entry:
            return self._stat_in(exam, names)

        return Located(_or_none(stat, place), _or_none(stat, place[:-1]), exam)

    def _stat_in(self, row: ExamRow, place: Place) -> Entry:
        if len(place) == EXAM_DEPTH:
            return self._exam_entry(row)
        if place[EXAM_DEPTH:] == (REPORT,):
            return self._report_entry(row)
        return self._trees(row).find(place[EXAM_DEPTH:])

    def children(self, place: Place) -> list[Entry]:
        """Return what a folder shows, in the order of names.

        Raises:
            NotFound, NotADirectory: it is not there, or is a file.
        """
        if not place:
            return [_system_folder(*study) for study in self._exams.studies()]
        if len(place) == 1:
            return self._study_children(place[0])
        if place[1] == REVIEW:
            return self._reviews.children(place)
        row = self._exams.exam_folder(*place[:EXAM_DEPTH])
        if place[EXAM_DEPTH:] == (REPORT,):
            raise NotADirectory("a file has nothing below it")
        found = self._trees(row).children(place[EXAM_DEPTH:])
        if len(place) == EXAM_DEPTH and self._report(row):
            found.insert(0, self._report_entry(row))
        return found

    def open(self, place: Place) -> Reading:
        """Open a file for reading.

        Raises:
            NotFound, IsADirectory: it is not there, or is a folder.
        """
        if len(place) > 1 and place[1] == REVIEW:
            return self._reviews.open(place)
        if len(place) <= EXAM_DEPTH:
            self.stat(place)
            raise IsADirectory("a folder has no bytes; open one of its files")
        row = self._exams.exam_folder(*place[:EXAM_DEPTH])
        if place[EXAM_DEPTH:] == (REPORT,):
            self._report_entry(row)
            return _in_memory(self._report(row))
        return Reading(self._trees(row).open(place[EXAM_DEPTH:]))

    def properties(self, place: Place) -> bytes:
        """Return what a client had kept beside a file or folder, empty if nothing.

        Raises:
            NotFound: it is not there.
        """
        if len(place) <= EXAM_DEPTH or place[1] == REVIEW or place[EXAM_DEPTH:] == (REPORT,):
            self.stat(place)
            return b""
        return self._trees(self._exams.exam_folder(*place[:EXAM_DEPTH])).attribute(place[EXAM_DEPTH:])

    def digests(self, place: Place) -> str:
        """Return the digests that a file was uploaded with, `SHA1:<hex> MD5:<hex>`; empty if none are known.

        Raises:
            NotFound: it is not there.
        """
        if len(place) <= EXAM_DEPTH or place[1] == REVIEW or place[EXAM_DEPTH:] == (REPORT,):
            self.stat(place)
            return ""
        return self._trees(self._exams.exam_folder(*place[:EXAM_DEPTH])).digests(place[EXAM_DEPTH:])

    def _trees(self, row: ExamRow) -> MergedFolder:
        # Sealed ones first. A batch of left-overs has the folder of the one it was left over from.
        layers = [self._layer(batch) for batch in {batch.key: batch for batch in row.batches}.values()]
        return MergedFolder(sorted(layers, key=lambda layer: not layer.is_sealed))

    def _layer(self, batch: Dropped) -> Layer:
        drop = self._staging.drop(batch.key)
        if batch.has_hidden:
            return Layer.restricted(drop, self._exams.stocked(batch.key))
        return Layer(drop, is_sealed=not batch.is_open)

    def _study_children(self, study: str) -> list[Entry]:
        self._exams.study(study)
        found = [_system_folder(code, opened) for code, opened in self._exams.exams(study)]
        if self._exams.reviews(study):
            found.append(self._reviews.stat((study, REVIEW)))
        return sorted(found, key=lambda entry: entry.name)

    def _exam_entry(self, row: ExamRow) -> Entry:
        newest = max(batch.opened for batch in row.batches)
        is_sealed = not any(batch.is_open for batch in row.batches)
        return Entry(row.code, is_folder=True, size=0, mtime_ns=newest * _SECOND, is_sealed=is_sealed)

    def _report(self, row: ExamRow) -> str:
        texts = [(batch.id, self._staging.notes.read_report(batch.id)) for batch in row.batches]
        found = [(number, text) for number, text in texts if text]
        if len(found) == 1:
            return found[0][1]
        return "\n".join(f"== batch {number} ==\n{text}" for number, text in found)

    def _report_entry(self, row: ExamRow) -> Entry:
        text = self._report(row)
        if not text:
            raise NotFound("there is no such file or folder")
        mtime = max(self._staging.notes.report_time(batch.id) for batch in row.batches)
        return Entry(REPORT, is_folder=False, size=len(text.encode()), mtime_ns=mtime, is_sealed=True)


def _or_none(stat: Callable[[Place], Entry], place: Place) -> Entry | None:
    try:
        return stat(place)
    except (NotFound, NotADirectory):
        return None


def _system_folder(name: str, time_s: int, row: int = 0) -> Entry:
    return Entry(name, is_folder=True, size=0, mtime_ns=time_s * _SECOND, is_sealed=False, inode=row)


def _in_memory(text: str) -> Reading:
    fd = os.memfd_create("report", os.MFD_CLOEXEC)
    os.write(fd, text.encode())
    os.lseek(fd, 0, os.SEEK_SET)
    return Reading(fd)
