"""Nodes query and retrieve with DCMTK's programs and pynetdicom: what they are granted, and nothing else."""

import hashlib
import io
import struct
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (
    MRImageStorage,
    PatientRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
)

from catalog import administration
from catalog.audit import Keeper
from catalog.database.tables import reads
from catalog.view import Archive
from tests.catalog.gate.conftest import STUDY, Gate, gate, intake, staging  # noqa: F401 - fixtures
from tests.gateway.dicom.node import ROOT, Node, serving
from tests.gateway.dicom.peer import Peer, associate_rq, command, element, p_data, pdv
from tests.synthetic import image

STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"


@pytest.fixture
def node(gate: Gate, tmp_path: Path) -> Iterator[Node]:  # noqa: F811 - the fixture
    """Give a node beside an archive with two exams in one study and one in another."""
    gate.published(*(image(instance=number) for number in (1, 2, 3)), exam="E001")
    gate.published(image(study="2", patient_id="4712", patient="Roe^Richard"), exam="E002")
    administration.add_grant(gate.database, ROOT, "ada", "other")
    gate.published(image(study="3", patient_id="4713", patient="Poe^Edgar"), exam="E001", study="other")
    folder = tmp_path / "node"
    folder.mkdir()
    with serving(gate, folder) as running:
        yield running


def test_a_node_sees_what_it_is_granted_and_no_more(node: Node) -> None:
    node.add(codes=[STUDY])
    found = node.find("STUDY", "PatientID", "IssuerOfPatientID", "PatientName", "StudyInstanceUID", "StudyDescription")
    assert [(one.PatientID, one.IssuerOfPatientID, one.StudyDescription) for one in found] == [
        ("E001", STUDY, STUDY), ("E002", STUDY, STUDY),
    ]  # fmt: skip
    assert str(found[0].PatientName) == "E001"
    assert found[0].RetrieveAETitle == "ARCHIMED"
    assert node.find("STUDY", "IssuerOfPatientID=other", "PatientID") == []
    administration.remove_grant(node.gate.database, ROOT, "node-WS1", STUDY)
    assert node.find("STUDY", "PatientID") == []


def test_a_node_that_asks_as_a_user_may_be_confined(node: Node) -> None:
    node.add(login="ada", codes=["other"])
    assert [(one.PatientID, one.IssuerOfPatientID) for one in node.find("STUDY", "PatientID", "IssuerOfPatientID")] == [
        ("E001", "other")
    ]
    administration.remove_node(node.gate.database, ROOT, "WS1")
    node.add(login="ada")
    assert len(node.find("STUDY", "PatientID")) == 3
    administration.remove_grant(node.gate.database, ROOT, "ada", "other")
    assert len(node.find("STUDY", "PatientID")) == 2


@pytest.mark.parametrize(
    ("key", "exams"),
    [
        ("PatientID=E001", {"E001"}), ("PatientID=E00*", {"E001", "E002"}), ("PatientID=E0?2", {"E002"}),
        ("PatientID=E001\\E002", {"E001", "E002"}), ("PatientID=e001", set()), ("PatientID=X*", set()),
        ("PatientID=*", {"E001", "E002"}),
        ("PatientName=e001", {"E001"}), ("ModalitiesInStudy=MR", {"E001", "E002"}), ("ModalitiesInStudy=CT", set()),
        ("StudyDate=19000101-", {"E001", "E002"}), ("StudyDate=-19000101", set()), ("AccessionNumber=A-99", set()),
        ("PatientID=HOSP-4711", set()), ("PatientName=Doe*", set()),
    ],
)  # fmt: skip
def test_keys(node: Node, key: str, exams: set[str]) -> None:
    node.add(codes=[STUDY])
    keys = [key] if key.startswith("PatientID") else [key, "PatientID"]
    assert {one.PatientID for one in node.find("STUDY", *keys)} == exams


def test_all_levels(node: Node) -> None:
    node.add(codes=[STUDY])
    (patient,) = node.find("PATIENT", "PatientID=E001", "NumberOfPatientRelatedInstances", root="-P")
    assert patient.NumberOfPatientRelatedInstances == 3
    (study,) = node.find("STUDY", "PatientID=E001", "StudyInstanceUID", "NumberOfStudyRelatedSeries", root="-P")
    assert study.NumberOfStudyRelatedSeries == 1
    uid = f"StudyInstanceUID={study.StudyInstanceUID}"
    (series,) = node.find("SERIES", uid, "SeriesInstanceUID", "Modality", "SeriesNumber", "NumberOfSeriesRelatedInstances")
    assert (series.Modality, series.SeriesNumber, series.NumberOfSeriesRelatedInstances) == ("MR", 3, 3)
    below = (uid, f"SeriesInstanceUID={series.SeriesInstanceUID}")
    images = node.find("IMAGE", *below, "SOPInstanceUID", "InstanceNumber", "Rows", "SOPClassUID")
    assert sorted(one.InstanceNumber for one in images) == [1, 2, 3]
    assert {(one.Rows, one.SOPClassUID) for one in images} == {(16, MRImageStorage)}
    (one,) = node.find("IMAGE", *below, f"SOPInstanceUID={images[1].SOPInstanceUID}", "InstanceNumber")
    assert one.InstanceNumber == images[1].InstanceNumber
    (second,) = node.find("IMAGE", *below, "SOPInstanceUID", "InstanceNumber=2")
    assert second.InstanceNumber == 2


