"""Settings for few train rows: fewer weights, smaller models, or published weights."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mmbm.init import pretrained
from mmbm.init.inferred import Inferred
from mmbm.init.pretrained import Weights
from mmbm.kinds.guess import ColumnGuess
from mmbm.kinds.sample import Sample

FEW_ROWS = 10_000
"""Train rows below which inputs use the options of `ColumnGuess.few_rows`."""
FROZEN_ROWS = 3000
"""Train rows below which frozen encoders with published weights do better."""


def suit_few(
    result: Inferred,
    samples: Mapping[str, Sample],
    weights: Mapping[str, Weights],
    rows: int,
    *,
    speech: bool,
    match: bool,
) -> None:
    """rows: of train. speech: a transcript or a text is learned. match: columns are aligned."""
    result.few = rows < FEW_ROWS
    if not result.few:
        return
    if not match:
        _share(result)
    long = speech or match
    if rows < FROZEN_ROWS and not long:
        _encode(result, samples, weights)
    for name, found in result.inputs.items():
        if found.few_rows is not None and name not in result.weights:
            options = found.few_rows(found.options, rows, long)
            result.inputs[name] = replace(found, options=options)


def _share(result: Inferred) -> None:
    """With few rows, one shared encoder is better than one for each image or audio input of one
    type: those that are decoded alike, and images of about equal size."""
    sorts: list[list[str]] = []
    for name, found in result.inputs.items():
        if not found.may_share:
            continue
        sort = next((s for s in sorts if _one_sort(result.inputs[s[0]], found)), None)
        if sort is None:
            sorts.append([name])
        else:
            sort.append(name)
    for first, *others in sorts:
        alike = [result.inputs[name] for name in (first, *others)]
        shaped = next((f for f in alike if isinstance(f.options.get("size"), list)), alike[0])
        if others:
            result.inputs[first] = replace(alike[0], options=shaped.options)
        for name, found in zip(others, alike[1:]):
            why = f"{found.why}; few rows, so one encoder with {first}: without "
            why += "share_weights_with its own"
            options = {**shaped.options, "share_weights_with": first}
            result.inputs[name] = replace(found, options=options, why=why)


def _encode(
    result: Inferred, samples: Mapping[str, Sample], weights: Mapping[str, Weights]
) -> None:
    """With few rows, frozen encoders with published weights if available and suitable; one for all
    inputs that it encodes alike."""
    for kind, known in weights.items():
        found = {name: f for name, f in result.inputs.items() if f.kind == kind}
        options = pretrained.encoders(found, samples, known)
        for name, own in options.items():
            first = next(other for other, theirs in options.items() if theirs == own)
            shared = {} if first == name else {"share_weights_with": first}
            result.inputs[name] = replace(found[name], options={**own, **shared})
            result.weights[name] = known


def _one_sort(one: ColumnGuess, other: ColumnGuess) -> bool:
    if one.kind != other.kind:
        return False
    if one.options == other.options:
        return True
    if one.extent is None or other.extent is None:
        return False
    rest = [{k: v for k, v in f.options.items() if k != "size"} for f in (one, other)]
    sizes = np.array([one.extent, other.extent])
    return rest[0] == rest[1] and bool((sizes.max(0) <= 1.1 * sizes.min(0)).all())
