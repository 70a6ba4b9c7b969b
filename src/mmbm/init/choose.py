"""Every column's kind, the split and the settings of a first training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mmbm.console import heartbeat
from mmbm.data.few import HELD, LEAST
from mmbm.data.split import SYNONYMS
from mmbm.data.table import Table
from mmbm.errors import TableError
from mmbm.init import kinds, leaks, pretrained
from mmbm.init.files import Sound
from mmbm.init.found import Found
from mmbm.init.pretrained import Weights
from mmbm.init.sample import Sample, sample_rows

STEPS = 1500
"""Optimiser steps of a first training: minutes on a laptop for small media."""
FEWER_STEPS = 400
"""Where rows are so few that a network is trained several times, to be judged by folds."""
EPOCHS = 30
EPOCHS_OF_MATCH = 200
STEPS_OF_SPEECH, EPOCHS_OF_SPEECH = 6000, 100
"""CTC first learns to say nothing, and only then where what is said; texts are learned token by
token."""
NGRAM_ROWS = 3000
"""Train rows below which they are read by n-grams too, and small encoders do."""
TERMS = 16
"""Of a token, its n-grams among them."""
FOLDS = 10
"""Half as many values at least, to group rows into folds."""
FEW_ROWS = 10_000
"""Train rows below which texts are read by words."""


@dataclass
class Inferred:
    """What a config says, and why. Columns in the table's order."""

    table: Table
    split: str | None
    inputs: dict[str, Found]
    targets: dict[str, Found]
    left_out: dict[str, Found]
    suggestions: list[str] = field(default_factory=list)
    """Of how to split, for the user to decide."""
    warnings: list[str] = field(default_factory=list)
    """Of columns that tell the target, and all that was decided for the user."""
    train: dict[str, Any] = field(default_factory=dict)
    group: str | None = None
    """A column whose values the table's split keeps apart."""
    few: bool = False
    """Rows are so few that simpler parts do better."""
    weights: dict[str, Weights] = field(default_factory=dict)
    """By input, the published weights of its encoder."""


def infer(
    table: Table,
    targets: Sequence[str],
    drop: Sequence[str] = (),
    only: Sequence[str] = (),
    transcripts: Sequence[str] = (),
    texts: Sequence[str] = (),
    contrastive: Sequence[str] = (),
    weights: Mapping[str, Weights] | None = None,
) -> Inferred:
    """Find what each column is. `drop` leaves columns out; `only` leaves all others out.

    transcripts: targets that are what is said in a sound, although their texts are few.
    texts: targets that are to be written, token by token.
    contrastive: columns to align in one space, two or more; they are inputs.
    weights: published weights that encoders may have, by the kind of input; none if not given.

    Raises TableError: a column that isn't there, a target with nothing to learn, texts without a
    sound, or no inputs left.
    """
    targets = [*targets, *transcripts, *texts]
    if not targets and not contrastive:
        raise TableError(f"{table.source}: name at least one target column, or columns to align.")
    if len(set(contrastive)) == 1:
        raise TableError(f"{table.source}: {contrastive[0]!r} needs another column to align with.")
    if contrastive and not targets:
        only = contrastive
    for name in (*targets, *drop, *only, *contrastive):
        table.column(name)
    rows = sample_rows(table.rows)
    names = heartbeat(table.names, "Columns sampled", len(table.names))
    samples = {name: Sample(table, name, rows) for name in names}
    goals = {
        name: kinds.said(samples[name])
        if name in transcripts
        else kinds.written(samples[name], table.source)
        if name in texts
        else kinds.target(samples[name], table.source)
        for name in dict.fromkeys(targets)
    }
    split = _split_column([s for n, s in samples.items() if n not in goals and n not in drop])

    inputs: dict[str, Found] = {}
    left_out: dict[str, Found] = {}
    for name, sample in heartbeat(samples.items(), "Columns looked at", len(samples)):
        if name in goals or name == split:
            continue
        if name in drop or (only and name not in only):
            left_out[name] = Found(None, "dropped as asked")
            continue
        found = kinds.aligned(sample, table.source) if name in contrastive else kinds.look(sample)
        (inputs if found.kind else left_out)[name] = found

    result = Inferred(table, split, inputs, goals, left_out)
    _listen(result)
    _align(result, list(dict.fromkeys(contrastive)))
    _leave_out_redundant(result, samples, keep=[*only, *contrastive])
    _find_leaks(result, samples)
    used = [*result.inputs.values(), *result.targets.values()]
    result.warnings += [note for found in used for note in found.notes]
    _find_groups(result, samples)
    if not inputs:
        reasons = "; ".join(f"{name}: {found.why}" for name, found in left_out.items())
        raise TableError(f"{table.source}: no column is left as an input ({reasons or 'none'}).")
    rows_to_learn = _train_rows(table, split)
    longer = _heard(result) or texts
    result.warnings += _uncertain(result, samples)
    result.few = rows_to_learn < FEW_ROWS
    if result.few and not contrastive:
        _share(result)
    if rows_to_learn < NGRAM_ROWS and not longer and not contrastive:
        _encode(result, samples, weights or {})
        _see_less(result)
    if result.few:
        _read_words(result, rows_to_learn)
    result.train = _train(rows_to_learn, EPOCHS_OF_SPEECH if longer else EPOCHS)
    if contrastive:
        result.train = _train_match(rows_to_learn)
    return result