def test_a_query_that_does_not_fit_the_model_is_refused(node: Node) -> None:
    node.add(codes=[STUDY])
    assert "DataSetDoesNotMatchSOPClass" in node.status("SERIES", "SeriesInstanceUID")
    assert "Success" in node.status("STUDY", "StudyInstanceUID=1.2.3")


def test_who_is_no_node_may_not_ask(node: Node) -> None:
    done = node.run("findscu", "-S", "-k", "QueryRetrieveLevel=STUDY", "127.0.0.1", str(node.port))
    assert done.returncode != 0
    administration.add_node(
        node.gate.database, ROOT, "WS1", ae_title="WS1", host="192.0.2.1", port=104, codes=[STUDY]
    )  # another address
    done = node.run("findscu", "-S", "-k", "QueryRetrieveLevel=STUDY", "127.0.0.1", str(node.port))
    assert done.returncode != 0
    # A source that is no node may send and not ask.
    done = node.run("findscu", "-S", "-k", "QueryRetrieveLevel=STUDY", "127.0.0.1", str(node.port), title="MR1")
    assert "No Acceptable Presentation Contexts" in done.stdout + done.stderr


def published(node: Node, exam: str = "E001", study: str = STUDY) -> dict[str, str]:
    """Return the digests of an exam's files' data sets by instance."""
    found = {}
    for series in node.gate.names(f"{study}/{exam}"):
        for name in node.gate.names(f"{study}/{exam}/{series}"):
            data = node.gate.read(f"{study}/{exam}/{series}/{name}")
            found[str(pydicom.dcmread(io.BytesIO(data)).SOPInstanceUID)] = data_set(data)
    return found


def data_set(data: bytes) -> str:
    return hashlib.sha256(data[144 + int.from_bytes(data[140:144], "little") :]).hexdigest()


def test_get_brings_the_bytes_of_an_exam(node: Node) -> None:
    node.add(codes=[STUDY])
    wanted = published(node)
    (study,) = node.find("STUDY", "PatientID=E001", "StudyInstanceUID")
    said, _ = node.get("QueryRetrieveLevel=STUDY", f"StudyInstanceUID={study.StudyInstanceUID}", options=("+B",))
    got = {path.name: data_set(path.read_bytes()) for path in (node.folder / "got").iterdir()}
    assert sorted(got.values()) == sorted(wanted.values()), said
    _, other = node.get("QueryRetrieveLevel=STUDY", "StudyInstanceUID=1.2.3")
    assert other == []


def test_get_of_what_is_not_granted_brings_nothing(node: Node) -> None:
    node.add(login="ada")
    (study,) = node.find("STUDY", "IssuerOfPatientID=other", "StudyInstanceUID")
    administration.remove_grant(node.gate.database, ROOT, "ada", "other")
    said, got = node.get("QueryRetrieveLevel=STUDY", f"StudyInstanceUID={study.StudyInstanceUID}")
    assert got == []
    assert "Success" in said


def test_move_sends_to_a_known_node_alone(node: Node) -> None:
    node.add(codes=[STUDY])
    wanted = published(node)
    (study,) = node.find("STUDY", "PatientID=E001", "StudyInstanceUID")
    keys = ("QueryRetrieveLevel=STUDY", f"StudyInstanceUID={study.StudyInstanceUID}")
    with node.storing("+B") as folder:
        node.move("WS1", *keys)
        got = sorted(data_set(path.read_bytes()) for path in folder.iterdir())
    assert got == sorted(wanted.values())
    assert "MoveDestinationUnknown" in node.move("NOBODY", *keys)
    # Nobody listens there any more.
    assert "Success" not in node.move("WS1", *keys)


def _identifier(**keys: str) -> Dataset:
    identifier = Dataset()
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    return identifier


def test_a_get_that_accepts_no_class_says_what_failed(node: Node) -> None:
    node.add(codes=[STUDY])
    (study,) = node.find("STUDY", "PatientID=E001", "StudyInstanceUID")
    entity = AE("WS1")
    entity.add_requested_context(StudyRootQueryRetrieveInformationModelGet)
    association = entity.associate("127.0.0.1", node.port, ae_title="ARCHIMED")
    try:
        *_, (status, identifier) = association.send_c_get(
            _identifier(QueryRetrieveLevel="STUDY", StudyInstanceUID=study.StudyInstanceUID),
            StudyRootQueryRetrieveInformationModelGet,
        )
    finally:
        association.release()
    assert (status.Status, status.NumberOfFailedSuboperations) == (0xA702, 3)
    assert sorted(identifier.FailedSOPInstanceUIDList) == sorted(published(node))


