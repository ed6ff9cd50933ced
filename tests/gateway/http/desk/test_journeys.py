"""A reviewer's journeys in a real browser, against the real server: what only that knows of scripts and policies."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from catalog.administration import Scope, set_reviewers
from catalog.audit import entries
from catalog.pure.batches import State
from tests.catalog.gate.conftest import ROOT, STUDY, Gate
from tests.gateway.http.serving import Serving, new_token
from tests.synthetic import image

FLAGS = (
    # Without a sandbox of its own, which root cannot have; and without what looks for the network.
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1400,1000",
)  # fmt: skip
PATIENCE_SECONDS = 60


class Journey:
    """A reviewer with a browser."""

    def __init__(self, driver: webdriver.Chrome, serving: Serving) -> None:
        self.driver = driver
        self.serving = serving

    def log_in(self, login: str) -> None:
        self.driver.delete_all_cookies()
        self.driver.get(self.serving.url)
        self.find("#login").send_keys(login)
        self.find("#password").send_keys(new_token(self.serving.built, login, Scope.STAGING, Scope.READ))
        self.press("Log in")
        self.reads("Batches")

    def go(self, path: str) -> None:
        self.driver.get(f"{self.serving.url}/desk/{path}")

    def find(self, selector: str) -> Any:
        return self.until(lambda: self.driver.find_element(By.CSS_SELECTOR, selector))

    def all(self, selector: str) -> list[Any]:
        return list(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def press(self, text: str) -> None:
        """Press the button, or follow the link, that says so."""
        xpath = f"//main//*[self::button or self::a][normalize-space()='{text}']"
        self.until(lambda: self.driver.find_element(By.XPATH, xpath)).click()

    def text(self) -> str:
        return str(self.find("main").text)

    def until(self, done: Callable[[], Any]) -> Any:
        wait = WebDriverWait(self.driver, PATIENCE_SECONDS, poll_frequency=0.05, ignored_exceptions=(Exception,))
        return wait.until(lambda _: done())

    def reads(self, words: str) -> None:
        self.until(lambda: words in self.text())

    def pixels(self, selector: str) -> list[int]:
        """Return width and height of a picture, once it is there."""
        script = "const one = document.querySelector(arguments[0]); return one.complete && one.naturalWidth ? "
        script += "[one.naturalWidth, one.naturalHeight] : null"
        found: list[int] = self.until(lambda: self.driver.execute_script(script, selector))
        return found

    def complaints(self) -> list[str]:
        """Return what the browser refused or could not load."""
        lines = (line["message"] for line in self.driver.get_log("browser") if line["level"] == "SEVERE")
        return [line for line in lines if "picture" not in line or " 503 " not in line]  # busy is no fault; it is asked again


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    opened = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
    yield opened
    opened.quit()


@pytest.fixture
def ada(gate: Gate, driver: webdriver.Chrome) -> Iterator[Journey]:
    with Serving(gate.built, login="ada", scopes=(Scope.STAGING,), threads=16) as serving:
        journey = Journey(driver, serving)
        journey.log_in("ada")
        journey.complaints()  # those of the page before belong to another test
        yield journey


def series(*numbers: int) -> list[bytes]:
    return [image(series=number, description=f"run_{number}", instance=at) for number in numbers for at in (1, 2, 3)]


def test_look_through_the_images_and_accept_some(gate: Gate, ada: Journey) -> None:
    batch = gate.checked(*series(3, 4)).id
    ada.go("")
    ada.press("Review")
    ada.reads("Doe^Jane")
    assert ada.pixels(".thumbs img") == [16, 16]
    ada.find(".thumbs a").click()
    assert ada.pixels("#picture") == [16, 16]
    before = ada.find("#picture").get_attribute("src")
    ada.find("#stage").send_keys(Keys.ARROW_RIGHT)
    ada.until(lambda: ada.find("#position").text == "2")
    ada.until(lambda: ada.driver.current_url.endswith("/series/3/2"))
    assert ada.find("#picture").get_attribute("src") != before
    assert ada.pixels("#picture") == [16, 16]
    ada.find("body").send_keys(Keys.END)
    ada.until(lambda: ada.driver.current_url.endswith("/series/3/3"))
    ada.press("Previous")
    ada.until(lambda: ada.find("#position").text == "2")
    ada.press("Original size")
    ada.until(lambda: "size=original" in ada.driver.current_url)
    assert ada.find("#picture").size == {"height": 16, "width": 16}
    ada.press(f"Batch {batch}")
    ada.find("input[name=series][value='4']").click()
    ada.find("input[name=label-3]").send_keys("t1_mprage")
    ada.find("#study option[value='2008-0003']").click()
    ada.find("#exam").send_keys("E001")
    ada.find("#pixels").click()
    ada.press("Go on to the summary")
    ada.reads(f"Accept batch {batch}?")
    for wanted in ("Doe^Jane", f"{STUDY}/E001", "3 files in 1 series", "t1_mprage", "You looked through them"):
        assert wanted in ada.text(), wanted
    ada.find("body").send_keys(Keys.ENTER)
    assert gate.review.info(batch).state is State.CHECKED
    ada.press("Back, and change something")
    ada.until(lambda: ada.find("#exam").get_attribute("value") == "E001")
    assert [one.is_selected() for one in ada.all("input[name=series]")] == [True, False]
    assert ada.find("input[name=label-3]").get_attribute("value") == "t1_mprage"
    ada.find("#exam").clear()
    ada.find("#exam").send_keys("E002")
    ada.press("Go on to the summary")
    ada.reads(f"{STUDY}/E002")
    ada.press("Accept and publish")
    ada.reads("being published")
    gate.work()
    ada.until(lambda: ada.find("h1 .state").text == "published")
    assert gate.names(f"/{STUDY}/E002") == ["003_DCM_MR_t1_mprage"]
    ada.reads(f"archimed bin put --batch {batch}")
    ada.press(f"Next that waits: {batch + 1}")
    ada.reads("run_4")
    assert ada.complaints() == []


def filled_in(ada: Journey, batch: int) -> list[Any]:
    """Open a batch's page, give all that its forms ask for, and return every field."""
    ada.go(f"batches/{batch}")
    ada.find("#accept")
    for details in ada.all("details:not([open]) > summary"):
        details.click()
    ada.find("#study option[value='2008-0003']").click()
    for each in ada.all("main input[type=text]"):
        each.send_keys("E001")
    return ada.all("main input:not([type=hidden]), main select")


