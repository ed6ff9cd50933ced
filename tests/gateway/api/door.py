"""The whole HTTP door in this process: the parts as they are wired, real credentials, no socket."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from werkzeug.test import Client, TestResponse

from catalog.administration import Actor, Scope, create_token
from catalog.audit import Keeper
from gateway.config import load
from gateway.credentials import Credentials, TokenBackend
from gateway.http.app import Front
from gateway.http.metrics import Metrics
from gateway.wiring import open_archive, open_http_parts
from tests.builders import BuiltArchive


class Door:
    """The door of a built archive; `get` and `send` ask as `login` with a token of these scopes."""

    def __init__(self, built: BuiltArchive) -> None:
        self.built = built
        config = load(built.config)
        self.keeper = Keeper(built.database)
        archive, metrics = open_archive(config, built.database, self.keeper), Metrics()
        self._parts = open_http_parts(config, built.database, archive, metrics)
        self.front = Front(self._parts, Credentials(built.database, TokenBackend(built.database)), metrics)
        self.client = Client(self.front)
        self._tokens: dict[tuple[str, Sequence[Scope]], str] = {}

    def close(self) -> None:
        self.front.at_end()

    def authorization(self, login: str = "anna", *scopes: Scope) -> str:
        key = (login, scopes or (Scope.READ,))
        if key not in self._tokens:
            self._tokens[key] = create_token(self.built.database, Actor("root"), login, key[1], None)
        return "Basic " + base64.b64encode(f"{login}:{self._tokens[key]}".encode()).decode()

    def send(
        self,
        method: str,
        path: str,
        login: str = "anna",
        *scopes: Scope,
        headers: Mapping[str, str] | None = None,
        json: object = None,
        **more: Any,
    ) -> TestResponse:
        """Ask for a path below /api/v1."""
        sent = {"Authorization": self.authorization(login, *scopes), "Host": "archive.example", **(headers or {})}
        return self.client.open(f"/api/v1{path}", method=method, headers=sent, json=json, **more)

    def get(self, path: str, login: str = "anna", *scopes: Scope, headers: Mapping[str, str] | None = None) -> TestResponse:
        return self.send("GET", path, login, *scopes, headers=headers)
