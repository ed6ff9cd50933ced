"""Which rule is for a picture: the [[mask]] tables of a profile, the shipped ones, and the suspicions."""

from __future__ import annotations

import pytest

import deid
from deid.rules import maskrules
from deid.rules.model import Rect
from deid.suspicion import suspicion

HEAD = 'schema = 1\noptions = ["modified_dates"]\n'
US = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.1", "Modality": "US", "Manufacturer": "Acme", "Rows": "480", "Columns": "640"}


def masks(text: str) -> tuple[maskrules.MaskRule, ...]:
    return deid.load_profile(HEAD + text).masks


def found(text: str, headers: dict[str, str], *, framed: bool = False) -> str | None:
    rule = maskrules.find(masks(text), headers, framed=framed)
    return None if rule is None else rule.label


def test_a_rule_needs_all_its_headers_and_one_of_their_patterns() -> None:
    text = """[[mask]]
Manufacturer = ["acme*", "Other"]
Rows = [480, 600]
Columns = "6?0"
blank = [[0, 0, 640, 40]]
"""
    assert found(text, US) == "profile line 3"
    assert found(text, US | {"Manufacturer": "ACME Medical"})
    assert found(text, US | {"Manufacturer": "other"})
    assert found(text, US | {"Manufacturer": "another"}) is None
    assert found(text, US | {"Rows": "4800"}) is None
    assert found(text, {k: v for k, v in US.items() if k != "Columns"}) is None
    (rule,) = masks(text)
    assert rule.rects == (Rect(0, 0, 640, 40),)
    assert not rule.keep


def test_of_a_header_with_several_values_one_must_match() -> None:
    text = '[[mask]]\nImageType = "SCREEN*"\nkeep = [[1, 2, 3, 4]]\n'
    assert found(text, {"ImageType": "DERIVED\\SECONDARY\\SCREEN SAVE"})
    assert found(text, {"ImageType": "DERIVED\\SECONDARY\\NO SCREEN"}) is None


def test_sop_classes_by_keyword_or_uid() -> None:
    assert found('[[mask]]\nSOPClassUID = "UltrasoundImageStorage"\nhold = true\n', US)
    assert found('[[mask]]\nSOPClassUID = "1.2.840.10008.5.1.4.1.1.6.*"\nhold = true\n', US)
    assert found('[[mask]]\nSOPClassUID = "CTImageStorage"\nhold = true\n', US) is None


def test_the_profile_comes_before_what_is_shipped_and_the_first_match_counts() -> None:
    rules = ['Modality = "CT"\nhold = true', 'Modality = "US"\nblank = [[0, 0, 9, 9]]', 'Rows = "*"\nhold = true']
    text = "".join(f"[[mask]]\n{rule}\n" for rule in rules)
    assert found(text, US, framed=True) == "profile line 6"
    assert found("", US, framed=True) == "ultrasound regions"


def test_regions_are_kept_only_where_the_file_describes_some() -> None:
    text = '[[mask]]\nModality = "US"\nkeep = "regions"\n[[mask]]\nModality = "US"\nblank = [[0, 0, 9, 9]]\n'
    assert found(text, US, framed=True) == "profile line 3"
    assert found(text, US, framed=False) == "profile line 6"
    assert found("", US, framed=False) is None


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[[mask]]\nblank = [[0, 0, 1, 1]]", 3, "needs at least one header"),
        ('[[mask]]\nModality = "US"', 3, "one of blank, keep and hold"),
        ('[[mask]]\nModality = "US"\nhold = true\nblank = [[0, 0, 1, 1]]', 5, "one of blank, keep and hold"),
        ('[[mask]]\nModalty = "US"\nhold = true', 4, "did you mean 'Modality'?"),
        ('[[mask]]\nModality = "US"\nblank = [[0, 0, 1]]', 5, "[left, top, width, height]"),
        ('[[mask]]\nModality = "US"\nblank = [[0, 0, 1, 0]]', 5, "of some size"),
        ('[[mask]]\nModality = "US"\nblank = [[-1, 0, 1, 1]]', 5, "[left, top, width, height]"),
        ('[[mask]]\nModality = "US"\nblank = [[0, 0, 1, true]]', 5, "[left, top, width, height]"),
        ('[[mask]]\nModality = "US"\nblank = []', 5, "[left, top, width, height]"),
        ('[[mask]]\nModality = "US"\nblank = "regions"', 5, "[left, top, width, height]"),
        ('[[mask]]\nModality = "US"\nkeep = "region"', 5, '"regions"'),
        ('[[mask]]\nModality = "US"\nhold = false', 5, "hold can only be true"),
        ("[[mask]]\nRows = 4.5\nhold = true", 4, "a text or a number"),
        ('[[mask]]\nSOPClassUID = "UltrasoundImgStorage"\nhold = true', 4, "UltrasoundImageStorage"),
        ("mask = 3", 3, "[[mask]]"),
    ],
)
def test_rules_that_may_not_be(text: str, line: int, said: str) -> None:
    with pytest.raises(deid.ProfileError) as caught:
        masks(text + "\n")
    assert any(problem.startswith(f"line {line}: ") and said in problem for problem in caught.value.problems)


MR = "1.2.840.10008.5.1.4.1.1.4"


@pytest.mark.parametrize(
    "headers",
    [
        {"BurnedInAnnotation": "YES"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.4"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.1"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.3.1"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.4"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.5.1"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.6", "ImageType": "ORIGINAL\\PRIMARY\\LABEL\\NONE"},
        {"Modality": "US"},
        {"Modality": "ES"},
        {"Modality": "XC"},
        {"Modality": "SC"},
        {"ImageType": "DERIVED\\SECONDARY\\SCREEN SAVE"},
        {"ImageType": "DERIVED\\SECONDARY\\OTHER\\CT_SOM5 PROT"},
        {"ConversionType": "WSD"},
        {"Modality": "MR", "SamplesPerPixel": "3", "ImageType": "DERIVED\\SECONDARY\\PERFUSION"},
        {"Manufacturer": "Vidar Systems", "Modality": "CR"},
        {"Manufacturer": "HOLOGIC", "ManufacturerModelName": "Discovery A", "Modality": "CR"},
        {"SeriesDescription": "Dose Report", "Modality": "CT"},
    ],
)
def test_suspicions(headers: dict[str, str]) -> None:
    assert suspicion({"SOPClassUID": MR, "Modality": "MR", "BurnedInAnnotation": "NO"} | headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"ImageType": "ORIGINAL\\PRIMARY\\M\\ND", "Manufacturer": "SIEMENS"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.6", "Modality": "SM", "ImageType": "ORIGINAL\\PRIMARY\\VOLUME\\NONE"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4", "Modality": "SEG", "ImageType": "DERIVED\\PRIMARY"},
        {"SamplesPerPixel": "3", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.6", "Modality": "SM"},
        {"Manufacturer": "HOLOGIC", "ManufacturerModelName": "Selenia Dimensions", "Modality": "MG"},
        {},
    ],
)
def test_ordinary_pictures_raise_none(headers: dict[str, str]) -> None:
    assert suspicion({"SOPClassUID": MR, "Modality": "MR", "BurnedInAnnotation": "NO"} | headers) is None
