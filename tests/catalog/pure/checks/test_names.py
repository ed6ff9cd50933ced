"""Whether a file's name tells whose it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.pure.checks.names import identifies, words_of

WORDS = words_of(["Müller-Ångström^Zoë", "HOSP-4711", "19610507"])


@pytest.mark.parametrize(
    "name",
    [
        "muller_t1.nii", "x/Angstrom.csv", "scan-4711.dat", "hosp_1.txt", "born 07.05.1961",
        "20240131_eeg.edf", "2024-01-31.txt",
        "31012024.csv", "MÜLLER.nii", "Mu\u0308ller.nii",
    ],
)  # fmt: skip
def test_names_that_tell(name: str) -> None:
    assert identifies(name, WORDS)


@pytest.mark.parametrize(
    "name", ["t1_mprage.nii", "mullerian.csv", "12345678.dat", "20249931.txt", "zoe.txt", "12024013100.csv", ""]
)
def test_names_that_do_not(name: str) -> None:
    assert not identifies(name, WORDS)


@given(st.text(), st.lists(st.text()))
def test_any_name_is_answered(name: str, identities: list[str]) -> None:
    assert identifies(name, words_of(identities)) in {True, False}
