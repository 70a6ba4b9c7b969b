"""The playground in a real browser: upload, type, press, read."""

import json
import shutil
import tempfile
import time
from pathlib import Path

import pairs
import pytest
from servers import serving

import mmbm
from mmbm.serve.playground.words import WORDS

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


@pytest.fixture(scope="module")
def prefixed(bundle_path, tmp_path_factory):
    """A server behind a proxy that takes requests for /at/home and passes them on as they are."""
    root = ("--root-path", "/at/home")
    with serving(tmp_path_factory.mktemp("p"), bundle_path, *root, playground=True) as server:
        yield server


@pytest.mark.parametrize(("width", "height"), [(1280, 1400), (390, 844)], ids=["desktop", "phone"])
@pytest.mark.parametrize("root", ["", "/at/home"], ids=["plain", "prefix"])
def test_a_click_on_an_example_fills_the_form_and_is_answered(
    request, browser, bundle, tmp_path, width, height, root
):
    server = request.getfixturevalue("prefixed" if root else "server")
    browser.set_window_size(width, height)
    browser.get(f"{server.url}{root}/playground/")
    css = lambda selector: browser.find_elements("css selector", selector)  # noqa: E731
    run = browser.execute_script
    row = found(browser, lambda: css("#examples-tiny tr[data-row='1']"))[0]
    thumbnail = (
        "return document.querySelector(\"#examples-tiny tr[data-row='1'] img\").naturalWidth"
    )
    run("arguments[0].scrollIntoView({block: 'center'})", row)
    found(browser, lambda: run(thumbnail) > 0)
    found(
        browser,
        lambda: run("return document.querySelector('#examples-tiny audio').duration > 0"),
    )
    row.find_element("css selector", "img").click()
    expected = bundle.predict(bundle.bundle.golden()[0], probabilities=True)[1]
    label = lambda: css("[data-testid=label-output-value]")  # noqa: E731
    found(browser, lambda: label() and label()[0].text == expected["label"])
    shown = "return [...document.querySelectorAll('[data-testid=image] img, .image-frame img')]"
    found(browser, lambda: run(f"{shown}.some(one => one.naturalWidth > 0)"))
    texts = run("return [...document.querySelectorAll('textarea')].map(one => one.value)")
    assert bundle.bundle.golden()[0][1]["remark"] in texts
    css("#ask-tiny")[0].click()  # and once more by the button
    found(browser, lambda: label() and label()[0].text == expected["label"])
    browser.save_screenshot(str(tmp_path / f"examples-{width}.png"))
    browser.set_window_size(1280, 1400)


def test_a_file_that_a_clean_up_took_away_is_told_of_without_a_path(server, browser, table):
    browser.get(f"{server.url}/playground/")
    css = lambda selector: browser.find_elements("css selector", selector)  # noqa: E731
    found(browser, lambda: css("#ask-tiny"))
    css("input[type=file]")[0].send_keys(str(table.parent / "media/0.png"))
    found(browser, lambda: css("[data-testid=image] img, .image-frame img"))
    for folder in Path(tempfile.gettempdir()).glob("mmbm-playground-*"):
        for file in folder.rglob("*.png"):
            file.unlink()
    css("#ask-tiny")[0].click()
    toast = lambda: "".join(one.text for one in css("[data-testid=toast-body], .toast-body"))  # noqa: E731
    assert "/tmp" not in found(browser, lambda: "pload it" in toast() and toast())


def test_nothing_is_loaded_from_elsewhere(server, browser):
    browser.get_log("performance")  # of the pages before
    browser.get(f"{server.url}/playground")
    found(browser, lambda: browser.find_elements("css selector", "#ask-tiny"))
    sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [
        m["params"]["request"]["url"] for m in sent if m["method"] == "Network.requestWillBeSent"
    ]
    away = [url for url in urls if not url.startswith((server.url, "data:", "blob:", "chrome"))]
    assert not away
    assert urls


