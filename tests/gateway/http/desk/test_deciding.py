"""A reviewer's day at the desk: see, seal, accept, reject, take back, lose a race."""

import re
from html import unescape

import pytest

from catalog import administration
from catalog.audit import entries
from catalog.pure.access import Role
from catalog.pure.batches import State
from gateway.http.desk import forms
from tests.catalog.gate.conftest import ROOT, STUDY, Gate
from tests.gateway.http.desk.conftest import Browser, told
from tests.synthetic import image


def two_series() -> list[bytes]:
    return [image(instance=1), image(instance=2), image(series=4, description="t2_tse", instance=1)]


def test_the_list_shows_what_waits_first(gate: Gate, browser: Browser) -> None:
    batch = gate.checked(*two_series())
    gate.receive(image(study="2"))
    page = told(browser.get())
    assert "Waiting for you 1" in page
    assert "Open 1" in page
    assert f"{batch.id} waits for a decision MR1" in page
    assert "3 files" in page
    assert "files still come in" in told(browser.get("?show=open"))
    assert "files still come in" in told(browser.get("?show=all"))


def test_an_empty_desk_says_what_to_do(gate: Gate, browser: Browser) -> None:
    page = told(browser.get())
    assert "Nothing waits for your decision." in page
    assert "ask the archive's administrator" in page
    gate.receive(image())
    assert "1 batch is open : seal what is complete" in told(browser.get())


def test_a_long_list_is_turned_page_by_page(gate: Gate, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.http.desk.pages._ROWS", 2)
    numbers = [gate.checked(image(study=str(number))).id for number in range(3)]
    assert [f'aria-label="Open batch {number}"' in browser.get().text for number in numbers] == [False, True, True]
    older = browser.get(f"?show=waiting&before={numbers[1]}").text
    assert [f'aria-label="Open batch {number}"' in older for number in numbers] == [True, False, False]


def test_a_batch_is_sealed(gate: Gate, browser: Browser) -> None:
    batch = gate.receive(image())
    answer = browser.do(batch, "seal")
    assert (answer.status_code, answer.location) == (303, f"/desk/batches/{batch}")
    assert "being checked" in told(browser.get(f"batches/{batch}"))
    assert browser.get(f"batches/{batch}/progress").json == {"state": "sealed", "files": 1, "done": 0, "error": ""}
    gate.work()
    assert "waits for a decision" in told(browser.get(f"batches/{batch}"))


def test_the_page_tells_what_a_reviewer_must_know(gate: Gate, browser: Browser) -> None:
    batch = gate.checked(*two_series(), image(patient="Other^One", patient_id="X", series=4, instance=9)).id
    page = told(browser.get(f"batches/{batch}"))
    for wanted in ("Doe^Jane", "HOSP-4711", "19610507", "t1_mprage sag", "t2_tse", "DCM_MR", "Several patients"):
        assert wanted in page, wanted
    assert "--" not in page.partition("The report")[0]
    assert "needs a reason" in page
    gate.review.recheck(batch, STUDY)
    gate.work()
    page = told(browser.get(f"batches/{batch}"))
    assert "published as DCM_MR t1_mprage" in page


def test_a_selection_is_accepted(gate: Gate, browser: Browser) -> None:
    batch = gate.checked(*two_series()).id
    answer = browser.do(batch, "accept", study=STUDY, exam="E001", series=["3"], **{"label-3": "t1 new", "label-4": "kept out"})
    assert answer.status_code == 303, told(answer)
    gate.work()
    assert gate.names(f"/{STUDY}/E001") == ["003_DCM_MR_t1_new"]
    page = told(browser.get(f"batches/{batch}"))
    assert "published" in page
    assert f"batch {batch + 1}" in page
    assert "Doe^Jane" not in page
    assert gate.review.info(batch).decided_by == "ada"
    assert gate.review.info(batch + 1).state is State.CHECKED
    (entry,) = [entry for entry in entries(gate.database) if entry.action == "batch.accept"]
    assert entry.actor == "ada"


def sent_by(page: str) -> dict[str, list[str]]:
    """Return the fields that the form of a summary sends."""
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page):
        fields.setdefault(name, []).append(unescape(value))
    return fields


