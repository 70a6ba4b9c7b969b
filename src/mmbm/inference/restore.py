"""Restore a bundle's torch model, to continue training with new rows or new classes."""

from safetensors.torch import load_file
from torch import Tensor

from mmbm.bundle import Bundle, foreign
from mmbm.bundle.writer import foreign_names
from mmbm.config import Config
from mmbm.errors import BundleError, ConfigError
from mmbm.kinds.column import Columns
from mmbm.nn.ensemble import Ensemble
from mmbm.nn.model import Model


def restore(bundle: Bundle) -> Model | Ensemble:
    """Raises BundleError if the bundle names a class whose package the caller didn't allow."""
    check_allowed(bundle)
    check_weights(bundle)
    data = bundle.config.data
    many = data.folds if data.keeps_folds else None
    with foreign(bundle.path):
        model = Model(bundle.config, bundle.columns)
        if many:
            model = Ensemble([Model(bundle.config, bundle.columns) for _ in range(many)])
        model.load_state_dict(load_file(bundle.files.path("weights.safetensors")))
    for member in model.members if isinstance(model, Ensemble) else [model]:
        member.finalize()
    return model.eval()


def check_allowed(bundle: Bundle) -> None:
    for name in foreign_names(bundle.config):
        package = name.partition(":")[0].partition(".")[0]
        if package not in bundle.allow:
            raise BundleError(
                f"{bundle.path} names the class {name!r}. Importing it runs its code: if you "
                f"trust it, allow that with --allow {package}, or load(path, allow=[{package!r}])."
            )


def check_weights(bundle: Bundle) -> None:
    if "weights.safetensors" not in bundle.files:
        raise BundleError(
            f"{bundle.path} was exported and has no weights: use the bundle it was made from."
        )


def check_start(config: Config, start: Bundle) -> None:
    """Raises BundleError if training can't continue, before anything is decoded."""
    if start.config.data.keeps_folds:
        raise BundleError(
            f"{start.path} holds the models of {start.config.data.folds} folds together: training "
            "can't go on from it. Train a single model, with split.then: all."
        )
    if not config.network:
        raise ConfigError(
            f"members: {', '.join(config.classical)} are fitted anew from all rows, so nothing of "
            f"{start.path} would go on. Add network, or train without --from (in Python: start)."
        )
    if not start.config.network:
        raise BundleError(
            f"{start.path} has classical members alone ({', '.join(start.config.classical)}). They "
            "are fitted anew from all rows; training goes on from a network. Train with the new "
            "rows in the table, or the first bundle with members: [network]."
        )
    for part in ("inputs", "targets"):
        ours, theirs = (
            ", ".join(f"{name} ({spec.kind})" for name, spec in getattr(c, part).items())
            for c in (config, start.config)
        )
        if ours != theirs:
            raise BundleError(
                f"{start.path} was trained with the {part} {theirs}; this config has {ours}. Going "
                "on needs the same, in the same order."
            )


def start_from(model: Model, start: Bundle, columns: Columns) -> None:
    """Copy the bundle's weights; those of unknown classes keep their initialization."""
    check_allowed(start)
    check_weights(start)
    ours, theirs = model.state_dict(), load_file(start.files.path("weights.safetensors"))
    missing = sorted(set(ours) - set(theirs))
    if missing:
        raise BundleError(
            f"{start.path} has another architecture: it lacks {missing[0]!r}. Use the inputs, "
            "encoders, fusion and targets it was trained with."
        )
    fresh = ("prior", "class_weights", "weights", "temperature")  # learned from this run's rows
    merged = {
        name: tensor
        if name.rpartition(".")[2] in fresh
        else grown(name, theirs[name], tensor, start)
        for name, tensor in ours.items()
    }
    model.load_state_dict(merged)


def grown(name: str, old: Tensor, new: Tensor, start: Bundle) -> Tensor:
    """The old values, in the first places of the new shape."""
    fits = old.shape == new.shape or (
        old.ndim and old.shape[1:] == new.shape[1:] and len(old) <= len(new) and ".output." in name
    )
    if not fits:
        raise BundleError(
            f"{start.path} has another architecture: {name!r} is {tuple(old.shape)} there and "
            f"{tuple(new.shape)} here."
        )
    if not old.ndim:
        return old
    merged = new.clone()
    merged[: len(old)] = old
    return merged
