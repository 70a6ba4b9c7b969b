"""An event of a page names only files of the folder of uploads."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbm.serve.limits import Limits, RequestError
from mmbm.serve.playground.gate import Folder, own_files


@pytest.fixture(scope="module")
def folder():
    made = Folder(Limits())
    yield made
    made.remove()


NAMES = st.sampled_from(
    ["/etc/passwd", "..", "\0", "", "/", "http://x/", "mmbm-gone.png", "{folder}", "{folder}/..",
     "{folder}/../../etc/passwd", "{folder}x/y", "{folder}/x/../../../etc/passwd"]
)  # fmt: skip


@given(st.recursive(
    NAMES | st.none() | st.integers(),
    lambda inside: st.lists(inside, max_size=3)
    | st.dictionaries(st.sampled_from(["path", "url", "meta", "x"]), inside, max_size=3),
    max_leaves=12,
))  # fmt: skip
def test_an_event_of_a_page_names_files_of_the_folder_or_is_refused(folder, event):
    text = json.dumps(event).replace("{folder}", str(folder.path))
    try:
        passed = json.dumps(own_files(json.loads(text), folder))
    except RequestError:
        return
    for path in paths(json.loads(passed)):
        assert folder.holds(path)


def paths(value):
    if isinstance(value, dict):
        if value.get("path") is not None:
            yield value["path"]
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from paths(one)
