"""An index of pictures and their captions."""

import pairs
import pytest

import mmbm


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    return pairs.make(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="session")
def bundle(pictures, tmp_path_factory):
    config = pairs.config(pictures, epochs=12)
    return mmbm.train(config, run=tmp_path_factory.mktemp("runs") / "pairs")


@pytest.fixture(scope="session")
def index(bundle, pictures, tmp_path_factory):
    return bundle.index(pictures, tmp_path_factory.mktemp("found") / "index")