def test_a_grant_that_is_taken_away_within_a_get_ends_it(node: Node) -> None:
    node.add(login="ada")
    (study,) = node.find("STUDY", "PatientID=E001", f"IssuerOfPatientID={STUDY}", "StudyInstanceUID")
    received = []

    def store(event: evt.Event) -> int:
        received.append(event.request.AffectedSOPInstanceUID)
        if len(received) == 1:
            administration.remove_grant(node.gate.database, ROOT, "ada", STUDY)
        return 0

    entity = AE("WS1")
    entity.add_requested_context(StudyRootQueryRetrieveInformationModelGet)
    entity.add_requested_context(MRImageStorage)
    association = entity.associate(
        "127.0.0.1", node.port, ae_title="ARCHIMED", ext_neg=[build_role(MRImageStorage, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, store)],
    )  # fmt: skip
    try:
        *_, (status, _) = association.send_c_get(
            _identifier(QueryRetrieveLevel="STUDY", StudyInstanceUID=study.StudyInstanceUID),
            StudyRootQueryRetrieveInformationModelGet,
        )
    finally:
        association.release()
    assert len(received) == 1
    assert (status.Status, status.NumberOfCompletedSuboperations, status.NumberOfFailedSuboperations) == (0xB000, 1, 2)


@pytest.mark.parametrize("model", [StudyRootQueryRetrieveInformationModelFind, PatientRootQueryRetrieveInformationModelFind])
def test_implicit_identifiers_and_unknown_keys(node: Node, model: str) -> None:
    node.add(codes=[STUDY])
    entity = AE("WS1")
    entity.add_requested_context(model, "1.2.840.10008.1.2")
    association = entity.associate("127.0.0.1", node.port, ae_title="ARCHIMED")
    try:
        keys = {"PatientID": "E001", "StudyInstanceUID": "", "PatientSex": "F"}
        answers = list(association.send_c_find(_identifier(QueryRetrieveLevel="STUDY", **keys), model))
    finally:
        association.release()
    # The catalogue does not know the sex: it is answered empty, and the status says that it was not matched.
    assert [status.Status for status, _ in answers] == [0xFF01, 0x0000]
    assert (answers[0][1].PatientID, answers[0][1].PatientSex or "") == ("E001", "")


def test_what_is_read_is_audited_by_node(node: Node) -> None:
    keeper = Keeper(node.gate.database)
    node.gate.built.archive = Archive(node.gate.database, node.gate.store, keeper.reads)
    node.add(codes=[STUDY])
    (study,) = node.find("STUDY", "PatientID=E001", "StudyInstanceUID")
    with serving(node.gate, node.folder) as second:
        second.get("QueryRetrieveLevel=STUDY", f"StudyInstanceUID={study.StudyInstanceUID}")
    keeper.flush()
    (row,) = node.gate.database.rows(reads.select())
    assert (row.login, row.face, row.program, row.files) == ("node-WS1", "dicom", "WS1", 3)
    assert row.bytes > 0


def _find_message(identifier: bytes, message: int = 7) -> bytes:
    asked = command(0x0020, element(0x0002, STUDY_FIND.encode() + b"\0" * (len(STUDY_FIND) % 2)), message=message)
    cancel = element(0x0100, struct.pack("<H", 0x0FFF)) + element(0x0120, struct.pack("<H", message))
    cancel += element(0x0800, b"\x01\x01")
    cancel = element(0, struct.pack("<I", len(cancel))) + cancel
    return p_data(pdv(1, 3, asked)) + p_data(pdv(1, 2, identifier)) + p_data(pdv(1, 3, cancel))


def test_a_query_that_is_cancelled_ends_and_the_association_goes_on(node: Node) -> None:
    node.add(codes=[STUDY])
    level = struct.pack("<HHI", 0x0008, 0x0052, 6) + b"STUDY "
    request = associate_rq([(STUDY_FIND, ["1.2.840.10008.1.2"])], calling="WS1")
    with Peer(node.port).associate(request) as peer:
        peer.send(_find_message(level))
        assert peer.status() == 0xFE00
        peer.send(_find_message(b"\xff\xff nonsense", message=8))
        assert peer.status() == 0xA900
        peer.release()


@pytest.mark.parametrize("sent", [b"", b"\x08\x00\x52\x00\xff\xff\xff\xff", b"\x10\x00\x20\x00\x02\x00\x00\x00E1", b"x" * 5000])
def test_an_identifier_that_cannot_be_read_is_refused(node: Node, sent: bytes) -> None:
    node.add(codes=[STUDY])
    request = associate_rq([(STUDY_FIND, ["1.2.840.10008.1.2"])], calling="WS1")
    with Peer(node.port).associate(request) as peer:
        peer.send(_find_message(sent))
        assert peer.status() == 0xA900
        peer.release()
