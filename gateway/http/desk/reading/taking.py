"""Archived files as they are, with ranges, and a study, an exam, a series or a result's folder as one streamed ZIP.

    /desk/take/<study>/<exam>/<series>/<file>
    /desk/zip/<study>/<exam>/<series>

These answers go past the pages' application: a file is copied to the connection by the kernel, a ZIP is made while it is sent.
"""

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote

from catalog.administration import Scope
from catalog.pure.access import Principal
from catalog.pure.errors import NotADirectory, NotFound
from catalog.view import View
from gateway.credentials import Unauthenticated
from gateway.http import answers, readonly, zipping
from gateway.http.answers import Answer, FileAnswer
from gateway.http.files import Files
from gateway.http.requests import Request

TAKE, ZIP = "take", "zip"
_METHODS = frozenset({"GET", "HEAD"})


class Taking:
    """Answers requests for bytes. One a process, shared by its threads.

    Args:
        views: gives the archive as a principal sees it.
    """

    def __init__(self, views: Callable[[Principal], View]) -> None:
        self._views = views
        self._files = Files()

    def takes(self, request: Request) -> bool:
        """Whether a request is for bytes."""
        return len(request.path) > 1 and request.path[0] in {TAKE, ZIP}

    def answer(self, request: Request) -> Answer:
        """Return the answer.

        Raises:
            NotFound: there is no such file or folder, or it is not granted.
            Refused, Unauthenticated: the credentials are not good for reading.
        """
        if request.session is None:
            raise Unauthenticated
        request.require(Scope.READ)
        if request.method not in _METHODS:
            return answers.text(405, "there is nothing to do here in that way", Allow="GET, HEAD")
        what, *names = request.path
        view = self._views(request.principal)
        try:
            node = view.resolve("/".join(names))
        except NotADirectory:
            raise NotFound("there is no such file or folder") from None
        if what == ZIP:
            return zipping.answer(request, view, self._files, "_".join(names), zipping.members(view, node, names[-1]))
        if node.is_folder:
            raise NotFound("that is a folder; take it as a ZIP")
        found = self._files.answer(request, node, lambda: readonly.open_archived(self._files, request, view, node))
        if isinstance(found, FileAnswer):
            saved = ("Content-Disposition", f"attachment; filename*=UTF-8''{quote(node.name, safe='')}")
            return replace(found, headers=[*found.headers, saved])
        return found
