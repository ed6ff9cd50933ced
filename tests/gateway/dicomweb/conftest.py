"""An archive that was published through the gate, served by the real server, and dicomweb-client as who asks."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import pydicom
import pytest
from dicomweb_client import DICOMwebClient
from pydicom.uid import RLELossless
from requests import Session

from catalog import administration
from catalog.administration import Actor, Scope
from catalog.gate.receive.intake import Intake
from catalog.gate.staged.area import Staging
from tests.builders import built_in
from tests.catalog.gate.conftest import Gate
from tests.gateway.http.serving import Serving, new_token
from tests.synthetic import image

ROOT = Actor("root")


def compressed(**how: object) -> bytes:
    """Return an image whose pixels are compressed."""
    dataset = pydicom.dcmread(io.BytesIO(image(**how)))  # type: ignore[arg-type] # as the caller says
    dataset.compress(RLELossless, generate_instance_uid=False)
    written = io.BytesIO()
    dataset.save_as(written, enforce_file_format=True)
    return written.getvalue()


@dataclass(frozen=True)
class Web:
    """The served archive: E001 (three images) and E002 (three frames; compressed) in one study, an E001 in another."""

    gate: Gate
    serving: Serving

    def client(self, login: str = "ada", below: str = "") -> DICOMwebClient:
        session = Session()
        session.auth = (login, new_token(self.gate.built, login, Scope.READ, Scope.STAGING))
        return DICOMwebClient(f"{self.serving.url}/dicomweb{below}", session=session)


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with built_in(tmp_path_factory.mktemp("dicomweb")) as built:
        staging = Staging(built.folder / "var" / "staging")
        staging.prepare()
        intake = Intake(built.database, staging)
        gate = Gate(built, staging, intake)
        gate.published(*(image(instance=number) for number in (1, 2, 3)), exam="E001")
        pixels = b"".join(bytes([number]) * 512 for number in (1, 2, 3))
        several = image(study="2", patient_id="4712", NumberOfFrames=3, pixels=pixels)
        gate.published(several, compressed(study="2", series=4, patient_id="4712"), exam="E002")
        administration.add_grant(built.database, ROOT, "ada", "other")
        gate.published(image(study="3", patient_id="4713"), exam="E001", study="other")
        with Serving(built, login="ada", scopes=(Scope.READ, Scope.STAGING)) as serving:
            yield Web(gate, serving)
        intake.close()
