"""A server of several models, each of another kind, and OpenAI's own client."""

import csv

import openai
import pairs
import pytest
import spoken
import tiny
import told
from chats import TOKEN, picture, sound, text
from servers import serving

import mmbm


@pytest.fixture(scope="session")
def one(table, tmp_path_factory):
    """One category from a picture, a sound and a text."""
    config = tiny.config(table, epochs=2)
    config["inputs"] = {name: config["inputs"][name] for name in ("photo", "speech", "remark")}
    return mmbm.train(config, run=tmp_path_factory.mktemp("one") / "run")


@pytest.fixture(scope="session")
def speech(tmp_path_factory):
    folder = tmp_path_factory.mktemp("speech")
    return mmbm.train(
        spoken.config(spoken.make(folder / "spoken", 128), epochs=25), run=folder / "run"
    )


@pytest.fixture(scope="session")
def writer(tmp_path_factory):
    """Sentences about a picture and a number."""
    folder = tmp_path_factory.mktemp("writer")
    return mmbm.train(told.config(told.make(folder / "told", 96), epochs=4), run=folder / "run")


@pytest.fixture(scope="session")
def space(tmp_path_factory):
    """Pictures and captions in English and Chinese."""
    folder = tmp_path_factory.mktemp("space")
    table = pairs.make(folder / "pairs", 144)
    return mmbm.train(pairs.config(table, epochs=2), run=folder / "run")


@pytest.fixture(scope="session")
def served(bundle_path, one, speech, space, writer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    (folder / "token").write_text(TOKEN)
    named = {
        "one": one.path,
        "three": bundle_path,
        "speech": speech.path,
        "space": space.path,
        "writer": writer.path,
    }
    models = [x for name, path in named.items() for x in ("--model", f"{name}={path}")]
    options = ["--token-file", folder / "token", "--max-megabytes", 1]
    with serving(folder / "run", *models, *options) as server:
        yield server


@pytest.fixture(scope="session")
def client(served):
    return openai.OpenAI(base_url=f"{served.url}/v1", api_key=TOKEN, max_retries=0)


@pytest.fixture(scope="session")
def cells(table) -> dict:
    """The first row: media as paths."""
    with table.open(encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    return {**row, "photo": table.parent / row["photo"], "speech": table.parent / row["speech"]}


@pytest.fixture
def parts(cells):
    return [text(cells["remark"]), picture(cells["photo"]), sound(cells["speech"])]
