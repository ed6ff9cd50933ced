"""Revocation where the catalogue is asked in other threads: PostgreSQL, and SQLite made to. The promises are the same."""

from collections.abc import Iterator

import pytest

from catalog.administration import add_grant, remove_user, set_role
from catalog.audit import Wanted, list_reads
from catalog.pure.access import Role
from tests.attacks.conftest import FILE, ROOT, SERIES, STUDY, Site, open_site
from tests.attacks.people import Person
from tests.attacks.test_isolation import GONE, names, read
from tests.attacks.test_revocation import (
    require_refused,
    test_mapped_pages_end_in_sigbus,
    test_two_hundred_revocations_while_eight_read,
    test_what_was_open_stays_refused_when_the_study_is_granted_again,
)
from tests.behaviour.suite import eventually
from tests.builders import BuiltArchive

# Run here once more, on this module's `site`.
__all__ = [
    "test_mapped_pages_end_in_sigbus",
    "test_two_hundred_revocations_while_eight_read",
    "test_what_was_open_stays_refused_when_the_study_is_granted_again",
]
_SOME = (
    "an open file, its pages cached",
    "a name that is opened",
    "a working directory",
    "/proc/self/fd",
    "a folder's descriptor",
)


@pytest.fixture
def site(built_anywhere: BuiltArchive) -> Iterator[Site]:
    options = ["--in-thread"] if built_anywhere.database.is_sqlite else []
    with open_site(built_anywhere, *options, "--audit-seconds", "0.2") as site:
        yield site


@pytest.mark.parametrize("held_by_ada", _SOME)
def test_what_is_held_is_refused(site: Site, ada: Person, cyd: Person, held_by_ada: str) -> None:
    require_refused(site, ada, cyd, held_by_ada)


def test_a_user_who_is_removed_and_added_again_holds_nothing(site: Site, ada: Person) -> None:
    ada.do(f"import os; kept = os.open({site.folder('ada') + '/' + FILE!r}, 0); os.read(kept, 100)")
    remove_user(site.built.database, ROOT, "ada")
    assert eventually(lambda: ada.do("answer = len(os.pread(kept, 10, 50000))") in GONE)
    site.built.user("ada")
    add_grant(site.built.database, ROOT, "ada", STUDY)
    assert eventually(lambda: ada.do(read(f"{site.folder('ada')}/{FILE}")) == 100_000)
    assert ada.do("answer = len(os.pread(kept, 10, 50000))") in GONE


def test_another_role_reads_the_same(site: Site, ada: Person) -> None:
    """A role says what may be done; what may be seen is granted study by study."""
    path = f"{site.folder('ada')}/{FILE}"
    ada.do(f"import os; kept = os.open({path!r}, 0); os.read(kept, 100)")
    for role in (Role.ADMINISTRATOR, Role.POWER, Role.STANDARD, Role.LIMITED):
        set_role(site.built.database, ROOT, "ada", role)
        assert ada.do(read(path)) == 100_000
        assert ada.do(names(site.folder("ada"))) == [STUDY], "no role sees a study that is not granted"
    assert ada.do("answer = len(os.pread(kept, 10, 50000))") == 10


def test_each_users_reads_are_their_own(site: Site, ada: Person, cyd: Person) -> None:
    for login, someone in (("ada", ada), ("cyd", cyd)):
        assert someone.do(read(f"{site.folder(login)}/{FILE}")) == 100_000

    def found() -> set[tuple[str, str, str]]:
        return {(row.login, row.face, row.series) for row in list_reads(site.built.database, Wanted())}

    series = SERIES.rsplit("/", 1)[1]
    assert eventually(lambda: found() == {("ada", "mount", series), ("cyd", "mount", series)})
    assert all(row.program.startswith("python3") for row in list_reads(site.built.database, Wanted()))
