"""Cache of frozen encoders' features: computed once and kept with the prepared cells.

A frozen encoder gives the same output for a cell in every epoch. This output, before any trained
layer, is written to an Arrow file as decoded cells are, under a key of all it depends on: the
cells, the encoder's settings and its weights. Training and validation read that file; the bundle
contains the encoder itself.
"""

import copy
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from mmbm.config import Config
from mmbm.console import say
from mmbm.data.batches import Split
from mmbm.data.prepare import Data
from mmbm.data.store import ColumnStore, Decoded, record, safe, save, usable
from mmbm.kinds.column import Column, Storage
from mmbm.layers.batch import Field
from mmbm.nn.modalities import Modality, SharedModality
from mmbm.nn.model import Model
from mmbm.nn.pretrained import Pretrained
from mmbm.training.device import device_of

VERSION = 2
"""Incremented when an encoder's computation changes, so that older features are not used."""
ROWS = 32
"""Cells that are encoded together."""


def cache_frozen_features(config: Config, model: Model, data: Data, cache: Path) -> Data:
    """The data with features in place of the cells that a frozen encoder reads."""
    features, columns = {}, dict(data.columns)
    for name, modality in frozen(model).items():
        if what := augmented(config, name):
            say(
                f"{name}: {what} changes its cells, so its frozen encoder reads them anew in every "
                "epoch. Without, they are read once."
            )
            continue
        store = data.splits["train"].stores[name]
        assert isinstance(store, ColumnStore)
        columns[name] = column = copy.copy(columns[name])
        column.storage = Storage("float32", (modality.encoder.width,), ragged=True)
        path = cache / f"{safe(name)}-{key(modality, data.columns[name], store)}.arrow"
        if not usable(path, f"features of {name}"):
            device = device_of(config.train)
            batches = (record(some, column.storage) for some in encode(modality, store, device))
            save(path, column.storage, batches, len(store.present), f"read {name}")
        features[name] = ColumnStore(path, column.storage)
    splits = {
        split: Split({**rows.stores, **features}, rows.inputs, rows.targets, rows.rows)
        for split, rows in data.splits.items()
    }
    return data._replace(columns=columns, splits=splits)


def frozen(model: Model) -> dict[str, Modality]:
    """By input, the module that reads it, if none of its encoder's weights are trained."""
    reading = {
        name: m.original if isinstance(m, SharedModality) else m for name, m in model.inputs.items()
    }
    return {
        name: m
        for name, m in reading.items()
        if isinstance(m, Modality)
        and isinstance(m.encoder, Pretrained)
        and m.encoder.spec.tune == "frozen"
    }


def augmented(config: Config, name: str) -> str | None:
    """Options that change the input's cells at random."""
    spec, mixup = config.inputs[name], config.train.mixup
    if spec.augments:
        return "augment"
    return f"train.mixup: {mixup.kind}" if mixup and mixup.kind != "manifold" else None


def key(modality: Modality, column: Column, store: ColumnStore) -> str:
    """Digest of everything that the features depend on."""
    spec = modality.encoder.spec.model_dump(exclude={"model", "rank", "downstream"})
    known = [VERSION, store.name, spec, column.state["pretrained"]]
    digest = hashlib.blake2b(json.dumps(known, sort_keys=True).encode(), digest_size=10)
    for name, weight in modality.encoder.state_dict().items():
        digest.update(name.encode())
        digest.update(weight.cpu().contiguous().numpy().tobytes())
    return f"features-{digest.hexdigest()}"


def encode(modality: Modality, store: ColumnStore, device: torch.device) -> Iterator[list[Decoded]]:
    """The features [T, E] of every cell in the order of the table, none where it is absent."""
    training = modality.training
    modality.eval().to(device)
    try:
        for start in range(0, len(store.present), ROWS):
            rows = np.arange(start, min(start + ROWS, len(store.present)))
            field = Field(*(torch.from_numpy(a).to(device) for a in store.gather(rows)))
            with torch.inference_mode():
                x, keep = modality.encode(field)
            counts, values = keep.sum(1).tolist(), x.float().cpu().numpy()
            yield [
                (values[i, : counts[i]] if store.present[row] else None, None)
                for i, row in enumerate(rows)
            ]
    finally:
        modality.train(training).to("cpu")
