"""A gate over an empty archive, on each database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.gate.intake import Intake
from catalog.gate.staging import Staging
from tests.builders import BuiltArchive


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    staging = Staging(tmp_path / "var" / "staging")
    staging.prepare()
    return staging


@pytest.fixture
def intake(built_anywhere: BuiltArchive, staging: Staging) -> Iterator[Intake]:
    intake = Intake(built_anywhere.database, staging)
    yield intake
    intake.close()
