"""Self-training: train rows without a class get a first model's confident pseudo-labels.

Pseudo-labels (Lee 2013) for a second round from the beginning (noisy student, Xie et al. 2020).
Only train rows: the valid and the test split keep true labels only.
"""

import numpy as np

from mmbm.config import Config
from mmbm.console import say
from mmbm.data.batches import PseudoLabels, Split
from mmbm.data.prepare import Data
from mmbm.data.store import ColumnStore
from mmbm.inference.evaluate import collect
from mmbm.inference.runners import Runner


def label(config: Config, data: Data, quick: Data, runner: Runner) -> Data:
    """The data with more train rows, and more targets in them.

    quick: the same as `runner` reads it, possibly features in place of cells.
    """
    assert config.train.self_training is not None
    threshold = config.train.self_training.threshold
    train, whole = data.splits["train"], tuple(config.modalities())
    asked = np.union1d(train.rows, data.unlabelled)
    read = quick.splits["train"]
    answers = collect(
        runner, Split(read.stores, read.inputs, read.targets, asked), quick.columns, [whole]
    )[whole]
    stores, sure = dict(train.stores), set(train.rows.tolist())
    for name, spec in config.targets.items():
        store = stores[name]
        if spec.task != "multiclass" or not isinstance(store, ColumnStore):
            continue
        probable = answers[name].max(1)  # [N]
        open_, taken = ~store.present[asked], probable >= threshold
        best = answers[name].argmax(1) + 1  # the column keeps 0 for an unseen value
        guesses = {int(asked[i]): int(best[i]) for i in np.flatnonzero(open_ & taken)}
        stores[name] = PseudoLabels(store, guesses)
        sure.update(guesses)
        say(
            f"Self-training: {len(guesses)} of {int(open_.sum())} train rows without {name} get "
            f"one, of a probability of {threshold:g} or more."
        )
    rows = Split(stores, train.inputs, train.targets, np.array(sorted(sure), np.int64))
    return data._replace(splits={**data.splits, "train": rows})
