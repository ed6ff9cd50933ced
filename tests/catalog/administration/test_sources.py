"""Sources and their reviewers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.administration import (
    add_source,
    add_user,
    create_study,
    list_sources,
    remove_source,
    set_reviewers,
)
from catalog.database.tables import batches
from catalog.pure.access import Role
from catalog.pure.addresses import check_ae_title, check_host
from catalog.pure.batches import State
from catalog.pure.errors import Conflict, Invalid, NotFound, Refused
from tests.catalog.administration.conftest import ROOT, Office


@pytest.fixture
def staffed(office: Office) -> Office:
    """Give an archive with a study and people of several roles."""
    create_study(office.database, office.store, ROOT, "S")
    for login, role in (("ada", Role.STANDARD), ("bob", Role.POWER), ("eve", Role.LIMITED)):
        add_user(office.database, ROOT, login, role)
    return office


def test_source_comes_back_as_added(staffed: Office) -> None:
    add_source(
        staffed.database,
        ROOT,
        "MR1",
        ae_title=" SIEMENS MR ",
        host="2001:DB8::0007",
        reviewers=["BOB", "ada", "bob"],
        study="s",
    )
    (source,) = list_sources(staffed.database)
    assert (source.name, source.ae_title, source.host) == ("MR1", "SIEMENS MR", "2001:db8::7")
    assert (source.study, source.reviewers) == ("S", ("ada", "bob"))
    assert staffed.audited()[-1] == ("source.add", "S", "MR1")


def test_taken_names_and_titles(staffed: Office) -> None:
    add_source(staffed.database, ROOT, "MR1", ae_title="A", reviewers=["ada"])
    with pytest.raises(Conflict, match="a source MR1 already"):
        add_source(staffed.database, ROOT, "mr1", ae_title="B", reviewers=["ada"])
    with pytest.raises(Conflict, match="that AE title and address"):
        add_source(staffed.database, ROOT, "MR2", ae_title="A", reviewers=["ada"])
    add_source(staffed.database, ROOT, "MR2", ae_title="A", host="192.0.2.7", reviewers=["ada"])
    assert [source.name for source in list_sources(staffed.database)] == ["MR1", "MR2"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"reviewers": []}, Invalid),
        ({"reviewers": ["ada", "eve"]}, Refused),
        ({"reviewers": ["ghost"]}, NotFound),
        ({"study": "T"}, NotFound),
        ({"ae_title": "A\\B"}, Invalid),
        ({"ae_title": "   "}, Invalid),
        ({"ae_title": "x" * 17}, Invalid),
        ({"ae_title": "Ä"}, Invalid),
        ({"host": "scanner.example"}, Invalid),
        ({"host": "192.0.2.0/24"}, Invalid),
        ({"name": "a/b"}, Invalid),
    ],
)
def test_what_makes_no_source(staffed: Office, change: dict[str, object], error: type[Exception]) -> None:
    values = {"name": "MR1", "ae_title": "A", "reviewers": ["ada"]} | change
    with pytest.raises(error):
        add_source(staffed.database, ROOT, values.pop("name"), **values)
    assert list_sources(staffed.database) == []


def test_reviewers_are_replaced(staffed: Office) -> None:
    add_source(staffed.database, ROOT, "MR1", ae_title="A", reviewers=["ada"])
    set_reviewers(staffed.database, ROOT, "mr1", ["bob"])
    with pytest.raises(Refused):
        set_reviewers(staffed.database, ROOT, "MR1", ["eve"])
    with pytest.raises(NotFound):
        set_reviewers(staffed.database, ROOT, "MR9", ["bob"])
    assert [source.reviewers for source in list_sources(staffed.database)] == [("bob",)]


def test_source_with_undecided_batches_stays(staffed: Office) -> None:
    add_source(staffed.database, ROOT, "MR1", ae_title="A", reviewers=["ada"])
    (source,) = list_sources(staffed.database)
    values = {
        "state": State.CHECKED.value, "source_id": source.id, "exam_code": "", "files": 0, "bytes": 0, "findings": "[]",
        "summary": "[]", "approved": 0, "reason": "", "opened": 1, "last_write": 1, "decided_by": "",
    }  # fmt: skip
    with staffed.database.write() as connection:
        connection.execute(batches.insert().values(values))
    with pytest.raises(Refused, match="1 batches of MR1"):
        remove_source(staffed.database, ROOT, "MR1")
    with staffed.database.write() as connection:
        connection.execute(batches.update().values(state=State.PUBLISHED.value))
    remove_source(staffed.database, ROOT, "mr1")
    assert list_sources(staffed.database) == []
    with pytest.raises(NotFound):
        remove_source(staffed.database, ROOT, "MR1")


@given(st.text(max_size=20))
def test_ae_titles(title: str) -> None:
    try:
        checked = check_ae_title(title)
    except Invalid:
        assert not 1 <= len(title.strip(" ")) <= 16 or "\\" in title or not (title.isascii() and title.isprintable())
    else:
        assert checked == title.strip(" ")
        assert 1 <= len(checked) <= 16
        assert checked.isascii()
        assert checked.isprintable()
        assert "\\" not in checked


@given(st.ip_addresses(v=4))
def test_one_spelling_for_an_address(address: object) -> None:
    assert check_host(f"::ffff:{address}") == check_host(str(address)) == str(address)
