"""What a user still reaches after a part of a study was taken back, or after a grant ended by itself; and what goes on."""

import pytest

from catalog import changes
from catalog.administration import add_centre, add_grant, assign, remove_grant
from catalog.database.tables import grants
from tests.attacks.conftest import FILE, ROOT, STUDY, Site
from tests.attacks.people import Person
from tests.attacks.test_isolation import GONE, names, read, stat
from tests.attacks.test_revocation import HOLDS, held
from tests.behaviour.suite import eventually

OTHER = "E002"
OTHER_FILE = f"{STUDY}/{OTHER}/001_DCM_MR_x/00001.dcm"


@pytest.fixture
def of_centres(site: Site, ada: Person) -> Site:
    """Give a site where ada sees two centres of the study, an exam each, and cyd the whole study."""
    built = site.built
    built.add_series(f"{STUDY}/{OTHER}/001_DCM_MR_x", {"00001.dcm": b"o" * 5000})
    for centre, exam in (("LYON", "E001"), ("PARIS", OTHER)):
        add_centre(built.database, ROOT, STUDY, centre)
        assign(built.database, ROOT, STUDY, centre, exam_codes=[exam])
    path = f"{site.folder('ada')}/{FILE}"
    ada.do(f"import os; former = os.open({path!r}, 0); os.read(former, 10)")
    remove_grant(built.database, ROOT, "ada", STUDY)
    add_grant(built.database, ROOT, "ada", STUDY, centres=["LYON", "PARIS"])
    # What is opened before the mount knows of that ends with the former grant.
    assert eventually(lambda: ada.do("answer = len(os.pread(former, 10, 0))") in GONE)
    return site


@pytest.mark.parametrize("held_by_ada", ["an open file, its pages cached", "names in a working directory"])
def test_what_is_held_of_a_centre_is_refused_and_of_another_goes_on(of_centres: Site, ada: Person, held_by_ada: str) -> None:
    site = of_centres
    hold, attempt = HOLDS[held_by_ada]
    other = f"{site.folder('ada')}/{OTHER_FILE}"
    assert eventually(lambda: ada.do(names(f"{site.folder('ada')}/{STUDY}")) == ["E001", OTHER])
    ada.do(f"import os; others = os.open({other!r}, 0); os.read(others, 10)")
    assert ada.do(held(site, "ada") + hold) is None
    assert ada.do(attempt) not in GONE
    remove_grant(site.built.database, ROOT, "ada", STUDY, centres=["LYON"])
    assert eventually(lambda: ada.do(attempt) in GONE)
    assert ada.do(names(f"{site.folder('ada')}/{STUDY}")) == [OTHER]
    assert ada.do("answer = len(os.pread(others, 5000, 0))") == 5000
    assert ada.do(read(other)) == 5000


def test_an_exam_that_goes_to_another_centre_is_gone_from_who_has_the_first(of_centres: Site, ada: Person, cyd: Person) -> None:
    site = of_centres
    remove_grant(site.built.database, ROOT, "ada", STUDY, centres=["PARIS"])
    path = f"{site.folder('ada')}/{FILE}"
    ada.do(f"import os; kept = os.open({path!r}, 0); os.read(kept, 10)")
    assign(site.built.database, ROOT, STUDY, "PARIS", exam_codes=["E001"])
    assert eventually(lambda: ada.do("answer = len(os.pread(kept, 10, 0))") in GONE)
    assert eventually(lambda: ada.do(stat(path)) in GONE)
    assert cyd.do(read(f"{site.folder('cyd')}/{FILE}")) == 100_000


def test_a_grant_that_ends_by_itself_ends_open_files_too(site: Site, ada: Person, cyd: Person) -> None:
    path = f"{site.folder('ada')}/{FILE}"
    ada.do(f"import os; kept = os.open({path!r}, 0); os.read(kept, 10)")
    now, _ = changes.ended(site.built.database, 0)
    mine = grants.c.user_id == site.built._user_id("ada")
    with site.built.database.write() as connection:
        connection.execute(grants.update().where(mine).values(until=now + 2))
    assert eventually(lambda: ada.do("answer = len(os.pread(kept, 10, 0))") in GONE)
    assert eventually(lambda: ada.do(names(site.folder("ada"))) == [])
    assert cyd.do(read(f"{site.folder('cyd')}/{FILE}")) == 100_000
