"""Every column's kind, the split and the settings of a first training."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mmbm.console import heartbeat
from mmbm.data.few import HELD, LEAST
from mmbm.data.split import SYNONYMS
from mmbm.data.table import Table
from mmbm.errors import TableError
from mmbm.init.few import suit_few
from mmbm.init.inferred import Inferred
from mmbm.init.kinds import infer_aligned, infer_kind, infer_target, is_split
from mmbm.init.pretrained import Weights
from mmbm.init.redundant import find_groups, find_leaks, leave_out_redundant
from mmbm.kinds.guess import ColumnGuess
from mmbm.kinds.sample import Sample, sample_rows

STEPS = 1500
"""Optimizer steps of a first training: minutes on a laptop for small media."""
FEWER_STEPS = 400
"""The same for so few rows that a network is trained several times, for cross-validation."""
EPOCHS = 30
EPOCHS_OF_MATCH = 200
STEPS_OF_SPEECH, EPOCHS_OF_SPEECH = 6000, 100
"""The same for CTC, which first learns to output blanks and only then the text; and for text
generation."""


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
    """Infer the kind of each column. `drop` leaves columns out; `only` leaves all others out.

    transcripts: targets that are transcripts of audio, although their texts are few.
    texts: targets of text generation.
    contrastive: columns to align in one space, two or more; they are inputs.
    weights: published weights that encoders may have, by the kind of input; none if not given.

    Raises TableError: a column that isn't there, a target with nothing to learn, texts without
    audio, or no inputs left.
    """
    asked = {**dict.fromkeys(texts, "text"), **dict.fromkeys(transcripts, "transcript")}
    goals = list(dict.fromkeys([*targets, *transcripts, *texts]))
    if contrastive and not goals:
        only = contrastive
    _check_names(table, goals, contrastive, [*drop, *only])
    rows = sample_rows(table.rows)
    names = heartbeat(table.names, "Columns sampled", len(table.names))
    samples = {name: Sample(table, name, rows) for name in names}
    found = {name: infer_target(samples[name], asked.get(name, "")) for name in goals}
    split = _split_column([s for n, s in samples.items() if n not in found and n not in drop])
    result = Inferred(table, split, inputs={}, targets=found, left_out={})
    _look_at(result, samples, drop, only, contrastive)
    _listen(result)
    _align(result, list(dict.fromkeys(contrastive)))
    leave_out_redundant(result, samples, keep=[*only, *contrastive])
    find_leaks(result, samples)
    _note(result, samples)
    speech, match = bool(result.heard() or texts), bool(contrastive)
    rows_to_learn = _train_rows(table, split)
    suit_few(result, samples, weights or {}, rows_to_learn, speech=speech, match=match)
    epochs = EPOCHS_OF_SPEECH if speech else EPOCHS
    result.train = _train_match(rows_to_learn) if match else _train(rows_to_learn, epochs)
    return result


def _check_names(
    table: Table, targets: Sequence[str], contrastive: Sequence[str], others: Sequence[str]
) -> None:
    """Raises TableError: one isn't there, or too few are named."""
    if not targets and not contrastive:
        raise TableError(f"{table.source}: name at least one target column, or columns to align.")
    if len(set(contrastive)) == 1:
        raise TableError(f"{table.source}: {contrastive[0]!r} needs another column to align with.")
    for name in (*targets, *others, *contrastive):
        table.column(name)


def _look_at(
    result: Inferred,
    samples: Mapping[str, Sample],
    drop: Collection[str],
    only: Collection[str],
    contrastive: Collection[str],
) -> None:
    """Every other column is an input, or left out."""
    for name, sample in heartbeat(samples.items(), "Columns looked at", len(samples)):
        if name in result.targets or name == result.split:
            continue
        if name in drop or (only and name not in only):
            result.left_out[name] = ColumnGuess(None, "dropped as asked")
            continue
        guess = infer_aligned(sample) if name in contrastive else infer_kind(sample)
        (result.inputs if guess.kind else result.left_out)[name] = guess


def _note(result: Inferred, samples: dict[str, Sample]) -> None:
    """Decisions made for the user. Raises TableError: no input is left."""
    used = [*result.inputs.values(), *result.targets.values()]
    result.warnings += [note for guess in used for note in guess.notes]
    find_groups(result, samples)
    if not result.inputs:
        reasons = "; ".join(f"{name}: {guess.why}" for name, guess in result.left_out.items())
        source = result.table.source
        raise TableError(f"{source}: no column is left as an input ({reasons or 'none'}).")
    result.warnings += _uncertain(result, samples)


def _align(result: Inferred, columns: list[str]) -> None:
    """A contrastive target of these columns; columns that no target reads are left out."""
    if not columns:
        return
    name = next(
        n for n in ("contrastive", "retrieval", "mmbm_contrastive") if n not in result.table.names
    )
    why = " · ".join(columns)
    result.targets[name] = ColumnGuess("contrastive", why, {"columns": columns})
    read = {*columns, *result.heard()}
    if not any(guess.target_spec.fuses for guess in result.targets.values()):
        why = "no target reads it, since a contrastive target reads only its columns"
        _leave_out_all(result, [name for name in result.inputs if name not in read], why)


def _leave_out_all(result: Inferred, names: Sequence[str], why: str) -> None:
    for name in names:
        result.left_out[name] = replace(result.inputs.pop(name), kind=None, why=why)


def _listen(result: Inferred) -> None:
    """A target of many texts is a transcript if there is an audio input. Raises TableError."""
    for name, target in result.targets.items():
        if target.hear is None:
            continue
        heard = {n: found for n, g in result.inputs.items() if (found := target.hear(g))}
        if not heard:
            raise TableError(
                f"{result.table.source}: target {name!r} has {target.why}. A target is a category, "
                "a number, labels or the transcript of a sound; this looks like text or an "
                f"identifier, and there is no sound. To have it written as a text: --text {name}."
            )
        first, *others = heard
        why = f"{target.why}, said in {first}"
        why += f"; or of {', '.join(others)}" if others else ""
        result.targets[name] = replace(target, options={"input": first}, why=why)
        result.inputs[first] = heard[first]
    if result.targets and all(guess.hear for guess in result.targets.values()):
        why = "no target reads it, since a transcript hears only its sound"
        _leave_out_all(result, sorted(set(result.inputs) - result.heard()), why)


def _split_column(samples: list[Sample]) -> str | None:
    found = [sample.name for sample in samples if is_split(sample)]
    return next((name for name in found if name.lower() == "split"), found[0] if found else None)


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


def _train_match(rows: int) -> dict[str, Any]:
    """More rows per step: each of them is a negative for every other."""
    batch = int(2 ** np.clip(np.floor(np.log2(max(rows, 1) / 4)), 4, 8))  # 16 to 256
    epochs = int(np.clip(round(STEPS * batch / max(1, rows)), 3, EPOCHS_OF_MATCH))
    return {"epochs": epochs, "batch_size": batch}
