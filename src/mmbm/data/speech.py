"""What is told of transcripts before training."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from mmbm.config import Config
from mmbm.data.store import Store
from mmbm.errors import TableError
from mmbm.kinds.audio.column import tokens
from mmbm.kinds.transcript.column import UNKNOWN
from mmbm.kinds.transcript.spec import TranscriptTarget


def too_short(
    config: Config, source: str, stores: dict[str, Store], train: np.ndarray
) -> list[str]:
    """Train rows whose sound has too few tokens for their transcript: CTC needs one for each token
    of the text, and a blank between two that are alike. Raises TableError if all are such rows."""
    notes = []
    for name, spec in config.targets.items():
        if not isinstance(spec, TranscriptTarget):
            continue
        text, sound = stores[name], stores[spec.input]
        rows = train[text.present[train] & sound.present[train]]
        there = tokens(config.sound_of(spec), sound.lengths[rows])
        if there is None:
            continue  # an encoder of the user's own: its loss is not counted where it doesn't fit
        needed = np.concatenate([np.empty(0, int), *map(partial(needs, text), pieces(rows))])
        bad = np.flatnonzero(needed > there)
        if not len(bad):
            continue
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
        notes.append(
            f"{len(bad)} train rows teach nothing of {name!r}, since their sound is too short for "
            f"it ({example}). {cure}"
        )
    return notes


def unknown(config: Config, stores: dict[str, Store], train: np.ndarray) -> list[str]:
    """Train rows with characters that a column doesn't know, since it was learned for the bundle
    that training goes on from."""
    notes = []
    for name, spec in config.targets.items():
        if not isinstance(spec, TranscriptTarget):
            continue
        parts = (stores[name].gather(rows).values for rows in pieces(train))
        count = sum(int((values == UNKNOWN).any(1).sum()) for values in parts)
        if count:
            notes.append(
                f"{count} train rows of {name!r} have characters that the earlier training didn't "
                "have: they are learned as one unknown character. Train without --from "
                "(in Python: start) to tell them apart."
            )
    return notes


def pieces(rows: np.ndarray) -> Iterator[np.ndarray]:
    return (rows[start : start + 4096] for start in range(0, len(rows), 4096))


def needs(text: Store, rows: np.ndarray) -> np.ndarray:
    """Tokens that CTC needs for each row's text."""
    values, lengths, _ = text.gather(rows)
    alike = (values[:, 1:] == values[:, :-1]) & (np.arange(1, values.shape[1]) < lengths[:, None])
    return lengths + alike.sum(1)
