"""Pretrained models: opening, storing, and partial fine-tuning."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmbm.errors import ConfigError, MissingExtra
from mmbm.kinds.text.spec import PretrainedDecoderSpec
from mmbm.specs.encoders import PretrainedSpec

UNMASKED = {
    "mask_time_prob": 0.0, "mask_feature_prob": 0.0, "apply_spec_augment": False, "layerdrop": 0.0,
    "encoder_layerdrop": 0.0, "add_adapter": False,
}  # fmt: skip
"""Keys of a model's config: its own random masks use numpy, whose state no checkpoint has."""
UNREAD = ("decoder.", "pooler.")
"""Weights of unused parts, which a folder may lack."""


AnyPretrained = PretrainedSpec | PretrainedDecoderSpec


class Pretrained(nn.Module):
    """`body`, a part of a pretrained model, of which no weights, the last ones or all are trained.

    blocks: the name of its list of blocks, the last one last.
    """

    width: int

    def __init__(self, spec: AnyPretrained, body: nn.Module, blocks: str):
        super().__init__()
        self.body, self.spec, self.blocks = body, spec, blocks
        if spec.tune != "all":  # then some weights may be fixed by their own model
            body.requires_grad_(False)
        for part in self.trained() if spec.last else []:
            part.requires_grad_(True)
        self.train()

    def layers(self) -> list[nn.Module]:
        """Its blocks, the one nearest to the input first."""
        return [*self.body.get_submodule(self.blocks).children()]

    def trained(self) -> list[nn.Module]:
        """The modules in training: all, the last blocks and what follows them, or none."""
        if self.spec.tune in ("all", "lora"):
            return [self.body]
        if not (last := self.spec.last):
            return []
        there = self.layers()
        if last > len(there):
            raise ConfigError(
                f"encoder.tune: last:{last} is more than the {len(there)} blocks of this model; "
                "write all, or fewer."
            )
        return [*there[-last:], *self.after()]

    def after(self) -> list[nn.Module]:
        """What follows the blocks."""
        children = dict(self.body.named_children())
        place = list(children).index(self.blocks.partition(".")[0])
        return list(children.values())[place + 1 :]

    def depths(self) -> dict[nn.Parameter, int]:
        """Depth of each weight: 0 in the last block and after it, and below the first one the
        number of blocks."""
        there = self.layers()
        depth = dict.fromkeys(self.body.parameters(), len(there))
        for above, block in enumerate(reversed(there)):
            depth.update(dict.fromkeys(block.parameters(), above))
        for part in self.after():
            depth.update(dict.fromkeys(part.parameters(), 0))
        return depth

    def train(self, mode: bool = True) -> "Pretrained":
        """Frozen parts have no dropout, and batch normalization keeps the statistics of its large
        training set: those of a few rows would be noise."""
        super().train(mode)
        self.body.eval()
        for part in self.trained():
            part.train(mode)
        for part in self.body.modules():
            if isinstance(part, _BatchNorm):
                part.eval()
        return self

    def inject_lora(self) -> None:
        """With `tune: lora`, add to every linear layer a product of two trained low-rank matrices
        (Hu et al. 2022), initially zero."""
        if self.spec.tune != "lora":
            return
        try:
            from peft import LoraConfig, inject_adapter_in_model
        except ModuleNotFoundError as error:
            raise MissingExtra("tune: lora", "hub") from error
        linear = self.linear()
        if not linear:
            raise ConfigError(
                "encoder.tune: lora adds to linear layers, and this model has none: write all, "
                "frozen or last:N."
            )
        rank = self.spec.rank
        options = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=linear)
        inject_adapter_in_model(options, self.body)
        self.train()

    def linear(self) -> list[str]:
        """The names of the layers that LoRA adapts."""
        return [name for name, m in self.body.named_modules() if isinstance(m, nn.Linear)]

    def merge(self) -> None:
        """Merge the LoRA additions into the weights, which restores the model's plain structure."""
        if self.spec.tune != "lora":
            return
        from peft.tuners.lora import LoraLayer

        for name, part in [*self.body.named_modules()]:
            if isinstance(part, LoraLayer):
                part.merge()  # type: ignore[operator]
                place, _, leaf = name.rpartition(".")
                setattr(self.body.get_submodule(place), leaf, part.get_base_layer())


def opened(spec: AnyPretrained, config: dict[str, Any], auto: str = "AutoModel") -> Any:
    """The Hugging Face model with the weights of its folder; in a bundle, which has its own, with
    random ones. `auto`: the Auto class of transformers to use."""
    try:
        import transformers
        from transformers import AutoConfig
    except ModuleNotFoundError as error:
        raise MissingExtra("A pretrained model", "hub") from error
    make = getattr(transformers, auto)
    kept = {k: v for k, v in config.items() if k not in ("auto_map", "architectures")}
    made = AutoConfig.for_model(**kept)
    for name, value in UNMASKED.items():
        if hasattr(made, name):
            setattr(made, name, value)
    if spec.model is None:
        return make.from_config(made, trust_remote_code=False, dtype=torch.float32)
    with quiet():
        model, found = make.from_pretrained(
            spec.model, config=made, trust_remote_code=False, local_files_only=True,
            use_safetensors=True, dtype=torch.float32, output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are reported, followed by an error
        )  # fmt: skip
    missing = sorted(name for name in found["missing_keys"] if not name.startswith(UNREAD))
    check_fit(Path(spec.model), missing, sorted(str(x) for x in found["mismatched_keys"]))
    return model.train()  # it is in inference mode, without dropout


@contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' own report and progress: mismatches raise our own error."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(50)  # critical errors only
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def check_fit(folder: Path, missing: list[str], mismatched: list[str]) -> None:
    """Raises ConfigError: missing weights would be random."""
    if missing or mismatched:
        raise ConfigError(
            f"{folder}: its weights don't fit its config.json; {len(missing)} are missing and "
            f"{len(mismatched)} of another shape, among them {(missing or mismatched)[0]}."
        )
