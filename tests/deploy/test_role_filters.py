"""The role's filters, which are plain Python."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

_FILE = Path(__file__).parents[2] / "ansible/roles/archimed/filter_plugins/archimed.py"


def filters() -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location("archimed_filters", _FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, Any] = module.FilterModule().filters()
    return found


@pytest.mark.parametrize(("folders", "wanted", "most", "gone"), [
    (["new", "old"], ["new", "new", "new", "old", "by-hand"], 2, []),  # a second run, when the link is the new one's already
    (["new", "old"], ["new", "old", "new", "old", "by-hand"], 2, []),
    (["third", "new", "old"], ["third", "new", "third", "new", "old"], 2, ["old"]),
    (["new", "old", "half"], ["old", "new", "new", "old"], 2, ["half"]),  # gone back; what is half made goes
    (["new", "by-hand"], ["new", "by-hand", "new", "by-hand"], 2, []),
    (["new", "old"], ["new", "old", "new", "old"], 1, ["old"]),
    (["new", "old"], ["new", "old", "new", "old"], 0, ["old"]),  # never the one that runs
    (["new"], ["new", "by-hand", "new", "by-hand"], 5, []),
])  # fmt: skip
def test_as_many_releases_stay_as_are_promised(folders: list[str], wanted: list[str], most: int, gone: list[str]) -> None:
    assert filters()["archimed_surplus"](folders, wanted, most) == gone
