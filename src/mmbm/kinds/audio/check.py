"""Checks of audio clips for `mmbm check`: silent after decoding, or clipped at full scale."""

from collections.abc import Iterator
from typing import Any

import numpy as np

SILENT = 33
"""Of 32768: a clip whose loudest sample is fainter (by 60 dB) is silent."""
FULL, CLIPPED = 32767, 0.01
"""A clip with more than this fraction of its samples at full scale is clipped."""


def odd_sounds(name: str, store: Any, rows: np.ndarray) -> list[str]:
    """Messages with the number of clips, and the first row (1 is the first of the table)."""
    peaks, clipped = np.array(list(_levels(store, rows)), np.float64).reshape(-1, 2).T
    present = rows[store.present[rows]]
    notes = []
    if (silent := present[peaks < SILENT]).size:
        notes.append(
            f"{silent.size} of {present.size} sounds of {name!r} are silent after decoding, the "
            f"first in row {silent.min() + 1}. 16-bit samples saved as 32-bit integers need gain: "
            "65536; else listen to them."
        )
    if (loud := present[clipped > CLIPPED]).size:
        notes.append(
            f"{loud.size} of {present.size} sounds of {name!r} are clipped at full scale, the "
            f"first in row {loud.min() + 1}. Floats that count to 32768 need gain: "
            "0.000030517578125; else they were recorded too loud."
        )
    return notes


def _levels(store: Any, rows: np.ndarray) -> Iterator[tuple[float, float]]:
    """Peak, and fraction of samples at full scale, of each clip that is present."""
    for row in rows[store.present[rows]]:
        samples = np.abs(store.gather(np.array([row])).values[0].astype(np.int32))
        yield float(samples.max(initial=0)), float((samples >= FULL).mean())
