"""A server on an archive of the test's own that takes what anna brings."""

from collections.abc import Iterator

import pytest

from catalog.administration import Scope
from tests.behaviour.dropping import EXAM, fill
from tests.builders import BuiltArchive
from tests.gateway.http.serving import Serving

BOTH = (Scope.READ, Scope.STAGING)
FOLDER = f"/staging/{EXAM}"


@pytest.fixture
def taking(built: BuiltArchive) -> Iterator[Serving]:
    """Give a server; anna's folder for an exam is there."""
    with Serving(fill(built), scopes=BOTH, threads=8) as running:
        assert running.request("MKCOL", FOLDER).status == 201
        yield running
