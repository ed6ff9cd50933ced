"""What one user reaches of another's tree: nothing, by any way, from the first moment."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from catalog.administration import add_grant, remove_user
from catalog.pure.access import Role
from tests.archimedfs.mounts import TIMEOUT
from tests.attacks.conftest import ADA, BEN, CONTENT, FILE, ROOT, SERIES, STUDY, Site
from tests.attacks.people import Person, person
from tests.behaviour.suite import eventually

DENIED = {"EACCES", "EPERM"}
# Of what was held: the kernel may ask for attributes first, which are not there, or for bytes, which are refused.
GONE = {"ENOENT", "EACCES"}


def read(path: str) -> str:
    return f"answer = len(open({path!r}, 'rb').read())"


def stat(path: str) -> str:
    return f"import os; answer = os.stat({path!r}).st_size"


def names(path: str) -> str:
    return f"import os; answer = sorted(os.listdir({path!r}))"


def test_each_sees_their_own_tree(site: Site, ada: Person, ben: Person) -> None:
    assert ada.do(names(site.folder("ada"))) == [STUDY]
    assert ben.do(names(site.folder("ben"))) == ["OTHER"]
    assert ada.do(read(f"{site.folder('ada')}/{FILE}")) == 100_000


def test_what_another_has_cached_is_refused_at_once(site: Site, ada: Person, ben: Person, cyd: Person) -> None:
    """Names, attributes and pages that ada's reading left in the kernel; cyd has the very same grant."""
    path = f"{site.folder('ada')}/{FILE}"
    assert ada.do(names(f"{site.folder('ada')}/{SERIES}")) == sorted(CONTENT)
    assert ada.do(read(path)) == 100_000
    for stranger in (ben, cyd):
        for ask in (read(path), stat(path), names(site.folder("ada")), names(f"{site.folder('ada')}/{SERIES}")):
            assert stranger.do(ask) == "EACCES"
    assert ada.do(read(path)) == 100_000


def test_no_inode_is_shared_by_two_who_have_the_same_grant(site: Site, ada: Person, cyd: Person) -> None:
    asked = "import os; answer = os.stat({!r}).st_ino"
    assert ada.do(asked.format(f"{site.folder('ada')}/{FILE}")) != cyd.do(asked.format(f"{site.folder('cyd')}/{FILE}"))


def test_a_stranger_cannot_make_names_vanish(site: Site, ada: Person, ben: Person) -> None:
    """Negative entries: what ben asks for and does not get leaves nothing behind that ada would meet."""
    path = f"{site.folder('ada')}/{FILE}"
    ada.do(f"import os; os.chdir({site.folder('ada') + '/' + SERIES!r})")
    for _ in range(3):
        assert ben.do(stat(path)) == "EACCES"
        assert ben.do(stat(f"{site.folder('ben')}/{STUDY}")) == "ENOENT"
        assert ada.do(read(path)) == 100_000
        assert ada.do("import os; answer = os.getcwd()") == f"{site.folder('ada')}/{SERIES}"


def test_the_list_of_users_is_no_users_business(site: Site, ada: Person) -> None:
    assert ada.do(names(str(site.path))) == "EACCES"
    assert ada.do(stat(f"{site.path}/nobody-of-that-name")) == "ENOENT"


def test_names_are_the_logins_and_nothing_like_them(site: Site, ada: Person) -> None:
    for name in ("ADA", "Ada", "ada ", "ada\u200b", "root", "0", "61001"):
        assert ada.do(stat(f"{site.path}/{name}")) == "ENOENT"


def test_root_is_refused_by_the_handlers_even_what_is_cached_as_a_name(site: Site, ada: Person) -> None:
    path = site.path / "ada" / FILE
    assert ada.do(read(str(path))) == 100_000
    for ask in (path.read_bytes, lambda: os.listdir(site.path / "ada"), (site.path / "ada" / "new").stat):  # noqa: PTH208
        with pytest.raises(PermissionError):
            ask()
    assert sorted(os.listdir(site.path)) == ["ada", "ben", "cyd"]  # noqa: PTH208 - one call
    assert ada.do(read(str(path))) == 100_000


