"""A model that was read from a file of weights."""

from typing import Any, NamedTuple

from torch import Tensor


class Model(NamedTuple):
    """By the names that `encoder: pretrained` reads."""

    weights: dict[str, Tensor]
    config: dict[str, Any]
    preprocessor: dict[str, Any]
