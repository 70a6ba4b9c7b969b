"""The config schema, one file per section: every key, default and unit.

A component may be written as a string (`encoder: cnn`) or with options (`encoder: {kind: cnn, size:
small}`). A relative path is relative to the file that names it.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from mmbm.config.data import DataSpec, SplitSpec
from mmbm.config.train import MixupSpec, SelfTrainingSpec, TrainSpec
from mmbm.kinds.audio.spec import AudioAugment, AudioSpec
from mmbm.kinds.category.spec import CategorySpec, CategoryTarget
from mmbm.kinds.contrastive.spec import ContrastiveTarget, ZeroShotSpec
from mmbm.kinds.image.spec import ImageAugment, ImageSpec
from mmbm.kinds.labels.spec import LabelsSpec, LabelsTarget
from mmbm.kinds.number.spec import NumberSpec, NumberTarget
from mmbm.kinds.text.spec import PretrainedDecoderSpec, ScratchDecoderSpec, TextSpec, TextTarget
from mmbm.kinds.transcript.spec import TranscriptTarget
from mmbm.registry import kinds
from mmbm.specs.choices import AnyFusionSpec
from mmbm.specs.columns import MediaSpec
from mmbm.specs.encoders import (
    BagSpec,
    CNNSpec,
    ConformerSpec,
    KerasSpec,
    OwnSpec,
    PretrainedSpec,
    RNNSpec,
    Spec,
    TransformerSpec,
    union,
)
from mmbm.specs.fusion import (
    MODALITY_DROPOUT,
    BottleneckSpec,
    ConcatSpec,
    GatedSpec,
    LowRankSpec,
    SumSpec,
    TransformerFusionSpec,
)

RESERVED = {"x", "keep", "known", "present", "lengths", "cache", "read", "features", "embedding"}
"""Suffixes of the graphs' own inputs and outputs."""


ANSWERED = {"confidence", "p", "attribution", "times", "embedding"}
"""Suffixes after a target's name in the columns of its answers: `label.confidence`."""


if TYPE_CHECKING:
    AnyInputSpec = Any
else:
    AnyInputSpec = union({name: kind.part("input") for name, kind in kinds().items() if kind.input})
if TYPE_CHECKING:
    AnyTargetSpec = Any
else:
    AnyTargetSpec = union(
        {name: kind.part("target") for name, kind in kinds().items() if kind.target}
    )
MemberName = Literal["network", "linear", "boosting", "forest"]


