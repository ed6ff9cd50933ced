"""dicomweb-client, which is not ours, searches, retrieves and stores."""

import io
from typing import Any

import numpy as np
import pydicom
import pytest
from dicomweb_client import DICOMwebClient
from requests import HTTPError

from tests.catalog.gate.conftest import STUDY
from tests.gateway.dicomweb.conftest import Web
from tests.synthetic import image


@pytest.fixture(scope="module")
def client(web: Web) -> DICOMwebClient:
    return web.client()


def one(found: Any, tag: str) -> Any:
    return found[tag]["Value"][0]


def uids(client: DICOMwebClient, exam: str = "E001", issuer: str = STUDY) -> tuple[str, str, str]:
    """Return the UIDs of an exam's first instance."""
    (study,) = client.search_for_studies(search_filters={"PatientID": exam, "IssuerOfPatientID": issuer})
    series = client.search_for_series(one(study, "0020000D"))
    instances = client.search_for_instances(one(study, "0020000D"), one(series[0], "0020000E"))
    return one(study, "0020000D"), one(series[0], "0020000E"), one(instances[0], "00080018")


def test_searching_all_levels(client: DICOMwebClient) -> None:
    studies = client.search_for_studies()
    assert [(one(each, "00100020"), one(each, "00100021")) for each in studies] == [
        ("E001", STUDY), ("E002", STUDY), ("E001", "other"),
    ]  # fmt: skip
    assert one(studies[0], "00100010") == {"Alphabetic": "E001"}
    assert (one(studies[0], "00201206"), one(studies[0], "00201208"), studies[0]["00080061"]["Value"]) == (1, 3, ["MR"])
    for tag in ("00080020", "00080030", "00080050", "00080090", "00100030", "00100040", "0020000D", "00200010", "00081190"):
        assert tag in studies[0]
    study = one(studies[0], "0020000D")
    (series,) = client.search_for_series(study)
    assert (one(series, "00080060"), one(series, "00200011"), one(series, "00201209")) == ("MR", 3, 3)
    instances = client.search_for_instances(study, one(series, "0020000E"))
    assert sorted(one(each, "00200013") for each in instances) == [1, 2, 3]
    assert {(one(each, "00280010"), one(each, "00280011"), one(each, "00280100")) for each in instances} == {(16, 16, 16)}
    assert len(client.search_for_instances()) == 6
    assert len(client.search_for_series()) == 4


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"PatientID": "E002"}, 1), ({"00100020": "E00*"}, 3), ({"PatientName": "e001"}, 2), ({"StudyDate": "19000101-"}, 3),
        ({"ModalitiesInStudy": "CT"}, 0), ({"PatientID": "HOSP-4711"}, 0), ({"IssuerOfPatientID": "other"}, 1),
    ],
)  # fmt: skip
def test_filters(client: DICOMwebClient, filters: dict[str, str], count: int) -> None:
    assert len(client.search_for_studies(search_filters=filters)) == count


def test_filters_of_files(client: DICOMwebClient) -> None:
    study, series, _ = uids(client)
    (second,) = client.search_for_instances(
        study, series, search_filters={"InstanceNumber": "2"}, fields=["EchoTime", "00180080"]
    )
    assert one(second, "00200013") == 2
    assert "00180080" in second
    assert len(client.search_for_instances(study, series, fields=["all"])[0]) > 20


def test_pages(client: DICOMwebClient) -> None:
    first = client.search_for_studies(limit=2)
    rest = client.search_for_studies(limit=2, offset=2)
    assert [one(each, "00100020") for each in [*first, *rest]] == ["E001", "E002", "E001"]


def test_one_study_alone(web: Web) -> None:
    found = web.client(below="/studies-of/other").search_for_studies()
    assert [one(each, "00100021") for each in found] == ["other"]
    assert one(found[0], "00081190").startswith(f"{web.serving.url}/dicomweb/studies-of/other/studies/")
    study, _, _ = uids(web.client())
    with pytest.raises(HTTPError, match="404"):
        web.client(below="/studies-of/other").retrieve_study_metadata(study)


