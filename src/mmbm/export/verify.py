"""Parity check of an exported model with the bundle: on its golden rows, in many shapes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmbm.errors import BundleError
from mmbm.inference.predict import Decoded, batched, decode_row
from mmbm.inference.predictor import Predictor
from mmbm.inference.runners import Named, Runner, difference, flatten, units

TOLERANCES = {"float32": 1e-4, "float16": 0.01, "int8": 0.05}
"""Default tolerances: for a probability, or a number in its standard deviations. float16 has 11
bits, int8 8; each layer rounds to them."""
ODD, LARGE = 17, 64  # rows


@dataclass
class ParityReport:
    """The largest difference of each target's answers, in the unit of its tolerance."""

    rows: int
    batches: int
    bound: float
    farthest: dict[str, float]
    same: dict[str, float]  # fraction of the answers to golden rows with the same class or labels

    def report(self) -> dict[str, Any]:
        return {
            "golden_rows": self.rows, "batches": self.batches, "tolerance": self.bound,
            "moved": self.farthest, "same": self.same,
        }  # fmt: skip

    @staticmethod
    def sentences(report: dict[str, Any]) -> list[str]:
        where = f"{report['golden_rows']} golden rows in {report['batches']} batches"
        said = [
            f"{name}: moved by {moved:.2g} at most (tolerance {report['tolerance']:g}) on {where}."
            for name, moved in report["moved"].items()
        ]
        said += [
            f"{name}: {same:.0%} of the golden rows have the same answer."
            for name, same in report["same"].items()
        ]
        return said


def check(bundle: Predictor, exported: Callable[[Named], Named], bound: float) -> ParityReport:
    """Compare the answers of the bundle and of the export to the same batches. Raises BundleError
    if a difference exceeds `bound`, or if there are no golden rows to run."""
    rows, unit = golden(bundle), units(bundle.config, bundle.columns)
    farthest = dict.fromkeys(bundle.config.targets, 0.0)
    count = 0
    for label, batch in batches(bundle, rows):
        arrays = flatten(batched(bundle, batch), bundle.columns)
        ours, theirs = answers(bundle.runner, arrays), exported(arrays)
        for name, mine in ours.items():
            moved = difference(unit[name], mine, theirs[name])
            if not moved <= bound:
                raise BundleError(
                    f"The exported model moves {name!r} by {moved:.2g}, more than its tolerance "
                    f"{bound:g}, {label}. Nothing was written. Choose a higher precision, or say "
                    "how far answers may move: --tolerance."
                )
            farthest[name] = max(farthest[name], moved)
        count += 1
    arrays = flatten(batched(bundle, rows), bundle.columns)
    before, after = answers(bundle.runner, arrays), exported(arrays)
    same = {}
    for name, answer in bundle.answers.items():
        if bundle.config.targets[name].decides:
            pairs = zip(answer.rows(before[name]), answer.rows(after[name]))
            same[name] = float(np.mean([a["value"] == b["value"] for a, b in pairs]))
    return ParityReport(len(rows), count, bound, farthest, same)


def answers(runner: Runner, arrays: Named) -> Named:
    return runner.run("answer", runner.run("encode", arrays))


def golden(bundle: Predictor) -> list[Decoded]:
    rows, _ = bundle.bundle.golden()
    decoded = [decode_row(bundle, row, None) for row in rows]
    for row in decoded:
        if row.error:
            raise BundleError(f"{bundle.path}: a golden row can't be read any more: {row.error}")
    if not decoded:
        raise BundleError(
            f"{bundle.path} has no golden rows, so an export of it can't be verified. Train with "
            "train.golden_rows: 16."
        )
    return decoded


def batches(bundle: Predictor, rows: list[Decoded]) -> Iterator[tuple[str, list[Decoded]]]:
    """The golden rows alone and together, short and long, complete and with parts absent."""
    for row in rows:
        yield "for one row", [row]
    for size in (len(rows), ODD, LARGE):
        yield f"in a batch of {size}", [rows[i % len(rows)] for i in range(size)]
    ragged = [name for name in bundle.config.inputs if bundle.columns[name].storage.ragged]
    if ragged:
        shortest = [resized(row, dict.fromkeys(ragged, 1)) for row in rows]
        most = {name: bundle.config.inputs[name].longest for name in ragged}
        yield "where sounds and texts are shortest", shortest
        yield "where sounds and texts are longest", [resized(rows[0], most)]
        yield "where a long row goes with a short one", [resized(rows[-1], most), shortest[0]]
    modalities = bundle.config.modalities()
    for name, columns in modalities.items():
        yield f"where {name} is absent", [without(row, columns) for row in rows]
    everything = [column for columns in modalities.values() for column in columns]
    yield "where everything is absent", [without(row, everything) for row in rows]


def resized(row: Decoded, lengths: dict[str, int]) -> Decoded:
    """The row with its cells cut, or repeated, to these lengths; what is absent becomes zeros."""
    cells = dict(row.cells)
    for name, length in lengths.items():
        cell = cells[name]
        cells[name] = np.zeros(length, np.int16) if cell is None else np.resize(cell, length)
    return Decoded(cells, None)


def without(row: Decoded, columns: list[str]) -> Decoded:
    return Decoded({k: None if k in columns else v for k, v in row.cells.items()}, None)
