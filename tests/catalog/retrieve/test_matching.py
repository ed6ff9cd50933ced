"""Matching as PS3.4 C.2.2.2 has it: case by case, and its laws."""

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.pure.errors import Invalid
from catalog.retrieve import Level, Query
from catalog.retrieve.matching import Key, require_keys


@pytest.mark.parametrize(
    ("vr", "wanted", "value", "found"),
    [
        ("LO", "", "x", True), ("LO", "*", "", True), ("LO", "x", "", False), ("LO", "x", "x", True), ("LO", "x", "X", False),
        ("PN", "doe^*", "Doe^Jane", True), ("PN", "DOE^JANE", "Doe^Jane", True), ("LO", "a.c", "abc", False),
        ("LO", "a?c", "abc", True), ("LO", "a?c", "ac", False), ("LO", "*c", "abc", True), ("LO", "[a]", "a", False),
        ("UI", "1.2.*", "1.2.3", False), ("UI", "1.2.3", "1.2.3", True), ("UI", "1.2.4\\1.2.3", "1.2.3", True),
        ("DA", "20080101-20081231", "20080312", True), ("DA", "20080101-20081231", "20090101", False),
        ("DA", "-20080312", "20080312", True), ("DA", "20080312-", "20080311", False), ("DA", "20080312", "20080312", True),
        ("DA", "2008-", "", False), ("TM", "1000-1015", "101530", True), ("TM", "1000-1015", "101600", False),
        ("IS", "3", "03", True), ("DS", "2.50", "2.5", True), ("DS", "x", "2.5", False), ("SQ", "anything", "", True),
    ],
)  # fmt: skip
def test_cases(vr: str, wanted: str, value: str, found: bool) -> None:
    key = Key(vr, tuple(filter(None, wanted.split("\\"))))
    assert key.matches((value,) if value else ()) is found


def test_one_of_several_values_will_do() -> None:
    assert Key("CS", ("MR",)).matches(("CT", "MR"))
    assert not Key("CS", ("US",)).matches(("CT", "MR"))


@given(st.text("ab*?.[^", max_size=8), st.text("ab.[^", min_size=1, max_size=8))
def test_wildcards_are_those_of_the_shell_without_its_brackets(wanted: str, value: str) -> None:
    if not wanted:
        return
    reference = re.fullmatch(fnmatch.translate(wanted.replace("[", "[[]")), value) is not None
    assert Key("LO", (wanted,)).matches((value,)) is reference


def query(level: Level, **keys: str) -> Query:
    return Query(level, {name: Key("UI", (value,) if value else ()) for name, value in keys.items()})


def test_queries_are_hierarchical() -> None:
    require_keys(query(Level.STUDY), Level.STUDY)
    require_keys(query(Level.SERIES, StudyInstanceUID="1.2"), Level.STUDY)
    for bad, root in (
        (query(Level.SERIES), Level.STUDY), (query(Level.SERIES, StudyInstanceUID="1.*"), Level.STUDY),
        (query(Level.IMAGE, StudyInstanceUID="1.2"), Level.STUDY), (query(Level.PATIENT), Level.STUDY),
        (query(Level.STUDY), Level.PATIENT), (query(Level.STUDY, PatientID="*"), Level.PATIENT),
    ):  # fmt: skip
        with pytest.raises(Invalid):
            require_keys(bad, root)
    with pytest.raises(Invalid):
        require_keys(query(Level.STUDY), Level.STUDY, retrieve=True)
    require_keys(query(Level.STUDY, StudyInstanceUID="1.2"), Level.STUDY, retrieve=True)
