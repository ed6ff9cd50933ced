"""What a user still reaches after a grant was removed, by what they held before: nothing, within the mount's poll (0.2 s)."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from catalog.administration import add_grant, remove_grant, remove_user, set_role
from catalog.pure.access import Role
from tests.attacks.conftest import ADA, CYD, FILE, ROOT, SERIES, STUDY, Site
from tests.attacks.people import Person, person
from tests.attacks.test_isolation import GONE, names, read, stat
from tests.behaviour.suite import eventually

# Each: what ada holds (`path` is a file, `series` its folder), and what she then tries.
HOLDS = {
    "a name": ("os.stat(path)", "answer = os.stat(path).st_size"),
    "a name that is opened": ("os.stat(path)", "answer = len(open(path, 'rb').read())"),
    "an open file, its pages cached": ("kept = os.open(path, 0); os.read(kept, 100000)", "answer = len(os.pread(kept, 10, 0))"),
    "an open file that was never read": ("kept = os.open(path, 0)", "answer = len(os.pread(kept, 10, 0))"),
    "attributes of an open file": ("kept = os.open(path, 0)", "answer = os.fstat(kept).st_size"),
    "a duplicate": ("kept = os.dup(os.open(path, 0)); os.read(kept, 9)", "answer = len(os.pread(kept, 10, 0))"),
    "/proc/self/fd": ("kept = os.open(path, 0); os.read(kept, 9)", "answer = len(open(f'/proc/self/fd/{kept}', 'rb').read())"),
    "a path descriptor": ("kept = os.open(path, os.O_PATH)", "answer = len(open(f'/proc/self/fd/{kept}', 'rb').read())"),
    "a folder's descriptor": ("kept = os.open(series, 0)", "answer = len(os.listdir(kept))"),
    "openat in a folder's descriptor": (
        "kept = os.open(series, 0); os.stat('00001.dcm', dir_fd=kept)", "answer = os.open('00001.dcm', 0, dir_fd=kept)",
    ),
    "stat in a folder's descriptor": (
        "kept = os.open(series, 0); os.stat('00001.dcm', dir_fd=kept)", "answer = os.stat('00001.dcm', dir_fd=kept).st_size",
    ),
    "a working directory": ("os.chdir(series); open('00001.dcm', 'rb').read()", "answer = len(open('00001.dcm', 'rb').read())"),
    "names in a working directory": ("os.chdir(series); os.listdir('.')", "answer = len(os.listdir('.'))"),
    "the way up from a working directory": ("os.chdir(series)", "answer = len(os.listdir('..'))"),
    "copy_file_range and sendfile": (
        "kept = os.open(path, 0); os.read(kept, 9)",
        "import socket; a, b = socket.socketpair(); answer = os.sendfile(a.fileno(), kept, 0, 10)",
    ),
}  # fmt: skip

_NAMED = "import os; path = {path!r}; series = {series!r}\n"
_MAPPED = """
import mmap, os
fd = os.open({path!r}, 0)
kept = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
os.close(fd)
answer = sum(kept[::4096])
"""
_TOUCH = """
pid = os.fork()
if not pid:
    sum(kept[::4096])
    os._exit(0)
answer = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""
_SIGBUS = -7


def held(site: Site, login: str) -> str:
    return _NAMED.format(path=f"{site.folder(login)}/{FILE}", series=f"{site.folder(login)}/{SERIES}")


def require_refused(site: Site, ada: Person, cyd: Person, held_by_ada: str) -> None:
    """What ada holds is refused once her grant is gone; what cyd holds is not."""
    hold, attempt = HOLDS[held_by_ada]
    assert ada.do(held(site, "ada") + hold) is None
    assert ada.do(attempt) not in GONE
    remove_grant(site.built.database, ROOT, "ada", STUDY)
    assert eventually(lambda: ada.do(attempt) in GONE)
    assert cyd.do(read(f"{site.folder('cyd')}/{FILE}")) == 100_000


@pytest.mark.parametrize("held_by_ada", HOLDS)
def test_what_is_held_is_refused(site: Site, ada: Person, cyd: Person, held_by_ada: str) -> None:
    require_refused(site, ada, cyd, held_by_ada)


def test_the_study_is_gone_from_the_list_and_by_name(site: Site, ada: Person) -> None:
    assert ada.do(names(f"{site.folder('ada')}/{STUDY}")) == ["E001"]
    remove_grant(site.built.database, ROOT, "ada", STUDY)
    assert ada.do(names(site.folder("ada"))) == []
    assert eventually(lambda: ada.do(stat(f"{site.folder('ada')}/{STUDY}")) == "ENOENT")


