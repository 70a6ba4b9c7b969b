"""`targets`: one spec per kind of answer."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Discriminator, Field, PositiveInt, Tag, model_validator

from mmbm.config.spec import Fraction, Marks, Positive, Size, Spec, WrittenSpec, by_kind, component


class TargetSpec(Spec):
    not_decoding: ClassVar = frozenset({"weight"})
    weight: Positive = 1.0
    """This target's part of the training loss."""
    fuses: ClassVar[bool] = True
    """Answers from all modalities together."""
    mixes: ClassVar[bool] = True
    """Its answer is mixed of the fused one and what each modality says alone."""
    has_cells: ClassVar[bool] = True
    """Is a column of the table itself."""
    windowed: ClassVar[bool] = False
    """Has a part in each window of a long recording, so that those of all can be joined."""
    task: ClassVar[str] = ""
    """multiclass, regression or multilabel: what an ensemble of members learns. Empty where the
    network alone answers."""


class CategoryTarget(TargetSpec):
    """One class out of several: softmax cross-entropy."""

    kind: Literal["category"] = "category"
    not_decoding: ClassVar = frozenset({"class_weights", "label_smoothing", "decision"})
    task: ClassVar = "multiclass"
    class_weights: Literal["none", "balanced"] = "none"
    label_smoothing: Fraction = 0.0
    decision: Literal["likeliest", "balanced"] = "likeliest"
    """Which class is answered. balanced: the one whose probability is highest compared with its
    frequency in training, for balanced accuracy and macro F1 of classes of uneven frequency;
    training sets it where `train.monitor` names one of these."""
    max_values: PositiveInt = 10_000
    missing: Marks = ()
    """Cells that mean that the class isn't known, besides empty ones: [nan, "NULL"]."""
    min_count: ClassVar[int] = 1


class NumberTarget(TargetSpec, WrittenSpec):
    """A number, standardised inside, answered in its own unit."""

    kind: Literal["number"] = "number"
    not_decoding: ClassVar = frozenset({"loss"})
    task: ClassVar = "regression"
    loss: Literal["mse", "l1", "huber"] = "mse"
    log: bool = False
    bins: ClassVar[int] = 16


class LabelsTarget(TargetSpec):
    """Any number of labels: one binary cross-entropy each."""

    kind: Literal["labels"] = "labels"
    not_decoding: ClassVar = frozenset({"threshold"})
    task: ClassVar = "multilabel"
    separator: Annotated[str, Field(min_length=1)] = ";"
    format: Literal["separated", "list"] = "separated"
    """list: a string is a list as Python, JSON or numpy write it, "['a', 'b']"."""
    missing: Marks = ()
    """Cells that mean that nothing is known, besides empty ones: [nan, "NULL"]."""
    empty: Literal["unknown", "none"] = "unknown"
    """What an empty cell (of a csv; null elsewhere) means: its labels are unknown, so that the row
    is not trained on; or none applies. An empty text or list in other formats says none."""
    min_count: PositiveInt = 1
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5


class TranscriptTarget(TargetSpec):
    """What is said in a sound: connectionist temporal classification (CTC, Graves et al. 2006)."""

    kind: Literal["transcript"] = "transcript"
    not_decoding: ClassVar = frozenset(
        {"input", "beam_size", "ngram_order", "lm_weight", "token_insertion_bonus"}
    )
    input: str
    """The audio input that it listens to, alone."""
    tokenizer: Literal["char", "bpe"] = "char"
    """What each token of the sound may say: a character, or a piece of a word, which needs fewer
    tokens."""
    vocab_size: Annotated[int, Field(ge=10)] = 500
    """Largest number of pieces (`tokenizer: bpe`), trained on the train split."""
    lowercase: bool = False
    """Learn, answer and measure in small letters."""
    beam_size: PositiveInt = 1
    """Prefixes that the search keeps. 1: the most probable token at every place (greedy)."""
    ngram_order: Annotated[int, Field(ge=0, le=6)] = 0
    """Tokens of an n-gram of the language model, counted in the train split's texts, that the beam
    search listens to as well. 0: none."""
    lm_weight: Annotated[float, Field(ge=0)] = 0.5
    """Weight of the language model's log-probability."""
    token_insertion_bonus: float = 1.0
    """Added to the log-score for every token, since a language model likes short texts."""
    windowed: ClassVar[bool] = True
    fuses: ClassVar[bool] = False
    mixes: ClassVar[bool] = False

    @model_validator(mode="after")
    def _searches(self):
        if self.ngram_order and self.beam_size == 1:
            raise ValueError("a language model (ngram_order) needs a beam search: beam_size: 16")
        return self


class ZeroShotSpec(Spec):
    """Zero-shot classification (CLIP, Radford et al. 2021): a cell's class is the one whose
    name is nearest to it."""

    label_column: str
    """A column of the table with the name of each row's class; only measuring reads it."""
    input: str
    """The column that is classified."""
    text_input: str
    """The text column that reads the names."""
    templates: Annotated[tuple[str, ...], Field(min_length=1)] = ("{}",)
    """What `text_input` reads, the name in place of {}: of several the mean embedding."""


