"""Fixtures that several folders of tests share."""

import importlib.util
from pathlib import Path

import pytest
import tiny

import mmbm

if importlib.util.find_spec("hypothesis"):  # the environment of LiteRT has none
    from hypothesis import settings

    settings.register_profile("fuzz", max_examples=3000, deadline=None)
    settings.register_profile("untimed", deadline=None)  # how busy a machine is fails no test
    settings.load_profile("untimed")
DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with a test that may take long come first, so that none is left over at the end for one
    of two processes alone."""
    longest: dict[Path, float] = {}
    for item in items:
        marker = item.get_closest_marker("timeout")
        longest[item.path] = max(longest.get(item.path, 0), marker.args[0] if marker else 0)
    items.sort(key=lambda item: -longest[item.path])


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data sets, beside the project; a test that asks for it skips without."""
    if not DATA.is_dir():
        pytest.skip("needs the real data sets in ../shared/data")
    return DATA


@pytest.fixture(scope="session")
def table(tmp_path_factory) -> Path:
    """A small table with every kind of column; see `tiny`."""
    return tiny.make(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def bundle_path(table, tmp_path_factory) -> Path:
    """A bundle trained on it: three targets, all kinds of inputs. Don't change it: copy it."""
    config = tiny.config(table, epochs=6, lr=0.01)
    config["targets"] |= {"amount": {"kind": "number"}, "tags": {"kind": "labels"}}
    return mmbm.train(config, run=tmp_path_factory.mktemp("runs") / "tiny").path


@pytest.fixture
def bundle(bundle_path):
    return mmbm.load(bundle_path)
