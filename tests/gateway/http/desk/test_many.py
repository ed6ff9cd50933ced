"""A reviewer with many batches: the list is filtered, and many are sealed or rejected at once."""

import re

from catalog import administration, clock
from catalog.administration import set_reviewers
from catalog.pure.batches import State
from tests.catalog.gate.conftest import ROOT, STUDY, Gate
from tests.gateway.http.desk.conftest import Browser, told
from tests.synthetic import image


def listed(browser: Browser, query: str) -> list[int]:
    return [int(number) for number in re.findall(r'<th scope="row"><a href="/desk/batches/(\d+)"', browser.get(query).text)]


def sent_by(page: str) -> dict[str, object]:
    """Return what the form of a page would send."""
    fields = re.findall(r'name="([\w-]+)" value="([^"]*)"', page)
    return {name: [value for other, value in fields if other == name] for name, _ in fields}


def test_the_list_is_filtered(gate: Gate, browser: Browser) -> None:
    scanned = gate.checked(image()).id
    brought = gate.bring(image(study="2"), exam="E077")
    assert listed(browser, "?show=all") == [brought, scanned]
    assert listed(browser, "?show=all&text=mr1") == [scanned]
    assert listed(browser, "?show=all&text=e07") == [brought]
    assert listed(browser, f"?show=all&text={scanned}") == [scanned]
    assert listed(browser, "?show=all&text=%25") == []
    assert "No batch of this kind fits" in told(browser.get("?show=all&text=nothing"))
    assert listed(browser, f"?show=all&study={STUDY}") == [brought]
    assert listed(browser, "?show=all&days=7&study=") == [brought, scanned]
    with gate.database.write() as connection:
        from catalog.database.tables import batches

        connection.execute(batches.update().where(batches.c.id == scanned).values(last_write=clock.now() - 10 * 86400))
    assert listed(browser, "?show=all&days=7") == [brought]
    assert listed(browser, "?show=all&days=nonsense") == [brought, scanned]


def test_many_are_rejected_after_a_page_that_says_which(gate: Gate, browser: Browser) -> None:
    set_reviewers(gate.database, ROOT, "MR1", ["ada", "bob"])
    first, second, third = (gate.checked(image(study=study)).id for study in "123")
    chosen = {"deed": "reject", "batch": [first, second, third]}
    page = browser.post("bulk", chosen)
    assert "Nothing is done yet" in told(page)
    assert gate.review.info(first).state is State.CHECKED
    form = sent_by(page.text)
    assert browser.post("bulk/do", {**form, "reason": ""}).status_code == 400
    gate.review_of("bob").reject(second, "twice")
    answer = told(browser.post("bulk/do", {**form, "reason": "a phantom"}))
    assert "2 of 3 done" in answer
    assert f"Batch {second} : it has changed meanwhile" in answer
    assert [gate.review.info(number).reason for number in (first, second, third)] == ["a phantom", "twice", "a phantom"]
    answer = told(browser.post("bulk", {"deed": "reject", "batch": [first]}))
    assert f"Not possible as they are: batch {first} (rejected)" in answer


def test_many_are_sealed(gate: Gate, browser: Browser) -> None:
    numbers = [gate.bring(image(study=str(study)), exam=f"E00{study}") for study in (1, 2)]
    page = browser.post("bulk", {"deed": "seal", "batch": numbers})
    assert "Seal 2 batches?" in told(page)
    assert "2 of 2 done" in told(browser.post("bulk/do", sent_by(page.text)))
    assert [gate.review.info(number).state for number in numbers] == [State.SEALED, State.SEALED]


def test_nothing_is_done_to_what_may_not_be_seen_or_makes_no_sense(gate: Gate, browser: Browser) -> None:
    batch = gate.checked(image()).id
    administration.set_reviewers(gate.database, ROOT, "MR1", ["bob"])
    for path, form, status in (
        ("bulk", {"deed": "reject", "batch": [batch]}, 404),
        ("bulk", {"deed": "accept", "batch": [batch]}, 404),
        ("bulk", {"deed": "reject"}, 400),
        ("bulk", {"deed": "reject", "batch": list(range(1, 300))}, 400),
    ):
        assert browser.post(path, form).status_code == status
    answer = told(browser.post("bulk/do", {"deed": "reject", "batch": [batch], f"seen-{batch}": "x", "reason": "x"}))
    assert "0 of 1 done" in answer
    assert gate.review.info(batch).state is State.CHECKED
    assert browser.get("bulk").location == "/desk/"


def test_the_summary_says_that_an_exam_is_there(gate: Gate, browser: Browser) -> None:
    gate.published(image(), exam="E001")
    batch = gate.checked(image(series=4, instance=2)).id
    page = told(browser.do(batch, "summary", study=STUDY, exam="e001", series=["4"]))
    assert f"{STUDY}/E001 is there already , with 1 series and 1 file" in page
    assert f"The exam is new in {STUDY}" in told(browser.do(batch, "summary", study=STUDY, exam="E002", series=["4"]))