def _align(result: Inferred, columns: list[str]) -> None:
    """A target that aligns these columns; what no target reads is left out."""
    if not columns:
        return
    name = next(
        n for n in ("contrastive", "retrieval", "mmbm_contrastive") if n not in result.table.names
    )
    result.targets[name] = Found("contrastive", f"{' · '.join(columns)}", {"columns": columns})
    read = {*columns, *_heard(result)}
    if all(found.kind in ("transcript", "contrastive") for found in result.targets.values()):
        for name in [n for n in result.inputs if n not in read]:
            why = "no target reads it, since a contrastive target reads only its columns"
            result.left_out[name] = replace(result.inputs.pop(name), kind=None, why=why)


def _train_match(rows: int) -> dict[str, Any]:
    """More rows a step: each of them is a wrong answer to every other."""
    batch = int(2 ** np.clip(np.floor(np.log2(max(rows, 1) / 4)), 4, 8))  # 16 to 256
    epochs = int(np.clip(round(STEPS * batch / max(1, rows)), 3, EPOCHS_OF_MATCH))
    return {"epochs": epochs, "batch_size": batch}


def _heard(result: Inferred) -> set[str]:
    """The sounds that transcripts listen to."""
    return {f.options["input"] for f in result.targets.values() if f.kind == "transcript"}


def _listen(result: Inferred) -> None:
    """A target of many texts is what is said in a sound, if there is one. Raises TableError."""
    sounds = [name for name, found in result.inputs.items() if found.kind == "audio"]
    for name, found in result.targets.items():
        if found.kind != "transcript":
            continue
        if not sounds:
            raise TableError(
                f"{result.table.source}: target {name!r} has {found.why}. A target is a category, "
                "a number, labels or the transcript of a sound; this looks like text or an "
                f"identifier, and there is no sound. To have it written as a text: --text {name}."
            )
        others = f"; or of {', '.join(sounds[1:])}" if sounds[1:] else ""
        why = f"{found.why}, said in {sounds[0]}{others}"
        result.targets[name] = replace(found, options={"input": sounds[0]}, why=why)
        sound = result.inputs[sounds[0]]
        seconds = float(np.ceil(1.5 * sound.options["seconds"]))
        whole = {"seconds": seconds, "max_seconds": seconds}  # refused rather than half understood
        options = {**sound.options, **whole, "encoder": {"kind": "rnn", "size": "base"}}
        result.inputs[sounds[0]] = replace(sound, options=options)
    if result.targets and all(f.kind == "transcript" for f in result.targets.values()):
        for name in sorted(set(result.inputs) - _heard(result)):
            why = "no target reads it, since a transcript hears only its sound"
            result.left_out[name] = replace(result.inputs.pop(name), kind=None, why=why)


def _see_less(result: Inferred) -> None:
    """From few rows a small encoder learns as much, in less than half of the time."""
    for name, found in result.inputs.items():
        if found.kind in ("image", "audio") and "encoder" not in found.options:
            options = {**found.options, "encoder": {"kind": "cnn", "size": "tiny"}}
            result.inputs[name] = replace(found, options=options)


def _read_words(result: Inferred, rows: int) -> None:
    """From few rows, whole words are learned better than their pieces, and without their order."""
    for name, found in result.inputs.items():
        if found.kind == "text" and name not in result.weights:
            options = {**found.options, "tokenizer": "word", "lowercase": True, "encoder": "bag"}
            if rows < NGRAM_ROWS:
                terms = TERMS * found.options["max_tokens"]
                options |= {"tokenizer": "ngram", "max_tokens": terms, "vocab_size": 20_000}
                options["encoder"] = {"kind": "bag", "size": "tiny"}
            result.inputs[name] = replace(found, options=options)


def _share(result: Inferred) -> None:
    """From few rows, one encoder is learned better than one for each picture, or sound, of one
    sort: those that are decoded alike, and pictures that are about equally large."""
    sorts: list[list[str]] = []
    for name, found in result.inputs.items():
        if not kinds.is_media(found):
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


def _encode(result: Inferred, samples: dict[str, Sample], weights: Mapping[str, Weights]) -> None:
    """From few rows, frozen encoders with published weights where they are there and suit; one for
    all inputs that it encodes alike."""
    for kind, known in weights.items():
        found = {name: f for name, f in result.inputs.items() if f.kind == kind}
        options = pretrained.encoders(found, samples, known)
        for name, own in options.items():
            first = next(other for other, theirs in options.items() if theirs == own)
            shared = {} if first == name else {"share_weights_with": first}
            result.inputs[name] = replace(found[name], options={**own, **shared})
            result.weights[name] = known


