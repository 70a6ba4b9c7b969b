"""Cross-validation: one model per fold, mean and spread of their scores, then one bundle.

`then: all` trains once more on all folds, with the mean ensemble weights and temperature of the
folds. `then: ensemble` keeps the models of the folds and answers with their mean.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mmbm.config import Config, SplitSpec
from mmbm.console import say
from mmbm.data.prepare import Data, assemble, decode, fit, open_config_table
from mmbm.data.split import fold_rows
from mmbm.inference.evaluate import Report, build_answers
from mmbm.inference.predictor import Predictor
from mmbm.nn.ensemble import Ensemble
from mmbm.training import fit_model
from mmbm.training.cross_fitting import network_only
from mmbm.training.golden_rows import take
from mmbm.training.run_folder import Run
from mmbm.training.trainer import train_network
from mmbm.training.validator import valid_scores
from mmbm.training.write_bundle import write_bundle


def cross_validate(config: Config, run: Run, table: Any = None) -> Predictor:
    """Train every fold in `run.folder/fold-N`, then follow `split.then`."""
    spec = config.data.rule
    assert spec is not None  # with folds
    config = network_only(config)
    models: list[Any] = []
    reports: list[Report] = []
    golden = None
    for number, data in enumerate(folds(config, spec, run, table), 1):
        golden = golden or take(config, data)
        say(f"Fold {number} of {spec.folds}")
        with Run(run.folder / f"fold-{number}", config, run.cache) as own:
            done = fit_model(config, data, own)
        reports.append(valid_scores(config, done.quick or data, done.model))
        models.append(done.model)
    scores = spread(reports)
    for name, answer in build_answers(config, data.columns).items():
        main = scores[name][answer.main.name]
        say(f"{name} {answer.main.name} {main['mean']:.4f} ± {main['spread']:.4f} over the folds")
    assert golden is not None  # at least two folds
    if spec.then == "ensemble":
        return write_bundle(config, data, Ensemble(models), run, golden, {}, {"folds": scores})
    say(f"All {spec.folds} folds together")
    everything = join(data)
    trainer, _ = train_network(config, everything, run, score=False)
    trainer.average_weights()
    for name, target in trainer.model.mixed():
        target.adopt([model.targets[name] for model in models])
    trainer.model.finalize()
    return write_bundle(config, everything, trainer.model, run, golden, {}, {"folds": scores})


def folds(config: Config, spec: SplitSpec, run: Run, table: Any) -> Iterator[Data]:
    """The data of each fold. Columns are fitted once, on the rows of all folds: no test rows."""
    opened = open_config_table(config, run.cache, table)
    fold_of = fold_rows(opened, spec, config.targets)
    columns = fit(config, opened, np.flatnonzero(fold_of >= 0), {})
    stores = decode(config, opened, columns, run.cache)
    for fold in range(spec.folds or 0):
        rows = {
            "train": np.flatnonzero((fold_of >= 0) & (fold_of != fold)),
            "valid": np.flatnonzero(fold_of == fold),
            "test": np.flatnonzero(fold_of == -1),
        }
        data = assemble(config, opened, columns, stores, rows, run.quarantine)
        if not fold:
            for note in data.notes:
                say(note)
        yield data


def join(data: Data) -> Data:
    """Train on the rows of all folds."""
    train, valid = data.splits["train"], data.splits["valid"]
    rows = np.union1d(train.rows, valid.rows)
    whole = type(train)(train.stores, train.inputs, train.targets, rows)
    return data._replace(splits={**data.splits, "train": whole})


def spread(reports: list[Report]) -> Report:
    """{target: {metric: {"mean", "spread" (standard deviation over folds), "values"}}}."""
    scores: Report = {}
    for name in reports[0]["targets"]:
        per_fold = [report["targets"][name] for report in reports]
        numbers = [k for k, v in per_fold[0].items() if isinstance(v, float)]
        values = {k: [fold.get(k) for fold in per_fold] for k in numbers}
        scores[name] = {
            k: {"mean": float(np.mean(v)), "spread": float(np.std(v, ddof=1)), "values": v}
            for k, v in values.items()
            if None not in v
        }
    return scores
