"""Log-in, log-out, what a session is good for and when it ends; one's own tokens."""

import re
from pathlib import Path

import pytest
from werkzeug.test import Client, TestResponse

from catalog import administration, clock
from catalog.administration import Scope
from catalog.audit import entries
from catalog.pure.batches import State
from gateway.http.desk import entering, visits
from tests.catalog.gate.conftest import ROOT, Gate
from tests.gateway.http.desk.conftest import Browser, told
from tests.gateway.http.serving import new_token
from tests.synthetic import image

PERSON = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Accept": "text/html,*/*"}
OWN = {**PERSON, "Sec-Fetch-Site": "same-origin"}


class Person:
    """A browser with cookies, at a front."""

    def __init__(self, browser: Browser, scheme: str = "http") -> None:
        self.client = Client(browser.app)
        self.scheme = scheme

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, headers={**PERSON, **headers}, base_url=f"{self.scheme}://desk.example")

    def send(self, path: str, headers: dict[str, str] | None = None, **form: object) -> TestResponse:
        return self.client.post(path, data=form, headers=headers or OWN, base_url=f"{self.scheme}://desk.example")

    def mark(self, path: str) -> str:
        found = re.search(r'name="csrf" value="(\w+)"', self.get(path).text)
        assert found is not None
        return found[1]

    def log_in(self, login: str, secret: str, going_to: str = "/desk/") -> TestResponse:
        csrf = self.mark("/desk/login")
        return self.send("/desk/login", login=login, password=secret, csrf=csrf, next=going_to)


@pytest.fixture
def ada(gate: Gate, browser: Browser) -> Person:
    person = Person(browser)
    answer = person.log_in("ada", new_token(gate.built, "ada", Scope.STAGING, Scope.READ))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/desk/")
    return person


def test_a_person_is_shown_a_log_in_and_comes_back_to_the_page(gate: Gate, browser: Browser) -> None:
    person = Person(browser)
    assert person.get("/").headers["Location"] == "/desk/"
    sent = person.get("/desk/?show=open")
    assert (sent.status_code, sent.headers["Location"]) == (303, "/desk/login?next=/desk/?show%3Dopen")
    page = person.get(sent.headers["Location"])
    assert page.status_code == 200
    assert "WWW-Authenticate" not in page.headers
    assert page.headers["Cache-Control"] == "no-store"
    going_to = re.search(r'name="next" value="([^"]+)"', page.text)
    assert going_to is not None
    answer = person.log_in("ADA", new_token(gate.built, "ada", Scope.STAGING), going_to[1])
    assert answer.headers["Location"] == "/desk/?show=open"
    cookie = next(each for each in answer.headers.getlist("Set-Cookie") if each.startswith(visits.COOKIE))
    assert {"HttpOnly", "SameSite=Lax", "Path=/desk"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert person.get("/desk/?show=open").status_code == 200


def test_behind_tls_the_cookie_goes_over_nothing_else(gate: Gate, browser: Browser) -> None:
    answer = Person(browser, "https").log_in("ada", new_token(gate.built, "ada", Scope.STAGING))
    assert all("Secure" in cookie for cookie in answer.headers.getlist("Set-Cookie"))


@pytest.mark.parametrize("going_to", ["https://a.example/", "//a.example", "/desk//a", "/desk/\\a", "/archive/", "", "x"])
def test_a_log_in_leads_to_pages_of_the_desk_alone(going_to: str) -> None:
    assert visits.safe_address(going_to) == "/desk/"


def test_a_wrong_password_is_said_and_too_many_must_wait(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    person = Person(browser)
    answer = person.log_in("ada", "wrong")
    assert answer.status_code == 401
    assert "do not fit together" in told(answer)
    assert 'value="ada"' in answer.text
    assert "WWW-Authenticate" not in answer.headers
    for _ in range(entering._FAILED_OF_ONE - 1):
        person.log_in("ada", "wrong")
    answer = person.log_in("ada", browser.credentials("ada"))
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert person.log_in("bob", "wrong").status_code == 401


def test_attempts_are_forgotten_in_time() -> None:
    now = 0.0
    attempts = visits.Attempts(2, 60, lambda: now)
    attempts.failed("a")
    assert attempts.wait("a", "b") == 0
    now = 10
    attempts.failed("a")
    assert attempts.wait("a", "b") == 50
    now = 60
    assert attempts.wait("a") == 0


def test_after_log_out_nothing_is_shown_whatever_the_browser_remembers(gate: Gate, browser: Browser, ada: Person) -> None:
    assert ada.get("/desk/").headers["Cache-Control"] == "no-store"
    (secret,) = [cookie.value for cookie in [ada.client.get_cookie(visits.COOKIE, "desk.example", "/desk")] if cookie]
    assert ada.send("/desk/logout", csrf=ada.mark("/desk/")).headers["Location"] == "/desk/login?ended=1"
    assert "You are logged out" in told(ada.get("/desk/login?ended=1"))
    assert ada.get("/desk/", Authorization=browser.credentials("ada")).status_code == 303
    thief = Person(browser)
    thief.client.set_cookie(visits.COOKIE, secret, domain="desk.example", path="/desk")
    assert thief.get("/desk/").status_code == 303
    told_of = [entry.action for entry in entries(gate.database) if entry.action.startswith("session.")]
    assert told_of == ["session.begin", "session.end"]


def test_a_form_without_the_mark_of_its_session_changes_nothing(gate: Gate, browser: Browser, ada: Person) -> None:
    batch = gate.checked(image()).id
    page = f"/desk/batches/{batch}"
    seen = re.search(r'name="seen" value="(\w+)"', ada.get(page).text)
    assert seen is not None
    other = Person(browser)
    other.log_in("bob", new_token(gate.built, "bob", Scope.STAGING))
    form = {"seen": seen[1], "reason": "x"}
    for csrf in ({}, {"csrf": "wrong"}, {"csrf": other.mark("/desk/")}):
        answer = ada.send(f"{page}/reject", **form, **csrf)
        assert answer.status_code == 403
        assert "nothing was changed" in told(answer)
    evil = {**PERSON, "Sec-Fetch-Site": "cross-site"}
    assert ada.send(f"{page}/reject", evil, **form, csrf=ada.mark(page)).status_code == 403
    assert gate.review.info(batch).state is State.CHECKED
    # A program that has the cookie and the mark says nothing of where it comes from.
    assert ada.send(f"{page}/reject", {"User-Agent": "curl/8"}, **form, csrf=ada.mark(page)).status_code == 303
    assert gate.review.info(batch).state is State.REJECTED


def test_every_form_that_changes_something_carries_the_mark() -> None:
    for template in Path(visits.__file__).parent.joinpath("templates").rglob("*.html"):
        for form in re.findall(r'<form method="post".*?</form>', template.read_text(), re.DOTALL):
            assert 'name="csrf"' in form or "guarded(seen)" in form, (template.name, form)


def test_a_quiet_session_ends_and_what_is_asked_then_is_not_done(
    gate: Gate, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = gate.checked(image()).id
    page = f"/desk/batches/{batch}"
    form = {"csrf": ada.mark(page), "reason": "x", "seen": "x"}
    began = clock.now()
    monkeypatch.setattr(clock, "now", lambda: began + 14 * 60)
    assert ada.get(page).status_code == 200
    monkeypatch.setattr(clock, "now", lambda: began + 28 * 60)
    assert ada.get(page).status_code == 200  # it was used between
    monkeypatch.setattr(clock, "now", lambda: began + 44 * 60)
    answer = ada.send(f"{page}/reject", **form)
    assert answer.status_code == 401
    assert "Your session has ended" in told(answer)
    assert "/desk/login?next=" in answer.text
    assert gate.review.info(batch).state is State.CHECKED
    assert ada.get(page).headers["Location"].startswith("/desk/login?next=/desk/batches/")


def test_a_session_ends_with_the_day_the_token_and_the_user(
    gate: Gate, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [Person(browser) for _ in range(3)]
    for person in people:
        person.log_in("bob", new_token(gate.built, "bob", Scope.STAGING))
    first, second, third = people
    tokens = [each.id for each in administration.list_tokens(gate.database) if each.login == "bob"]
    administration.revoke_token(gate.database, ROOT, tokens[0])
    assert first.get("/desk/").status_code == 303
    assert second.get("/desk/").status_code == 200
    began = clock.now()
    for minutes in range(10, 12 * 60, 10):
        monkeypatch.setattr(clock, "now", lambda minutes=minutes: began + minutes * 60)
        second.get("/desk/account")
    assert second.get("/desk/").status_code == 200
    monkeypatch.setattr(clock, "now", lambda: began + 12 * 3600 + 1)
    assert second.get("/desk/").status_code == 303
    monkeypatch.undo()
    assert third.get("/desk/").status_code == 200
    administration.remove_user(gate.database, ROOT, "bob")
    assert third.get("/desk/").status_code == 303


def test_log_out_everywhere(gate: Gate, browser: Browser, ada: Person) -> None:
    other = Person(browser)
    other.log_in("ada", new_token(gate.built, "ada", Scope.STAGING))
    page = ada.get("/desk/account")
    assert told(page).count("Firefox") == 2
    (number,) = re.findall(r"/desk/account/sessions/(\d+)/end", page.text)
    bob = Person(browser)
    bob.log_in("bob", new_token(gate.built, "bob", Scope.STAGING))
    assert bob.send(f"/desk/account/sessions/{number}/end", csrf=bob.mark("/desk/account")).status_code == 404
    assert other.get("/desk/").status_code == 200
    assert ada.send(f"/desk/account/sessions/{number}/end", csrf=ada.mark("/desk/account")).status_code == 303
    assert other.get("/desk/").status_code == 303
    other.log_in("ada", new_token(gate.built, "ada", Scope.STAGING))
    ada.send("/desk/logout", csrf=ada.mark("/desk/account"), everywhere="1")
    assert (ada.get("/desk/").status_code, other.get("/desk/").status_code) == (303, 303)
    assert bob.get("/desk/").status_code == 200


def test_own_tokens_are_made_shown_once_and_revoked(gate: Gate, browser: Browser, ada: Person) -> None:
    csrf = ada.mark("/desk/account")
    answer = ada.send("/desk/account/tokens", scope=["read", "staging"], days="7", csrf=csrf)
    secret = re.search(r"amt_[\w-]+", answer.text)
    assert secret is not None
    page = ada.get("/desk/account")
    assert secret[0] not in page.text
    assert "read, staging" in told(page)
    own = [each.id for each in administration.list_tokens(gate.database) if each.login == "ada"]
    program = Person(browser)
    assert program.log_in("ada", secret[0]).status_code == 303
    bob = Person(browser)
    bob.log_in("bob", new_token(gate.built, "bob", Scope.STAGING))
    assert bob.send(f"/desk/account/tokens/{own[-1]}/revoke", csrf=bob.mark("/desk/account")).status_code == 404
    assert ada.send(f"/desk/account/tokens/{own[-1]}/revoke", csrf=csrf).status_code == 303
    assert program.get("/desk/").status_code == 303
    assert Person(browser).log_in("ada", secret[0]).status_code == 401


def test_a_token_makes_no_token_that_may_more_or_holds_longer(gate: Gate, browser: Browser) -> None:
    person = Person(browser)
    person.log_in("ada", new_token(gate.built, "ada", Scope.READ, expires=10 * 86400))
    csrf = person.mark("/desk/account")
    for form in (
        {"scope": "staging", "days": "7"},
        {"scope": "read", "days": "30"},
        {"scope": "admin", "days": "7"},
        {"days": "7"},
    ):
        answer = person.send("/desk/account/tokens", csrf=csrf, **form)
        assert answer.status_code in {400, 403}
        assert "amt_" not in answer.text
    assert "amt_" in person.send("/desk/account/tokens", csrf=csrf, scope="read", days="7").text