class ContrastiveTarget(TargetSpec):
    """Contrastive learning for retrieval (CLIP-style): an embedding of each of several columns, in
    one space, where cells of one row lie close to one another."""

    kind: Literal["contrastive"] = "contrastive"
    columns: Annotated[list[str], Field(min_length=2)]
    """The image, audio and text inputs to align. It has no cells of its own."""
    width: PositiveInt = 128
    """Numbers of an embedding."""
    loss: Literal["infonce", "sigmoid"] = "infonce"
    """infonce: each cell picks its partner among all of the batch (CLIP, Radford et al. 2021);
    sigmoid: each pair is judged by itself (SigLIP, Zhai et al. 2023)."""
    temperature: Positive = 0.07
    """What similarities are divided by, at first: it is learned, and stays above 0.01."""
    zero_shot: ZeroShotSpec | None = None
    """Measure zero-shot classification too."""
    fuses: ClassVar[bool] = False
    mixes: ClassVar[bool] = False
    has_cells: ClassVar[bool] = False

    @model_validator(mode="after")
    def _different(self):
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("columns: each of them once")
        if any("{}" not in t for t in self.zero_shot.templates) if self.zero_shot else False:
            raise ValueError("zero_shot.templates: each needs {} in the place of the name")
        return self


class ScratchDecoderSpec(Spec):
    """A causal transformer, trained from nothing."""

    kind: Literal["scratch"] = "scratch"
    size: Size = "small"
    width: PositiveInt | None = None
    layers: PositiveInt | None = None
    heads: PositiveInt | None = None
    dropout: Fraction = 0.1


class LoraSpec(Spec):
    rank: PositiveInt = 16
    """How many directions each addition has."""


class PretrainedDecoderSpec(Spec):
    """A causal language model that others trained, with its own tokenizer and chat template."""

    kind: Literal["pretrained"] = "pretrained"
    model: str | None
    """Folder that `save_pretrained` wrote, weights as safetensors, or `hf/OWNER/NAME@REVISION` of
    the Hugging Face Hub, as of encoders. No code of the folder is run. In a bundle, which holds all
    of it, empty."""
    frozen: bool = True
    """Keep its weights as they are and train what stands before it. False: train all of them."""
    lora: LoraSpec | None = None
    """Train small additions to the linear layers of a frozen one (Hu et al. 2022), which become
    part of the weights when training ends."""
    lr: Positive | None = None
    """Highest learning rate of its weights or additions; `train.lr` if not given."""
    # what encoders of this kind say too, see PretrainedSpec:
    layer_decay: ClassVar[float] = 1.0
    gradual_unfreezing: ClassVar[None] = None
    last: ClassVar[int] = 0

    @model_validator(mode="after")
    def _trained_at_all(self):
        if self.lora and not self.frozen:
            raise ValueError("lora: is for a model that is frozen; leave it out, or frozen: true")
        if self.lr and self.tune == "frozen":
            raise ValueError("lr: nothing of a frozen decoder is trained; leave it out")
        return self

    @property
    def tune(self) -> str:
        return "lora" if self.lora else "frozen" if self.frozen else "all"

    @property
    def rank(self) -> int:
        return self.lora.rank if self.lora else 0


DecoderSpec = Annotated[
    Annotated[ScratchDecoderSpec, Tag("scratch")]
    | Annotated[PretrainedDecoderSpec, Tag("pretrained")],
    Discriminator(by_kind),
    BeforeValidator(component),
]


class TextTarget(TargetSpec):
    """A text, written token by token: a decoder that reads the fused tokens as a prefix, as
    language models read pictures (LLaVA, Liu et al. 2023)."""

    kind: Literal["text"] = "text"
    not_decoding: ClassVar = frozenset({"decoder", "beam_size", "temperature", "top_p", "seed"})
    vocab_size: Annotated[int, Field(ge=300)] = 1000
    """Largest number of byte-level BPE tokens, trained on the train split. A pretrained decoder has
    its own."""
    max_tokens: PositiveInt = 64
    """The longest text that is learned or written; a longer one in the table is a bad cell."""
    decoder: DecoderSpec = ScratchDecoderSpec()
    beam_size: PositiveInt = 1
    """Texts that are written side by side, the likeliest per token kept. 1: the most probable token
    at every place (greedy)."""
    temperature: Annotated[float, Field(ge=0)] = 0.0
    """Above 0 tokens are drawn: from the probabilities at 1, more boldly above it."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Draw among the likeliest tokens that have this probability together (nucleus sampling,
    Holtzman et al. 2020)."""
    seed: int = 7
    """Of the draws: the same row gets the same text, in whatever batch."""
    tokenizer: ClassVar[str] = "bpe"
    lowercase: ClassVar[bool] = False
    missing: Marks = ()
    """Cells that mean that there is no text, besides empty ones: [nan, "NULL"]."""
    mixes: ClassVar[bool] = False

    @model_validator(mode="after")
    def _searches_or_draws(self):
        if self.beam_size > 1 and self.temperature:
            raise ValueError("beam_size or temperature: the likeliest text, or one that is drawn")
        return self

    @model_validator(mode="after")
    def _said_once(self):
        other = self.vocab_size != type(self).model_fields["vocab_size"].default
        if isinstance(self.decoder, PretrainedDecoderSpec) and other:
            raise ValueError("vocab_size: a pretrained decoder has its own; leave it out")
        return self


AnyTargetSpec = Annotated[
    Annotated[CategoryTarget, Tag("category")]
    | Annotated[NumberTarget, Tag("number")]
    | Annotated[LabelsTarget, Tag("labels")]
    | Annotated[TranscriptTarget, Tag("transcript")]
    | Annotated[ContrastiveTarget, Tag("contrastive")]
    | Annotated[TextTarget, Tag("text")],
    Discriminator(by_kind),
    BeforeValidator(component),
]
