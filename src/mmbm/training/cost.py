"""Cost of each member of an ensemble: its parameters, and the time of one row."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from mmbm.data.prepare import Data
from mmbm.inference.evaluate import Report
from mmbm.layers.batch import Context, Field, Tokens
from mmbm.nn.answer_ensemble import AnswerEnsemble
from mmbm.nn.members.classical import contrasts
from mmbm.nn.members.linear import Linear
from mmbm.nn.members.trees import Trees
from mmbm.nn.model import Model
from mmbm.nn.representations import EMBEDDING, modality_of

T = TypeVar("T")
BATCH = 8
"""Rows per batch, as on a server under some load."""
SLOW = 0.1
"""Seconds of a first run above which there is no second one: warm-up is then negligible."""


class Cost(NamedTuple):
    parameters: int
    seconds: float


def add_costs(report: Report, model: Model, data: Data) -> None:
    """Give each compared member that the model has `parameters` (non-zero coefficients, nodes of
    trees, trained parameters of a network) and `milliseconds` (per row, in batches of `BATCH`,
    including all that it reads). The model still has members without a weight: call it before they
    are cleared."""
    if not model.mixed():
        return
    training = model.training
    model.eval()
    with torch.inference_mode():
        parts = measured_parts(model, some_rows(data, next(model.buffers()).device))
        for name, target in model.mixed():
            costs = member_costs(model, target, parts)
            for member in report["members"][name]:
                if member["member"] in costs:
                    cost = costs[member["member"]]
                    member["parameters"] = cost.parameters
                    member["milliseconds"] = 1000 * cost.seconds
    model.train(training)


def some_rows(data: Data, device: torch.device) -> dict[str, Field]:
    """Cells of rows of the whole train split."""
    rows = data.splits["train"]
    places = np.linspace(0, len(rows) - 1, BATCH).astype(int)
    gathered = rows.gather(places).inputs
    return {
        name: Field(*(torch.from_numpy(a).to(device) for a in arrays))
        for name, arrays in gathered.items()
    }


class Parts(NamedTuple):
    """Inputs of the members, computed once, and the seconds that each took."""

    context: Context
    seconds: dict[str, float]  # by representation; of a network by modality, and "fusion"


def measured_parts(model: Model, batch: dict[str, Field]) -> Parts:
    seconds: dict[str, float] = {}
    present = {
        name: torch.stack([batch[column].present for column in columns]).any(0)
        for name, columns in model.modalities.items()
    }
    read: dict[str, Tokens] = {}
    reading: dict[str, float] = {}
    frozen = {modality_of(n) for n in model.representations.names if n.endswith(EMBEDDING)}
    for name, part in model.inputs.items():
        if part.reads_cells and (model.network or name in frozen):
            read[name], reading[name] = timed(lambda p=part: p.encode(batch[p.column]))
    features: dict[str, Tensor] = {}
    for name, part in model.representations.items():
        modality = modality_of(name)
        source: Any = read if name.endswith(f".{EMBEDDING}") else batch
        features[name], seconds[name] = timed(lambda p=part, s=source: p(s))
        if source is read:
            seconds[name] += reading[modality]
    tokens: dict[str, Tokens] = {}
    fused = None
    if model.network:
        for name, part in model.inputs.items():
            work = (
                (lambda p=part, n=name: p.project_tokens(read[n]))
                if name in read
                else (lambda p=part: p(batch))
            )
            tokens[name], seconds[name] = timed(work)
            seconds[name] += reading.get(name, 0.0)
        fused, seconds["fusion"] = timed(lambda: model.fuse(tokens, present))
    return Parts(Context(tokens, present, fused, {}, features), seconds)


def member_costs(model: Model, target: AnswerEnsemble, parts: Parts) -> dict[str, Cost]:
    """By the members' names."""
    costs = {}
    context, seconds = parts
    if target.modalities:
        assert context.fused is not None
        pooled = context.fused.pooled
        _, head = timed(lambda: target.fused(pooled))
        encoders = sum(seconds[name] for name in target.modalities)
        modules = [*(model.inputs[n] for n in target.modalities), model.fusion, target.fused]
        whole = Cost(trained(modules, [model.absent]), encoders + seconds["fusion"] + head)
        costs["network"] = whole
        for i, name in enumerate(target.modalities):
            costs[f"network without {name}"] = whole
            _, head = timed(lambda i=i: target.answer_alone(context, i))
            modules = [model.inputs[name], target.pools[i], target.alone[i]]
            costs[f"network {name} alone"] = Cost(trained(modules), seconds[name] + head)
    classical = target.classical
    for name, part, fitted in zip(classical.names, classical.parts, classical.fitted):
        if fitted:
            costs[name] = classical_cost(target, part, parts)
    return {name: cost._replace(seconds=cost.seconds / BATCH) for name, cost in costs.items()}


def classical_cost(target: AnswerEnsemble, part: Linear | Trees, parts: Parts) -> Cost:
    """Trees also read the outputs of the linear members of single modalities."""
    features, seconds = parts.context.features, parts.seconds
    reading = sum(seconds[one] for one in part.names)
    if isinstance(part, Linear):
        _, own = timed(lambda: part(features))
        return Cost(part.coefficients(), reading + own)
    members = target.classical
    linear = [
        p
        for n, p in zip(members.names, members.parts)
        if isinstance(p, Linear) and members.scored(n)
    ]
    _, own = timed(lambda: part(features, [contrasts(p(features)) for p in linear]))
    return Cost(part.nodes(), reading + own)


def trained(modules: list[nn.Module], more: list[nn.Parameter] | None = None) -> int:
    """Trained parameters, each counted once."""
    every = [p for module in modules for p in module.parameters()] + (more or [])
    return sum(p.numel() for p in {id(p): p for p in every if p.requires_grad}.values())


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """A result and its seconds: the first run is a warm-up, unless it takes long."""
    result, first = run(work)
    return (result, first) if first > SLOW else (result, min(first, run(work)[1], run(work)[1]))


def run(work: Callable[[], T]) -> tuple[T, float]:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    result = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return result, time.perf_counter() - start
