"""The door on the behaviour suite's archive, shared by all tests that only read."""

from collections.abc import Iterator

import pytest

from tests.behaviour.suite import fill
from tests.builders import BuiltArchive, built_in
from tests.gateway.api.door import Door


@pytest.fixture(scope="session")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """Give the door on anna's archive; nobody may change it."""
    with built_in(tmp_path_factory.mktemp("api")) as built:
        opened = Door(fill(built))
        yield opened
        opened.close()


@pytest.fixture
def own_door(built: BuiltArchive) -> Iterator[Door]:
    """Give the door on an archive of the test's own, with an administrator, a reviewer and a reader."""
    for login, role in (("root", "administrator"), ("paula", "power"), ("rita", "standard"), ("lea", "limited")):
        built.user(login, role)
    built.study("S1")
    built.study("SECRET")
    for login in ("paula", "rita", "lea"):
        built.grant(login, "S1")
    built.add_series("S1/E1/001_DCM_MR_t1", {"00001.dcm": b"one", "00002.dcm": b"two!"})
    opened = Door(built)
    yield opened
    opened.close()
