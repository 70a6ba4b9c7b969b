"""Evaluation: one function for a model in training and for a bundle. No torch."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from mmbm.config import Config
from mmbm.data.batches import Split
from mmbm.data.store import ColumnStore
from mmbm.inference.attributions import Subset, answer_with, reported_subsets
from mmbm.inference.compare import beats_prior, prior_report, subset_report
from mmbm.inference.runners import Named, Runner, flatten, joined
from mmbm.inference.zero_shot import zero_shot
from mmbm.kinds import answer as kinds
from mmbm.kinds.answer import Answer, HasWeakest
from mmbm.kinds.column import Columns
from mmbm.kinds.contrastive.answer import ContrastiveAnswer

BATCH = 128
VALUES = 1 << 22
"""Bytes of a batch's images, above which batches have fewer rows: encoders need far more."""
Report = dict[str, Any]
Read = Callable[[np.ndarray], np.ndarray]
"""The part of a target's output that is kept."""


def build_answers(config: Config, columns: Columns, quick: bool = False) -> dict[str, Answer]:
    return {
        name: kinds.build(spec, columns.get(name), config.inputs, quick)
        for name, spec in config.targets.items()
    }


def collect(
    runner: Runner,
    rows: Split,
    columns: Columns,
    subsets: list[Subset],
    graph: str = "answer",
    read: dict[Subset, dict[str, Read]] | None = None,
) -> dict[Subset, Named]:
    """Outputs for all rows, in their order, per subset of modalities. Encoders run once per row.

    `read` converts the outputs of its targets, and only these are returned: for a long transcript
    the result is far smaller.
    """
    parts: dict[Subset, list[Named]] = {subset: [] for subset in subsets}
    positions = []
    for places, batch in rows.in_order(rows_at_once(rows)):
        positions.append(places)
        encoded = runner.run("encode", flatten(batch.inputs, columns))
        for subset in subsets:
            if graph == "answer":
                outputs = answer_with(runner, encoded, subset)
                if read:
                    outputs = {name: make(outputs[name]) for name, make in read[subset].items()}
                parts[subset].append(outputs)
            else:
                parts[subset].append(runner.run(graph, encoded))
    back = np.argsort(np.concatenate(positions))
    return {
        subset: {name: joined([p[name] for p in named])[back] for name in named[0]}
        for subset, named in parts.items()
    }


