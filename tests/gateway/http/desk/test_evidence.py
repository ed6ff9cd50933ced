"""What was really drawn for a reviewer, and what follows from it when images are said to be looked through."""

import re

from catalog.administration import set_reviewers
from catalog.audit import entries
from catalog.pure.batches import State
from catalog.pure.looking import SeenSeries
from tests.catalog.gate.conftest import ROOT, STUDY, Gate
from tests.gateway.http.desk.conftest import Browser, told
from tests.synthetic import image

ACCEPTED = {"study": STUDY, "exam": "E001", "pixels": "on"}


def pictures(browser: Browser, path: str) -> list[str]:
    page = browser.get(path).text
    return [each.replace("&amp;", "&") for each in re.findall(r'src="/desk/([^"]+/picture[^"]+)"', page)]


def test_images_that_were_not_drawn_are_counted_and_need_a_reason(gate: Gate, browser: Browser) -> None:
    set_reviewers(gate.database, ROOT, "MR1", ["ada", "bob"])
    batch = gate.checked(*(image(instance=number) for number in range(1, 4)), image(series=4)).id
    for thumbnail in pictures(browser, f"batches/{batch}"):
        assert browser.get(thumbnail).status_code == 200
    for _ in range(2):
        browser.get(pictures(browser, f"batches/{batch}/series/3/1")[0])
    browser.get(pictures(browser, f"batches/{batch}/series/3/2")[0], "bob")
    assert gate.review_of("ada").evidence(batch).series == [SeenSeries("3", 3, 1), SeenSeries("4", 1, 0)]
    summary = browser.do(batch, "summary", series=["3"], **ACCEPTED)
    assert "2 of 3 images not seen" in told(summary)
    assert 'id="looked"' in summary.text
    answer = browser.do(batch, "accept", series=["3"], **ACCEPTED)
    assert answer.status_code == 403
    assert "2 of 3 images were not seen" in told(answer)
    assert gate.review.info(batch).state is State.CHECKED
    assert browser.do(batch, "accept", series=["3"], looked="a phantom", **ACCEPTED).status_code == 303
    accepted = next(entry for entry in entries(gate.database) if entry.action == "batch.accept")
    assert accepted.actor == "ada"
    assert {name: accepted.detail[name] for name in ("images", "not_seen", "looked")} == {
        "images": 3, "not_seen": 2, "looked": "a phantom",
    }  # fmt: skip


def test_suspected_pixels_take_all_images_and_a_contact_sheet_shows_them(gate: Gate, browser: Browser) -> None:
    frames = image(series=5, NumberOfFrames=70, BurnedInAnnotation="YES", pixels=bytes(512 * 70))
    batch = gate.checked(frames, *(image(series=6, instance=at, BurnedInAnnotation="YES") for at in (1, 2))).id
    for page in (0, 1):
        for picture in pictures(browser, f"batches/{batch}/series/5/sheet?page={page}"):
            browser.get(picture)
    browser.get(pictures(browser, f"batches/{batch}/series/6/1")[0])
    assert [(one.images, one.seen) for one in gate.review_of("ada").evidence(batch).series] == [(70, 70), (2, 1)]
    summary = browser.do(batch, "summary", series=["5", "6"], **ACCEPTED)
    assert "Series 6: 1 of 2 not seen text is suspected" in told(summary)
    answer = browser.do(batch, "accept", series=["5", "6"], looked="no", **ACCEPTED)
    assert answer.status_code == 403
    assert "series 6 (1 of 2 not seen)" in told(answer)
    for picture in pictures(browser, f"batches/{batch}/series/6/sheet"):
        browser.get(picture)
    summary = browser.do(batch, "summary", series=["5", "6"], **ACCEPTED)
    assert "all 72 images were shown to you" in told(summary)
    assert browser.do(batch, "accept", series=["5", "6"], **ACCEPTED).status_code == 303


def test_what_cannot_be_drawn_was_not_seen(gate: Gate, browser: Browser) -> None:
    batch = gate.checked(image(BurnedInAnnotation="YES")).id
    (file,) = gate.review.series_files(batch)["3"]
    gate.review.staged(batch, file).write_bytes(image()[:-100])
    assert browser.get(pictures(browser, f"batches/{batch}/series/3/1")[0]).status_code == 422
    assert gate.review_of("ada").evidence(batch).series == [SeenSeries("3", 1, 0, undrawable=1, suspected=True)]
    assert "1 of 1 image not seen" in told(browser.do(batch, "summary", series=["3"], **ACCEPTED))
    assert browser.do(batch, "accept", series=["3"], looked="it is cut off", **ACCEPTED).status_code == 303
