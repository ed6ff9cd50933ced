"""Tokens are kept hashed, shown once, and revocable."""

import pytest
import sqlalchemy as sa

from catalog import clock
from catalog.administration import Scope, add_user, create_token, list_tokens, revoke_token, token_digest
from catalog.audit import entries
from catalog.database.tables import tokens
from catalog.pure.access import Role
from catalog.pure.errors import Invalid, NotFound
from tests.catalog.administration.conftest import ROOT, Office


def test_only_the_digest_is_kept(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: 1_700_000_000)
    add_user(office.database, ROOT, "ada", Role.LIMITED)
    secret = create_token(office.database, ROOT, "ADA", [Scope.STAGING, Scope.READ], 60)
    assert secret.startswith("amt_")
    assert len(secret) == 4 + 43
    row = office.database.row(sa.select(tokens))
    assert row is not None
    assert (row.sha256, row.scopes, row.expires) == (token_digest(secret), "read staging", 1_700_000_060)
    (token,) = list_tokens(office.database)
    assert (token.login, token.scopes, token.expires) == ("ada", (Scope.READ, Scope.STAGING), 1_700_000_060)
    assert secret not in str(entries(office.database))


def test_revoked_token_is_gone_and_announced(office: Office) -> None:
    add_user(office.database, ROOT, "ada", Role.LIMITED)
    create_token(office.database, ROOT, "ada", [Scope.READ], None)
    (token,) = list_tokens(office.database)
    assert token.expires is None
    assert revoke_token(office.database, ROOT, token.id) == "ada"
    assert list_tokens(office.database) == []
    assert office.announced() == ["user", "user"]
    with pytest.raises(NotFound, match=f"no token {token.id}"):
        revoke_token(office.database, ROOT, token.id)


@pytest.mark.parametrize(("scopes", "seconds"), [([], 60), ([Scope.READ], 0), ([Scope.READ], -5), ([Scope.READ], 10**12)])
def test_token_that_makes_no_sense(office: Office, scopes: list[Scope], seconds: int) -> None:
    add_user(office.database, ROOT, "ada", Role.LIMITED)
    with pytest.raises(Invalid):
        create_token(office.database, ROOT, "ada", scopes, seconds)
    with pytest.raises(NotFound):
        create_token(office.database, ROOT, "bob", [Scope.READ], None)
    assert list_tokens(office.database) == []
