"""Looking through the images of a series: pages, pictures, and placeholders that say why."""

import io
import re
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from werkzeug.test import TestResponse

from tests.catalog.gate.conftest import STUDY, Gate
from tests.gateway.http.desk.conftest import Browser, told
from tests.synthetic import image


def opened(answer: TestResponse) -> PIL.Image.Image:
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == "image/png"
    picture = PIL.Image.open(io.BytesIO(answer.data))
    picture.load()
    return picture


def picture_of(page: TestResponse) -> str:
    found = re.search(r'id="picture" src="/desk/([^"]+)"', page.text)
    assert found is not None
    return found[1].replace("&amp;", "&")


def test_thumbnails_lead_to_the_images(gate: Gate, browser: Browser) -> None:
    batch = gate.checked(*(image(instance=number) for number in range(1, 6))).id
    page = browser.get(f"batches/{batch}").text
    assert [f"series/3/{at}" in page for at in range(1, 6)] == [True, False, True, False, True]
    (address, *_) = re.findall(r'src="/desk/([^"]+side=160)"', page)
    assert opened(browser.get(address.replace("&amp;", "&"))).size == (16, 16)


def test_images_follow_by_instance_number_and_end(gate: Gate, browser: Browser) -> None:
    numbers = (10, 2, 1)
    batch = gate.checked(*(image(instance=n, pixels=np.full(256, n, "<u2").tobytes() + b"") for n in numbers)).id
    files = gate.review.series_files(batch)["3"]
    assert files == sorted(files, reverse=True)
    first = browser.get(f"batches/{batch}/series/3/1")
    assert f"files/{files[0]}/picture" in picture_of(first)
    assert 'rel="prev" id="previous" aria-disabled' in first.text
    assert f'id="next" href="/desk/batches/{batch}/series/3/2"' in first.text
    assert 'id="next" aria-disabled' in browser.get(f"batches/{batch}/series/3/3").text
    assert browser.get(f"batches/{batch}/series/3/4").status_code == 404
    assert browser.get(f"batches/{batch}/series/4/1").status_code == 404
    assert browser.get(f"batches/{batch}/series/3?at=2").location == f"/desk/batches/{batch}/series/3/2"
    assert browser.get(f"batches/{batch}/files/{files[2]}").location == f"/desk/batches/{batch}/series/3/3"


def test_grey_is_what_the_file_says_or_what_is_asked_for(gate: Gate, browser: Browser) -> None:
    ramp = np.arange(256, dtype="<u2").tobytes()
    batch = gate.checked(image(pixels=ramp, WindowCenter=64, WindowWidth=128, RescaleSlope=1, RescaleIntercept=0)).id
    page = browser.get(f"batches/{batch}/series/3/1")
    address = picture_of(page)
    assert opened(browser.get(address)).getpixel((0, 8)) == 255
    assert opened(browser.get(f"{address}&centre=128&width=256")).getpixel((0, 8)) == 127
    whole = opened(browser.get(f"{address}&range=whole"))
    assert whole.getextrema() == (0, 255)
    assert whole.getpixel((15, 7)) == 127
    # Nonsense counts as not said.
    for more in ("centre=nan&width=inf", "centre=x", "frame=-1", "side=7", "width=-1&centre=0"):
        assert opened(browser.get(f"{address}&{more}")).getpixel((0, 8)) == 255
    assert "width=256" in browser.get(f"batches/{batch}/series/3/1?centre=128&width=256").text


def test_frames_of_one_file_are_turned(gate: Gate, browser: Browser) -> None:
    frames = np.repeat(np.arange(4, dtype="<u2"), 256) * 50
    frames[0] = frames[256] = 400
    batch = gate.checked(image(pixels=frames.tobytes(), NumberOfFrames=4)).id
    page = browser.get(f"batches/{batch}/series/3/1?frame=1")
    assert "Frame 2 of 4" in told(page)
    assert "frame=0" in page.text
    assert "frame=2" in page.text
    assert "Frame 3 of 4" in told(browser.get(f"batches/{batch}/series/3/1"))
    assert opened(browser.get(picture_of(page))).getpixel((0, 0)) == 255


def test_what_is_burned_in_is_shown_in_every_pixel(gate: Gate, browser: Browser) -> None:
    pixels = np.zeros((600, 800), "<u2")
    pixels[13, 7::2] = 4000
    batch = gate.checked(image(pixels=pixels.tobytes(), Rows=600, Columns=800)).id
    page = browser.get(f"batches/{batch}/series/3/1?range=whole")
    shown = np.asarray(opened(browser.get(picture_of(page))))
    assert shown.shape == (600, 800)
    assert (shown == np.where(pixels, 255, 0)).all()
    assert "800 \u00d7 600 pixels" in told(page)
    assert "size=original" in page.text


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ({"pixels": b"\1\0" * 100}, "cut off"),
        ({"Rows": 60000, "Columns": 60000}, "too large"),
        ({"BitsAllocated": 7}, "cannot"),
    ],
)
def test_a_broken_image_says_why(gate: Gate, browser: Browser, what: dict[str, object], why: str) -> None:
    batch = gate.checked(image(**what)).id  # type: ignore[arg-type] # as the test has it
    (file,) = (each.file for each in gate.review.show(batch).files)
    answer = browser.get(f"batches/{batch}/files/{file}/picture?series=3")
    assert answer.status_code == 422
    assert answer.mimetype == "image/svg+xml"
    assert why in told(answer)
    assert "Doe" not in answer.text


def test_other_files_are_drawn_or_read(gate: Gate, browser: Browser) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (30, 40, 3), np.uint8)
    png = io.BytesIO()
    PIL.Image.fromarray(noise).save(png, "PNG")
    batch = gate.bring(png.getvalue(), b"onset,duration\n1,<script>alert(1)</script>\n")
    gate.review.seal(batch)
    gate.work()
    labels = {one["file_type"]: one["label"] for one in gate.review.info(batch).summary}
    page = browser.get(f"batches/{batch}/series/{labels['IMAGE']}/1")
    assert (np.asarray(opened(browser.get(picture_of(page)))) == noise).all()
    page = browser.get(f"batches/{batch}/series/{labels['TABLE']}/1")
    assert "onset,duration\n1,&lt;script&gt;" in page.text


def test_pictures_are_for_who_sees_the_batch(gate: Gate, browser: Browser) -> None:
    batch = gate.checked(image()).id
    other = gate.checked(image(study="2")).id
    (file,) = gate.review.series_files(batch)["3"]
    for path in (f"batches/{batch}/files/{file}/picture", f"batches/{batch}/series/3/1", f"batches/{batch}/files/{file}"):
        assert browser.get(path).status_code in {200, 303}
        assert browser.get(path, "bob").status_code == 404
    assert browser.get(f"batches/{other}/files/{file}/picture").status_code == 404
    assert browser.get(f"batches/{batch}/files/{file}/picture").headers["Cache-Control"] == "no-store"


def test_what_is_gone_is_not_shown(gate: Gate, browser: Browser) -> None:
    batch = gate.checked(image()).id
    (file,) = gate.review.series_files(batch)["3"]
    Path(gate.review.staged(batch, file)).unlink()
    assert "not there any more" in told(browser.get(f"batches/{batch}/files/{file}/picture"))
    gate.review.reject(batch, "x")
    gate.published(image(study="2"))
    page = browser.get("?show=published").text
    assert STUDY in page
