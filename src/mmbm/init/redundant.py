"""Redundant columns, and leaks of the target: found by comparing columns."""

from collections.abc import Sequence

import numpy as np

from mmbm.console import heartbeat
from mmbm.data.split import SYNONYMS
from mmbm.init import leaks
from mmbm.init.inferred import Inferred
from mmbm.kinds.guess import ColumnGuess
from mmbm.kinds.sample import Sample

FOLDS = 10
"""Half as many values at least, to group rows into folds."""


def leave_out_redundant(result: Inferred, samples: dict[str, Sample], keep: Sequence[str]) -> None:
    """Columns without new information: copies, a clip's length, values that only train has."""
    lasting = {name: guess for name, guess in result.inputs.items() if guess.seconds}
    parts = _parts(samples, result.split)
    first: dict[int, str] = {}  # by content, the first column with it
    for name in result.inputs:
        first.setdefault(samples[name].fingerprint, name)
    for name, found in list(result.inputs.items()):
        if found.is_media or name in keep:
            continue
        sample = samples[name]
        copy = first[sample.fingerprint]
        copy = copy if leaks.same_cells(samples[copy], sample) else name
        sound = next((n for n, f in lasting.items() if _is_length(sample, f)), None)
        if copy != name:
            result.leave_out(name, f"the same as {copy} in every row")
        elif found.task == "regression" and sound is not None:
            result.leave_out(name, f"the length of {sound}, which the sound itself tells")
        elif parts is not None and _only_in_train(sample, parts):
            why = f"none of its values in {result.split} valid or test occurs in train"
            result.leave_out(name, why, group=True)


def _parts(samples: dict[str, Sample], split: str | None) -> np.ndarray | None:
    """bool: which sampled rows train."""
    if split is None:
        return None
    return np.array([SYNONYMS.get((key or "").lower()) == "train" for key in samples[split].keys])


def _only_in_train(sample: Sample, train: np.ndarray, least: float = 1.5) -> bool:
    """Its values, each in `least` rows on average, are not those of the rows that don't train."""
    if len(sample.rows) != len(train) or sample.repeats < least:
        return False
    if sample.is_number and not sample.is_whole:
        return False
    seen = {key for key, part in zip(sample.keys, train) if part}
    other = {key for key, part in zip(sample.keys, train) if not part and key is not None}
    return bool(other) and not other & seen


def _is_length(sample: Sample, lasting: ColumnGuess) -> bool:
    seconds = lasting.seconds
    if not sample.is_number or len(seconds) < 5 or len(set(seconds.values())) < 2:
        return False
    given = sample.numbers[list(seconds)]
    return bool(np.allclose(given, list(seconds.values()), rtol=0.02, atol=0.02))


def find_leaks(result: Inferred, samples: dict[str, Sample]) -> None:
    """Repeated rows are no evidence about new ones: distinct rows are judged."""
    distinct = _distinct_rows(result, samples)
    inputs = list(result.inputs.items())
    for name, found in heartbeat(inputs, "Columns compared with the targets", len(inputs)):
        for goal, target in result.targets.items():
            if goal not in samples or found.is_media or "multilabel" in (target.task, found.task):
                continue
            number = target.task == "regression"
            told = leaks.tells(samples[name], samples[goal], number, distinct)
            if told is not None and told.same:
                result.leave_out(name, f"practically the target {goal} itself")
                break
            if told is not None:
                result.warnings.append(
                    f"{name} nearly determines {goal} ({told.right:.1%} on held-out rows). Leave "
                    "it out unless it will be known when predicting."
                )
            elif found.is_text and leaks.contains(samples[name], samples[goal]):
                result.warnings.append(
                    f"{name} spells out {goal} in nearly every row. Leave it out unless it will be "
                    "known when predicting."
                )


def _distinct_rows(result: Inferred, samples: dict[str, Sample]) -> np.ndarray:
    """Places in the sample of the first of all rows that are alike in every column that is used."""
    used = [samples[n] for n in (*result.inputs, *result.targets) if n in samples]
    most = max((len(sample.rows) for sample in used), default=0)
    hashes = np.zeros(most, np.uint64)
    for sample in used:
        if len(sample.rows) == most:
            mine = np.array([hash(key) for key in sample.keys], np.int64).view(np.uint64)
            hashes = hashes * np.uint64(1_000_003) ^ mine
    return np.sort(np.unique(hashes, return_index=True)[1])


def find_groups(result: Inferred, samples: dict[str, Sample]) -> None:
    """A column whose values the table's own splits keep apart groups the folds too; of several the
    coarsest."""
    parts = _parts(samples, result.split)
    if parts is not None:
        apart = [
            (samples[name].distinct, i, name)
            for i, name in enumerate(result.left_out)
            if 2 * samples[name].distinct >= FOLDS
            and _only_in_train(samples[name], parts, least=1.1)
        ]
        result.group = min(apart, default=(0, 0, None))[2]
        return
    result.suggestions = [
        f"{name} {found.why}: {{group: {name}}} keeps its rows in one split"
        for name, found in result.left_out.items()
        if found.group
    ]
