"""The sealed batches of others, for who reviews them, read-only: `<study>/_review/<batch>/...`. `exams` says who sees which."""

import os

from catalog.gate.drops.exams import Exams, ReceivedFile, ReviewRow
from catalog.gate.drops.handles import Reading
from catalog.gate.drops.merged_folder import Layer, MergedFolder
from catalog.gate.staged.area import Staging
from catalog.pure.drops import REVIEW, Entry, Place
from catalog.pure.errors import IsADirectory, NotADirectory, NotFound, Unavailable

_SECOND = 1_000_000_000
_BATCH_DEPTH = 3


class ReviewFolders:
    """What one principal reviews. Places are whole: study, `_review`, batch, names."""

    def __init__(self, staging: Staging, exams: Exams) -> None:
        self._staging = staging
        self._exams = exams

    def stat(self, place: Place) -> Entry:
        """As `Inbox.stat`."""
        if len(place) < _BATCH_DEPTH:
            found = self._exams.reviews(place[0])
            if not found:
                raise NotFound("there is no such file or folder")
            return _folder(REVIEW, max(row.opened for row in found))
        row = self._row(place)
        if len(place) == _BATCH_DEPTH:
            return _folder(place[2], row.opened)
        if row.key is None:
            return _received(self._file(row, place))
        return self._tree(row, row.key).find(place[_BATCH_DEPTH:])

    def children(self, place: Place) -> list[Entry]:
        """As `Inbox.children`."""
        if len(place) < _BATCH_DEPTH:
            return [_folder(str(row.id), row.opened) for row in self._exams.reviews(place[0])]
        row = self._row(place)
        if row.key is not None:
            return self._tree(row, row.key).children(place[_BATCH_DEPTH:])
        if len(place) > _BATCH_DEPTH:
            self._file(row, place)
            raise NotADirectory("a file has nothing below it")
        return [_received(file) for file in self._exams.received(row.id)]

    def open(self, place: Place) -> Reading:
        """As `Inbox.open`."""
        if len(place) <= _BATCH_DEPTH:
            self.stat(place)
            raise IsADirectory("a folder has no bytes; open one of its files")
        row = self._row(place)
        if row.key is not None:
            return Reading(self._tree(row, row.key).open(place[_BATCH_DEPTH:]))
        path = self._staging.path(self._file(row, place).file)
        try:
            return Reading(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))
        except FileNotFoundError:
            raise NotFound("there is no such file or folder") from None
        except OSError as error:
            raise Unavailable(f"the staging folder cannot be read: {os.strerror(error.errno or 0)}") from None

    def _row(self, place: Place) -> ReviewRow:
        for row in self._exams.reviews(place[0]):
            if str(row.id) == place[2]:
                return row
        raise NotFound("there is no such file or folder")

    def _tree(self, row: ReviewRow, key: str) -> MergedFolder:
        drop = self._staging.drop(key)
        if row.has_hidden:
            return MergedFolder([Layer.restricted(drop, self._exams.stocked(key))])
        return MergedFolder([Layer(drop, is_sealed=True)])

    def _file(self, row: ReviewRow, place: Place) -> ReceivedFile:
        """Return the file of a received batch that a place names: nothing lies below one."""
        for file in self._exams.received(row.id):
            if place[_BATCH_DEPTH:] == (_name(file),):
                return file
        raise NotFound("there is no such file or folder")


def _folder(name: str, opened: int) -> Entry:
    return Entry(name, is_folder=True, size=0, mtime_ns=opened * _SECOND, is_sealed=True)


def _received(file: ReceivedFile) -> Entry:
    return Entry(_name(file), is_folder=False, size=file.size, mtime_ns=file.received * _SECOND, is_sealed=True, inode=file.id)


def _name(file: ReceivedFile) -> str:
    # By the number under which findings name it; the scanner gave none.
    return f"{file.id:05d}.dcm"