def test_what_is_not_granted_is_not_there(web: Web, client: DICOMwebClient) -> None:
    study, series, instance = uids(client, issuer="other")
    lea = web.client("lea")
    assert len(lea.search_for_studies()) == 2
    for ask in (
        lambda: lea.retrieve_study_metadata(study),
        lambda: lea.retrieve_instance(study, series, instance),
        lambda: lea.retrieve_instance_frames(study, series, instance, [1]),
        lambda: web.client("lea", below="/studies-of/other").search_for_studies(),
        lambda: lea.retrieve_study_metadata("1.2.3.4"),
    ):
        with pytest.raises(HTTPError, match="404"):
            ask()


def test_metadata_say_what_the_files_say(client: DICOMwebClient) -> None:
    study, series, instance = uids(client)
    metadata = client.retrieve_series_metadata(study, series)
    assert len(metadata) == 3
    mine = next(each for each in metadata if one(each, "00080018") == instance)
    file = client.retrieve_instance(study, series, instance)
    for element in file:
        if element.keyword and element.keyword != "PixelData" and element.VR not in {"SQ", "OB", "OW", "UN"}:
            assert mine[f"{element.tag:08X}"]["vr"] == element.VR
    assert one(mine, "00280010") == file.Rows
    assert not [tag for tag in mine if tag.startswith("0002")]
    data = client.retrieve_bulkdata(mine["7FE00010"]["BulkDataURI"])
    assert b"".join(data) == file.PixelData


def test_whole_series_and_studies(client: DICOMwebClient) -> None:
    study, series, _ = uids(client)
    assert sorted(file.InstanceNumber for file in client.retrieve_series(study, series)) == [1, 2, 3]
    assert len(list(client.iter_study(study))) == 3


def test_frames(client: DICOMwebClient) -> None:
    study, series, instance = uids(client, "E002")
    got = client.retrieve_instance_frames(study, series, instance, [3, 1])
    assert [set(frame) for frame in got] == [{3}, {1}]
    assert {len(frame) for frame in got} == {512}
    with pytest.raises(HTTPError, match="404"):
        client.retrieve_instance_frames(study, series, instance, [4])


def test_compressed_frames_as_they_are_or_decoded(client: DICOMwebClient) -> None:
    study, _, _ = uids(client, "E002")
    series = next(one(each, "0020000E") for each in client.search_for_series(study) if one(each, "00200011") == 4)
    (found,) = client.search_for_instances(study, series)
    instance = one(found, "00080018")
    (decoded,) = client.retrieve_instance_frames(study, series, instance, [1], media_types=("application/octet-stream",))
    assert np.array_equal(np.frombuffer(decoded, "<u2"), np.arange(256) + 1)
    stored = client.retrieve_instance(study, series, instance, media_types=(("application/dicom", "*"),))
    assert stored.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.5"
    plain = client.retrieve_instance(study, series, instance, media_types=(("application/dicom", "1.2.840.10008.1.2.1"),))
    assert plain.PixelData == decoded


def test_pictures(client: DICOMwebClient) -> None:
    study, series, instance = uids(client)
    for kind, magic in (("image/png", b"\x89PNG"), ("image/jpeg", b"\xff\xd8")):
        picture = client.retrieve_instance_rendered(study, series, instance, media_types=(kind,))
        assert picture.startswith(magic)
    drawn = client.retrieve_instance_frames_rendered(study, series, instance, [1], media_types=("image/png",))
    assert drawn.startswith(b"\x89PNG")


def test_storing_waits_at_the_gate(web: Web, client: DICOMwebClient) -> None:
    files = [pydicom.dcmread(io.BytesIO(image(study="9", instance=number))) for number in (1, 2)]
    answer = web.client(below=f"/studies-of/{STUDY}").store_instances(files)
    assert [item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence] == [file.SOPInstanceUID for file in files]
    assert len(client.search_for_studies()) == 3, "nothing is archived yet"
    batch = web.gate.review.list()[-1]
    web.gate.review.seal(batch.id)
    web.gate.work()
    batch = web.gate.review.info(batch.id)
    assert (batch.study, batch.files, batch.exam[:5], batch.state) == (STUDY, 2, "STOW-", "checked")
    with pytest.raises(HTTPError, match="400"):
        client.store_instances(files)  # ada has two studies
    with pytest.raises(HTTPError, match="403"):
        web.client("lea", below=f"/studies-of/{STUDY}").store_instances(files)
