"""The suite that every tree must pass: on the studies, on another tree, and on both under one root."""

from collections.abc import Callable

import pytest

from catalog.administration import principal
from catalog.pure.errors import NotFound
from catalog.pure.nodes import ROOT_ID
from catalog.view import Archive, Beside, Tree, View
from catalog.view.testing import TreeSuite, everything
from tests.behaviour.suite import ODD, SERIES, STUDY
from tests.builders import BuiltArchive
from tests.trees import FIXED, FixedTree


@pytest.fixture
def filled(built: BuiltArchive) -> BuiltArchive:
    built.user("anna")
    for code in (STUDY, "2010-A.7", "SECRET", "other"):
        built.study(code)
    for code in (STUDY, "2010-A.7", "other"):
        built.grant("anna", code)
    built.add_series(SERIES, {f"{number:05d}.dcm": b"%d" % number * 100 for number in range(1, 12)})
    built.add_series(ODD, {"00001.dcm": b"big" * 10_000, "Upper Case.TXT": b"text", "leer.bin": b""})
    built.add_series(f"{STUDY}/E002/003_RESULT_x", {"readme.txt": b"read", "Zones/a.nii": b"zones", "a/b/c.csv": b"deep"})
    built.add_series("SECRET/E001/001_DCM_MR_x", {"00001.dcm": b"secret"})
    return built


@pytest.fixture
def revoke(filled: BuiltArchive) -> Callable[[], None]:
    return lambda: [filled.revoke("anna", code) for code in (STUDY, "2010-A.7", "other")] and None


def view(filled: BuiltArchive, *beside: Beside) -> View:
    return Archive(filled.database, filled.store, beside=beside).view(principal(filled.database, "anna"))


class TestStudies(TreeSuite):
    @pytest.fixture
    def tree(self, filled: BuiltArchive) -> Tree:
        return view(filled)


class TestFixedTree(TreeSuite):
    @pytest.fixture
    def tree(self, filled: BuiltArchive) -> Tree:
        return FixedTree(view(filled), principal(filled.database, "anna"), FIXED.number)


class TestBoth(TreeSuite):
    @pytest.fixture
    def tree(self, filled: BuiltArchive) -> Tree:
        return view(filled, FIXED, Beside("_views/y", 3, FixedTree), Beside("_cohorts", 4, FixedTree))

    def test_both_stand_under_one_root(self, tree: Tree) -> None:
        assert [node.name for node in tree.walk(ROOT_ID)] == ["2008-0003", "2010-A.7", "_cohorts", "_views", "other"]
        assert [node.name for node in tree.walk(tree.resolve("_views").id)] == ["x", "y"]
        assert [node.name for node in tree.walk(tree.resolve("_views/x").id)] == ["sub-01", "sub-02"]
        paths = {each.path for each in everything(tree)}
        assert "_views/x/sub-01/anat/Big.dcm" in paths
        assert "_cohorts/sub-01/anat/T1w.dcm" in paths
        assert f"{SERIES}/00001.dcm" in paths
        assert not any("readme" in path for path in paths if path.startswith("_"))

    def test_nothing_else_begins_with_an_underscore(self, tree: Tree) -> None:
        for path in ("_view", "_Views", "_views/z", "_freezes", "2008-0003/_views"):
            with pytest.raises(NotFound):
                tree.resolve(path)


@pytest.mark.parametrize(("path", "number"), [("views", 5), ("_views/x", 5), ("_y", 2), ("_y", 1), ("_y", 0), ("_y", 32)])
def test_two_trees_never_share_a_place_or_a_number(built: BuiltArchive, path: str, number: int) -> None:
    with pytest.raises(ValueError, match="no tree can stand at"):
        Archive(built.database, built.store, beside=[FIXED, Beside(path, number, FixedTree)])
