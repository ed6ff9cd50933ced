"""Results: which files are one, where its files stand, what a lineage may say."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.pure.errors import Invalid
from catalog.pure.names import folded, safe_name
from catalog.pure.results import Lineage, ResultPath, placed, read_lineage, result_path
from tests.catalog.pure.test_names import is_safe

_NAMES = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=30) | st.sampled_from(
    [
        "a",
        "A",
        "ä",
        "a\u0308",
        "b.csv",
        "B.csv",
        "B_2.csv",
        "b_2.csv",
        "NUL.txt",
        "..",
        ".",
        " x",
        "x ",
        "x.",
        "\ud800",
        "e" * 300 + ".nii.gz",
    ]
)
_PATHS = st.dictionaries(st.integers(1, 50), st.lists(_NAMES, min_size=1, max_size=3), max_size=12)


@pytest.mark.parametrize(
    ("relative", "found"),
    [
        ("003_RESULT_seg/a.nii", ResultPath(3, "seg", ("a.nii",))),
        ("003_RESULT/a.nii", ResultPath(3, "", ("a.nii",))),
        ("0012_RESULT_two words_x/s/b", ResultPath(12, "two words_x", ("s", "b"))),
        ("003_RESULT_seg", None),
        ("003_RESULTS/a", None),
        ("3_RESULT_x/a", None),
        ("sub/003_RESULT_x/a", None),
        ("003_RESULT_x//a", None),
        ("", None),
    ],
)
def test_what_is_a_result(relative: str, found: ResultPath | None) -> None:
    assert result_path(relative) == found


def test_only_the_lineage_at_the_top_is_the_lineage() -> None:
    first, below = result_path("001_RESULT_x/_LINEAGE.json"), result_path("001_RESULT_x/a/_LINEAGE.json")
    assert first is not None
    assert below is not None
    assert (first.is_lineage, below.is_lineage) == (True, False)


@given(_PATHS)
def test_every_file_gets_a_safe_place_of_its_own(paths: dict[int, list[str]]) -> None:
    found = placed(paths)
    assert set(found) == set(paths)
    keys = [tuple(map(folded, parts)) for parts in found.values()]
    assert len(set(keys)) == len(keys)
    files, folders = set(keys), {key[:depth] for key in keys for depth in range(1, len(key))}
    assert not files & folders, "no name is a file and a folder"
    for file, parts in found.items():
        assert len(parts) == len(paths[file])
        assert all(is_safe(part.replace(" ", "x")) and part == part.strip(" ") and len(part.encode()) <= 215 for part in parts)


@given(_PATHS)
def test_what_stood_together_stands_together(paths: dict[int, list[str]]) -> None:
    found = placed(paths)
    for one in paths:
        for other in paths:
            assert (paths[one][:-1] == paths[other][:-1]) == (found[one][:-1] == found[other][:-1])


@given(_PATHS, _PATHS)
def test_what_stands_already_stays_and_no_new_file_takes_its_place(
    before: dict[int, list[str]], late: dict[int, list[str]]
) -> None:
    standing = set(placed(before).values())
    found = placed(late, standing)
    assert set(found) == set(late)
    for file, way in found.items():
        if tuple(late[file]) in standing:
            continue
        taken = {tuple(map(folded, other[:depth])) for other in standing for depth in range(1, len(other) + 1)}
        assert tuple(map(folded, way)) not in taken
    keys = [tuple(map(folded, way)) for way in found.values()]
    ways = {tuple(parts) for parts in late.values()}
    assert len(set(keys)) == len(keys) or ways & standing


@given(_PATHS, st.randoms(use_true_random=False))
def test_the_order_in_which_files_come_does_not_tell(paths: dict[int, list[str]], chance: object) -> None:
    items = list(paths.items())
    chance.shuffle(items)  # type: ignore[attr-defined]
    assert placed(dict(items)) == placed(paths)


@given(_NAMES)
def test_a_safe_name_stays(name: str) -> None:
    assert safe_name(safe_name(name)) == safe_name(name)


@pytest.mark.parametrize("name", ["a b.csv", "lh.pial", ".hidden", "aseg.stats", "tête.nii.gz", "x_2.mat", "100"])
def test_ordinary_names_of_programs_stay(name: str) -> None:
    assert placed({1: ["d", name]}) == {1: ("d", name)}


def test_an_extension_outlives_what_is_too_long() -> None:
    assert safe_name("x" * 300 + ".nii.gz").endswith("x.gz")
    assert len(safe_name("x" * 300 + ".nii.gz")) == 200


def test_a_lineage() -> None:
    text = json.dumps({"program": "FreeSurfer 7.4.1", "sources": ["003_DCM_MR_t1"]}).encode()
    assert read_lineage(text) == Lineage("FreeSurfer 7.4.1", ("003_DCM_MR_t1",))
    assert read_lineage(b"{}") == Lineage()


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"\xff", b'{"program": 1}', b'{"program": "a\\nb"}', b'{"sources": "x"}', b'{"sources": [1]}',
     b'{"patient": "x"}', b"[" * 100_000, b'{"program": "' + b"x" * 201 + b'"}', json.dumps({"sources": ["x"] * 101}).encode()],
)  # fmt: skip
def test_what_is_no_lineage(text: bytes) -> None:
    with pytest.raises(Invalid, match=r"cannot be used: (it is not|it has|program is|sources is)"):
        read_lineage(text)
