"""What training says at its end follows from the numbers, and is not said without them."""

import re

import numpy as np

import mmbm
from mmbm.inference.evaluate import warnings
from mmbm.training.summary import summary


def trained(rows, folder, **more):
    inputs = {name: "number" for name in rows[0] if name not in ("y", "split")}
    config = {
        "data": {"split": {"valid": 0.1, "test": 0.2, "seed": 7}},
        "inputs": {name: {"kind": "number", "group": name} for name in inputs},
        "targets": {"y": "category"},
        "members": ["linear"],
        "train": {"threads": 1},
    }
    return mmbm.train({**config, **more}, table=rows, run=folder / "run")


def said(bundle) -> str:
    lines = summary(bundle.config, bundle.columns, bundle.metrics)
    assert max(map(len, lines)) <= 100
    return " ".join(" ".join(lines[lines.index("What to do next:") :]).split())


def test_of_pure_noise_it_is_said_that_nothing_is_found_and_nothing_else(tmp_path):
    generator = np.random.default_rng(0)
    rows = [
        {
            "a": generator.normal(),
            "b": generator.normal(),
            "y": str(generator.choice(["no", "yes"])),
        }
        for _ in range(200)
    ]
    bundle = trained(rows, tmp_path)
    assert "- y: nothing found, no better than always answering" in said(bundle)
    assert said(bundle).count(" - ") == 1
    lines = summary(bundle.config, bundle.columns, bundle.metrics)
    assert not any("alone:" in line for line in lines)
    (sentence,) = warnings(bundle.metrics["test"], bundle.config, bundle.columns)
    assert sentence.startswith("Nothing found for 'y' that 40 rows can show: no better than always")


def test_what_is_said_of_modalities_classes_and_bad_cells_follows_from_the_numbers(tmp_path):
    generator = np.random.default_rng(0)
    rows = []
    for i in range(400):
        y = i % 8 == 0
        rows.append({"a": generator.normal() + 1.2 * y, "noise": generator.normal(),
                     "y": "rare" if y else "often"})  # fmt: skip
    rows += [{"a": 30.0, "noise": 0.0, "y": "third"}] * 4
    rows[3]["a"] = "no number"
    bundle = trained(rows, tmp_path)
    assert bundle.metrics["bad_cells"] == {"rows": 1}
    next_ = said(bundle)
    assert "1 rows have cells that can't be read: see quarantine.csv" in next_
    assert re.search(r"y: uneven classes \(often is 8\d%\), balanced accuracy 0\.\d", next_)
    assert "train: {monitor: y.balanced_accuracy}" in next_
    assert next_.count(" - ") <= 4
    lines = summary(bundle.config, bundle.columns, bundle.metrics)
    alone = " ".join(line.strip() for line in lines).partition("noise alone:")[2]
    assert "; no better than always answering 'often'." in alone.partition("a alone")[0]