@pytest.mark.parametrize("scripts", [True, False])
def test_enter_in_a_field_decides_nothing(gate: Gate, ada: Journey, scripts: bool) -> None:
    batch = gate.checked(*series(3, 4)).id
    before = gate.review.info(batch)
    ada.driver.execute_cdp_cmd("Network.enable", {})
    ada.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": [] if scripts else ["*/desk.js"]})
    fields = filled_in(ada, batch)
    assert ada.driver.execute_script("return document.documentElement.classList.contains('script')") is scripts
    names = [each.get_attribute("name") for each in fields]
    assert {*names} >= {"series", "label-3", "label-4", "study", "exam", "pixels", "despite", "attest", "reason"}
    count = "window.sent = []; addEventListener('submit', (event) => window.sent.push(event.target.action), true)"
    for number, name in enumerate(names):
        field = filled_in(ada, batch)[number]
        is_box = field.get_attribute("type") == "checkbox"
        ada.driver.execute_script(count)
        field.send_keys(Keys.ENTER)
        if is_box and not scripts:
            ada.reads("Nothing is decided yet")
        else:
            assert ada.driver.execute_script("return window.sent") == [], name  # None: the page went away
        assert gate.review.info(batch) == before, name
    ada.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})


def test_after_log_out_back_shows_nothing(gate: Gate, ada: Journey) -> None:
    batch = gate.checked(*series(3)).id
    ada.go(f"batches/{batch}")
    ada.reads("Doe^Jane")
    ada.find("nav.who button").click()
    ada.reads("You are logged out")
    ada.driver.back()
    ada.until(lambda: "/desk/login?next=" in ada.driver.current_url)
    assert "Doe" not in ada.driver.page_source
    ada.find("#login").send_keys("ada")
    ada.find("#password").send_keys("wrong", Keys.ENTER)
    ada.reads("do not fit together")


def test_a_double_click_accepts_once(gate: Gate, ada: Journey) -> None:
    batch = gate.checked(*series(3)).id
    ada.go(f"batches/{batch}")
    ada.find("#study option[value='2008-0003']").click()
    ada.find("#exam").send_keys("E001")
    ada.press("Go on to the summary")
    ada.reads(f"Accept batch {batch}?")
    ActionChains(ada.driver).double_click(ada.find("main .primary")).perform()
    ada.reads("being published")  # on the batch's page, or on the one that says that it was done already
    gate.work()
    ada.go(f"batches/{batch}")
    ada.until(lambda: ada.find("h1 .state").text == "published")
    accepted = [entry for entry in entries(gate.database) if entry.action == "batch.accept"]
    assert len(accepted) == 1