def test_a_mount_that_was_stopped_follows_all_that_happened_meanwhile(site: Site, ada: Person, cyd: Person) -> None:
    """A role change of a user who is removed in the same moment keeps nobody else's revocation from being followed."""
    path = f"{site.folder('ada')}/{FILE}"
    ada.do(f"import os; kept = os.open({path!r}, 0); os.read(kept, 100)")
    cyd.do(f"import os; kept = os.open({site.folder('cyd') + '/' + FILE!r}, 0); os.read(kept, 100)")
    site.mount.process.send_signal(signal.SIGSTOP)
    try:
        set_role(site.built.database, ROOT, "cyd", Role.STANDARD)
        remove_user(site.built.database, ROOT, "cyd")
        remove_grant(site.built.database, ROOT, "ada", STUDY)
    finally:
        site.mount.process.send_signal(signal.SIGCONT)
    for person_ in (ada, cyd):
        assert eventually(lambda who=person_: who.do("answer = len(os.pread(kept, 10, 50000))") in GONE)
    assert site.mount.log == ""


def test_mapped_pages_end_in_sigbus(site: Site, ada: Person) -> None:
    path = f"{site.folder('ada')}/{FILE}"
    assert ada.do(_MAPPED.format(path=path))
    assert ada.do(_TOUCH) == 0
    remove_grant(site.built.database, ROOT, "ada", STUDY)
    assert eventually(lambda: ada.do(_TOUCH) == _SIGBUS)


def test_a_descriptor_passed_to_another_user_ends_with_its_owners_grant(site: Site, ada: Person, ben: Person) -> None:
    """Before, it reads: who may read may also copy. After, it does not."""
    path, where = f"{site.folder('ada')}/{FILE}", f"\0archimed-test-{ada.process.pid}"
    ben.do(f"import os, socket; s = socket.socket(socket.AF_UNIX); s.bind({where!r}); s.listen()")
    ada.do(
        f"import os, socket; c = socket.socket(socket.AF_UNIX); c.connect({where!r})\n"
        f"socket.send_fds(c, [b'x'], [os.open({path!r}, 0)])"
    )
    ben.do("got = socket.recv_fds(s.accept()[0], 1, 1)[1][0]")
    assert ben.do("answer = len(os.pread(got, 10, 0))") == 10
    assert ben.do("answer = len(open(f'/proc/self/fd/{got}', 'rb').read())") == "EACCES"
    remove_grant(site.built.database, ROOT, "ada", STUDY)
    assert eventually(lambda: ben.do("answer = len(os.pread(got, 10, 0))") in GONE)


def test_what_was_open_stays_refused_when_the_study_is_granted_again(site: Site, ada: Person) -> None:
    """Grant, revoke, grant: what a revocation ended does not come back; what is opened anew is readable."""
    path = f"{site.folder('ada')}/{FILE}"
    database = site.built.database
    ada.do(f"import os; kept = os.open({path!r}, 0); os.read(kept, 100)")
    for _ in range(20):
        remove_grant(database, ROOT, "ada", STUDY)
        add_grant(database, ROOT, "ada", STUDY)
    assert eventually(lambda: ada.do("answer = len(os.pread(kept, 10, 50000))") == "EACCES")
    assert eventually(lambda: ada.do(read(path)) == 100_000)
    remove_grant(database, ROOT, "ada", STUDY)
    assert eventually(lambda: ada.do(read(path)) in GONE)


_READ_UNTIL = """
import errno, os
answer = {{"read": 0, "refused": 0}}
while not os.path.exists({end!r}):
    try:
        for name in os.listdir({series!r}):
            with open({series!r} + "/" + name, "rb") as file:
                assert file.read(1) == bytes([int(name[:5])])
                answer["read"] += 1
    except OSError as error:
        assert error.errno in (errno.ENOENT, errno.EACCES), error
        answer["refused"] += 1
"""


def test_two_hundred_revocations_while_eight_read(site: Site) -> None:
    """Neither deadlock nor harm: ada's readers are refused and let in again; cyd's, of the same study, are never refused."""
    end = site.accounts.with_name("end")
    with ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        readers = [(login, stack.enter_context(person(uid))) for login, uid in [("ada", ADA)] * 4 + [("cyd", CYD)] * 4]
        asked = [
            pool.submit(someone.do, _READ_UNTIL.format(end=str(end), series=f"{site.folder(login)}/{SERIES}"))
            for login, someone in readers
        ]
        try:
            for _ in range(200):
                remove_grant(site.built.database, ROOT, "ada", STUDY)
                time.sleep(0.02)  # so that readers meet both states
                add_grant(site.built.database, ROOT, "ada", STUDY)
                time.sleep(0.02)  # so that readers meet both states
        finally:
            end.touch()
        answers = [future.result(60) for future in asked]
    for (login, _), answer in zip(readers, answers, strict=True):
        assert isinstance(answer, dict), answer
        assert answer["read"] > 0
        assert (answer["refused"] > 0) == (login == "ada")