@pytest.fixture(scope="module")
def searching(tmp_path_factory):
    """A server with an index of pictures and captions."""
    folder = tmp_path_factory.mktemp("searching")
    pictures = pairs.make(folder / "data", 72)
    config = pairs.config(pictures, ("photo", "en"), epochs=4)
    config["data"]["split"] = {"valid": 0.2, "test": 0.2}
    index = mmbm.train(config, run=folder / "pairs").index(pictures, folder / "index")
    options = (index.bundle.path, "--index", index.path)
    with serving(folder / "server", *options, playground=True) as server:
        yield server, index


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_sentence_finds_pictures_on_the_page_of_search(searching, browser, tmp_path, language):
    server, index = searching
    browser.execute_cdp_cmd("Emulation.setLocaleOverride", {"locale": language})
    browser.execute_cdp_cmd(
        "Network.setUserAgentOverride",
        {"userAgent": "Chrome", "acceptLanguage": language},
    )
    browser.get(f"{server.url}/playground")
    css = lambda selector: browser.find_elements("css selector", selector)  # noqa: E731
    name = WORDS[language]["search"]
    tab = found(browser, lambda: [b for b in css("button[role=tab]") if b.text == name])
    tab[0].click()
    ask = found(browser, lambda: [b for b in css("#search-pairs") if b.is_displayed()])
    assert ask[0].text == name
    text = "a red circle on the left"
    field = next(area for area in css("textarea, input[type=text]") if area.is_displayed())
    field.send_keys(text)
    ask[0].click()
    expected = index.search({"en": text}, 12)
    pictures = found(browser, lambda: css("#gallery-pairs button img"))
    shown = [one for one in expected if "photo" in one.media]
    assert len(pictures) >= len(shown) > 5
    body = browser.find_element("tag name", "body").text
    assert f"{shown[0].row} · {shown[0].score:.2f}" in body
    assert shown[0].cells["en"][:20] in body
    browser.save_screenshot(str(tmp_path / "search.png"))


@pytest.fixture(scope="module")
def talking(bundle_path, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=":")
        options = ["--model", f"tiny={bundle_path}", "--agent", "echo=agents:Echo"]
        with serving(tmp_path_factory.mktemp("talking"), *options, playground=True) as server:
            yield server


def test_on_the_page_of_talk_one_writes_and_shows_a_picture(talking, browser, table, bundle):
    browser.get(f"{talking.url}/playground")
    css = lambda selector: browser.find_elements("css selector", selector)  # noqa: E731
    body = lambda: browser.find_element("tag name", "body").text  # noqa: E731
    box = found(browser, lambda: css("#say-echo textarea"))[0]
    assert css("#say-echo button[data-testid*=microphone], #say-echo .microphone-button")
    box.send_keys("hello\n")
    found(browser, lambda: "1 u: hello" in body())
    css("#say-echo input[type=file]")[0].send_keys(str(table.parent / "media/0.png"))
    found(browser, lambda: css("#say-echo img"))
    css("#say-echo textarea")[0].send_keys("look\n")
    (expected,) = bundle.predict({"photo": table.parent / "media/0.png"}, probabilities=True)
    told = f"3 u+a+u: look | {expected['label']} {expected['label.confidence']:.4f}"
    found(browser, lambda: told in body() and not css("#say-echo img"))
    field = css("#say-echo input[type=file]")[0]
    browser.execute_script("arguments[0].value = ''", field)  # a driver adds to what it sent before
    field.send_keys(str(table.parent / "media/0.wav"))
    found(browser, lambda: css("#say-echo [data-testid*=file], #say-echo .thumbnail-item"))
    css("#say-echo textarea")[0].send_keys("listen\n")
    (expected,) = bundle.predict({"speech": table.parent / "media/0.wav"}, probabilities=True)
    told = f"5 u+a+u+a+u: listen | {expected['label']} {expected['label.confidence']:.4f}"
    found(browser, lambda: told in body())


def test_both_languages_say_the_same_things():
    assert WORDS["en"].keys() == WORDS["zh-CN"].keys()
