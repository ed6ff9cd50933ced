"""The desk of a gate, asked as a browser asks. On SQLite alone: what it asks the catalogue is tested where it is made."""

import re
from collections.abc import Iterator, Mapping
from html import unescape
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from catalog.administration import Scope
from catalog.audit import Reads
from catalog.gate.receive.intake import Intake
from catalog.gate.staged.area import Staging
from catalog.view import Archive
from gateway.config import load
from gateway.credentials import Credentials, TokenBackend
from gateway.http.app import Front
from gateway.http.metrics import Metrics
from gateway.wiring import open_http_parts
from tests.builders import BuiltArchive
from tests.catalog.gate.conftest import Gate
from tests.gateway.http.serving import basic, new_token

OWN = MappingProxyType({"Sec-Fetch-Site": "same-origin"})


@pytest.fixture
def gate(built: BuiltArchive, tmp_path: Path) -> Iterator[Gate]:
    staging = Staging(tmp_path / "var" / "staging")
    staging.prepare()
    intake = Intake(built.database, staging)
    yield Gate(built, staging, intake)
    intake.close()


class Browser:
    """A reviewer's browser, without scripts."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        config = load(gate.built.config)
        credentials = Credentials(gate.database, TokenBackend(gate.database))
        metrics = Metrics()
        self.reads = Reads()
        archive = Archive(gate.database, gate.store, self.reads)
        self.app = Front(open_http_parts(config, gate.database, archive, metrics), credentials, metrics)
        self._client = Client(self.app)
        self._tokens: dict[str, str] = {}

    def credentials(self, login: str, *scopes: Scope) -> str:
        if login not in self._tokens:
            self._tokens[login] = new_token(self.gate.built, login, *(scopes or (Scope.STAGING,)))
        return basic(login, self._tokens[login])

    def get(self, path: str = "", login: str = "ada", **headers: str) -> TestResponse:
        answer = self._client.get(f"/desk/{path}", headers={"Authorization": self.credentials(login), **headers})
        answer.get_data()
        answer.close()
        return answer

    def post(
        self, path: str, form: Mapping[str, Any] | None = None, login: str = "ada", headers: Mapping[str, str] = OWN
    ) -> TestResponse:
        return self._client.post(
            f"/desk/{path}", data=form or {}, headers={"Authorization": self.credentials(login), **headers}
        )

    def seen(self, batch: int, login: str = "ada") -> str:
        """Return the mark that the forms of a batch's page carry."""
        found = re.search(r'name="seen" value="(\w+)"', self.get(f"batches/{batch}", login).text)
        assert found is not None
        return found[1]

    def do(self, batch: int, what: str, login: str = "ada", **form: Any) -> TestResponse:
        """Open a batch's page, and send one of its forms."""
        return self.post(f"batches/{batch}/{what}", {"seen": self.seen(batch, login), **form}, login)


@pytest.fixture
def browser(gate: Gate) -> Iterator[Browser]:
    opened = Browser(gate)
    yield opened
    opened.app.at_end()


def told(answer: TestResponse) -> str:
    """Return what a person reads on a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())
