"""`inputs.X.encoder`: frontend output -> tokens."""

import zipfile
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, PositiveInt, model_validator

from mmbm.specs.base import Fraction, Outside, Positive, Size, Spec, union


class Encoder(Spec):
    """Properties of all encoders' options."""

    kind: str

    own: ClassVar[bool] = False
    """The user's own class."""
    raw: ClassVar[bool] = False
    """Reads decoded cells with its own preprocessing instead of a frontend's features."""
    ordered: ClassVar[bool] = True
    """Is sensitive to word order in a text."""
    frozen: ClassVar[bool] = False
    """None of its weights are trained."""


class CNNSpec(Encoder):
    """Residual convolutional network over an image or over spectrogram frames."""

    kind: Literal["cnn"] = "cnn"
    module: ClassVar[str] = "mmbm.nn.encoders.cnn:CNN"
    size: Size = "small"
    width: PositiveInt | None = None
    """Channels of the first stage; they double at each of the stages."""
    layers: PositiveInt | None = None
    """Residual blocks per stage."""
    dropout: Fraction = 0.0

    @property
    def stride(self) -> int:
        """Audio frames per token."""
        return 16 if self.size == "base" else 8


class RNNSpec(Encoder):
    """Recurrent network over text tokens or audio frames."""

    kind: Literal["rnn"] = "rnn"
    module: ClassVar[str] = "mmbm.nn.encoders.rnn:RNN"
    size: Size = "small"
    cell: Literal["gru", "lstm"] = "gru"
    width: PositiveInt | None = None
    """Hidden units per direction."""
    layers: PositiveInt | None = None
    bidirectional: bool = True
    stride: Literal[1, 2, 4, 8] = 2
    """Audio frames per token, of 10 ms each. A text keeps all its tokens."""
    dropout: Fraction = 0.1


class TransformerSpec(Encoder):
    """Pre-norm transformer over patches, text tokens or audio frames."""

    kind: Literal["transformer"] = "transformer"
    module: ClassVar[str] = "mmbm.nn.encoders.transformer:Transformer"
    size: Size = "small"
    width: PositiveInt | None = None
    layers: PositiveInt | None = None
    heads: PositiveInt | None = None
    patch: PositiveInt = 8
    """Side of an image patch in pixels, or audio frames per token."""
    dropout: Fraction = 0.1

    @property
    def stride(self) -> int:
        """Audio frames per token."""
        return self.patch


class ConformerSpec(Encoder):
    """Conformer (Gulati et al. 2020): alternating attention and convolution over text or audio
    tokens."""

    kind: Literal["conformer"] = "conformer"
    module: ClassVar[str] = "mmbm.nn.encoders.conformer:Conformer"
    size: Size = "small"
    width: PositiveInt | None = None
    layers: PositiveInt | None = None
    heads: PositiveInt | None = None
    kernel: Annotated[int, Field(ge=3)] = 15
    """Kernel size of the convolution in tokens: an odd number."""
    stride: Literal[1, 2, 4, 8] = 4
    """Audio frames per token, of 10 ms each. A text keeps all its tokens."""
    dropout: Fraction = 0.1

    @model_validator(mode="after")
    def _odd(self):
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel: an odd number has a middle (given: {self.kernel})")
        return self


class TCNSpec(Encoder):
    """Temporal convolutional network (Bai et al. 2018): dilated convolutions over the steps of a
    series, text tokens or audio frames. It keeps all of them."""

    kind: Literal["tcn"] = "tcn"
    module: ClassVar[str] = "mmbm.nn.encoders.tcn:TCN"
    size: Size = "small"
    width: PositiveInt | None = None
    """Channels of all blocks."""
    layers: PositiveInt | None = None
    """Blocks; the dilation doubles from each block to the next."""
    kernel: Annotated[int, Field(ge=3)] = 3
    """Kernel size in steps: an odd number."""
    stride: ClassVar[int] = 1
    """Audio frames per token."""
    dropout: Fraction = 0.1

    @model_validator(mode="after")
    def _odd(self):
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel: an odd number has a middle (given: {self.kernel})")
        return self


class BagSpec(Encoder):
    """Bag of words, without their order: the most robust encoder with a few thousand rows."""

    kind: Literal["bag"] = "bag"
    ordered: ClassVar[bool] = False
    module: ClassVar[str] = "mmbm.nn.encoders.bag:Bag"
    size: Size = "small"
    dropout: Fraction = 0.1


if TYPE_CHECKING:
    TokenReaderSpec = Encoder
else:
    TokenReaderSpec = union(
        {"rnn": RNNSpec, "transformer": TransformerSpec, "conformer": ConformerSpec}
    )


