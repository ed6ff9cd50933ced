"""Creating studies and looking at them."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.administration import Actor, add_grant, add_user, create_study, list_studies, show_study
from catalog.database.tables import studies
from catalog.pure.access import Role
from catalog.pure.errors import Conflict, Invalid, NotFound, Refused, Unavailable
from catalog.pure.names import folded
from tests.catalog.administration.conftest import ROOT, Office


def test_study_stands_in_catalogue_store_and_audit(office: Office) -> None:
    create_study(office.database, office.store, ROOT, "2008-0003", description="Höhe", end_date="2031-02-28", profile="x = 1")
    (study,) = list_studies(office.database)
    assert (study.code, study.description, study.end_date, study.own_profile) == ("2008-0003", "Höhe", "2031-02-28", True)
    about = json.loads((office.folder / "2008-0003" / "study.json").read_text())
    assert about == {
        "format": 1, "study": "2008-0003", "description": "Höhe", "end_date": "2031-02-28", "profile": "x = 1",
        "created": study.created,
    }  # fmt: skip
    assert office.audited() == [("study.create", "2008-0003", "2008-0003")]


@pytest.mark.parametrize(("again", "says"), [("Ab1", "a study Ab1 already"), ("aB1", "more than upper and lower case")])
def test_code_is_taken_whatever_its_case(office: Office, again: str, says: str) -> None:
    create_study(office.database, office.store, ROOT, "Ab1")
    with pytest.raises(Conflict, match=says):
        create_study(office.database, office.store, ROOT, again)
    assert len(list_studies(office.database)) == len(office.audited()) == 1


@pytest.mark.parametrize("end_date", ["2031-02-30", "20310228", "2031-W01-1", "soon", "", "2031-2-8", "2031-02-28T10:00"])
def test_end_date_is_a_day(office: Office, end_date: str) -> None:
    with pytest.raises(Invalid, match="YYYY-MM-DD"):
        create_study(office.database, office.store, ROOT, "S", end_date=end_date)


@pytest.mark.parametrize("description", ["a\nb", "a\0b", "\x1b[31mred", "\udce9"])
def test_description_is_one_printable_line(office: Office, description: str) -> None:
    with pytest.raises(Invalid, match="one line"):
        create_study(office.database, office.store, ROOT, "S", description=description)


def test_study_without_folders_is_not_created(office: Office) -> None:
    (office.folder / "S").write_text("in the way")
    with pytest.raises(Unavailable):
        create_study(office.database, office.store, ROOT, "S")
    assert list_studies(office.database) == []
    assert office.audited() == []


def test_show_names_who_sees_it(office: Office) -> None:
    create_study(office.database, office.store, ROOT, "S")
    for login in ("bob", "Ada", "eve"):
        add_user(office.database, ROOT, login, Role.LIMITED)
    for login in ("bob", "Ada"):
        add_grant(office.database, ROOT, login, "S")
    details = show_study(office.database, "s")
    assert (details.study.code, details.profile, details.users, details.exams) == ("S", None, ["Ada", "bob"], 0)
    with pytest.raises(NotFound):
        show_study(office.database, "T")


@pytest.mark.parametrize("role", list(Role))
def test_who_acts_as_a_login_needs_its_role(office: Office, role: Role) -> None:
    add_user(office.database, ROOT, "ada", role)
    actor = Actor("unix-ada", "ada")
    if role is Role.ADMINISTRATOR:
        create_study(office.database, office.store, actor, "S")
        assert office.audited()[-1] == ("study.create", "S", "S")
    else:
        with pytest.raises(Refused, match=f"the role {role.value} may not administer"):
            create_study(office.database, office.store, actor, "S")
        assert list_studies(office.database) == []
        assert not (office.folder / "S").exists()


def test_acting_as_nobody_known(office: Office) -> None:
    with pytest.raises(NotFound, match="no user ghost"):
        create_study(office.database, office.store, Actor("root", "ghost"), "S")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(codes=st.lists(st.one_of(st.text(max_size=70), st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,3}\Z")), max_size=4))
def test_whatever_code_is_asked_for(office: Office, codes: list[str]) -> None:
    for code in codes:
        before = {folded(study.code) for study in list_studies(office.database)}
        try:
            create_study(office.database, office.store, ROOT, code)
        except Conflict:
            assert folded(code) in before
        except Invalid:
            assert folded(code) not in before
        else:
            assert folded(code) not in before
            assert (office.folder / code / "study.json").is_file()
            assert (office.folder / code).parent == office.folder
    assert {study.code for study in list_studies(office.database)} == {
        path.name for path in office.folder.iterdir() if path.is_dir()
    }


@pytest.mark.parametrize("again", ["S", "s"])
def test_a_study_that_only_the_store_knows_is_not_begun_anew(office: Office, again: str) -> None:
    create_study(office.database, office.store, ROOT, "S", description="the one")
    before = (office.folder / "S" / "study.json").read_bytes()
    deposit = office.store.deposit("S", "1")
    file = deposit.new()
    file.write(b"bytes")
    deposit.add(file)
    deposit.settle()
    deposit.close()
    with office.database.write() as connection:
        connection.execute(studies.delete())
    with pytest.raises(Conflict, match="archimed rebuild"):
        create_study(office.database, office.store, ROOT, again, description="another")
    assert (office.folder / "S" / "study.json").read_bytes() == before
    assert list_studies(office.database) == []