def require_user_namespaces() -> None:
    """Skip the test where users may make none."""
    probe = subprocess.run(
        ["unshare", "--user", "--map-root-user", "true"], user=BEN, group=BEN, extra_groups=[], timeout=TIMEOUT, cwd="/"
    )
    if probe.returncode:
        pytest.skip("this machine lets users make no user namespaces")


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare(1) is not installed")
def test_root_of_a_user_namespace_is_who_made_it(site: Site, ada: Person) -> None:
    path = f"{site.folder('ada')}/{FILE}"
    assert ada.do(read(path)) == 100_000
    require_user_namespaces()
    with person(BEN, prefix=("unshare", "--user", "--map-root-user", "--mount")) as mapped:
        assert mapped.do("import os; answer = os.getuid()") == 0
        assert mapped.do(read(path)) == "EACCES"
        assert mapped.do(names(site.folder("ada"))) == "EACCES"


def test_a_layer_over_ones_own_folder_can_be_written(site: Site, ada: Person) -> None:
    """As rootless containers have it: the archive below, changes in a folder of one's own."""
    require_user_namespaces()
    with person(ADA, prefix=("unshare", "--user", "--map-root-user", "--mount")) as inside:
        layers = "/mnt/layers"
        options = f"lowerdir={site.folder('ada')},upperdir={layers}/upper,workdir={layers}/work,userxattr"
        for command in (
            ["mount", "-t", "tmpfs", "tmpfs", "/mnt"],
            ["mkdir", "-p", f"{layers}/upper", f"{layers}/work", f"{layers}/merged"],
            ["mount", "-t", "overlay", "overlay", "-o", options, f"{layers}/merged"],
        ):
            done = inside.do(f"import subprocess; answer = subprocess.run({command!r}, capture_output=True).stderr.decode()")
            if "overlay" in command and done:
                pytest.skip(f"no overlay in a user namespace here: {done}")
            assert done == ""
        path = f"{layers}/merged/{FILE}"
        assert inside.do(read(path)) == 100_000
        assert inside.do(f"with open({path!r}, 'ab') as file: answer = file.write(b'changed')") == len(b"changed")
        assert inside.do(read(path)) == 100_000 + len(b"changed")
        assert ada.do(read(f"{site.folder('ada')}/{FILE}")) == 100_000


def test_a_bind_mount_of_anothers_folder_opens_it_to_nobody(site: Site, ada: Person, ben: Person, tmp_path: Path) -> None:
    assert ada.do(read(f"{site.folder('ada')}/{FILE}")) == 100_000
    target = site.accounts.parent / "bound"
    target.mkdir()
    subprocess.run(["mount", "--bind", site.path / "ada", target], check=True, timeout=TIMEOUT)
    try:
        assert ben.do(names(str(target))) == "EACCES"
        assert ben.do(read(f"{target}/{FILE}")) == "EACCES"
        assert ada.do(read(f"{target}/{FILE}")) == 100_000
    finally:
        subprocess.run(["umount", target], check=True, timeout=TIMEOUT)


_BY_HANDLE = """
import ctypes, os, struct
libc = ctypes.CDLL(None, use_errno=True)
mount = os.open({mount!r}, os.O_RDONLY | os.O_DIRECTORY)
found = []
for size, kind in ((12, 0x81), (12, 1), (8, 1)):
    body = struct.pack("<IIIII", {inode} >> 32, {inode} & 0xffffffff, 0, 0, 0)[:size]
    handle = ctypes.create_string_buffer(struct.pack("<Ii", size, kind) + body)
    fd = libc.open_by_handle_at(mount, handle, os.O_RDONLY)
    found.append("open" if fd >= 0 else os.strerror(ctypes.get_errno()))
answer = found
"""


def test_a_guessed_inode_number_opens_nothing(site: Site, ada: Person, ben: Person) -> None:
    """open_by_handle_at(2): the kernel asks users for a capability they lack; root gets as far as the handlers."""
    path = f"{site.folder('ada')}/{FILE}"
    fd_inode = ada.do(f"import os; kept = os.open({path!r}, os.O_RDONLY); answer = os.fstat(kept).st_ino")
    asked = _BY_HANDLE.format(mount=site.folder("ben"), inode=fd_inode)
    assert set(ben.do(asked)) <= {"Operation not permitted", "Permission denied", "Stale file handle", "Invalid argument"}
    with person(0) as root:
        answers = root.do(_BY_HANDLE.format(mount=str(site.path), inode=fd_inode))
    assert "Permission denied" in answers
    assert "open" not in answers