def test_accepting_goes_over_a_summary_that_decides_nothing(gate: Gate, browser: Browser) -> None:
    batch = gate.checked(*two_series(), image(patient="Other^One", patient_id="X", series=4, instance=9)).id
    before = gate.review.info(batch)
    names = {"label-3": "t1 <new>", "label-4": "later"}
    answer = browser.do(batch, "summary", study=STUDY, exam="E001", series=["3"], attest="a phantom", **names)
    assert answer.status_code == 200, told(answer)
    page = told(answer)
    for wanted in (
        "Nothing is decided yet", f"{STUDY}/E001", "2 files in 1 series", "Doe^Jane", "HOSP-4711", "t1_mprage sag", "t1 <new>",
        "2 files: 4 t2_tse", "files of several patients", f"not tried for {STUDY}", "Not looked through", "a phantom",
        "no reason given",
    ):  # fmt: skip
        assert wanted in page, wanted
    assert "t1 &lt;new&gt;" in answer.text
    assert "Several patients" not in page, "the series that is chosen has one"
    assert gate.review.info(batch) == before
    changed = browser.post(f"batches/{batch}/change", sent_by(answer.text))
    for kept in ('value="E001"', 'value="t1 &lt;new&gt;"', 'value="later"', 'value="a phantom"', f'value="{STUDY}" selected'):
        assert kept in changed.text, kept
    assert [f'value="{one}" aria-label="Accept series {one}" checked' in changed.text for one in "34"] == [True, False]
    assert gate.review.info(batch) == before
    assert browser.post(f"batches/{batch}/accept", sent_by(answer.text)).status_code == 303
    gate.work()
    assert gate.names(f"/{STUDY}/E001") == ["003_DCM_MR_t1_new"]


def test_the_summary_says_what_is_suspected_and_what_is_done(gate: Gate, browser: Browser) -> None:
    batch = gate.checked(image(), image(series=4, instance=2, BurnedInAnnotation="YES")).id
    gate.review.recheck(batch, STUDY)
    gate.work()
    both = told(browser.do(batch, "summary", study=STUDY, exam="E001", series=["3", "4"]))
    assert "Images or sound may tell who it is" in both
    assert "Suspected ones are held" in both
    one = told(browser.do(batch, "summary", study=STUDY, exam="E001", series=["3"], pixels="on"))
    assert "Images or sound may tell who it is" not in one
    assert "1 of 1 image not seen" in one
    assert "published as DCM_MR t1_mprage" in one


def test_what_is_sent_twice_is_done_once(gate: Gate, browser: Browser) -> None:
    batch = gate.checked(image()).id
    summary = browser.do(batch, "summary", study=STUDY, exam="E001", series=["3"])
    form = sent_by(summary.text)
    assert browser.post(f"batches/{batch}/accept", form).status_code == 303
    again = browser.post(f"batches/{batch}/accept", form)
    assert again.status_code == 409
    assert "You decided on it yourself just now" in told(again)
    assert "Nothing was done a second time" in told(again)
    gate.work()
    for page in ("accept", "summary", "change"):
        assert browser.post(f"batches/{batch}/{page}", form).status_code == 409, page
    assert [entry.action for entry in entries(gate.database) if entry.action == "batch.accept"] == ["batch.accept"]
    assert gate.names(f"/{STUDY}/E001") == ["003_DCM_MR_t1_mprage_sag"]


