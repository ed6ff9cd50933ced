"""The view: what a principal finds, lists and reads, and what stays hidden."""

from collections.abc import Callable

import pytest

from catalog.pure.errors import Damaged, IsADirectory, NotADirectory, NotFound
from catalog.pure.nodes import ROOT_ID
from tests.builders import BuiltArchive

SERIES = "2008-0003/E001/003_DCM_MR_t1_mprage"


@pytest.fixture
def filled(built_anywhere: BuiltArchive) -> BuiltArchive:
    built = built_anywhere
    built.user("ada")
    built.user("bob")
    for code in ("2008-0003", "secret"):
        built.study(code)
    built.grant("ada", "2008-0003")
    built.add_series(SERIES, {f"{n:05d}.dcm": b"image %d" % n for n in range(1, 26)}, mtime=1_200_000_000)
    built.add_series("secret/E9/001_DCM_CT", {"00001.dcm": b"hidden"})
    return built


def test_a_path_leads_to_the_bytes(filled: BuiltArchive) -> None:
    view = filled.view("ada")
    node = view.resolve(f"{SERIES}/00007.dcm")
    assert (node.name, node.size, node.mtime) == ("00007.dcm", 7, 1_200_000_000)
    opened = view.open(node.id)
    assert opened.read_at(0, 100) == b"image 7"
    opened.close()


def test_the_root_lists_granted_studies_only(filled: BuiltArchive) -> None:
    assert [node.name for node in filled.view("ada").walk(ROOT_ID)] == ["2008-0003"]
    assert list(filled.view("bob").walk(ROOT_ID)) == []


@pytest.mark.parametrize("path", ["secret", "secret/E9", "secret/E9/001_DCM_CT/00001.dcm", "nowhere", "2008-0003/e001"])
def test_not_granted_is_not_found(filled: BuiltArchive, path: str) -> None:
    with pytest.raises(NotFound):
        filled.view("ada").resolve(path)


def test_rows_of_a_study_that_is_not_granted_are_out_of_reach(filled: BuiltArchive) -> None:
    """Guessing a row, as by an old inode number, finds nothing at any level."""
    filled.grant("bob", "secret")
    path, bob, ada = "secret/E9/001_DCM_CT/00001.dcm", filled.view("bob"), filled.view("ada")
    for depth in range(1, 5):
        node = bob.resolve("/".join(path.split("/")[:depth]))
        with pytest.raises(NotFound):
            ada.attributes(node.id)
        if node.is_folder:
            assert ada.children(node.id) == []
        else:
            with pytest.raises(NotFound):
                ada.open(node.id)


def test_a_grant_that_is_gone_is_gone_with_the_next_call(filled: BuiltArchive) -> None:
    view = filled.view("ada")
    node = view.resolve(f"{SERIES}/00001.dcm")
    filled.revoke("ada", "2008-0003")
    with pytest.raises(NotFound):
        view.open(node.id)
    assert view.children(ROOT_ID) == []


@pytest.mark.parametrize("page", [1, 7, 25, 1000])
def test_paging_gives_every_child_once_in_order(filled: BuiltArchive, page: int) -> None:
    view = filled.view("ada")
    names = [node.name for node in view.walk(view.resolve(SERIES).id, page)]
    assert names == [f"{n:05d}.dcm" for n in range(1, 26)]


def test_folders_are_not_files_and_files_not_folders(filled: BuiltArchive) -> None:
    view = filled.view("ada")
    with pytest.raises(IsADirectory):
        view.open(view.resolve(SERIES).id)
    file = view.resolve(f"{SERIES}/00001.dcm").id
    with pytest.raises(NotADirectory):
        view.children(file)
    with pytest.raises(NotADirectory):
        view.lookup(file, "x")


def test_an_object_that_is_missing_is_damage_and_names_no_path(filled: BuiltArchive) -> None:
    view = filled.view("ada")
    node = view.resolve(f"{SERIES}/00001.dcm").id
    for path in (filled.folder / "var/store/2008-0003/objects").rglob("*"):
        if path.is_file():
            path.unlink()
    with pytest.raises(Damaged) as caught:
        view.open(node)
    assert str(filled.folder) not in str(caught.value)
    assert caught.value.__cause__ is None


def test_names_keep_their_case(filled: BuiltArchive) -> None:
    filled.add_series("2008-0003/E001/004_NIFTI", {"Brain.nii": b"x"})
    view = filled.view("ada")
    assert [n.name for n in view.walk(view.resolve("2008-0003/E001/004_NIFTI").id)] == ["Brain.nii"]
    with pytest.raises(NotFound):
        view.resolve("2008-0003/E001/004_NIFTI/brain.nii")


def test_a_whole_path_leads_where_its_names_lead_one_by_one(filled: BuiltArchive) -> None:
    filled.add_series("2008-0003/E001/003_RESULT_x", {"a/b/Mask.nii": b"x", "top.nii": b"y"})
    found = ["", "2008-0003", "2008-0003/E001", SERIES, f"{SERIES}/00001.dcm", "2008-0003/E001/003_RESULT_x/a"]
    found += [f"2008-0003/E001/003_RESULT_x/{rest}" for rest in ("a/b", "a/b/Mask.nii", "top.nii")]
    changes = (("E001", "e001"), ("0003", "0004"), ("nii", "NII"), ("dcm", "Dcm"))
    missing = [path.replace(*change) for path in found for change in changes]
    missing += [
        "secret/E9",
        "secret/E9/001_DCM_CT",
        "secret/E9/001_DCM_CT/00001.dcm",
        "2008-0003/\0/x",
        f"{SERIES}/00001.dcm/x",
    ]
    view = filled.view("ada")

    def one_by_one(path: str) -> object:
        node = view.attributes(ROOT_ID)
        for name in filter(None, path.split("/")):
            node = view.lookup(node.id, name)
        return node

    def outcome(ask: Callable[[str], object], path: str) -> object:
        try:
            return ask(path)
        except (NotFound, NotADirectory) as error:
            return type(error)

    for path in found + missing:
        assert outcome(view.resolve, path) == outcome(one_by_one, path), path
    assert all(not isinstance(outcome(view.resolve, path), type) for path in found)
