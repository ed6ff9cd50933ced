"""The suite on the bare view."""

import pytest

from tests.behaviour.faces import CoreFace, Face
from tests.behaviour.suite import ReadingSuite
from tests.builders import BuiltArchive


class TestCore(ReadingSuite):
    @pytest.fixture
    def face(self, filled: BuiltArchive) -> Face:
        return CoreFace(filled.view("anna"))
