"""What published files tell can be asked for: of DICOM, of a profile's own fields, and after it was lost."""

import pytest

from catalog import administration
from catalog.database.tables import fields, series_columns, series_values
from catalog.metadata import upkeep
from catalog.pure.errors import Invalid, NotFound
from tests.catalog.gate.conftest import ROOT, STUDY, Gate
from tests.synthetic import image

SERIES = f"{STUDY}/E001/003_DCM_MR_t1_mprage_sag"


def ask(gate: Gate, question: str, login: str = "ada") -> dict[str, int]:
    return {f"{one.study}/{one.exam}/{one.name}": one.files for one in gate.view(login).search(question)}


def test_series_and_files_are_found_by_what_they_tell(gate: Gate) -> None:
    gate.published(*(image(instance=number, EchoTime=number * 2.5) for number in (1, 2, 3)))
    gate.published(image(series=4, description="flair", EchoTime=90.0))
    assert ask(gate, 'file_type = "DCM_MR" and EchoTime > 4 and EchoTime < 0.008') == {}
    assert ask(gate, 'file_type = "DCM_MR" and EchoTime > 4 ms and EchoTime < 0.009 s') == {SERIES: 2}
    assert ask(gate, "EchoTime > 0") == {SERIES: 3, f"{STUDY}/E001/004_DCM_MR_flair": 1}
    assert ask(gate, "InstanceNumber = 3 and RepetitionTime = 2300") == {SERIES: 1}
    assert ask(gate, 'Manufacturer ~ "acme" and not SeriesDescription = "flair"') in ({SERIES: 3}, {})
    assert ask(gate, "Rows = 16 and SeriesNumber = 4") == {f"{STUDY}/E001/004_DCM_MR_flair": 1}


def test_no_identity_is_told(gate: Gate) -> None:
    gate.published(image())
    told = repr([gate.database.rows(table.select()) for table in (fields, series_values)])
    assert [word for word in ("Doe", "Jane", "HOSP-4711", "19610507", "Gregory", "20080312", "A-99") if word in told] == []


def test_files_that_come_later_join(gate: Gate) -> None:
    gate.published(image(instance=1))
    gate.published(image(instance=2, EchoTime=7.5))
    assert ask(gate, "EchoTime < 3") == {SERIES: 1}
    assert ask(gate, "EchoTime = 7.5 and InstanceNumber = 2") == {SERIES: 1}
    assert ask(gate, "RepetitionTime = 2300") == {SERIES: 2}


def test_what_a_profile_extracts_is_told(gate: Gate) -> None:
    profile = 'schema = 1\nstandard = "2026c"\n[extract]\nfields = ["PixelBandwidth"]\n'
    administration.create_study(gate.database, gate.store, ROOT, "own", profile=profile)
    administration.add_grant(gate.database, ROOT, "ada", "own")
    gate.published(image(PixelBandwidth=130), study="own")
    assert list(ask(gate, "PixelBandwidth = 130").values()) == [1]
    with pytest.raises(Invalid, match="not kept by any study that you may see"):
        ask(gate, "PixelBandwidth = 130", "bob")  # not granted


def test_metadata_can_be_taken_from_the_manifests_anew(gate: Gate) -> None:
    gate.published(*(image(instance=number, EchoTime=number * 2.5) for number in (1, 2, 3)))
    gate.published(image(instance=4, EchoTime=90.0))
    questions = ("EchoTime > 4", "InstanceNumber > 2", "RepetitionTime = 2300")
    before = [ask(gate, question) for question in questions]
    with gate.database.write() as connection:
        for table in (series_values, series_columns):
            connection.execute(table.delete())
    assert ask(gate, "EchoTime > 4") == {}
    assert upkeep.refill(gate.database, gate.store, STUDY) == 4
    assert [ask(gate, question) for question in questions] == before
    with pytest.raises(NotFound):
        upkeep.refill(gate.database, gate.store, "none")
