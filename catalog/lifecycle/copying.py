"""Objects copied from one store to another, proved on the way.

May live here: one object, proved. Not: which ones, and why.
"""

import hashlib
from collections.abc import Callable, Iterator

from catalog import durable
from catalog.pure.errors import Damaged
from catalog.store import Deposit, ObjectStore, StoredObject

_PIECE = 1 << 20


def add_copy(
    source: ObjectStore, study: str, stored: StoredObject, deposit: Deposit, progress: Callable[[int], None] = lambda _: None
) -> None:
    """Add a copy of an object to a deposit, which is the caller's to settle.

    Args:
        source: the store that has it.
        study: its study's code.
        stored: the object.
        deposit: of the other store.
        progress: called with the number of bytes of each piece.

    Raises:
        Damaged: it is missing, or its bytes are not its own; nothing was added.
        OutOfSpace, Unavailable: a store refused.
    """
    digest = hashlib.sha256()
    file = deposit.new()
    try:
        for piece in pieces(source, study, stored):
            digest.update(piece)
            with durable.translated("the copy cannot be written"):
                file.write(piece)
            progress(len(piece))
        if digest.digest() != stored.digest:
            raise Damaged("the object's bytes are not those that were archived")
    except BaseException:
        deposit.discard(file)
        raise
    deposit.add(file)


def is_good(store: ObjectStore, study: str, stored: StoredObject) -> bool:
    """Whether a store has an object, with its bytes.

    Raises:
        Unavailable: the store does not answer.
    """
    digest = hashlib.sha256()
    try:
        for piece in pieces(store, study, stored):
            digest.update(piece)
    except Damaged:
        return False
    return digest.digest() == stored.digest


def pieces(store: ObjectStore, study: str, stored: StoredObject) -> Iterator[bytes]:
    """Yield an object's bytes, from the disk itself.

    Raises:
        Damaged: it is missing or has another size.
        Unavailable: the store does not answer.
    """
    reader = store.open(study, stored, fresh=True)
    try:
        done = 0
        while piece := reader.read_at(done, _PIECE):
            yield piece
            done += len(piece)
    finally:
        reader.close()
