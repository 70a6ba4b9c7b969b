"""The playground in a real browser: upload, type, press, read."""

import json
import shutil
import time

import pytest

from mmbm.serve.playground import WORDS

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs Debian's chromium, chromium-driver"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--window-size=1280,1400", "--lang=en", f"--user-data-dir={tmp_path_factory.mktemp('b')}",
    ):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def found(browser, how, seconds=60):
    """What `how` gives, once it is there."""
    end = time.monotonic() + seconds
    while True:
        if value := how():
            return value
        assert time.monotonic() < end, browser.find_element("tag name", "body").text
        time.sleep(0.2)


def test_a_picture_a_sound_and_a_sentence_are_answered(server, browser, table, bundle, tmp_path):
    browser.get(f"{server.url}/playground")
    css = lambda selector: browser.find_elements("css selector", selector)  # noqa: E731
    found(browser, lambda: css("#ask-tiny"))
    picture, sound = css("input[type=file]")[:2]
    picture.send_keys(str(table.parent / "media/0.png"))
    sound.send_keys(str(table.parent / "media/0.wav"))
    found(browser, lambda: css("img[src*='0.png'], img[src*='.png']"))
    found(browser, lambda: css("audio, .waveform-container, [data-testid*=waveform]"))
    css("textarea")[0].send_keys("it looks red")
    css("#ask-tiny")[0].click()
    row = {
        "photo": (table.parent / "media/0.png").read_bytes(),
        "speech": (table.parent / "media/0.wav").read_bytes(),
        "remark": "it looks red",
    }
    (expected,) = bundle.predict(row, probabilities=True)
    label = found(browser, lambda: css("[data-testid=label-output-value]"))[0]
    assert label.text == expected["label"]
    said = browser.find_element("tag name", "body").text
    assert f"{100 * expected['label.confidence']:.0f}%" in said
    assert "label ← photo" in said  # and who contributed what
    browser.save_screenshot(str(tmp_path / "playground.png"))


def test_nothing_is_loaded_from_elsewhere(server, browser):
    browser.get(f"{server.url}/playground")
    found(browser, lambda: browser.find_elements("css selector", "#ask-tiny"))
    sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [
        m["params"]["request"]["url"] for m in sent if m["method"] == "Network.requestWillBeSent"
    ]
    away = [url for url in urls if not url.startswith((server.url, "data:", "blob:", "chrome"))]
    assert not away
    assert urls


def test_both_languages_say_the_same_things():
    assert WORDS["en"].keys() == WORDS["zh-CN"].keys()