class PretrainedSpec(Encoder):
    """A pretrained model: for text one of BERT's family, with its own tokenizer; for images ViT,
    DINOv2, ConvNeXt, ResNet, EfficientNet-Lite0 or one of timm's; for audio wav2vec2 or the encoder
    of Whisper. It reads its input with its own preprocessing: options of what would otherwise be
    learned or computed (a tokenizer, a spectrogram and its `augment`) have no effect."""

    kind: Literal["pretrained"] = "pretrained"
    raw: ClassVar[bool] = True
    module: ClassVar[str] = "mmbm.nn.encoders.pretrained:build"
    model: str | None
    """Folder that `save_pretrained` or `mmbm import-weights` wrote, weights as safetensors; or
    `package/NAME`, of an installed package that carries weights, imported once into a cache; or
    `hf/OWNER/NAME` or `timm/NAME`, optionally with `@REVISION`, fetched once from the Hugging Face
    Hub. No code of the folder is run. In a bundle, which holds all of it, empty."""
    tune: Annotated[str, Field(pattern=r"^(all|frozen|lora|last:[1-9][0-9]*)$")] = "all"
    """Fine-tuning: train all of its weights; none (`frozen`), a fixed feature extractor for the
    layers trained after it; those of its last blocks (`last:2`); or low-rank additions to its
    linear layers (`lora`, Hu et al. 2022), which are merged into the weights when training ends."""
    rank: PositiveInt = 8
    """Rank of each `lora` addition."""
    lr: Positive | None = None
    """Highest learning rate of its last block; `train.lr` if not given."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Layer-wise decay: each block's learning rate is that of the block above times this factor,
    since the lowest layers are the most general (Howard & Ruder 2018; Clark et al. 2020)."""
    gradual_unfreezing: PositiveInt | None = None
    """Gradual unfreezing (Howard & Ruder 2018): for this many epochs none of its blocks is trained,
    then for as many also the last one, and so on downwards. All from the beginning if not given."""
    stride: PositiveInt = 2
    """Audio frames per token, of 10 ms each: 2 for wav2vec2 and Whisper. For another model the
    error message states it."""
    pad_to_seconds: Positive | None = None
    """Seconds: Whisper was trained on clips padded with silence to 30 s and reads every clip so.
    With `pad_to_seconds: 2` clips are padded to 2 s, which takes a small fraction of the time."""
    downstream: TokenReaderSpec | None = None
    """An encoder over its tokens that keeps them all and is trained from scratch: after a frozen
    speech model an `rnn` (as in SUPERB, Yang et al. 2021)."""

    @model_validator(mode="after")
    def _trained_at_all(self):
        given = [
            name
            for name in ("lr", "layer_decay", "gradual_unfreezing")
            if name in self.model_fields_set
        ]
        changed = [n for n in given if getattr(self, n) != type(self).model_fields[n].default]
        if self.tune == "frozen" and changed:
            raise ValueError(f"{changed[0]}: nothing of a frozen encoder is trained; leave it out")
        return self

    @property
    def last(self) -> int:
        """How many of its last blocks are trained with `last:N`; else 0."""
        return int(self.tune.removeprefix("last:")) if self.tune.startswith("last:") else 0

    @property
    def frozen(self) -> bool:
        return self.tune == "frozen"

    @property
    def outside(self) -> Outside | None:
        return Outside("model", self.model, is_model=True) if self.model else None


class KerasSpec(Encoder):
    """A Keras model under Keras's torch backend. Its input is an image [B, H, W, C], normalized as
    for other encoders, or frames or embedded tokens [B, T, F]; its output is a vector or a map for
    an image, or a vector for each position of the others."""

    kind: Literal["keras"] = "keras"
    module: ClassVar[str] = "mmbm.nn.encoders.keras:Keras"
    model: str | None
    """`package.module:function`, called as `function(layout, features)`, which returns the model;
    or a file.keras, with its weights. Empty in a bundle, which contains the whole file."""
    architecture: str | None = None
    """What a file defines of its layers: for bundles."""

    @model_validator(mode="after")
    def _named(self):
        if self.architecture is None and not (self.model and (self.file or ":" in self.model)):
            raise ValueError("model: package.module:function or a path that ends in .keras")
        return self

    @property
    def file(self) -> str | None:
        return self.model if self.model and self.model.endswith(".keras") else None

    @property
    def foreign(self) -> str | None:
        return None if self.file else self.model

    @property
    def outside(self) -> Outside | None:
        return Outside("model", self.file, is_model=False) if self.file else None

    def sealed(self) -> Self:
        if not self.file:
            return self
        with zipfile.ZipFile(self.file) as file:
            said = file.read("config.json").decode()
        return self.model_copy(update={"model": None, "architecture": said})


class OwnSpec(Encoder):
    """A user's own class, `package.module:Class`; all other keys are passed to it by name."""

    model_config = ConfigDict(extra="allow")
    own: ClassVar[bool] = True
    kind: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]

    @property
    def module(self) -> str:
        return self.kind

    @property
    def foreign(self) -> str:
        return self.kind

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})