def rows_at_once(rows: Split) -> int:
    """Rows per batch: fewer for large images."""
    stores = [rows.stores[name] for name in rows.inputs]
    sizes = [math.prod(s.storage.shape) for s in stores if isinstance(s, ColumnStore)]
    return min(BATCH, max(1, VALUES // max(1, sum(sizes))))


def truths(rows: Split, answers: dict[str, Answer]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Per target the true answers and which rows have one."""
    return {name: a.truth(rows.stores[name].gather(rows.rows)) for name, a in answers.items()}


def evaluate(
    runner: Runner,
    rows: Split,
    config: Config,
    columns: Columns,
    full: bool = True,
    intervals: bool = False,
) -> dict[str, Any]:
    """{"rows": N, "targets": {name: metrics and "interval"}, "subsets": {"a+b": {name: main}},
    "compared": {name: see `compared`}}.

    With `full=False` only the metrics of the whole model, and transcripts by a greedy search: the
    scores that training needs after each epoch; with `intervals`, those too.
    """
    answers = build_answers(config, columns, quick=not full)
    modalities = list(config.modalities())
    whole = tuple(modalities)
    parted = {name: a for name, a in answers.items() if name not in config.contrastive}
    subsets = reported_subsets(modalities) if full and parted else [whole]
    paired = {whole, *each_alone(modalities).values(), *each_left_out(modalities).values()}
    read: dict[Subset, dict[str, Read]] = {
        subset: {
            name: answer.read if subset in paired else partial(main_only, answer)
            for name, answer in (answers if subset == whole else parted).items()
        }
        for subset in subsets
    }
    outputs = collect(runner, rows, columns, subsets, read=read)
    known = truths(rows, answers)
    targets: dict[str, Any] = {}
    for name, answer in answers.items():
        truth, has = known[name]
        if not has.any():
            targets[name] = {"rows": 0}
            continue
        output = outputs[whole][name][has]
        if isinstance(answer, ContrastiveAnswer):
            output = answer.ranks(output, truth[has])
        targets[name] = {"rows": int(has.sum()), **answer.score(output, truth[has])}
        if full or intervals:
            targets[name] |= kinds.intervals(answer, output, truth[has])
        if name in config.contrastive and full:
            classes = zero_shot(runner, rows, config, columns, name, outputs[whole][name])
            targets[name] |= {"zero_shot": classes} if classes else {}
    report = {"rows": len(rows), "targets": targets}
    if full:
        report["subsets"] = {
            "+".join(subset): {
                name: answers[name].main_score(named[name][has], truth[has])
                for name, (truth, has) in known.items()
                if has.any() and name in parted
            }
            for subset, named in outputs.items()
            if parted
        }
        report["compared"] = {
            name: compared(
                answer,
                {subset: named[name][has] for subset, named in outputs.items()},
                truth[has],
                modalities,
            )
            for name, answer in answers.items()
            for truth, has in [known[name]]
            if config.targets[name].task and has.any()
        }
    return report


def main_only(answer: Answer, output: np.ndarray) -> np.ndarray:
    return answer.decided(answer.read(output))


def each_alone(modalities: list[str]) -> dict[str, Subset]:
    return {m: (m,) for m in modalities}


def each_left_out(modalities: list[str]) -> dict[str, Subset]:
    return {m: tuple(x for x in modalities if x != m) for m in modalities}


def compared(
    answer: Answer, outputs: dict[Subset, np.ndarray], truth: np.ndarray, modalities: list[str]
) -> Report:
    """The answer compared with a constant one (`prior`), and with those of each modality alone and
    without each (`alone`, `without`); see `mmbm.inference.compare`."""
    whole = outputs[tuple(modalities)]
    report: Report = {"prior": prior_report(answer, whole, truth)}
    if isinstance(answer, HasWeakest) and (weak := answer.weakest(whole, truth)):
        report["weakest"] = weak
    if len(modalities) > 1:
        for key, subsets in (
            ("alone", each_alone(modalities)),
            ("without", each_left_out(modalities)),
        ):
            report[key] = {
                m: subset_report(answer, whole, outputs[subset], truth)
                for m, subset in subsets.items()
            }
    return report


def warnings(report: dict[str, Any], config: Config, columns: Columns) -> list[str]:
    """Messages if nothing is learned, or fusion brings nothing: compared with each modality alone,
    as this model answers without the others and, after `train --baselines`, as trained alone."""
    said = []
    for name, answer in build_answers(config, columns).items():
        main = answer.main
        fused = report["targets"][name].get(main.name)
        found = report.get("compared", {}).get(name)
        if fused is None:
            continue
        if found and not beats_prior(found["prior"]):
            said.append(nothing_found(name, main.name, fused, found, report["targets"][name]))
            continue
        if len(config.modalities()) < 2 or not config.targets[name].fuses:
            continue
        rivals = single_modalities(report, name, list(config.modalities()))
        if not rivals:
            continue
        sign = 1 if main.higher_is_better else -1
        best = max(rivals, key=lambda k: sign * rivals[k])
        if sign * (fused - rivals[best]) <= 0:
            chance = within_chance(report, name, best, rivals[best])
            said.append(
                f"Fusion brings nothing {'that can be measured ' if chance else ''}for {name!r}: "
                f"all modalities together reach {main.name} {fused:.4g}, {best} "
                f"{rivals[best]:.4g}{', which is within chance' if chance else ''}."
            )
    return said


def nothing_found(name: str, main: str, fused: float, found: Report, scores: Report) -> str:
    prior = found["prior"]
    return (
        f"Nothing found for {name!r} that {scores['rows']} rows can show: no better than always "
        f"answering {prior['answer']!r} ({main} {fused:.4g}, always the same {prior['score']:.4g})."
    )


def single_modalities(report: Report, name: str, modalities: list[str]) -> dict[str, float]:
    """Scores of each modality alone, in this model and trained alone."""
    alone = {f"{m} alone": report["subsets"].get(m, {}).get(name) for m in modalities}
    trained = {f"{m} trained alone": s.get(name) for m, s in report.get("baselines", {}).items()}
    return {k: v for k, v in {**alone, **trained}.items() if v is not None}


def within_chance(report: Report, name: str, rival: str, score: float) -> bool:
    """Whether a difference may be chance: by the paired interval, or without one by that of the
    score."""
    alone = report.get("compared", {}).get(name, {}).get("alone", {})
    if rival.endswith(" alone") and (found := alone.get(rival.removesuffix(" alone"))):
        return found["gain"][1] >= 0
    low, high = report["targets"][name].get("interval", (np.inf, -np.inf))
    return low <= score <= high
