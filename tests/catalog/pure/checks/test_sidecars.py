"""JSON beside images: what tells is found by its key, and no value gets out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.pure.checks.sidecars import identifying_keys


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ({"PatientName": "Doe^Jane", "EchoTime": 0.0029}, ["PatientName"]),
        ({"PatientName": "E001", "PatientID": "E001", "PatientBirthDate": ""}, []),
        ({"AcquisitionDateTime": "2008-03-12T10:15:00", "AcquisitionTime": "10:15:00"}, ["AcquisitionDateTime"]),
        ({"a": [{"deep": {"patientid": 4711}}]}, ["PatientID"]),
        ({"Comment": "scanned on 12.03.2008", "Other": "20080312"}, ["dates elsewhere"]),
        ({"StudyInstanceUID": "2.25.329800735698586629295641978511506172918", "SliceTiming": [0.1, 0.2]}, []),
        ([], []),
        ("2008-03-12", ["dates elsewhere"]),
        (None, []),
    ],
)
def test_what_tells(text: object, found: list[str]) -> None:
    assert identifying_keys(json.dumps(text).encode(), "E001") == found


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff\xfe{", b"[" * 100_000, b'{"PatientName": "Doe"}' + b" " * (1 << 20), b"NaN"]
)
def test_what_is_no_json_tells_nothing(text: bytes) -> None:
    assert identifying_keys(text, "E001") == []


_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda each: st.lists(each) | st.dictionaries(st.text(), each)
)


@given(_values, st.text("Zqx", min_size=4))
def test_nothing_of_a_value_gets_out(tree: object, secret: str) -> None:
    found = identifying_keys(json.dumps({"PatientName": secret, secret: "2008-03-12", "rest": tree}).encode(), "E001")
    assert "PatientName" in found
    assert secret not in " ".join(found)