def test_seal_and_watch_the_checks(gate: Gate, ada: Journey) -> None:
    batch = gate.receive(*series(3))
    ada.go("?show=open")
    ada.press("Open")
    ada.press("Seal and check it")
    ada.reads("Checking: 0 of 3 files")
    gate.work()
    ada.reads("waits for a decision")
    assert gate.review.info(batch).state is State.CHECKED
    assert ada.complaints() == []


def test_reject_and_restore(gate: Gate, ada: Journey) -> None:
    batch = gate.checked(*series(3)).id
    ada.go(f"batches/{batch}")
    ada.press("Reject it")  # the browser asks for a reason
    assert gate.review.info(batch).state is State.CHECKED
    ada.find("#reason").send_keys("wrong patient")
    ada.press("Reject it")
    ada.reads("wrong patient")
    assert gate.review.info(batch).decided_by == "ada"
    ada.press("Restore it")
    ada.until(lambda: gate.review.info(batch).state is State.SEALED)
    gate.work()
    ada.reads("waits for a decision")
    assert ada.complaints() == []


def test_lose_a_race(gate: Gate, ada: Journey) -> None:
    set_reviewers(gate.database, ROOT, "MR1", ["ada", "bob"])
    batch = gate.checked(*series(3)).id
    ada.go(f"batches/{batch}")
    ada.find("#study option[value='2008-0003']").click()
    ada.find("#exam").send_keys("E001")
    ada.press("Go on to the summary")
    ada.reads(f"Accept batch {batch}?")
    gate.review_of("bob").reject(batch, "sent twice")
    ada.press("Accept and publish")
    ada.reads(f"Batch {batch} has changed meanwhile")
    ada.reads("sent twice")
    ada.press("Look at the batch as it is now")
    ada.reads("rejected")


def test_a_broken_image_is_a_picture_that_says_why(gate: Gate, ada: Journey) -> None:
    batch = gate.checked(*series(3)).id
    first = gate.review.series_files(batch)["3"][0]
    gate.review.staged(batch, first).write_bytes(image()[:-100])
    ada.go(f"batches/{batch}/series/3/1")
    assert ada.pixels("#picture") == [256, 256]
    assert "cut off" in ada.find("#picture").get_attribute("alt")


@pytest.mark.parametrize("width", [360, 1400])
def test_pages_fit_and_every_field_has_a_name(gate: Gate, ada: Journey, width: int) -> None:
    strange = image(patient="Very^Long^" + "Name" * 12, description="x" * 60)
    batch = gate.checked(*series(3, 4), strange).id
    gate.receive(image(study="2"))
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    ada.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        for path in ("", "?show=all", f"batches/{batch}", f"batches/{batch}/series/3/2", f"batches/{batch + 1}"):
            ada.go(path)
            assert ada.driver.execute_script("return document.documentElement.scrollWidth") <= width, path
            nameless = ada.driver.execute_script(
                "return [...document.querySelectorAll('input:not([type=hidden]), select')]"
                ".filter((one) => !one.labels.length && !one.ariaLabel).map((one) => one.outerHTML)"
            )
            assert nameless == [], path
        filled_in(ada, batch)
        ada.find("#exam").clear()
        ada.find("#exam").send_keys("E" * 64)
        ada.press("Go on to the summary")
        ada.reads(f"Accept batch {batch}?")
        assert ada.driver.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        ada.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_another_site_cannot_have_the_browser_decide(gate: Gate, ada: Journey, tmp_path: Path) -> None:
    batch = gate.checked(*series(3)).id
    ada.go(f"batches/{batch}")
    mark = ada.find("input[name=seen]").get_attribute("value")
    page = tmp_path / "evil.html"
    page.write_text(
        f'<form method="post" action="{ada.serving.url}/desk/batches/{batch}/reject">'
        f'<input name="seen" value="{mark}"><input name="reason" value="evil"><button>Win a prize</button></form>'
    )
    ada.driver.get(page.as_uri())
    ada.find("button").click()
    ada.reads("nothing was changed")
    assert gate.review.info(batch).state is State.CHECKED
