"""Staging for all users: nobody reaches what another brings, not even root; what is revoked ends in the middle of a write."""

import json
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog import administration
from catalog.pure.access import Role
from tests.archimedfs.mounts import RunningMount, running_staging
from tests.attacks.conftest import ADA, BEN, CYD, ROOT
from tests.attacks.people import Person
from tests.behaviour.dropping import fill
from tests.behaviour.suite import eventually
from tests.builders import BuiltArchive

STUDY = "2008-0003"


@pytest.fixture
def mount(built: BuiltArchive) -> Iterator[RunningMount]:
    """Give a mount where anna and ben bring files for a study; lea may only look."""
    fill(built)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        accounts = folder / "accounts.json"
        accounts.write_text(json.dumps({"anna": ADA, "ben": BEN, "lea": CYD}))
        with running_staging(built, "all", folder / "mount", "--accounts", str(accounts)) as mount:
            yield mount
        assert mount.log == ""


BRING = """
import os
os.makedirs({exam!r} + "/sub")
with open({exam!r} + "/sub/file", "wb") as file:
    file.write(b"hers")
kept = os.open({exam!r} + "/kept", os.O_CREAT | os.O_RDWR)
os.write(kept, b"kept")
answer = sorted(os.listdir({exam!r}))
"""


def test_nobody_reaches_what_another_brings(mount: RunningMount, ada: Person, ben: Person) -> None:
    hers = f"{mount.path}/anna"
    assert ada.do(BRING.format(exam=f"{hers}/{STUDY}/E001")) == ["kept", "sub"]
    path = f"{hers}/{STUDY}/E001/sub/file"
    for attempt in (
        f"import os; answer = os.listdir({hers!r})",
        f"import os; answer = os.stat({path!r}).st_size",
        f"answer = open({path!r}).read()",
        f"answer = open({path!r}, 'w')",
        f"import os; os.unlink({path!r})",
        f"import os; os.mkdir({hers + '/' + STUDY + '/E002'!r})",
        f"import os; os.rename({hers!r}, {str(mount.path) + '/x'!r})",
    ):
        assert ben.do(attempt) == "EACCES"
    assert ben.do(f"import os; answer = os.listdir({str(mount.path)!r})") == "EACCES"
    with pytest.raises(PermissionError):  # root is let past the mode bits, and refused by the handlers
        Path(path).read_bytes()
    with pytest.raises(PermissionError):
        (Path(hers) / STUDY / "E009").mkdir()
    assert ben.do(f"import os; answer = os.listdir({str(mount.path) + '/ben/' + STUDY!r})") == []


def test_the_role_limited_has_an_empty_folder(mount: RunningMount, cyd: Person) -> None:
    assert cyd.do(f"import os; answer = os.listdir({str(mount.path) + '/lea'!r})") == []
    assert cyd.do(f"import os; os.mkdir({str(mount.path) + '/lea/' + STUDY + '/E001'!r})") in {"ENOENT", "EACCES"}


def test_a_mount_that_was_stopped_follows_all_that_happened_meanwhile(
    mount: RunningMount, built: BuiltArchive, ada: Person, ben: Person
) -> None:
    for who, login in ((ada, "anna"), (ben, "ben")):
        who.do(BRING.format(exam=f"{mount.path}/{login}/{STUDY}/E001"))
    mount.process.send_signal(signal.SIGSTOP)
    try:
        administration.set_role(built.database, ROOT, "ben", Role.LIMITED)
        administration.remove_user(built.database, ROOT, "ben")
        administration.set_role(built.database, ROOT, "anna", Role.LIMITED)
    finally:
        mount.process.send_signal(signal.SIGCONT)
    for who in (ada, ben):
        assert eventually(lambda who=who: who.do("answer = len(os.pread(kept, 10, 0))") in {"ENOENT", "EACCES", "EIO"})


@pytest.mark.parametrize("lost", ["grant", "role"])
def test_what_is_revoked_ends_at_once(mount: RunningMount, built: BuiltArchive, ada: Person, lost: str) -> None:
    exam = f"{mount.path}/anna/{STUDY}/E001"
    ada.do(BRING.format(exam=exam))
    ada.do(f"os.chdir({exam!r})")
    if lost == "grant":
        administration.remove_grant(built.database, ROOT, "anna", STUDY)
    else:
        administration.set_role(built.database, ROOT, "anna", Role.LIMITED)
    gone = {"ENOENT", "EACCES", "EIO"}
    for attempt in (
        "answer = os.write(kept, b'more')",
        "answer = len(os.pread(kept, 10, 0))",
        "answer = os.listdir('.')",
        "answer = open('sub/file').read()",
        "answer = open('new', 'w').name",
        f"answer = os.stat({exam!r}).st_size",
        f"os.mkdir({exam!r} + 'x')",
    ):
        assert eventually(lambda attempt=attempt: ada.do(attempt) in gone), attempt  # type: ignore[misc] # bound now
