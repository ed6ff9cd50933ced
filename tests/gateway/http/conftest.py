"""A server on the behaviour suite's archive, shared by all tests that only read."""

from collections.abc import Iterator

import pytest

from tests.behaviour.suite import fill
from tests.builders import BuiltArchive, built_in
from tests.gateway.http.serving import Serving


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Give a server on anna's archive; nobody may change it."""
    with built_in(tmp_path_factory.mktemp("webdav")) as built, Serving(fill(built)) as running:
        yield running


@pytest.fixture
def own_serving(built: BuiltArchive) -> Iterator[Serving]:
    """Give a server on an archive of the test's own."""
    with Serving(fill(built)) as running:
        yield running
