"""Names that no file can have, as clients and programs ask for them: not found, on every database."""

import unicodedata

import pytest

from catalog.pure.errors import NotFound
from catalog.pure.nodes import ROOT_ID
from tests.builders import BuiltArchive

ODD = ["a\0b", "\0", "\ud800", "not utf-8 \udcff", "x" * 100_000, "..", ".", "%", "' or 1=1 --", "日本", ""]


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_a_name_that_nothing_has_is_not_found_at_any_level(built_anywhere: BuiltArchive, name: str) -> None:
    built = built_anywhere
    built.user("ada")
    built.study("S1")
    built.grant("ada", "S1")
    built.add_series("S1/E1/001_DCM_MR", {"00001.dcm": b"x"})
    view = built.view("ada")
    for path in ("", "S1", "S1/E1", "S1/E1/001_DCM_MR"):
        parent = view.resolve(path)
        with pytest.raises(NotFound):
            view.lookup(parent.id, name)
    assert [node.name for node in view.children(ROOT_ID)] == ["S1"]


def test_a_name_is_found_decomposed_and_a_path_in_any_case(built_anywhere: BuiltArchive) -> None:
    built = built_anywhere
    built.user("ada")
    built.study("S1")
    built.grant("ada", "S1")
    built.add_series("S1/E1/001_RESULT_tête", {"Müller.txt": b"x", "Größe/Ä.txt": b"y"})
    view = built.view("ada")
    for path in ("S1/E1/001_RESULT_tête/Müller.txt", "S1/E1/001_RESULT_tête/Größe/Ä.txt"):
        node = view.resolve(path)
        assert view.resolve(unicodedata.normalize("NFD", path)) == node
        for sent in (path.upper(), path.lower()):
            assert view.resolve(sent, any_case=True) == node
            with pytest.raises(NotFound):
                view.resolve(sent)
    series = view.resolve("S1/E1/001_RESULT_tête")
    exam = view.resolve("S1/E1")
    assert view.lookup(exam.id, unicodedata.normalize("NFD", series.name)) == series
    with pytest.raises(NotFound):
        view.lookup(exam.id, series.name.upper())
    with pytest.raises(NotFound):
        view.resolve("S1/E1/001_RESULT_tete")
