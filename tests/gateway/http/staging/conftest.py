"""A server that takes what anna brings: one for all tests that leave no more than files behind, or one of the test's own."""

from collections.abc import Iterator

import pytest

from catalog.administration import Scope
from tests.behaviour.dropping import EXAM, fill
from tests.builders import BuiltArchive, built_in
from tests.gateway.http.serving import Serving

BOTH = (Scope.READ, Scope.STAGING)
FOLDER = f"/staging/{EXAM}"


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with (
        built_in(tmp_path_factory.mktemp("staging")) as built,
        Serving(fill(built), scopes=BOTH, workers=2, threads=8) as running,
    ):
        yield running


@pytest.fixture
def taking(_shared: Serving) -> Serving:
    """Give the shared server, with two workers; anna's folder for an exam is there and empty."""
    assert _shared.request("DELETE", FOLDER).status in {204, 404}
    assert _shared.request("MKCOL", FOLDER).status == 201
    return _shared


@pytest.fixture
def own_taking(built: BuiltArchive) -> Iterator[Serving]:
    """Give a server of the test's own, likewise."""
    with Serving(fill(built), scopes=BOTH, threads=8) as running:
        assert running.request("MKCOL", FOLDER).status == 201
        yield running
