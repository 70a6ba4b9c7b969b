"""A Keras model as an encoder, under Keras's torch backend: its layers are torch modules."""

import contextlib
import os
import random
import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from mmbm.errors import ConfigError, MissingExtra
from mmbm.layers.batch import Features, Layout, Tokens
from mmbm.registry import find
from mmbm.specs.encoders import KerasSpec

SHORT, LONG = 24, 40
"""Positions of a row, without and with padding, that are compared."""


class Keras(nn.Module):
    """Images are passed channels last, and become one token or one per cell of a map; frames and
    embedded tokens keep their number of tokens, which must not depend on padding after them."""

    def __init__(self, spec: KerasSpec, layout: Layout, features: int):
        super().__init__()
        with drawn_by_torch():
            model = build(spec, layout, features)
        # Keras names weights by the number of layers a process has created: here they have numbers.
        self.models = (model,)  # a tuple isn't registered as a submodule
        for i, variable in enumerate(model.variables):
            self.register_parameter(str(i), variable.value)
        shape = model.output_shape
        self.width = int(shape[-1])
        if layout == "picture" and len(shape) in (2, 4):
            return
        if layout == "picture" or len(shape) != 3:
            wanted = "[rows, width] or [rows, height, width, channels]"
            wanted = wanted if layout == "picture" else "[rows, places, width]"
            raise ConfigError(
                f"encoder keras: {named(spec)} gives {shape}; of a {layout} it must give {wanted}."
            )
        self.check_padding(spec, features)

    def forward(self, features: Features) -> Tokens:
        x, keep = features
        if keep is not None:
            x = self.run(x * keep[..., None])
            return Tokens(x * keep[..., None], keep)
        x = self.run(x.permute(0, 2, 3, 1))  # [B, H, W, C]
        x = x.flatten(1, 2) if x.ndim == 4 else x[:, None]  # [B, T, E]
        return Tokens(x, torch.ones_like(x[..., 0], dtype=torch.bool))

    def run(self, x: Tensor) -> Tensor:
        return self.models[0](x, training=self.training)

    @torch.no_grad()
    def check_padding(self, spec: KerasSpec, features: int) -> None:
        """Compares a sequence alone and with zeros after it, with random weights, since initial
        zeros may hide a dependence. Raises ConfigError if they differ."""
        weights = [w for w in self.parameters() if w.is_floating_point()]
        before = [w.clone() for w in weights]
        for weight in weights:
            weight.add_(0.1 * torch.rand_like(weight))
        x = torch.randn(2, SHORT, features)
        longer = torch.cat([x, torch.zeros(2, LONG - SHORT, features)], 1)
        short, long = (self.models[0](part, training=False) for part in (x, longer))
        for weight, old in zip(weights, before):
            weight.copy_(old)
        if short.shape[1] != SHORT or long.shape[1] != LONG:
            raise ConfigError(
                f"encoder keras: of {SHORT} places {named(spec)} makes {short.shape[1]}; it must "
                "keep them all, with no strides."
            )
        if not torch.allclose(short, long[:, :SHORT], atol=1e-4):
            raise ConfigError(
                f"encoder keras: what {named(spec)} says of a sequence depends on the zeros behind "
                "it, so a row would get another answer in another batch. Leave out what reads "
                "backwards, attends to all places or has a bias before a convolution."
            )


@contextlib.contextmanager
def drawn_by_torch() -> Iterator[None]:
    """Keras takes its seeds from Python's `random`; inside this they follow from torch's."""
    before = random.getstate()
    random.seed(int(torch.randint(2**31, ())))
    try:
        yield
    finally:
        random.setstate(before)


def named(spec: KerasSpec) -> str:
    return spec.model or "its model"


def build(spec: KerasSpec, layout: Layout, features: int) -> Any:
    """The model of a function, of a file with its weights, or of a bundle's definition. Raises
    ConfigError if there is none, MissingExtra without Keras."""
    keras = opened()
    if spec.architecture:
        return keras.models.model_from_json(spec.architecture)
    if spec.file:
        try:
            return keras.saving.load_model(spec.file, compile=False, safe_mode=True)
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(f"encoder keras: {spec.file} can't be opened: {error}") from error
    assert spec.model
    model = find(spec.model)(layout, features)
    if not isinstance(model, keras.Model):
        raise ConfigError(f"encoder keras: {spec.model} gives no keras.Model, but {model!r}.")
    return model


def opened() -> Any:
    """Keras with the torch backend. Raises ConfigError if it already uses another one."""
    if "keras" not in sys.modules:
        os.environ.setdefault("KERAS_BACKEND", "torch")
    try:
        import keras
    except ModuleNotFoundError as error:
        raise MissingExtra("An encoder of kind keras", "keras") from error
    if keras.backend.backend() != "torch":
        raise ConfigError(
            f"encoder keras: Keras runs on {keras.backend.backend()} here. Set KERAS_BACKEND=torch "
            "in the environment, before anything imports it."
        )
    return keras
