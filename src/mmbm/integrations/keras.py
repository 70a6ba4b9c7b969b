"""A bundle inside a Keras model, under Keras's torch backend.

layer = mmbm.integrations.keras.Layer(mmbm.load("run/bundle"))
known = mmbm.integrations.keras.arrays(layer.bundle, rows)
given = mmbm.integrations.keras.inputs(known)
model = keras.Model(given, keras.layers.Dense(1)(layer(given)))
model.compile("adam", "mse")
model.fit(known, y)
"""

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from mmbm.errors import BundleError, MmbmError
from mmbm.inference.predict import batched, decode_row
from mmbm.inference.predictor import Predictor
from mmbm.inference.restore import restore
from mmbm.inference.runners import flatten
from mmbm.inference.runners.torch import fields
from mmbm.kinds.column import Cell
from mmbm.nn.encoders.keras import opened
from mmbm.nn.model import Model

keras = opened()


class Fuse(nn.Module):
    def __init__(self, model: Model):
        super().__init__()
        self.model = model

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        columns = [name for names in self.model.modalities.values() for name in names]
        fused = self.model.context(*self.model.encode(fields(inputs, columns))).fused
        assert fused is not None
        return fused.pooled


class Layer(keras.layers.Layer):
    """Keras layer of a bundle's encoders and fusion: rows -> the fused vector [B, D].

    Its input is a dict, from `arrays`. Not trained unless `trainable`.

    Raises BundleError for a bundle that doesn't fuse, or with parts from packages that `mmbm.load`
    wasn't called to allow.
    """

    def __init__(self, bundle: Predictor, trainable: bool = False, **options: Any):
        super().__init__(trainable=trainable, **options)
        net = restore(bundle.bundle)
        if not isinstance(net, Model) or net.fusion is None:
            raise BundleError(f"{bundle.path} has no one fused vector of a row.")
        for weight in net.parameters():
            weight.requires_grad_(trainable and weight.requires_grad)
        self.bundle, self.width = bundle, bundle.config.fusion.width
        self.net = keras.layers.TorchModuleWrapper(Fuse(net), output_shape=(None, self.width))

    def call(self, inputs: dict[str, Tensor], training: bool = False) -> Tensor:
        return self.net(inputs, training=bool(training) and self.trainable)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        return (None, self.width)


def arrays(
    bundle: Predictor, rows: list[dict[str, Cell]], root: str | Path | None = None
) -> dict[str, np.ndarray]:
    """Rows as inputs of a Layer: for every input its values, which rows have it, and their lengths.
    Raises MmbmError at a cell that can't be read."""
    folder = Path(root) if root else Path.cwd()
    decoded = [decode_row(bundle, row, folder) for row in rows]
    for number, row in enumerate(decoded, 1):
        if row.error:
            raise MmbmError(f"Row {number}: {row.error}.")
    return flatten(batched(bundle, decoded), bundle.columns)


def inputs(known: dict[str, np.ndarray]) -> dict[str, Any]:
    """Keras inputs of these arrays' shapes and types, by name."""
    return {
        name: keras.Input(array.shape[1:], dtype=str(array.dtype), name=name)
        for name, array in known.items()
    }