class Config(Spec):
    data: DataSpec
    inputs: Annotated[dict[str, AnyInputSpec], Field(min_length=1)]
    fusion: AnyFusionSpec = ConcatSpec()
    targets: Annotated[dict[str, AnyTargetSpec], Field(min_length=1)]
    members: Literal["auto"] | Annotated[list[MemberName], Field(min_length=1)] = "auto"
    """Ensemble members that predict a category, a number or labels; their weights are chosen on
    held-out rows. network: the encoders, fusion and heads of this config. linear, boosting, forest:
    linear models and trees over fixed representations of the inputs, which are strong with few
    rows. auto: all of them for few rows, the network alone for many; training writes the choice
    into the bundle's config."""
    train: TrainSpec = TrainSpec()

    @property
    def network(self) -> bool:
        return self.members == "auto" or "network" in self.members

    @property
    def classical(self) -> list[str]:
        """The members other than the network; none while they are `auto`."""
        return [] if self.members == "auto" else [m for m in self.members if m != "network"]

    @model_validator(mode="after")
    def _consistent(self):
        both = set(self.inputs) & set(self.targets)
        if both:
            raise ValueError(f"{min(both)!r} is an input and a target: leave it out of inputs")
        for name in (*self.inputs, *self.targets):
            ending = name.rpartition(".")[2]
            if name != ending and ending in RESERVED:
                raise ValueError(f"{name!r}: a column can't end in .{ending}; rename it")
        self._check_answers()
        self._check_members()
        self._check_contrastive()
        self._check_read()
        self._check_windows()
        self._check_mixup()
        self._check_self_training()
        dropout = self.fusion.modality_dropout
        hidden = dropout if isinstance(dropout, dict) else {}
        if unknown := sorted(set(hidden) - set(self.modalities())):
            there = ", ".join(self.modalities())
            raise ValueError(
                f"fusion.modality_dropout: {unknown[0]!r} is no modality; there are {there}"
            )
        for name, spec in self.inputs.items():
            if isinstance(spec, MediaSpec):
                self._check_shared(name, spec)
            elif spec.group != name and spec.group in self.inputs:
                raise ValueError(f"inputs.{name}.group: {spec.group!r} is an input; name another")
        return self

    def _check_members(self) -> None:
        others = [name for name, spec in self.targets.items() if not spec.task]
        if others and not self.network:
            raise ValueError(
                f"members: {others[0]!r} is a {self.targets[others[0]].kind}, which only the "
                "network answers; add network"
            )
        if self.classical and self.train.self_training:
            raise ValueError(
                "members: train.self_training labels rows by a network alone; write members: "
                "[network], or leave one of the two out"
            )
        if self.train.minutes and self.data.folds:
            raise ValueError(
                "train.minutes: cross-validation (data.split.folds) has no time limit; leave one "
                "of them out"
            )
        if self.classical and self.data.folds:
            raise ValueError(
                "members: cross-validation (data.split.folds) trains networks alone; leave one of "
                "them out"
            )

    def _check_answers(self) -> None:
        """Reject names where one column of the answers would overwrite another."""
        for name in self.targets:
            endings = [name.removeprefix(f"{t}.") for t in self.targets if name.startswith(f"{t}.")]
            if name in ("error", "unseen") or any(e.partition(".")[0] in ANSWERED for e in endings):
                raise ValueError(f"targets.{name}: answers have a column of this name; rename it")
        if "prior" in self.modalities():
            raise ValueError("'prior' is what answers start from: rename this input or group")

    def _check_read(self) -> None:
        """Check that every input is read by a target, and an ensemble's answers have a mean."""
        read = {column for spec in self.contrastive.values() for column in spec.columns}
        for name, spec in self.targets.items():
            if isinstance(spec, TextTarget):
                self._check_written(name)
            if isinstance(spec, TranscriptTarget):
                read.add(spec.input)
                if not isinstance(self.inputs.get(spec.input), AudioSpec):
                    sounds = [n for n, s in self.inputs.items() if isinstance(s, AudioSpec)]
                    there = ", ".join(sounds) or "none"
                    raise ValueError(
                        f"targets.{name}.input: {spec.input!r} is no audio input; there "
                        f"are: {there}"
                    )
        if not read:
            return
        if self.data.keeps_folds:
            why = "places what is said elsewhere in time, so transcripts have"
            if self.contrastive:
                why = "has a space of its own, so embeddings have"
            raise ValueError(f"data.split.then: each model {why} no mean; use then: all")
        unread = sorted(set(self.inputs) - read)
        if unread and not self.fuses:
            raise ValueError(
                f"inputs.{unread[0]}: no target reads it, since a transcript hears only its sound "
                "and a contrastive target only its columns; leave it out"
            )

    def _check_written(self, name: str) -> None:
        if self.data.keeps_folds:
            raise ValueError(
                f"data.split.then: texts ({name!r}) of several models have no mean; use then: all"
            )

    def _check_contrastive(self) -> None:
        for name, spec in self.contrastive.items():
            media = [n for n, s in self.inputs.items() if isinstance(s, MediaSpec)]
            texts = [n for n in spec.columns if isinstance(self.inputs.get(n), TextSpec)]
            for column in spec.columns:
                if column not in media:
                    there = ", ".join(media) or "none"
                    raise ValueError(
                        f"targets.{name}.columns: {column!r} is no image, audio or text input; "
                        f"there are: {there}"
                    )
            if spec.zero_shot is None:
                continue
            if spec.zero_shot.text_input not in texts:
                there = ", ".join(texts) or "none"
                raise ValueError(
                    f"targets.{name}.zero_shot.text_input: {spec.zero_shot.text_input!r} is no "
                    f"text column of this target; there are: {there}"
                )
            if spec.zero_shot.input not in set(spec.columns) - {spec.zero_shot.text_input}:
                raise ValueError(
                    f"targets.{name}.zero_shot.input: {spec.zero_shot.input!r} is no other "
                    "column of this target"
                )

    @property
    def contrastive(self) -> dict[str, ContrastiveTarget]:
        """The contrastive targets."""
        return {n: spec for n, spec in self.targets.items() if isinstance(spec, ContrastiveTarget)}

    @property
    def columns(self) -> dict[str, Any]:
        """The specs of all columns that are read from the table, inputs first."""
        targets = {name: spec for name, spec in self.targets.items() if spec.has_cells}
        return {**self.inputs, **targets}

    @property
    def texts(self) -> dict[str, TextTarget]:
        """The targets that are generated."""
        return {n: spec for n, spec in self.targets.items() if isinstance(spec, TextTarget)}

    def _check_windows(self) -> None:
        for name, spec in self.inputs.items():
            if not isinstance(spec, AudioSpec) or spec.windows is None:
                continue
            others = [n for n, target in self.targets.items() if not target.windowed]
            if others:
                raise ValueError(
                    f"inputs.{name}.windows: only a transcript has a part in each window, and "
                    f"{others[0]!r} is of kind {self.targets[others[0]].kind}; leave windows or "
                    "this target out"
                )
            if not isinstance(getattr(spec.encoder, "stride", None), int):
                raise ValueError(
                    f"inputs.{name}.windows: an encoder of your own says with an option `stride` "
                    "how many frames a token of it has"
                )

    def _check_mixup(self) -> None:
        if self.train.mixup is None:
            return
        kind = self.train.mixup.kind
        others = [name for name, spec in self.inputs.items() if not isinstance(spec, ImageSpec)]
        if others and kind != "manifold":
            raise ValueError(
                f"train.mixup: {kind} blends pictures, and {others[0]!r} is none; manifold "
                "blends the encoders' tokens of any input"
            )
        for name, spec in self.targets.items():
            if not spec.task:
                raise ValueError(
                    f"train.mixup: two rows can't be blended for {name!r}, a {spec.kind}; it goes "
                    "with category, number and labels"
                )
        if self.train.micro_batch_size:
            raise ValueError(
                "train.mixup: blends rows of a whole batch; leave train.micro_batch_size out"
            )

    def _check_self_training(self) -> None:
        if self.train.self_training is None:
            return
        if not any(spec.kind == "category" for spec in self.targets.values()):
            raise ValueError("train.self_training: gives rows a category, and no target is one")
        if self.data.folds:
            raise ValueError(
                "train.self_training: a fold's model would label rows for the others; leave "
                "data.split.folds out"
            )

    def sound_of(self, target: TranscriptTarget) -> AudioSpec:
        sound = self.inputs[target.input]
        assert isinstance(sound, AudioSpec)  # checked when it was read
        return sound

    @property
    def fuses(self) -> bool:
        """Some target is predicted from all modalities together."""
        return any(spec.fuses for spec in self.targets.values())

    def _check_shared(self, name: str, spec: MediaSpec) -> None:
        other = spec.share_weights_with
        if other is None:
            return
        original = self.inputs.get(other)
        if not isinstance(original, MediaSpec) or other == name:
            raise ValueError(
                f"inputs.{name}.share_weights_with: there is no other input {other!r} to share"
            )
        if original.share_weights_with:
            raise ValueError(
                f"inputs.{name}.share_weights_with: name "
                f"{original.share_weights_with!r}, whose weights it has"
            )
        if original != spec.model_copy(update={"share_weights_with": None}):
            raise ValueError(
                f"inputs.{name}.share_weights_with: {name!r} and {other!r} differ in kind or "
                "options; inputs that share weights must be written alike"
            )

    def modalities(self) -> dict[str, list[str]]:
        """Modality name -> its columns: one media column each, table columns by their group."""
        modalities: dict[str, list[str]] = {}
        for name, spec in self.inputs.items():
            modalities.setdefault(getattr(spec, "group", name), []).append(name)
        return modalities