def test_a_summary_that_is_late_decides_nothing(gate: Gate, browser: Browser) -> None:
    batch = gate.checked(image()).id
    form = sent_by(browser.do(batch, "summary", study=STUDY, exam="E001", series=["3"]).text)
    gate.review.recheck(batch, STUDY, "E002")
    gate.work()
    for page in ("accept", "summary", "change"):
        answer = browser.post(f"batches/{batch}/{page}", form)
        assert answer.status_code == 409, page
        assert "Nothing of what you just asked for was done" in told(answer)
    assert gate.review.info(batch).state is State.CHECKED


def test_a_summary_that_is_asked_for_anew_leads_to_the_batch(gate: Gate, browser: Browser) -> None:
    batch = gate.checked(image()).id
    for page in ("summary", "change"):
        answer = browser.get(f"batches/{batch}/{page}")
        assert (answer.status_code, answer.location) == (303, f"/desk/batches/{batch}")


def test_a_publication_is_withdrawn_by_who_may_and_once(gate: Gate, browser: Browser) -> None:
    number = gate.published(image()).id
    page = told(browser.get(f"batches/{number}"))
    assert "role power or above" in page
    assert f"archimed bin put --batch {number}" in page
    mark = forms.seen(gate.review.info(number))
    assert browser.post(f"batches/{number}/withdraw", {"seen": mark, "reason": "wrong exam"}).status_code == 403
    administration.set_role(gate.database, ROOT, "ada", Role.POWER)
    assert browser.post(f"batches/{number}/withdraw", {"seen": mark, "reason": ""}).status_code == 400
    assert gate.names(f"/{STUDY}") == ["E001"]
    assert browser.do(number, "withdraw", reason="wrong exam").status_code == 303
    page = told(browser.get(f"batches/{number}"))
    assert "Withdrawn. What this batch brought is on its way to the bin" in page
    assert f"{STUDY}/E001, put there by ada just now: wrong exam" in page
    assert browser.post(f"batches/{number}/withdraw", {"seen": mark, "reason": "again"}).status_code == 409
    gate.work()
    assert gate.names(f"/{STUDY}") == []
    assert "is in the bin" in told(browser.get(f"batches/{number}"))


def test_taking_all_ticks_away_accepts_nothing(gate: Gate, browser: Browser) -> None:
    batch = gate.checked(image()).id
    answer = browser.do(batch, "accept", study=STUDY, exam="E001", despite="kept <b>", **{"label-3": "kept too"})
    assert answer.status_code == 400
    assert "Choose at least one series" in told(answer)
    assert 'value="kept &lt;b&gt;"' in answer.text
    assert 'value="kept too"' in answer.text
    assert gate.review.info(batch).state is State.CHECKED


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({"study": "", "exam": "E001"}, "Choose the study"),
        ({"study": STUDY, "exam": ""}, "Give the exam code"),
        ({"study": STUDY, "exam": "../x"}, "exam code"),
        ({"study": "nowhere", "exam": "E001"}, "There is no study nowhere"),
        ({"study": "other", "exam": "E001"}, "There is no study other"),
    ],
)
@pytest.mark.parametrize("page", ["summary", "accept"])
def test_what_cannot_be_accepted_says_why(gate: Gate, browser: Browser, form: dict[str, str], why: str, page: str) -> None:
    batch = gate.checked(image()).id
    answer = browser.do(batch, page, series=["3"], **form)
    assert answer.status_code in {400, 403, 404}
    assert why in told(answer)
    assert gate.review.info(batch).state is State.CHECKED


def test_the_pattern_of_the_study_is_told_and_held(gate: Gate, browser: Browser) -> None:
    profile = '[expect]\nexam = "E[0-9]{3}"\n'
    administration.create_study(gate.database, gate.store, ROOT, "2011-0001", profile=profile)
    administration.add_grant(gate.database, ROOT, "ada", "2011-0001")
    batch = gate.checked(image()).id
    assert "2011-0001 expects E[0-9]{3}" in told(browser.get(f"batches/{batch}"))
    answer = browser.do(batch, "accept", study="2011-0001", exam="X1", series=["3"])
    assert answer.status_code == 403
    assert browser.do(batch, "summary", study="2011-0001", exam="X1", series=["3"]).status_code == 403
    assert "The study expects exam codes like E[0-9]{3}, and X1 is none" in told(answer)
    assert browser.do(batch, "accept", study="2011-0001", exam="X1", series=["3"], despite="pilot").status_code == 303


