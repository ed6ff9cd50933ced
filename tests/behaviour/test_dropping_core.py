"""The suite on the bare inbox, on each database."""

from collections.abc import Callable

import pytest

from catalog.gate.drops.inbox import Inbox
from tests.behaviour.dropping import CoreDropFace, DropFace, DroppingSuite, fill
from tests.builders import BuiltArchive


class TestCore(DroppingSuite):
    @pytest.fixture
    def filled(self, built_anywhere: BuiltArchive) -> BuiltArchive:
        return fill(built_anywhere)

    @pytest.fixture
    def face(self, inbox_of: Callable[[str], Inbox]) -> DropFace:
        return CoreDropFace(inbox_of("anna"))
