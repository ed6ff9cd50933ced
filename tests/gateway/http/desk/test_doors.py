"""Who gets in, and what another site, a hostile name or a large body can do there: nothing."""

import re

import pytest

from catalog import administration
from catalog.administration import Scope
from catalog.pure.batches import State
from gateway.http.desk.part import is_own
from tests.catalog.gate.conftest import ROOT, STUDY, Gate
from tests.gateway.http.desk.conftest import Browser, told
from tests.gateway.http.serving import basic, new_token
from tests.synthetic import image


def test_a_browser_is_asked_for_a_login(browser: Browser) -> None:
    answer = browser._client.get("/desk/")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")


def test_a_token_must_be_good_for_staging(browser: Browser) -> None:
    token = new_token(browser.gate.built, "ada", Scope.READ)
    headers = {"Authorization": basic("ada", token)}
    assert browser._client.get("/desk/", headers=headers).location == "/desk/studies"
    answer = browser._client.get("/desk/batches/1", headers=headers)
    assert answer.status_code == 403
    assert "--scope staging" in answer.text


@pytest.mark.parametrize(
    ("site", "origin", "host", "own"),
    [
        ("same-origin", None, "a", True),
        ("none", None, "a", True),
        ("same-site", "https://a", "a", False),
        ("cross-site", "https://a", "a", False),
        (None, "https://a.example", "a.example", True),
        (None, "https://a.example:443", "a.example", True),
        (None, "http://127.0.0.1:8080", "127.0.0.1:8080", True),
        (None, "http://[::1]:8080", "[::1]:8080", True),
        (None, "http://127.0.0.1:8081", "127.0.0.1:8080", False),
        (None, "https://b.example", "a.example", False),
        (None, "https://a.example.b", "a.example", False),
        (None, "null", "a.example", False),
        (None, "", "a.example", False),
        (None, "file://a.example", "a.example", False),
        (None, "https://a.example:x", "a.example", False),
        (None, None, "a.example", False),
    ],
)
def test_only_our_own_pages_may_change_anything(site: str | None, origin: str | None, host: str, own: bool) -> None:
    assert is_own(site, origin, host) is own


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}, {"Origin": "https://evil"}])
def test_a_form_of_another_site_changes_nothing(gate: Gate, browser: Browser, headers: dict[str, str]) -> None:
    batch = gate.checked(image()).id
    form = {"seen": browser.seen(batch), "reason": "x", "study": STUDY, "exam": "E001", "series": "3"}
    for page in ("summary", "change", "accept", "reject"):
        answer = browser.post(f"batches/{batch}/{page}", form, headers=headers)
        assert answer.status_code == 403, page
        assert "Doe" not in answer.text
    assert "nothing was changed" in answer.text
    assert gate.review.info(batch).state is State.CHECKED


def test_every_page_says_what_a_browser_may_do_with_it(gate: Gate, browser: Browser) -> None:
    batch = gate.checked(image()).id
    for answer in (
        browser.get(), browser.get(f"batches/{batch}"), browser.get("nowhere"), browser.post("batches/1/reject", headers={}),
        browser.get(f"batches/{batch}/reject"), browser.get("static/desk.css"),
    ):  # fmt: skip
        policy = answer.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
    assert browser.get(f"batches/{batch}").headers["Cache-Control"] == "no-store"
    assert browser.get(f"batches/{batch}/reject").status_code == 405
    page = browser.get(f"batches/{batch}").text
    assert not re.search(r"<script(?! src=)|<style|\son\w+=|\sstyle=|javascript:", page)


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{ 7*7 }}",
        "\u202eenaJ^eoD",
        "A\u0007\u001b[31mB",
        "&lt;b&gt;",
    ],
)
def test_hostile_names_are_shown_and_do_nothing(gate: Gate, browser: Browser, name: str) -> None:
    batch = gate.checked(image(patient=name, description=name[:40])).id
    gate.review.recheck(batch, STUDY)
    gate.work()
    page = browser.get(f"batches/{batch}").text
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\x7f]", page)
    assert ">49<" not in page


def test_names_that_are_no_text_are_shown(gate: Gate, browser: Browser) -> None:
    batch = gate.checked(image()).id
    gate.staging.notes.write_about(
        batch, {"patients": [{"name": "M\udce4x", "id": "", "birth_date": "", "sex": "", "files": 1}]}
    )
    assert "M\ufffdx" in browser.get(f"batches/{batch}").text


def test_what_one_brought_without_a_grant_is_a_receipt(gate: Gate, browser: Browser) -> None:
    batch = gate.bring(image(description="a series of a study"), exam="E077")
    gate.review.seal(batch)
    gate.work()
    assert "E077" in browser.get("?show=all").text
    administration.remove_grant(gate.database, ROOT, "ada", STUDY)
    page = browser.get("?show=all")
    assert told(page).count("nothing that you may see") == 1
    assert f'<th scope="row">{batch}</th>' in page.text
    for secret in ("E077", STUDY, f"batches/{batch}", "series"):
        assert secret not in page.text, secret
    for path in ("", "/progress", "/images/1"):
        assert browser.get(f"batches/{batch}{path}").status_code == 404
    for what in ("seal", "summary", "change", "accept", "reject", "recheck", "restore", "reopen"):
        answer = browser.post(f"batches/{batch}/{what}", {"seen": "x", "study": STUDY, "exam": "E1", "reason": "mine"})
        assert answer.status_code == 404, what
    assert gate.review.info(batch).state is State.CHECKED


def test_a_large_body_is_refused(gate: Gate, browser: Browser) -> None:
    batch = gate.checked(image()).id
    answer = browser.post(f"batches/{batch}/reject", {"seen": browser.seen(batch), "reason": "x" * (1 << 21)})
    assert answer.status_code == 413
    assert gate.review.info(batch).state is State.CHECKED


def test_nothing_that_identifies_is_in_titles_and_addresses(gate: Gate, browser: Browser) -> None:
    batch = gate.checked(image()).id
    page = browser.get(f"batches/{batch}").text
    title = re.search("<title>(.*?)</title>", page)
    assert title is not None
    assert title[1] == f"Batch {batch} · ArchiMed"
    assert not [href for href in re.findall('(?:href|src|action)="([^"]*)"', page) if "Doe" in href or "4711" in href]


def test_the_desk_is_entered_without_its_slash(browser: Browser) -> None:
    answer = browser._client.get("/desk", headers={"Authorization": browser.credentials("ada")})
    assert (answer.status_code, answer.location) == (308, "/desk/")
