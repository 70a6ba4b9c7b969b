"""Shapley attributions of modalities: encoders run once, fusion and heads once per subset.

No torch: everything goes through a runner's `encode` and `answer` graphs.
"""

from itertools import combinations
from math import factorial

import numpy as np

from mmbm.inference.runners import Named, Runner
from mmbm.kinds.answer import Answer

Subset = tuple[str, ...]
EXACT = 8
"""Largest number of modalities whose 2^n subsets are all answered."""


def all_subsets(modalities: list[str], empty: bool = False) -> list[Subset]:
    """Smallest first, the full set last."""
    sizes = range(0 if empty else 1, len(modalities) + 1)
    return [subset for size in sizes for subset in combinations(modalities, size)]


def reported_subsets(modalities: list[str]) -> list[Subset]:
    """All subsets up to EXACT modalities; beyond, each alone, all but one, and all together."""
    if len(modalities) <= EXACT:
        return all_subsets(modalities)
    alone = [(name,) for name in modalities]
    without = [tuple(m for m in modalities if m != name) for name in modalities]
    return [*alone, *without, tuple(modalities)]


def answer_with(runner: Runner, encoded: Named, subset: Subset) -> Named:
    """The answers as if every modality outside `subset` were absent."""
    return runner.run(
        "answer",
        {
            name: array & (name.removesuffix(".known") in subset)
            if name.endswith(".known")
            else array
            for name, array in encoded.items()
        },
    )


def contributions(
    runner: Runner, encoded: Named, modalities: list[str], answers: dict[str, Answer]
) -> dict[str, dict[str, np.ndarray]]:
    """Shapley value of each modality for each target's answer: {target: {modality: [B]}}.

    They sum to the support for the answer minus the support the prior gives it (`"prior"`). Exact
    (Shapley 1953); see `EXACT` for the largest number of modalities.
    """
    outputs = {s: answer_with(runner, encoded, s) for s in all_subsets(modalities, empty=True)}
    full, n = outputs[tuple(modalities)], len(modalities)
    values = {}
    for target, answer in answers.items():
        support = {s: answer.attribution(out[target], full[target]) for s, out in outputs.items()}
        values[target] = {"prior": support[()]}
        for name in modalities:
            total = np.zeros_like(support[()])
            for subset in support:
                if name in subset:
                    continue
                with_it = tuple(m for m in modalities if m in subset or m == name)
                share = factorial(len(subset)) * factorial(n - len(subset) - 1) / factorial(n)
                total += share * (support[with_it] - support[subset])
            values[target][name] = total
    return values
