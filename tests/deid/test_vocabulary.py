"""What descriptions keep: names of sequences stay useful, everything else goes."""

from __future__ import annotations

import pytest

from deid.rules import ages
from deid.rules.vocabulary import clean_text


@pytest.mark.parametrize(
    "text",
    [
        "t1_mprage_sag_p2_iso",
        "AX T2 FLAIR 3mm",
        "ep2d_diff_3scan_trace_p2_ADC",
        "*tfl3d1_16ns",
        "b1000 ADC",
        "DWI 64dir b2000",
        "SIEMENS",
        "GE MEDICAL SYSTEMS",
        "syngo MR B17",
        "LightSpeed VCT",
        "CT thorax 1.5mm",
        "AXT2",
        "2x2x2",
    ],
)
def test_terms_stay(text: str) -> None:
    assert clean_text(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Dupont Jean t2_tse", "t2_tse"),
        ("MRN 1234567 head", "head"),
        ("12.03.1957 brain", "brain"),
        ("brain 1957-12-04", "brain"),
        ("brain 1957", "brain"),
        ("06 12 34 56 78", ""),
        ("call 612 345 678", ""),
        ("Scout Dr. Müller", "Scout"),
        ("Zürich", ""),
        ("", ""),
        ("山田 t1", "t1"),
        ("brain\r\nDupont\0Jean", "brain"),
        ("t1Dupont", ""),
        ("jean.dupont@example.org", ""),
    ],
)
def test_the_rest_goes(text: str, left: str) -> None:
    assert clean_text(text) == left


def test_a_profile_adds_words_and_a_file_s_identities_take_them_away() -> None:
    assert clean_text("nback run1", frozenset({"nback"})) == "nback run1"
    assert clean_text("head coil", known=frozenset({"head"})) == "coil"


@pytest.mark.parametrize(
    ("written", "published"),
    [("95", "90"), ("P95Y", "P90Y"), ("P90Y/P99Y", "P90Y/P90Y"), ("095Y", "090Y"), ("34 years", "34 years"),
     ("P34Y6M", "P34Y6M"), ("1200 months", "90"), ("89.9", "89.9"), ("adult", None), ("", None), ("12/34/56", None)],
)  # fmt: skip
def test_ages_over_89_are_capped_as_they_are_written(written: str, published: str | None) -> None:
    assert ages.capped_text(written) == published
