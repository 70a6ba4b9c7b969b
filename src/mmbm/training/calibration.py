"""Calibration of an answer ensemble: the weights of its members and its temperature.

Both are chosen on rows that the members were not trained on: those of the valid split, or of folds.
"""

from typing import NamedTuple

import numpy as np
import torch

from mmbm.config import Config
from mmbm.data.prepare import Data
from mmbm.inference.compare import better_than_prior
from mmbm.inference.evaluate import Report, build_answers, compared
from mmbm.kinds.answer import intervals
from mmbm.nn.answer_ensemble import FUSED_WEIGHT, PRIOR_WEIGHT, AnswerEnsemble
from mmbm.nn.model import Model
from mmbm.training import classical, ensemble_selection
from mmbm.training.classical import Judged
from mmbm.training.ensemble_selection import Choice, Truth

WORTHWHILE = 0.1
"""Minimum weight of all of a network's members together, if classical ones exist."""
DOUBTFUL = 10
"""Maximum number of rows that are named."""


class Decided(NamedTuple):
    """Of one target."""

    judged: Judged
    choice: Choice
    truth: Truth


def decide(config: Config, data: Data, judged: dict[str, Judged]) -> dict[str, Decided]:
    decided = {}
    for name, one in judged.items():
        truth = classical.truth(data, name, config.targets[name].task, one.rows)
        groups = classical.group_codes(config, data, one.rows)
        choice = ensemble_selection.choose(one.answers, one.available, truth, groups)
        choice = without_a_small_network(one.names, choice)
        decided[name] = Decided(one, choice, truth)
    return decided


def without_a_small_network(names: list[str], choice: Choice) -> Choice:
    """Drop a network with little weight, whose cost in every answer isn't justified."""
    network = np.array([name.startswith("network") for name in names])
    share = choice.weights[network].sum()
    if not 0 < share < WORTHWHILE or share == choice.weights.sum():
        return choice
    weights = np.where(network, 0.0, choice.weights)
    return choice._replace(weights=weights / weights.sum())


def set_weights(target: AnswerEnsemble, decided: Decided) -> None:
    """Set a target's weights and temperature, both chosen on the same rows."""
    judged, choice = decided.judged, decided.choice
    weights = dict(zip(judged.names, choice.weights))
    every = np.array([weights.get(name, 0.0) for name in target.names])
    there = [name for name, fitted in zip(target.names, target.fitted) if fitted]
    fallback = next((name for name in ("network", "linear") if name in there), None)
    if fallback is not None:
        place = target.names.index(fallback)
        every[place] = max(every[place], FUSED_WEIGHT)
    every[-1] = PRIOR_WEIGHT
    temperature = 1.0
    if target.task != "regression":
        mixed = ensemble_selection.mix(choice.weights, judged.answers, judged.available)
        temperature = fit_temperature(target, mixed, decided.truth)
    target.choose(torch.from_numpy(every / every.sum()).float(), temperature)


def fit_temperature(target: AnswerEnsemble, mixed: np.ndarray, truth: Truth) -> float:
    """The temperature with the least loss (Guo et al. 2017), near 1 where rows are few."""
    tries = np.geomspace(0.4, 4.0, 47)
    losses = []
    for t in tries:
        answer = target.fused.temper(torch.from_numpy(mixed), torch.tensor(t)).numpy()
        losses.append(truth.loss(answer).mean() + np.log(t) ** 2 * 2 / len(mixed))
    return float(tries[int(np.argmin(losses))])


def joined(network: Judged, others: Judged) -> Judged:
    """Both, for the rows that have the target and were judged by both."""
    rows, own, theirs = np.intersect1d(network.rows, others.rows, return_indices=True)
    return Judged(
        [*network.names, *others.names],
        np.concatenate([network.answers[:, own], others.answers[:, theirs]]),
        np.concatenate([network.available[:, own], others.available[:, theirs]]),
        rows,
    )


def needs_network(found: Decided) -> bool:
    weights = dict(zip(found.judged.names, found.choice.weights))
    return any(weight > 0 for name, weight in weights.items() if name.startswith("network"))


def measured(config: Config, data: Data, model: Model, decided: dict[str, Decided]) -> Report:
    """From rows that the members were not trained on: scores of the ensemble and of each member;
    rows (1 is the table's first) whose target looks wrong."""
    answers = build_answers(config, data.columns)
    own: Report = {"rows": 0, "targets": {}, "subsets": {}, "compared": {}}
    report: Report = {"out_of_fold": own, "members": {}, "doubtful": {}}
    for name, target in model.mixed():
        found, answer = decided[name], answers[name]
        judged = found.judged
        truth, _ = answer.truth(data.splits["train"].stores[name].gather(judged.rows))
        mixed = ensemble_selection.mix(found.choice.weights, judged.answers, judged.available)
        output = finish(target, mixed)
        own["rows"] = max(own["rows"], len(truth))
        own["targets"][name] = {"rows": len(truth), **answer.score(output, truth)}
        own["targets"][name] |= intervals(answer, output, truth)
        own["targets"][name]["loss"] = float(found.truth.loss(mixed).mean())
        own["compared"][name] = compared(answer, {(): output}, truth, [])
        report["members"][name] = [
            {
                "member": member,
                answer.main.name: answer.main_score(finish(target, one[has]), truth[has]),
                "loss": float(loss),
                "weight": float(weight),
                "rows": int(has.sum()),
                "beats_prior": better_than_prior(answer, finish(target, one[has]), truth[has]),
            }
            for member, one, has, loss, weight in zip(
                judged.names,
                judged.answers,
                judged.available,
                found.choice.losses,
                found.choice.weights,
            )
            if has.any()
        ]
        rows = judged.rows[doubtful(found.truth, mixed)]
        report["doubtful"][name] = [int(row) + 1 for row in rows]
    return report


def doubtful(truth: Truth, mixed: np.ndarray) -> np.ndarray:
    """Positions of likely label errors (Northcutt et al. 2021), the most confident first: classes
    of less than 5 %, numbers farther off than 4 standard deviations of all errors."""
    if truth.task == "multilabel":
        return np.empty(0, np.int64)
    loss = truth.loss(mixed)
    variance = 2.2 * np.median(loss)  # of errors as a normal distribution has them
    limit = -np.log(0.05) if truth.task == "multiclass" else 16 * variance
    order = np.argsort(-loss)[:DOUBTFUL]
    return order[loss[order] > limit]


def finish(target: AnswerEnsemble, mixed: np.ndarray) -> np.ndarray:
    return target.finish(torch.from_numpy(np.asarray(mixed, np.float32))).detach().numpy()