def test_a_batch_is_rejected_restored_and_checked_again(gate: Gate, browser: Browser) -> None:
    batch = gate.checked(image()).id
    answer = browser.do(batch, "reject", reason=" ")
    assert (answer.status_code, "Say why" in told(answer)) == (400, True)
    assert browser.do(batch, "reject", reason="wrong <patient>").status_code == 303
    page = browser.get(f"batches/{batch}")
    assert "wrong &lt;patient&gt;" in page.text
    assert browser.do(batch, "restore").status_code == 303
    gate.work()
    assert browser.do(batch, "recheck", study=STUDY, exam="E009").status_code == 303
    gate.work()
    info = gate.review.info(batch)
    assert (info.state, info.study, info.exam) == (State.CHECKED, STUDY, "E009")
    actions = [entry.action for entry in entries(gate.database) if entry.actor == "ada"]
    assert sorted(actions) == ["batch.recheck", "batch.reject", "batch.restore"]


def test_of_two_reviewers_one_wins_and_the_other_reads_who(gate: Gate, browser: Browser) -> None:
    administration.set_reviewers(gate.database, ROOT, "MR1", ["ada", "bob"])
    batch = gate.checked(image()).id
    late = browser.seen(batch, "bob")
    assert browser.do(batch, "accept", study=STUDY, exam="E001", series=["3"]).status_code == 303
    answer = browser.post(f"batches/{batch}/reject", {"seen": late, "reason": "no"}, "bob")
    assert answer.status_code == 409
    page = told(answer)
    assert "ada decided on it just now" in page
    assert "being published" in page
    assert f"{STUDY}/E001" in page
    assert "UTC" in page
    assert gate.review.info(batch).state is State.ACCEPTED


def test_findings_that_changed_since_are_read_before_anything_is_accepted(gate: Gate, browser: Browser) -> None:
    batch = gate.checked(image()).id
    late = browser.seen(batch)
    gate.review.recheck(batch, STUDY, "E002")
    gate.work()
    answer = browser.post(f"batches/{batch}/accept", {"seen": late, "study": STUDY, "exam": "E001", "series": "3"})
    assert answer.status_code == 409
    assert "Nothing of what you just asked for was done" in told(answer)


def test_what_may_not_be_seen_is_not_there(gate: Gate, browser: Browser) -> None:
    batch = gate.checked(image()).id
    for path in (f"batches/{batch}", f"batches/{batch}/progress", "batches/999", f"batches/{2**70}", "nowhere"):
        answer = browser.get(path, "bob")
        assert answer.status_code == 404, path
        assert "Doe" not in answer.text
    for what in ("seal", "summary", "change", "accept", "reject", "recheck", "restore", "reopen"):
        assert browser.post(f"batches/{batch}/{what}", {"reason": "x"}, "bob").status_code == 404
    assert "Doe" not in browser.get("?show=all", "bob").text


def test_a_role_that_imports_nothing_is_told(gate: Gate, browser: Browser) -> None:
    gate.checked(image())
    page = told(browser.get(login="lea"))
    assert "Your role, limited , reads what is archived" in page


def test_what_is_taken_away_counts_with_the_next_request(gate: Gate, browser: Browser) -> None:
    batch = gate.checked(image()).id
    mark = browser.seen(batch)
    administration.set_role(gate.database, ROOT, "ada", Role.LIMITED)
    assert browser.get(f"batches/{batch}").status_code == 404
    assert browser.post(f"batches/{batch}/reject", {"seen": mark, "reason": "x"}).status_code == 404
    administration.remove_user(gate.database, ROOT, "ada")
    assert browser.get().status_code == 401
