"""Listings in pages, on the view itself."""

import pytest

from archimedfs import listing
from archimedfs.listing import DOT_DOT, Listing, cookie_of
from catalog.database.tables import files
from catalog.pure.errors import NotFound
from catalog.pure.nodes import ROOT_ID, Node
from tests.builders import BuiltArchive

SERIES = "S1/E1/001_DCM_MR_x"
EPOCH = 0


@pytest.fixture
def opened(built: BuiltArchive, monkeypatch: pytest.MonkeyPatch) -> Listing:
    """Give the listing of a series of 25 files, in pages of 10."""
    monkeypatch.setattr(listing, "PAGE", 10)
    built.user("anna")
    built.study("S1")
    built.grant("anna", "S1")
    built.add_series(SERIES, {f"{2 * number:05d}.dcm": b"x" for number in range(1, 26)})
    view = built.view("anna")
    return Listing(view, view.resolve(SERIES).id)


def behind(opened: Listing, cookie: int) -> list[Node]:
    held = opened.held(cookie, EPOCH)
    return opened.turn(cookie, EPOCH) if held is None else held


def rest(opened: Listing, cookie: int, at_once: int) -> list[str]:
    """List as the kernel does: `at_once` entries a request, the rest of an answer asked again."""
    names = []
    while nodes := behind(opened, cookie)[:at_once]:
        names += [node.name for node in nodes]
        cookie = cookie_of(nodes[-1])
    return names


EVEN = [f"{2 * number:05d}.dcm" for number in range(1, 26)]


@pytest.mark.parametrize("at_once", [1, 3, 10, 100])
def test_each_name_once(opened: Listing, at_once: int) -> None:
    assert rest(opened, DOT_DOT, at_once) == EVEN


def test_what_was_there_is_listed_once_whatever_is_published_meanwhile(opened: Listing, built: BuiltArchive) -> None:
    first = behind(opened, 0)[:4]
    built.add_series(SERIES, {"00001.dcm": b"before", "00005.dcm": b"among", "00031.dcm": b"behind"})
    names = [node.name for node in first] + rest(opened, cookie_of(first[-1]), 3)
    assert [name for name in names if name in EVEN] == EVEN
    assert "00031.dcm" in names
    assert len(names) == len(set(names))


def test_any_earlier_place_can_be_gone_back_to(opened: Listing) -> None:
    cookies = [0]
    while nodes := behind(opened, cookies[-1])[:1]:
        cookies.append(cookie_of(nodes[0]))
    for place in (0, 24, 3, 9, 10, 11, 19, 20, 0, 25):
        assert rest(opened, cookies[place], 4) == EVEN[place:]


def test_from_the_beginning_is_as_it_is_now(opened: Listing, built: BuiltArchive) -> None:
    rest(opened, 0, 100)
    built.add_series(SERIES, {"00001.dcm": b"new"})
    assert rest(opened, 0, 100) == ["00001.dcm", *EVEN]


def test_a_file_that_goes_while_it_is_the_last_one_listed_loses_nothing_else(opened: Listing, built: BuiltArchive) -> None:
    first = behind(opened, 0)
    with built.database.write() as connection:
        connection.execute(files.delete().where(files.c.id == first[-1].id.row))
    assert rest(opened, cookie_of(first[-1]), 4) == EVEN[10:]


def test_a_grant_that_goes_ends_the_listing_with_an_error_not_with_half_a_folder(opened: Listing, built: BuiltArchive) -> None:
    first = behind(opened, 0)
    built.revoke("anna", "S1")
    with pytest.raises(NotFound):
        behind(opened, cookie_of(first[-1]))


def test_the_root_of_a_user_without_grants_is_empty(built: BuiltArchive) -> None:
    built.user("eve")
    assert behind(Listing(built.view("eve"), ROOT_ID), 0) == []


def test_no_more_than_a_page_is_held(opened: Listing) -> None:
    rest(opened, 0, 3)
    assert len(opened._page) <= 10
