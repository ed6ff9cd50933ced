"""What the suites of all faces share."""

from collections.abc import Callable, Iterator

import pytest

from catalog.administration import principal
from catalog.gate.drops.inbox import Inbox, Inboxes
from catalog.gate.drops.quota import Limits
from tests.behaviour.dropping import staging_of
from tests.builders import BuiltArchive


@pytest.fixture
def inbox_of(filled: BuiltArchive) -> Iterator[Callable[[str], Inbox]]:
    """Give a function that returns a user's bare inbox."""
    inboxes = Inboxes(filled.database, staging_of(filled), Limits())
    yield lambda login: inboxes.of(principal(filled.database, login))
    inboxes.close()
