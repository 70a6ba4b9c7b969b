"""Baseline: a remote model without training on this table, compared with a bundle."""

from typing import Any

import numpy as np

from mmbm.data.batches import Split
from mmbm.errors import MmbmError
from mmbm.inference.compare import difference
from mmbm.inference.evaluate import collect, truths
from mmbm.inference.predict import measured
from mmbm.inference.predictor import Predictor
from mmbm.kinds.answer import intervals
from mmbm.llm.endpoint import ChatClient, read_reply
from mmbm.llm.question import Question, asked, prompt

PROBABLE = {"auroc", "log_loss", "calibration_error"}
"""Metrics of probabilities, which a text doesn't have."""


def compare(
    bundle: Predictor,
    table: Any,
    split: str | None,
    endpoint: ChatClient,
    *,
    ask: str | None = None,
    target: str | None = None,
    limit: int = 200,
) -> dict[str, Any]:
    """The metrics of a remote model without training on this table, and the bundle's, on the same
    rows: `limit` of those that have a true answer, drawn with a fixed seed.

    An answer that is none of the classes is wrong; a row without a number is left out for both, and
    counted in `unanswered`. `difference` is the bundle's main metric less the other's, with its
    paired 95 % interval.
    """
    target, question = asked_of(bundle, target, ask)
    answer = bundle.answers[target]
    kinds = {name: spec.kind for name, spec in bundle.config.inputs.items()}
    with measured(bundle, table, split) as data:
        rows = data.splits["test"]
        _, has = truths(rows, {target: answer})[target]
        numbers = rows.rows[has]
        if limit < len(numbers):
            numbers = np.sort(np.random.default_rng(0).choice(numbers, limit, replace=False))
        rows = Split(rows.stores, rows.inputs, rows.targets, numbers)
        truth, _ = truths(rows, {target: answer})[target]
        whole = tuple(bundle.config.modalities())
        own = collect(
            bundle.runner, rows, bundle.columns, [whole], read={whole: {target: answer.read}}
        )
        requests = endpoint.requests(question, data.table, numbers, kinds)
        replies = endpoint.ask(requests, len(numbers))
    said = [read_reply(question, reply) for reply in replies]
    errors = [why for _, why in said]
    ours, theirs = own[whole][target], question.outputs([value for value, _ in said])
    known = np.array([e is None for e in errors]) | question.prompt.without
    ours, theirs, truth = ours[known], theirs[known], truth[known]
    report = {
        "model": endpoint.model, "base_url": endpoint.base_url, "target": target,
        "ask": question.text(), "rows": int(known.sum()),
        "unanswered": sum(e is not None for e in errors), "why": next(filter(None, errors), None),
    }  # fmt: skip
    if not known.any():
        return report
    for name, output in (("metrics", theirs), ("bundle", ours)):
        scores = {**answer.score(output, truth), **intervals(answer, output, truth)}
        report[name] = {k: v for k, v in scores.items() if k not in PROBABLE}
    report["difference"] = difference(answer, ours, theirs, truth)
    return report


def asked_of(bundle: Predictor, target: str | None, ask: str | None) -> tuple[str, Question]:
    kinds = asked()
    targets = {n: spec.kind for n, spec in bundle.config.targets.items() if spec.kind in kinds}
    name = target or next(iter(targets), None)
    if name not in targets:
        raise MmbmError(
            f"A remote model is compared on a {', '.join(kinds)}; {bundle.path} has "
            f"{', '.join(targets) or 'none'}."
        )
    how = prompt(targets[name])
    classes = tuple(bundle.values(name) or ()) if how.closed else ()
    return name, Question(ask or how.usual(name), targets[name], classes)
