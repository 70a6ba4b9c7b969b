"""The whole YAML surface. Read it top to bottom as the reference: every key, default and unit.

A component may be written as a string (`encoder: cnn`) or with options
(`encoder: {kind: cnn, size: small}`). A relative path is relative to the file that names it.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PositiveInt,
    Tag,
    model_validator,
)

Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Size = Literal["tiny", "small", "base"]
"""Preset of a part's width and depth; `width`, `layers` and the like override it one by one."""


class Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _default_kinds(cls, raw: Any) -> Any:
        """`encoder: {size: tiny}` keeps the kind that the encoder has by default."""
        if not isinstance(raw, dict):
            return raw
        kinds = {k: getattr(f.default, "kind", None) for k, f in cls.model_fields.items()}
        return {
            name: {"kind": kinds[name], **value}
            if isinstance(value, dict) and kinds.get(name) and "kind" not in value
            else value
            for name, value in raw.items()
        }


def component(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


def by_kind(value: Any) -> str | None:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return "own" if isinstance(kind, str) and ":" in kind else kind


class OwnSpec(BaseModel):
    """A user's own class, `package.module:Class`; all other keys are passed to it by name."""

    model_config = ConfigDict(extra="allow", frozen=True)
    kind: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


# ── encoders: frontend output -> tokens ──────────────────────────────────────────────────────────


class CNNSpec(Spec):
    """Residual convolutions, over a picture or over spectrogram frames."""

    kind: Literal["cnn"] = "cnn"
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


class RNNSpec(Spec):
    """Recurrent network over text tokens or audio frames."""

    kind: Literal["rnn"] = "rnn"
    size: Size = "small"
    cell: Literal["gru", "lstm"] = "gru"
    width: PositiveInt | None = None
    """Hidden units per direction."""
    layers: PositiveInt | None = None
    bidirectional: bool = True
    stride: Literal[1, 2, 4, 8] = 2
    """Frames of a sound per token, of 10 ms each. A text keeps all its tokens."""
    dropout: Fraction = 0.1


class TransformerSpec(Spec):
    """Pre-norm transformer over patches, text tokens or audio frames."""

    kind: Literal["transformer"] = "transformer"
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


class ConformerSpec(Spec):
    """Attention and convolution by turns (Gulati et al. 2020), over text tokens or audio frames."""

    kind: Literal["conformer"] = "conformer"
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


class BagSpec(Spec):
    """The words of a text without their order: the steadiest from a few thousand rows."""

    kind: Literal["bag"] = "bag"
    size: Size = "small"
    dropout: Fraction = 0.1


class PretrainedSpec(Spec):
    """A Hugging Face model: of a sound, wav2vec2 or the encoder of Whisper. It reads the sound
    itself, normalised as its own feature extractor does: `bands` and `augment` have no part in
    it."""

    kind: Literal["pretrained"] = "pretrained"
    model: str | None
    """Folder that `save_pretrained` wrote, weights as safetensors. Nothing is downloaded and no
    code of the folder is run. In a bundle, which holds all of it, empty."""
    tune: Literal["all", "frozen"] = "all"
    """Train all of its weights, or none: then it is a fixed reader of what is trained behind it."""
    stride: PositiveInt = 2
    """Frames of a sound, of 10 ms each, per token: 2 of wav2vec2 and Whisper. Another model's is
    said by the error about it."""


EncoderSpec = Annotated[
    Annotated[CNNSpec, Tag("cnn")]
    | Annotated[RNNSpec, Tag("rnn")]
    | Annotated[TransformerSpec, Tag("transformer")]
    | Annotated[ConformerSpec, Tag("conformer")]
    | Annotated[BagSpec, Tag("bag")]
    | Annotated[PretrainedSpec, Tag("pretrained")]
    | Annotated[OwnSpec, Tag("own")],
    Discriminator(by_kind),
    BeforeValidator(component),
]


# ── inputs: one spec per kind of column ──────────────────────────────────────────────────────────


class ImageAugment(Spec):
    """Random changes of a picture, in training only."""

    flip: bool = False
    """Mirror left-right, one row in two."""
    crop: Fraction = 0.0
    """Shift by up to this part of the side (edges repeated)."""
    erase: Fraction = 0.0
    """Probability of blanking a random rectangle (Zhong et al. 2017)."""


class AudioAugment(Spec):
    """Random changes of the spectrogram, in training only: other voices, other tempi, and masks
    (SpecAugment, Park et al. 2019)."""

    warp: Fraction = 0.0
    """Raise or lower all frequencies by up to this part, as a shorter or longer vocal tract does
    (Jaitly & Hinton 2013)."""
    speed: Fraction = 0.0
    """Play faster or slower by up to this part, at the same pitch (Ko et al. 2015)."""
    bands: Annotated[int, Field(ge=0)] = 8
    """Widest mask over mel bands; two masks a clip. 0: none."""
    frames: Fraction = 0.15
    """Longest mask over time, as a part of the clip; two masks a clip. 0: none."""


class TextAugment(Spec):
    """Random changes of a text, in training only."""

    hide: Fraction = 0.1
    """The chance that a token is hidden, so that no single word is relied on (Dai & Le 2015)."""


class MediaSpec(Spec):
    same_as: str | None = None
    """Share all weights with this input (of the same kind and options)."""
    max_bytes: PositiveInt = 100_000_000
    """A larger cell is refused."""


class ImageSpec(MediaSpec):
    kind: Literal["image"] = "image"
    size: PositiveInt | tuple[PositiveInt, PositiveInt] = 64
    """Pixels after decoding: one number for a square, or [height, width]."""
    channels: Literal[1, 3] = 3
    fit: Literal["stretch", "pad", "crop"] = "stretch"
    """How another aspect ratio becomes this one."""
    max_pixels: PositiveInt = 100_000_000
    """A picture with more pixels (height times width) is refused before it is decoded."""
    augment: ImageAugment = ImageAugment()
    encoder: EncoderSpec = CNNSpec()

    @property
    def height(self) -> int:
        return self.size if isinstance(self.size, int) else self.size[0]

    @property
    def width(self) -> int:
        return self.size if isinstance(self.size, int) else self.size[1]


class WindowsSpec(Spec):
    """A long recording is transcribed by windows that overlap."""

    overlap: Positive = 1.0
    """Seconds that two windows share; each of them is believed about its own half of these."""
    max_seconds: Positive = 600.0
    """A longer recording is refused."""


class AudioSpec(MediaSpec):
    kind: Literal["audio"] = "audio"
    rate: PositiveInt = 16000
    """Samples per second after decoding."""
    seconds: Positive = 10.0
    """A longer clip is cropped to this."""
    crop: Literal["start", "center", "end"] = "start"
    """Which part of a longer clip is kept."""
    max_seconds: Positive | None = None
    """A longer clip than this is refused instead of being cropped."""
    windows: WindowsSpec | None = None
    """A bundle transcribes what is longer than `seconds` by windows of that length. In training a
    longer clip is refused, since its text would be said only in part."""
    bands: PositiveInt = 64
    """Mel bands of the spectrogram."""
    normalise: Literal["clip", "band"] = "clip"
    """What is subtracted: the mean of the clip, or of each band, which also takes away what the
    microphone, the room and the speaker add to all of it, as it does a hum (Atal 1974)."""
    augment: AudioAugment = AudioAugment()
    encoder: EncoderSpec = CNNSpec()

    @model_validator(mode="after")
    def _windows_fit(self):
        if self.windows and self.windows.overlap > self.seconds / 2:
            raise ValueError(
                f"windows.overlap: {self.windows.overlap:g} s is more than half of a window, which "
                f"has seconds: {self.seconds:g}"
            )
        if self.windows and self.windows.max_seconds < self.seconds:
            raise ValueError("windows.max_seconds: is shorter than one window (seconds)")
        return self

    @model_validator(mode="after")
    def _augments_what_there_is(self):
        if isinstance(self.encoder, PretrainedSpec) and self.augment != AudioAugment():
            raise ValueError(
                "augment: changes a spectrogram, and a pretrained encoder reads the sound itself"
            )
        return self

    def whole(self) -> "AudioSpec":
        """As a bundle reads cells: what goes by windows comes whole."""
        if self.windows is None:
            return self
        most = self.windows.max_seconds
        return self.model_copy(update={"seconds": most, "max_seconds": most, "windows": None})


class TextSpec(MediaSpec):
    kind: Literal["text"] = "text"
    vocabulary: Annotated[int, Field(ge=300)] = 4000
    """Largest number of byte-level BPE tokens, trained on the train split."""
    max_tokens: PositiveInt = 128
    """A longer text is cut."""
    units: Literal["bpe", "word"] = "bpe"
    """Byte-level BPE, or whole words (of Chinese, characters), unseen ones as one rare word: often
    better from few rows, since the pieces of an unseen word say nothing that was learned."""
    lowercase: bool = False
    """Read capitals as small letters: fewer different words to learn from few rows."""
    tokenizer: str | None = None
    """A `tokenizer.json`, or a folder that holds one, instead of training one."""
    augment: TextAugment = TextAugment()
    encoder: EncoderSpec = RNNSpec()


class NumberSpec(Spec):
    kind: Literal["number"] = "number"
    log: bool = False
    """Take sign(x)·log(1+|x|) first: for counts, prices and other long tails."""
    bins: Annotated[int, Field(ge=2, le=256)] = 16
    """Quantile bins of the piecewise-linear embedding."""
    missing: bool = True
    """False: an empty cell is a bad cell."""
    group: str = "table"
    """Number, category and labels inputs of one group form one modality."""


class CategorySpec(Spec):
    kind: Literal["category"] = "category"
    min_count: PositiveInt = 1
    """Values seen less often than this in the train split are grouped as one rare value."""
    max_values: PositiveInt = 10_000
    group: str = "table"


class LabelsSpec(Spec):
    kind: Literal["labels"] = "labels"
    separator: Annotated[str, Field(min_length=1)] = ";"
    """Between labels in a cell that is one string; a list in a cell needs none."""
    min_count: PositiveInt = 1
    group: str = "table"


InputSpec = Annotated[
    Annotated[ImageSpec, Tag("image")]
    | Annotated[AudioSpec, Tag("audio")]
    | Annotated[TextSpec, Tag("text")]
    | Annotated[NumberSpec, Tag("number")]
    | Annotated[CategorySpec, Tag("category")]
    | Annotated[LabelsSpec, Tag("labels")],
    Discriminator(by_kind),
    BeforeValidator(component),
]


# ── fusion: tokens of every modality -> one vector per row ───────────────────────────────────────


DROP = 0.2


class FusionSpec(Spec):
    width: PositiveInt = 128
    """Width of every modality's tokens and of the fused vector."""
    drop: Fraction | dict[str, Fraction] = DROP
    """Modality dropout: the chance that a modality is hidden from a row in training; one number, or
    one for each modality, `{photo: 0.8}`, with 0.2 for the others."""
    dropout: Fraction = 0.1


class ConcatSpec(FusionSpec):
    """Pool each modality, concatenate, two dense layers: the textbook fusion."""

    kind: Literal["concat"] = "concat"


class SumSpec(FusionSpec):
    """Pool each modality and add (late fusion): the steadiest from a few thousand rows."""

    kind: Literal["sum"] = "sum"


class GatedSpec(FusionSpec):
    """A learned gate weighs each modality, row by row (GMU, Arevalo et al. 2017)."""

    kind: Literal["gated"] = "gated"


class TransformerFusionSpec(FusionSpec):
    """Self-attention over the tokens of all modalities."""

    kind: Literal["transformer"] = "transformer"
    layers: PositiveInt = 2
    heads: PositiveInt = 4


class BottleneckSpec(FusionSpec):
    """Modalities exchange only through a few tokens (Nagrani et al. 2021)."""

    kind: Literal["bottleneck"] = "bottleneck"
    layers: PositiveInt = 2
    heads: PositiveInt = 4
    tokens: PositiveInt = 4


class LowRankSpec(FusionSpec):
    """Low-rank product of all modalities (LMF, Liu et al. 2018)."""

    kind: Literal["lowrank"] = "lowrank"
    rank: PositiveInt = 8


AnyFusionSpec = Annotated[
    Annotated[ConcatSpec, Tag("concat")]
    | Annotated[SumSpec, Tag("sum")]
    | Annotated[GatedSpec, Tag("gated")]
    | Annotated[TransformerFusionSpec, Tag("transformer")]
    | Annotated[BottleneckSpec, Tag("bottleneck")]
    | Annotated[LowRankSpec, Tag("lowrank")],
    Discriminator(by_kind),
    BeforeValidator(component),
]


# ── targets: one spec per kind of answer ─────────────────────────────────────────────────────────


class TargetSpec(Spec):
    weight: Positive = 1.0
    """This target's part of the training loss."""
    fuses: ClassVar[bool] = True
    """Answers from all modalities together, and is mixed of what each of them says."""
    has_cells: ClassVar[bool] = True
    """Is a column of the table itself."""


class CategoryTarget(TargetSpec):
    """One class out of several: softmax cross-entropy."""

    kind: Literal["category"] = "category"
    class_weights: Literal["none", "balanced"] = "none"
    label_smoothing: Fraction = 0.0
    max_values: PositiveInt = 10_000
    min_count: ClassVar[int] = 1


class NumberTarget(TargetSpec):
    """A number, standardised inside, answered in its own unit."""

    kind: Literal["number"] = "number"
    loss: Literal["mse", "l1", "huber"] = "mse"
    log: bool = False
    bins: ClassVar[int] = 16
    missing: ClassVar[bool] = True


class LabelsTarget(TargetSpec):
    """Any number of labels: one binary cross-entropy each."""

    kind: Literal["labels"] = "labels"
    separator: Annotated[str, Field(min_length=1)] = ";"
    min_count: PositiveInt = 1
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5


class TranscriptTarget(TargetSpec):
    """What is said in a sound: connectionist temporal classification (CTC, Graves et al. 2006)."""

    kind: Literal["transcript"] = "transcript"
    of: str
    """The audio input that it listens to, alone."""
    units: Literal["char", "bpe"] = "char"
    """What each token of the sound may say: a character, or a piece of a word, which needs fewer
    tokens."""
    vocabulary: Annotated[int, Field(ge=10)] = 500
    """Largest number of pieces (`units: bpe`), trained on the train split."""
    lowercase: bool = False
    """Learn, answer and measure in small letters."""
    beam: PositiveInt = 1
    """Prefixes that the search keeps. 1: the most probable token at every place (greedy)."""
    order: Annotated[int, Field(ge=0, le=6)] = 0
    """Tokens of an n-gram of the language model, counted in the train split's texts, that the beam
    search listens to as well. 0: none."""
    influence: Annotated[float, Field(ge=0)] = 0.5
    """Weight of the language model's log-probability."""
    bonus: float = 1.0
    """Added to the log-score for every token, since a language model likes short texts."""
    fuses: ClassVar[bool] = False

    @model_validator(mode="after")
    def _searches(self):
        if self.order and self.beam == 1:
            raise ValueError("a language model (order) needs a beam search: beam: 16")
        return self


class ClassesSpec(Spec):
    """Zero-shot classification: a cell's class is the one whose name is nearest to it."""

    column: str
    """A column of the table with the name of each row's class; only measuring reads it."""
    of: str
    """The column that is classified."""
    by: str
    """The text column that reads the names."""
    templates: Annotated[list[str], Field(min_length=1)] = ["{}"]
    """What `by` reads, the name in place of {}: of several the mean embedding."""


class MatchTarget(TargetSpec):
    """Several columns in one space, where cells of one row lie close to one another."""

    kind: Literal["match"] = "match"
    columns: Annotated[list[str], Field(min_length=2)]
    """The image, audio and text inputs to align. It has no cells of its own."""
    width: PositiveInt = 128
    """Numbers of an embedding."""
    loss: Literal["infonce", "sigmoid"] = "infonce"
    """infonce: each cell picks its partner among all of the batch (CLIP, Radford et al. 2021);
    sigmoid: each pair is judged by itself (SigLIP, Zhai et al. 2023)."""
    temperature: Positive = 0.07
    """What similarities are divided by, at first: it is learned, and stays above 0.01."""
    classes: ClassesSpec | None = None
    """Measure zero-shot classification too."""
    fuses: ClassVar[bool] = False
    has_cells: ClassVar[bool] = False

    @model_validator(mode="after")
    def _different(self):
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("columns: each of them once")
        if any("{}" not in t for t in self.classes.templates) if self.classes else False:
            raise ValueError("classes.templates: each needs {} in the place of the name")
        return self


AnyTargetSpec = Annotated[
    Annotated[CategoryTarget, Tag("category")]
    | Annotated[NumberTarget, Tag("number")]
    | Annotated[LabelsTarget, Tag("labels")]
    | Annotated[TranscriptTarget, Tag("transcript")]
    | Annotated[MatchTarget, Tag("match")],
    Discriminator(by_kind),
    BeforeValidator(component),
]


# ── data and training ────────────────────────────────────────────────────────────────────────────


class SplitSpec(Spec):
    """How rows are divided. A string instead of this names a column of train/valid/test."""

    valid: Fraction = 0.1
    test: Fraction = 0.2
    seed: int = 7
    group: str | None = None
    """A column; its rows of one value stay in one split."""
    time: str | None = None
    """A column; the latest rows are the test split, those before them the valid split."""
    folds: Annotated[int, Field(ge=2, le=50)] | None = None
    """Cross-validation with this many folds; `valid` is not used then."""
    then: Literal["all", "ensemble"] = "all"
    """After cross-validation: train once on all folds, or keep the models of the folds together."""

    @model_validator(mode="after")
    def _one_rule(self):
        if self.group and self.time:
            raise ValueError("split by group or by time, not both")
        if self.valid + self.test >= 1:
            raise ValueError("valid and test leave no rows to train on")
        return self


def by_rule(value: Any) -> str:
    return "column" if isinstance(value, str) else "rule"


AnySplit = Annotated[
    Annotated[str, Tag("column")] | Annotated[SplitSpec, Tag("rule")], Discriminator(by_rule)
]


class DataSpec(Spec):
    table: str
    """Path of a csv, tsv, jsonl, parquet, arrow or feather file, relative to the config."""
    root: str | None = None
    """Folder that media paths are relative to; the table's own folder if not given."""
    encoding: str | None = None
    """Text encoding of a csv; found from its first bytes if not given (UTF-8 or UTF-16)."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """One character; found from the first rows of a csv if not given."""
    split: AnySplit = SplitSpec()
    bad_cells: Literal["drop", "missing", "stop"] = "drop"
    """A cell that can't be decoded: drop its row, treat the cell as absent, or stop."""
    rehash: bool = False
    """Recognise unchanged media by their bytes instead of path, size and time of change."""


class TrainSpec(Spec):
    epochs: PositiveInt = 20
    batch: PositiveInt = 64
    """Rows per step, over all processes."""
    chunk: PositiveInt | None = None
    """Rows that are computed at once, where a batch doesn't fit into memory; all if not given. The
    step is the same: a match still compares all rows of the batch (gradient caching, Gao et al.
    2021), for one more forward pass. Only the encoder `cnn` normalises by chunk then."""
    lr: Positive = 2e-3
    """Highest learning rate of AdamW (Loshchilov & Hutter 2019)."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    warmup: Fraction = 0.1
    """Part of all steps in which the learning rate rises; then it falls as half a cosine."""
    clip: Positive = 1.0
    """Largest norm of the gradient."""
    patience: PositiveInt | None = None
    """Stop after this many epochs without a better score; not at all if not given."""
    monitor: str | None = None
    """`target.metric` that decides which epoch is best; else the first target's main metric."""
    auxiliary: Annotated[float, Field(ge=0)] = 0.3
    """Weight of the loss of each modality's own small head."""
    average: Annotated[int, Field(ge=1)] = 3
    """The mean of the weights of this many last epochs, or of this many best ones where they are
    clearly better on the valid split. 1: no averaging."""
    seed: int = 7
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """auto: bfloat16 where the device computes it natively."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    threads: PositiveInt | None = None
    """CPU threads of torch; all cores if not given."""
    checkpoint_seconds: Positive = 60.0
    """Time between checkpoints inside an epoch; there is one after every epoch too."""
    log_steps: PositiveInt = 20
    golden: Annotated[int, Field(ge=0)] = 8
    """Rows kept in the bundle with their answers, to verify it later. 0: keep no data."""


RESERVED = {"x", "keep", "known", "present", "lengths"}
"""Endings of the graphs' own inputs and outputs."""


ANSWERED = {"confidence", "p", "because", "times", "embedding"}
"""What follows a target's name in the columns of its answers: `label.confidence`."""


class Config(Spec):
    data: DataSpec
    inputs: Annotated[dict[str, InputSpec], Field(min_length=1)]
    fusion: AnyFusionSpec = ConcatSpec()
    targets: Annotated[dict[str, AnyTargetSpec], Field(min_length=1)]
    train: TrainSpec = TrainSpec()

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
        self._check_matched()
        self._check_read()
        self._check_windows()
        hidden = self.fusion.drop if isinstance(self.fusion.drop, dict) else {}
        if unknown := sorted(set(hidden) - set(self.modalities())):
            there = ", ".join(self.modalities())
            raise ValueError(f"fusion.drop: {unknown[0]!r} is no modality; there are {there}")
        for name, spec in self.inputs.items():
            pretrained = isinstance(getattr(spec, "encoder", None), PretrainedSpec)
            if pretrained and not isinstance(spec, AudioSpec):
                raise ValueError(f"inputs.{name}.encoder: pretrained reads sounds, no {spec.kind}")
            if isinstance(spec, MediaSpec):
                self._check_shared(name, spec)
            elif spec.group in set(self.inputs) - {name}:
                raise ValueError(f"inputs.{name}.group: {spec.group!r} is an input; name another")
        return self

    def _check_answers(self) -> None:
        """No column of the answers may be written over by another."""
        for name in self.targets:
            endings = [name.removeprefix(f"{t}.") for t in self.targets if name.startswith(f"{t}.")]
            if name == "error" or any(e.partition(".")[0] in ANSWERED for e in endings):
                raise ValueError(f"targets.{name}: answers have a column of this name; rename it")
        if "prior" in self.modalities():
            raise ValueError("'prior' is what answers start from: rename this input or group")

    def _check_read(self) -> None:
        """Every input is read by some target, and an ensemble's answers have a mean."""
        read = {column for spec in self.matches.values() for column in spec.columns}
        for name, spec in self.targets.items():
            if isinstance(spec, TranscriptTarget):
                read.add(spec.of)
                if not isinstance(self.inputs.get(spec.of), AudioSpec):
                    sounds = [n for n, s in self.inputs.items() if isinstance(s, AudioSpec)]
                    there = ", ".join(sounds) or "none"
                    raise ValueError(
                        f"targets.{name}.of: {spec.of!r} is no audio input; there are: {there}"
                    )
        if not read:
            return
        split = self.data.split
        if isinstance(split, SplitSpec) and split.folds and split.then == "ensemble":
            why = "places what is said elsewhere in time, so transcripts have"
            if self.matches:
                why = "has a space of its own, so embeddings have"
            raise ValueError(f"data.split.then: each model {why} no mean; use then: all")
        unread = sorted(set(self.inputs) - read)
        if unread and not self.fuses:
            raise ValueError(
                f"inputs.{unread[0]}: no target reads it, since a transcript hears only its sound "
                "and a match reads only its columns; leave it out"
            )

    def _check_matched(self) -> None:
        for name, spec in self.matches.items():
            media = [n for n, s in self.inputs.items() if isinstance(s, MediaSpec)]
            texts = [n for n in spec.columns if isinstance(self.inputs.get(n), TextSpec)]
            for column in spec.columns:
                if column not in media:
                    there = ", ".join(media) or "none"
                    raise ValueError(
                        f"targets.{name}.columns: {column!r} is no image, audio or text input; "
                        f"there are: {there}"
                    )
            if spec.classes is None:
                continue
            if spec.classes.by not in texts:
                there = ", ".join(texts) or "none"
                raise ValueError(
                    f"targets.{name}.classes.by: {spec.classes.by!r} is no text column of this "
                    f"match; there are: {there}"
                )
            if spec.classes.of not in set(spec.columns) - {spec.classes.by}:
                raise ValueError(
                    f"targets.{name}.classes.of: {spec.classes.of!r} is no other column of this "
                    "match"
                )

    @property
    def matches(self) -> dict[str, MatchTarget]:
        """The targets that align columns."""
        return {n: spec for n, spec in self.targets.items() if isinstance(spec, MatchTarget)}

    @property
    def columns(self) -> dict[str, Any]:
        """The specs of all columns that are read from the table, inputs first."""
        targets = {name: spec for name, spec in self.targets.items() if spec.has_cells}
        return {**self.inputs, **targets}

    def _check_windows(self) -> None:
        for name, spec in self.inputs.items():
            if not isinstance(spec, AudioSpec) or spec.windows is None:
                continue
            if self.fuses:
                fusing = next(k for k, target in self.targets.items() if target.fuses)
                raise ValueError(
                    f"inputs.{name}.windows: only a transcript has a part in each window, and "
                    f"{fusing!r} is a {self.targets[fusing].kind}; leave windows or this target out"
                )
            if not isinstance(getattr(spec.encoder, "stride", None), int):
                raise ValueError(
                    f"inputs.{name}.windows: an encoder of your own says with an option `stride` "
                    "how many frames a token of it has"
                )

    def sound_of(self, target: TranscriptTarget) -> AudioSpec:
        sound = self.inputs[target.of]
        assert isinstance(sound, AudioSpec)  # checked when it was read
        return sound

    @property
    def fuses(self) -> bool:
        """Some target answers from all modalities together."""
        return any(spec.fuses for spec in self.targets.values())

    def _check_shared(self, name: str, spec: MediaSpec) -> None:
        other = spec.same_as
        if other is None:
            return
        original = self.inputs.get(other)
        if not isinstance(original, MediaSpec) or other == name:
            raise ValueError(f"inputs.{name}.same_as: there is no other input {other!r} to share")
        if original.same_as:
            raise ValueError(
                f"inputs.{name}.same_as: name {original.same_as!r}, whose weights it has"
            )
        if original != spec.model_copy(update={"same_as": None}):
            raise ValueError(
                f"inputs.{name}.same_as: {name!r} and {other!r} differ in kind or options; inputs "
                "that share weights must be written alike"
            )

    def modalities(self) -> dict[str, list[str]]:
        """Modality name -> its columns: one media column each, table columns by their group."""
        modalities: dict[str, list[str]] = {}
        for name, spec in self.inputs.items():
            modalities.setdefault(getattr(spec, "group", name), []).append(name)
        return modalities
