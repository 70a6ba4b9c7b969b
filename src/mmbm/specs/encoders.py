"""`inputs.X.encoder`: frontend output -> tokens."""

import zipfile
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, PositiveInt, model_validator

from mmbm.specs.base import Fraction, Outside, Positive, Size, Spec, union


class Encoder(Spec):
    """What all encoders' options say of themselves."""

    kind: str

    own: ClassVar[bool] = False
    """The user's own class."""
    raw: ClassVar[bool] = False
    """Reads decoded cells, as its own preprocessing has them, and not a frontend's features."""
    ordered: ClassVar[bool] = True
    """Tells one order of a text's words from another."""
    frozen: ClassVar[bool] = False
    """None of it is trained."""


class CNNSpec(Encoder):
    """Residual convolutions, over a picture or over spectrogram frames."""

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
        """Frames of a sound per token."""
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
    """Frames of a sound per token, of 10 ms each. A text keeps all its tokens."""
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
    """Side of a picture's patch in pixels, or frames per token of a sound."""
    dropout: Fraction = 0.1

    @property
    def stride(self) -> int:
        """Frames of a sound per token."""
        return self.patch


class ConformerSpec(Encoder):
    """Attention and convolution by turns (Gulati et al. 2020), over text tokens or audio frames."""

    kind: Literal["conformer"] = "conformer"
    module: ClassVar[str] = "mmbm.nn.encoders.conformer:Conformer"
    size: Size = "small"
    width: PositiveInt | None = None
    layers: PositiveInt | None = None
    heads: PositiveInt | None = None
    kernel: Annotated[int, Field(ge=3)] = 15
    """Tokens that a convolution spans: an odd number."""
    stride: Literal[1, 2, 4, 8] = 4
    """Frames of a sound per token, of 10 ms each. A text keeps all its tokens."""
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
    """Blocks; each sees twice as far as the one before it."""
    kernel: Annotated[int, Field(ge=3)] = 3
    """Steps that a convolution reads: an odd number."""
    stride: ClassVar[int] = 1
    """Frames of a sound per token."""
    dropout: Fraction = 0.1

    @model_validator(mode="after")
    def _odd(self):
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel: an odd number has a middle (given: {self.kernel})")
        return self


class BagSpec(Encoder):
    """The words of a text without their order: the steadiest from a few thousand rows."""

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
    """A model that others trained: of a text one of BERT's family, with its own tokenizer; of a
    picture ViT, DINOv2, ConvNeXt, ResNet, EfficientNet-Lite0 or one of timm's; of a sound wav2vec2
    or the encoder of Whisper. It reads its input as its own preprocessing has it: options of what
    else would be learned or computed (a tokenizer, a spectrogram and its `augment`) have no part in
    it."""

    kind: Literal["pretrained"] = "pretrained"
    raw: ClassVar[bool] = True
    module: ClassVar[str] = "mmbm.nn.encoders.pretrained:build"
    model: str | None
    """Folder that `save_pretrained` or `mmbm import-weights` wrote, weights as safetensors; or
    `package/NAME`, of an installed package that carries weights, imported once into a cache; or
    `hf/OWNER/NAME` or `timm/NAME`, perhaps with `@REVISION`, fetched once from the Hugging Face
    Hub. No code of the folder is run. In a bundle, which holds all of it, empty."""
    tune: Annotated[str, Field(pattern=r"^(all|frozen|lora|last:[1-9][0-9]*)$")] = "all"
    """Train all of its weights; none (`frozen`), so that it is a fixed reader of what is trained
    behind it; those of its last blocks (`last:2`); or small additions to its linear layers (`lora`,
    Hu et al. 2022), which become part of the weights when training ends."""
    rank: PositiveInt = 8
    """Of `lora`: how many directions each addition has."""
    lr: Positive | None = None
    """Highest learning rate of its last block; `train.lr` if not given."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The learning rate of each block is this part of that of the block above it: what is nearest
    to the input is the most general (Howard & Ruder 2018; Clark et al. 2020)."""
    gradual_unfreezing: PositiveInt | None = None
    """Gradual unfreezing (Howard & Ruder 2018): for so many epochs none of its blocks is trained,
    then for as many its last one too, and so on downwards. All from the beginning if not given."""
    stride: PositiveInt = 2
    """Frames of a sound, of 10 ms each, per token: 2 of wav2vec2 and Whisper. Another model's is
    said by the error about it."""
    pad_to_seconds: Positive | None = None
    """Seconds: Whisper reads every clip filled with silence to 30 s, since it was trained so. With
    `pad_to_seconds: 2` it is filled to 2, and read in a small part of the time."""
    downstream: TokenReaderSpec | None = None
    """What reads its tokens, keeps them all, and is trained from nothing: behind a frozen model
    that hears speech, an `rnn` (as SUPERB has it, Yang et al. 2021)."""

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
        """How many of its last blocks are trained, of `last:N`; else 0."""
        return int(self.tune.removeprefix("last:")) if self.tune.startswith("last:") else 0

    @property
    def frozen(self) -> bool:
        return self.tune == "frozen"

    @property
    def outside(self) -> Outside | None:
        return Outside("model", self.model, is_model=True) if self.model else None


class KerasSpec(Encoder):
    """A Keras model under Keras's torch backend. It gets a picture [B, H, W, C], normalised as for
    other encoders, or frames or embedded tokens [B, T, F]; it gives a vector or a map of a picture,
    or a vector for each place of the others."""

    kind: Literal["keras"] = "keras"
    module: ClassVar[str] = "mmbm.nn.encoders.keras:Keras"
    model: str | None
    """`package.module:function`, called as `function(layout, features)`, which returns it; or a
    file.keras, with its weights. In a bundle, which holds all of a file, empty."""
    architecture: str | None = None
    """What a file says of its layers: for bundles."""

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
