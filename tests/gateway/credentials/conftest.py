"""One slapd for all tests of the directory; nobody changes what is in it."""

from collections.abc import Iterator

import pytest

from tests.gateway.credentials.slapd import Slapd


@pytest.fixture(scope="session")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """Give a running slapd."""
    running = Slapd(tmp_path_factory.mktemp("slapd"))
    yield running
    running.stop()
