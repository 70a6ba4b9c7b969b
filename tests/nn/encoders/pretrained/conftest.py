"""Tiny models of texts and pictures, one of each kind."""

import backbones
import pytest
import tiny
from backbones import MODELS


@pytest.fixture(scope="module", params=list(MODELS))
def named(request, tmp_path_factory):
    """A model's name, and its folder."""
    return request.param, backbones.make(request.param, tmp_path_factory.mktemp("m") / "model")


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return "bert", backbones.make("bert", tmp_path_factory.mktemp("bert") / "model")


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    return "vit", backbones.make("vit", tmp_path_factory.mktemp("vit") / "model")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return tiny.make(tmp_path_factory.mktemp("tiny"), rows=64)