def _one_sort(one: Found, other: Found) -> bool:
    if one.kind != other.kind or one.opened is None or other.opened is None:
        return False
    if one.options == other.options:
        return True
    rest = [{k: v for k, v in f.options.items() if k != "size"} for f in (one, other)]
    sizes = np.array([one.opened.size, other.opened.size])
    alike = sizes.min() > 0 and (sizes.max(0) <= 1.1 * sizes.min(0)).all()
    return rest[0] == rest[1] and bool(alike)


def _split_column(samples: list[Sample]) -> str | None:
    found = [sample.name for sample in samples if kinds.is_split(sample)]
    return next((name for name in found if name.lower() == "split"), found[0] if found else None)


def _leave_out_redundant(result: Inferred, samples: dict[str, Sample], keep: Sequence[str]) -> None:
    """Columns that can teach nothing new: copies, a clip's length, values that only train has."""
    sounds = {n: f for n, f in result.inputs.items() if f.kind == "audio"}
    parts = _parts(samples, result.split)
    first: dict[int, str] = {}  # by what it says, the first column that says it
    for name in result.inputs:
        first.setdefault(samples[name].fingerprint, name)
    for name, found in list(result.inputs.items()):
        if kinds.is_media(found) or name in keep:
            continue
        sample = samples[name]
        copy = first[sample.fingerprint]
        copy = copy if leaks.same_cells(samples[copy], sample) else name
        sound = next((n for n, f in sounds.items() if _is_length(sample, f)), None)
        if copy != name:
            _move(result, name, f"the same as {copy} in every row")
        elif found.kind == "number" and sound is not None:
            _move(result, name, f"the length of {sound}, which the sound itself tells")
        elif parts is not None and _only_in_train(sample, parts):
            why = f"none of its values in {result.split} valid or test occurs in train"
            _move(result, name, why, group=True)


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


def _is_length(sample: Sample, found: Found) -> bool:
    if found.opened is None or not sample.is_number:
        return False
    seen = {i: s.seconds for i, s in found.opened.seen.items() if isinstance(s, Sound)}
    if len(seen) < 5 or len(set(seen.values())) < 2:
        return False
    given = sample.numbers[list(seen)]
    return bool(np.allclose(given, list(seen.values()), rtol=0.02, atol=0.02))


def _find_leaks(result: Inferred, samples: dict[str, Sample]) -> None:
    """Rows that were repeated say nothing of new ones: distinct rows are judged."""
    distinct = _distinct_rows(result, samples)
    inputs = list(result.inputs.items())
    for name, found in heartbeat(inputs, "Columns compared with the targets", len(inputs)):
        for goal, target in result.targets.items():
            if target.kind == "contrastive":
                continue
            if kinds.is_media(found) or target.kind == "labels" or found.kind == "labels":
                continue
            told = leaks.tells(samples[name], samples[goal], target.kind == "number", distinct)
            if told is not None and told.same:
                _move(result, name, f"practically the target {goal} itself")
                break
            if told is not None:
                result.warnings.append(
                    f"{name} nearly determines {goal} ({told.right:.1%} on held-out rows). Leave "
                    "it out unless it will be known when predicting."
                )
            elif found.kind == "text" and leaks.contains(samples[name], samples[goal]):
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


def _find_groups(result: Inferred, samples: dict[str, Sample]) -> None:
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


def _move(result: Inferred, name: str, why: str, group: bool = False) -> None:
    """Out of the inputs; its kind is kept, to say how to put it back."""
    result.left_out[name] = replace(result.inputs.pop(name), why=why, group=group)


def _uncertain(result: Inferred, samples: dict[str, Sample]) -> list[str]:
    """Labelled rows are so few that scores will be uncertain, or so are test rows."""
    rows = result.table.rows
    parts = [len(s.present) / len(s.rows) for n, s in samples.items() if n in result.targets]
    labelled = round(rows * min(parts, default=1.0))
    tested = _rows_of(result.table, result.split, "test") if result.split else labelled
    said = [f"{labelled} rows have a target"] if labelled < LEAST else []
    said += [f"{tested} rows are test"] if 0 < tested < HELD and result.split else []
    if not said:
        return []
    return [f"only {' and '.join(said)}: scores on so few rows are uncertain; label more rows."]


def _rows_of(table: Table, split: str, part: str) -> int:
    return sum(SYNONYMS.get(str(cell).strip().lower()) == part for cell in table.cells(split))


def _train_rows(table: Table, split: str | None) -> int:
    if split is None:
        return round(0.7 * table.rows)
    return _rows_of(table, split, "train")


def _train(rows: int, most: int) -> dict[str, Any]:
    """About `STEPS` steps, in 3 to `most` epochs; speech takes all of them."""
    batch = 32 if rows < 1500 else 64 if rows < 50_000 else 128 if rows < 500_000 else 256
    steps = (STEPS if rows >= 1500 else FEWER_STEPS) if most == EPOCHS else STEPS_OF_SPEECH
    epochs = int(np.clip(round(steps * batch / max(1, rows)), 3, most))
    return {"epochs": epochs, "batch_size": batch}