def test_anothers_process_is_no_way_in(site: Site, ada: Person, ben: Person) -> None:
    path = f"{site.folder('ada')}/{SERIES}"
    fd = ada.do(f"import os; os.chdir({path!r}); kept = os.open('00001.dcm', os.O_RDONLY); answer = kept")
    ada.do("import os; os.read(kept, 10)")
    proc = f"/proc/{ada.process.pid}"
    for way in (f"{proc}/cwd/00001.dcm", f"{proc}/fd/{fd}", f"{proc}/root{path}/00001.dcm"):
        assert ben.do(read(way)) in DENIED


@pytest.mark.parametrize(
    "code",
    [
        "os.link({file!r}, {folder!r} + '/hard')", "os.link({file!r}, '/tmp/archimed-hard')",
        "os.symlink('/etc/passwd', {folder!r} + '/soft')", "os.utime({file!r})", "os.chmod({file!r}, 0o4755)",
        "os.chown({file!r}, 0, 0)", "os.open({file!r}, os.O_WRONLY)", "os.truncate({file!r}, 0)", "os.unlink({file!r})",
        "os.rename({file!r}, {file!r} + 'x')", "os.mkdir({folder!r} + '/new')", "os.mknod({folder!r} + '/new')",
    ],
)  # fmt: skip
def test_nothing_is_written_by_the_owner_either(site: Site, ada: Person, code: str) -> None:
    file = f"{site.folder('ada')}/{FILE}"
    answer = ada.do("import os; " + code.format(file=file, folder=f"{site.folder('ada')}/{SERIES}"))
    assert answer in {"EROFS", "EXDEV", "EPERM", "EACCES"}


def test_a_login_with_a_new_unix_number_sees_nothing_old_and_the_old_number_nothing_more(site: Site, ada: Person) -> None:
    """Refused when the mount looks at accounts again (10 s) or the folder is looked up, whichever comes first."""
    path = f"{site.folder('ada')}/{FILE}"
    ada.do(f"import os; kept = os.open({path!r}, os.O_RDONLY); os.read(kept, 100)")
    site.set_accounts(ada=61_009, ben=BEN)
    with person(61_009) as successor:
        assert successor.do(f"import time; until = time.monotonic() + 30\n"
                            f"while time.monotonic() < until:\n"
                            f"    try:\n        answer = len(open({path!r}, 'rb').read()); break\n"
                            f"    except OSError: time.sleep(0.1)") == 100_000  # fmt: skip
    assert eventually(lambda: ada.do("answer = len(os.pread(kept, 100, 0))") in GONE)
    assert ada.do(read(path)) == "EACCES"


def test_a_removed_user_who_is_added_again_is_another_user(site: Site, ada: Person) -> None:
    path = f"{site.folder('ada')}/{FILE}"
    inode = ada.do(f"import os; kept = os.open({path!r}, os.O_RDONLY); answer = os.fstat(kept).st_ino")
    remove_user(site.built.database, ROOT, "ada")
    assert eventually(lambda: ada.do("import os; answer = len(os.pread(kept, 10, 0))") in GONE)
    assert eventually(lambda: ada.do(stat(site.folder("ada"))) == "ENOENT")
    site.built.user("ada", Role.LIMITED)
    assert ada.do(names(site.folder("ada"))) == []
    add_grant(site.built.database, ROOT, "ada", STUDY)
    assert ada.do(read(path)) == 100_000
    assert ada.do(f"import os; answer = os.stat({path!r}).st_ino") != inode


def test_a_user_who_is_added_later_appears_and_one_without_account_does_not(site: Site) -> None:
    with person(61_004) as dan:
        assert dan.do(stat(site.folder("dan"))) == "ENOENT"
        site.built.user("dan")
        site.built.grant("dan", STUDY)
        assert dan.do(stat(site.folder("dan"))) == "ENOENT"
        site.set_accounts(ada=ADA, ben=BEN, dan=61_004)
        assert dan.do(read(f"{site.folder('dan')}/{FILE}")) == 100_000
