"""Checks of a transcript's train rows, before training."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from mmbm.errors import TableError
from mmbm.kinds.audio.column import tokens
from mmbm.kinds.transcript.column import UNKNOWN
from mmbm.kinds.transcript.spec import TranscriptTarget


def check(
    name: str,
    spec: TranscriptTarget,
    inputs: Mapping[str, Any],
    source: str,
    stores: Mapping[str, Any],
    train: np.ndarray,
) -> Iterator[str]:
    """Messages on train rows too short for a transcript. Raises TableError if all audio is too
    short."""
    yield from unknown(name, stores, train)
    # CTC needs an audio token for each text token, and a blank between two equal ones
    text, sound = stores[name], stores[spec.input]
    rows = train[text.present[train] & sound.present[train]]
    there = tokens(inputs[spec.input], sound.lengths[rows])
    if there is None:
        return  # an encoder of the user's own: its loss is not counted where it doesn't fit
    needed = np.concatenate([np.empty(0, int), *map(partial(needs, text), pieces(rows))])
    bad = np.flatnonzero(needed > there)
    if not len(bad):
        return
    first, row = bad[0], rows[bad[0]] + 1
    example = f"row {row}: {needed[first]} tokens for the text, {there[first]} there"
    cure = (
        f"A smaller stride of the encoder of {spec.input!r} (rnn: stride, transformer: patch), "
        "or tokenizer: bpe, makes them fit; also look whether the text is of this sound."
    )
    if len(bad) == len(rows):
        raise TableError(
            f"{source}: the sound of every train row is too short for its {name!r} "
            f"({example}). {cure}"
        )
    yield (
        f"{len(bad)} train rows teach nothing of {name!r}, since their sound is too short for "
        f"it ({example}). {cure}"
    )


def unknown(name: str, stores: Mapping[str, Any], train: np.ndarray) -> Iterator[str]:
    """Train rows with characters outside the vocabulary, which was learned for the bundle that
    training continues from."""
    parts = (stores[name].gather(rows).values for rows in pieces(train))
    count = sum(int((values == UNKNOWN).any(1).sum()) for values in parts)
    if count:
        yield (
            f"{count} train rows of {name!r} have characters that the earlier training didn't "
            "have: they are learned as one unknown character. Train without --from "
            "(in Python: start) to tell them apart."
        )


def pieces(rows: np.ndarray) -> Iterator[np.ndarray]:
    return (rows[start : start + 4096] for start in range(0, len(rows), 4096))


def needs(text: Any, rows: np.ndarray) -> np.ndarray:
    """Tokens that CTC needs for each row's text."""
    values, lengths, _ = text.gather(rows)
    alike = (values[:, 1:] == values[:, :-1]) & (np.arange(1, values.shape[1]) < lengths[:, None])
    return lengths + alike.sum(1)
