"""Chunked inference on audio longer than a model's window: cut, encode by windows, join the tokens.

Each window but the first begins `overlap` before the previous one ends, and supplies the tokens
from the middle of one overlap to the middle of the next: audio cut by a window's edge is whole in
its neighbor. The last window ends with the recording and is as long as the others.
"""

from typing import NamedTuple

import numpy as np

from mmbm.config import Config
from mmbm.inference.runners import Named, Runner, lengthened
from mmbm.kinds.audio.column import hop, stride
from mmbm.kinds.audio.spec import AudioSpec
from mmbm.kinds.column import Storage, collate

TOGETHER = 32
"""Windows that are encoded together."""
SOUND = Storage("int16", (), ragged=True)


class Cut(NamedTuple):
    """A window, and which of its tokens are used."""

    start: int  # samples
    end: int
    first: int  # tokens
    last: int | None


class Windows(NamedTuple):
    """How a recording is cut. A window begins at a whole token: all tokens lie on one grid."""

    most: int
    """Maximum samples of a recording that is read in one piece, as in training."""
    size: int
    """Samples of a window."""
    shift: int
    """Samples between the starts of two windows."""
    margin: int
    """Tokens that are left to the neighbor, on each side that has one."""
    step: int
    """Samples per token."""

    @classmethod
    def of(cls, spec: AudioSpec) -> "Windows":
        """For an audio input without windows: nothing is longer than one."""
        step, most = (stride(spec) or 1) * hop(spec), spec.longest
        if spec.windows is None:
            return cls(most, most, most, 0, step)
        size = most // step
        margin = max(1, round(spec.windows.overlap * spec.sample_rate / (2 * step)))
        return cls(most, size * step, max(1, size - 2 * margin) * step, margin, step)

    def regular(self, number: int) -> Cut:
        """Window `number` of a recording that continues after it."""
        start = number * self.shift
        first = self.margin if number else 0
        return Cut(start, start + self.size, first, self.size // self.step - self.margin)

    def final(self, number: int, samples: int) -> Cut:
        """The last window of a recording of so many samples, after `number` regular ones."""
        if not number:
            return Cut(0, samples, 0, None)
        start = -(-(samples - self.size) // self.step) * self.step
        heard = number * self.shift // self.step + self.margin
        return Cut(start, samples, heard - start // self.step, None)

    def whole(self, samples: int) -> int:
        """How many regular windows are known when so many samples of a recording have arrived."""
        return 0 if samples <= self.most else (samples - self.size) // self.shift + 1

    def cuts(self, samples: int) -> list[Cut]:
        number = self.whole(samples)
        return [*map(self.regular, range(number)), self.final(number, samples)]


def windowed(runner: Runner, config: Config) -> Runner:
    """The runner, wrapped for long recordings if the config has audio inputs with windows."""
    found = {
        name: Windows.of(spec)
        for name, spec in config.inputs.items()
        if getattr(spec, "windows", None)
    }
    return Windowed(runner, found, list(config.inputs)) if found else runner


class Windowed:
    """A runner whose `encode` accepts recordings longer than a window.

    Only transcripts read audio in windows, so all of a row's inputs are audio.
    """

    def __init__(self, runner: Runner, windows: dict[str, Windows], sounds: list[str]):
        self.runner, self.windows, self.sounds = runner, windows, sounds

    def run(self, graph: str, arrays: Named) -> Named:
        if graph != "encode" or not self._long(arrays):
            return self.runner.run(graph, arrays)
        cuts = {name: self._cuts(name, arrays[f"{name}.lengths"]) for name in self.sounds}
        rows = len(next(iter(cuts.values())))
        most = [max(len(cuts[name][row]) for name in self.sounds) for row in range(rows)]
        places = [(row, k) for row in range(rows) for k in range(most[row])]
        parts: dict[str, list[list[np.ndarray]]] = {n: [[] for _ in most] for n in self.sounds}
        known = {name: np.zeros(rows, bool) for name in self.sounds}
        for start in range(0, len(places), TOGETHER):
            some = places[start : start + TOGETHER]
            encoded = self.runner.run("encode", self._some(arrays, cuts, some))
            for name in self.sounds:
                x, keep = encoded[f"{name}.x"], encoded[f"{name}.keep"]
                for i, (row, k) in enumerate(some):
                    if k < len(cuts[name][row]):
                        cut = cuts[name][row][k]
                        parts[name][row].append(x[i, : keep[i].sum()][cut.first : cut.last])
                        known[name][row] |= encoded[f"{name}.known"][i]
        return {k: v for name in self.sounds for k, v in _joined(name, parts, known).items()}

    def _long(self, arrays: Named) -> bool:
        return any(arrays[name].shape[1] > w.most for name, w in self.windows.items())

    def _cuts(self, name: str, lengths: np.ndarray) -> list[list[Cut]]:
        windows = self.windows.get(name)
        return [
            windows.cuts(int(samples)) if windows else [Cut(0, int(samples), 0, None)]
            for samples in lengths
        ]

    def _some(
        self, arrays: Named, cuts: dict[str, list[list[Cut]]], places: list[tuple[int, int]]
    ) -> Named:
        """These windows as a batch; an input that has fewer of them is absent from the others."""
        named: Named = {}
        for name in self.sounds:
            cells: list[np.ndarray | None] = []
            for row, k in places:
                there = arrays[f"{name}.present"][row] and k < len(cuts[name][row])
                cut = cuts[name][row][k] if there else None
                cells.append(arrays[name][row, cut.start : cut.end] if cut else None)
            values, lengths, present = collate(SOUND, cells)
            named |= {name: values, f"{name}.lengths": lengths, f"{name}.present": present}
        return named


def _joined(
    name: str, parts: dict[str, list[list[np.ndarray]]], known: dict[str, np.ndarray]
) -> Named:
    rows = [np.concatenate(row) for row in parts[name]]  # each [T, D]
    longest = max(map(len, rows))
    x = np.concatenate([lengthened(row[None], longest) for row in rows])
    keep = np.arange(longest) < np.array([[len(row)] for row in rows])
    return {f"{name}.x": x, f"{name}.keep": keep, f"{name}.known": known[name]}
