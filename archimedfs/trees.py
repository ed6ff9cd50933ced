"""What the handlers of both mounts share: users in their slots, asking for them, and who is turned away. Knows no tree."""

import errno
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, ParamSpec, Protocol, TypeVar, runtime_checkable

import pyfuse3

from archimedfs import session
from archimedfs.calling import Caller
from archimedfs.slots import Shown, Slot, Slots
from catalog.pure.errors import NotFound

ROOT_UID = 0

_Parameters = ParamSpec("_Parameters")
_Answer = TypeVar("_Answer")


@runtime_checkable
class _Open(Protocol):
    def close(self) -> None: ...


class TreeOperations(session.Operations, ABC, Generic[Shown]):
    """Handlers that show each user a tree of their own.

    The methods that begin with an underscore are the handlers below a user's root; a mount for all users puts a root above.

    Args:
        slots: the users; no handler takes a tree from elsewhere.
        caller: how the catalogue is called.
    """

    def __init__(self, slots: Slots[Shown], caller: Caller) -> None:
        super().__init__()
        self._slots = slots
        self._call = caller
        self._numbers = itertools.count(1)

    async def _ask(
        self, slot: Slot[Shown], function: Callable[_Parameters, _Answer], *args: _Parameters.args, **named: _Parameters.kwargs
    ) -> _Answer:
        """Call for a user; ask again if that user lost something meanwhile, so that no answer is older than the loss."""
        while True:
            epoch = slot.epoch
            answer = await self._call(function, *args, **named)
            if slot.is_over:
                discard(answer)
                raise NotFound("there is no such file or folder")
            if slot.epoch == epoch:
                return answer
            discard(answer)

    @abstractmethod
    async def _lookup(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        """Find a child by its name."""

    @abstractmethod
    async def _getattr(self, inode: int, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        """Tell a node's attributes."""

    @abstractmethod
    async def _opendir(self, inode: int, ctx: pyfuse3.RequestContext) -> int:
        """Begin a listing."""

    @abstractmethod
    async def _readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        """List children behind `start_id`."""


def discard(answer: object) -> None:
    """Close what was opened for an answer that is not given."""
    if isinstance(answer, _Open):
        answer.close()


def decoded(name: bytes) -> str:
    """Return a name as text.

    Raises:
        NotFound: it is no UTF-8, so nothing has that name.
    """
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise NotFound("there is no such file or folder") from None


def refuse_strangers(slot: Slot[Shown], ctx: pyfuse3.RequestContext) -> None:
    """Let in nobody but the Unix user of the slot: the kernel lets root pass."""
    if ctx.uid != slot.account.uid:
        raise pyfuse3.FUSEError(errno.EACCES)
