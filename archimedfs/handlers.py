"""What the handlers of the staging mount and the root above share: users, asking for them, and who is turned away."""

import errno
import itertools
from collections.abc import Callable
from typing import Generic, ParamSpec, Protocol, TypeVar, runtime_checkable

import pyfuse3

from archimedfs import session
from archimedfs.calling import Caller
from archimedfs.user_roots import Shown, UserRoot, UserRoots
from catalog.pure.errors import NotFound, TooLong
from catalog.pure.names import MAX_NAME_BYTES

_Parameters = ParamSpec("_Parameters")
_Answer = TypeVar("_Answer")


@runtime_checkable
class _Open(Protocol):
    def close(self) -> None: ...


class Handlers(session.Operations, Generic[Shown]):
    """Handlers below each user's root. `archimedfs.multi_user` puts a root above, where there is more than one user.

    Args:
        user_roots: the users; no handler takes a tree from elsewhere.
        caller: how the catalogue is called.
    """

    def __init__(self, user_roots: UserRoots[Shown], caller: Caller) -> None:
        super().__init__()
        self._user_roots = user_roots
        self._call = caller
        self._numbers = itertools.count(1)

    async def _ask(
        self,
        user_root: UserRoot[Shown],
        function: Callable[_Parameters, _Answer],
        *args: _Parameters.args,
        **named: _Parameters.kwargs,
    ) -> _Answer:
        """Call for a user; ask again if that user lost something meanwhile, so that no answer is older than the loss."""
        while True:
            epoch = user_root.epoch
            answer = await self._call(function, *args, **named)
            if user_root.is_over:
                discard(answer)
                raise NotFound("there is no such file or folder")
            if user_root.epoch == epoch:
                return answer
            discard(answer)


def discard(answer: object) -> None:
    """Close what was opened for an answer that is not given."""
    if isinstance(answer, _Open):
        answer.close()


def decoded(name: bytes) -> str:
    """Return a name as text.

    Raises:
        NotFound: it is no UTF-8, so nothing has that name.
        TooLong: it is longer than the file system says that names are.
    """
    if len(name) > MAX_NAME_BYTES:
        raise TooLong("the name is too long")
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise NotFound("there is no such file or folder") from None


def refuse_strangers(user_root: UserRoot[Shown], ctx: pyfuse3.RequestContext) -> None:
    """Let in nobody but the Unix user whose tree it is: the kernel lets the superuser pass."""
    if ctx.uid != user_root.account.uid:
        raise pyfuse3.FUSEError(errno.EACCES)
