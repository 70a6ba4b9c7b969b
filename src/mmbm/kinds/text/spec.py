"""Options of a text input, and of a text target and its decoder."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveInt, model_validator

from mmbm.specs.base import Fraction, Marks, Outside, Positive, Size, Spec, union
from mmbm.specs.choices import EncoderSpec
from mmbm.specs.columns import MediaSpec, TargetSpec, Unit
from mmbm.specs.encoders import RNNSpec

TRAINED = ("bpe", "word", "ngram")
"""Tokenizers that are trained on the train split; any other value is the path of one."""


class TextAugment(Spec):
    """Random changes of a text, in training only."""

    token_dropout: Fraction = 0.1
    """Token dropout: the probability that a token is hidden (Dai & Le 2015)."""


class TextSpec(MediaSpec):
    kind: Literal["text"] = "text"
    alike: ClassVar = "text"
    vocab_size: Annotated[int, Field(ge=300)] = 4000
    """Vocabulary size of byte-level BPE, trained on the train split."""
    max_tokens: PositiveInt = 128
    """A longer text is cut."""
    tokenizer: Annotated[str, Field(min_length=1)] | None = "bpe"
    """bpe: byte-level BPE, trained on the train split. word: whole words (of Chinese, characters),
    unseen ones as one rare word: often better with few rows, since the pieces of an unseen word
    carry nothing that was learned. ngram: words, pairs of words, and n-grams of 2 to 5 characters
    without their order, for the encoder bag (fastText, Bojanowski et al. 2017): the best with some
    hundreds of rows. Anything else: the path of a `tokenizer.json`, or of a folder that holds one.
    Empty in a bundle, which contains that file."""
    lowercase: bool = False
    """Lowercase the text: fewer distinct words to learn from few rows."""
    missing: Marks = ()
    """Cells that mean a missing text, besides empty ones: [nan, "NULL"]."""
    augment: TextAugment = TextAugment()
    encoder: EncoderSpec = RNNSpec()

    @property
    def outside(self) -> Outside | None:
        file = self.tokenizer_file
        return Outside("tokenizer", file, is_model=False) if file else None

    @property
    def longest(self) -> int:
        """Maximum number of tokens."""
        return self.max_tokens

    @model_validator(mode="after")
    def _order_or_none(self):
        if self.tokenizer == "ngram" and self.encoder.ordered:
            raise ValueError("tokenizer: ngram has no order of words; it goes with encoder: bag")
        return self

    @model_validator(mode="after")
    def _one_tokenizer(self):
        if self.encoder.raw:
            for name in ("vocab_size", "lowercase", "tokenizer", "augment"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(
                        f"{name}: a pretrained encoder has its own tokenizer, and its own vectors "
                        "of the tokens; leave it out"
                    )
        return self

    @property
    def tokenizer_file(self) -> str | None:
        """The path of a tokenizer that is given, not trained."""
        return None if self.tokenizer in TRAINED else self.tokenizer


class ScratchDecoderSpec(Spec):
    """A causal transformer, trained from scratch."""

    kind: Literal["scratch"] = "scratch"
    size: Size = "small"
    width: PositiveInt | None = None
    layers: PositiveInt | None = None
    heads: PositiveInt | None = None
    dropout: Fraction = 0.1


class LoraSpec(Spec):
    rank: PositiveInt = 16
    """Rank of each LoRA addition."""


class PretrainedDecoderSpec(Spec):
    """A pretrained causal language model, with its own tokenizer and chat template."""

    kind: Literal["pretrained"] = "pretrained"
    model: str | None
    """Folder that `save_pretrained` wrote, weights as safetensors, or `hf/OWNER/NAME@REVISION` of
    the Hugging Face Hub, as for encoders. No code of the folder is run. Empty in a bundle, which
    contains all of it."""
    frozen: bool = True
    """Freeze its weights and train the layers before it. False: train all of them."""
    lora: LoraSpec | None = None
    """LoRA: train low-rank additions to the linear layers of a frozen model (Hu et al. 2022),
    merged into the weights when training ends."""
    lr: Positive | None = None
    """Highest learning rate of its weights or additions; `train.lr` if not given."""
    # constants shared with encoders of this kind, see PretrainedSpec:
    layer_decay: ClassVar[float] = 1.0
    gradual_unfreezing: ClassVar[None] = None
    last: ClassVar[int] = 0

    @property
    def outside(self) -> Outside | None:
        return Outside("model", self.model, is_model=True) if self.model else None

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


if TYPE_CHECKING:
    DecoderSpec = Any
else:
    DecoderSpec = union({"scratch": ScratchDecoderSpec, "pretrained": PretrainedDecoderSpec})


class TextTarget(TargetSpec):
    """Text generation, token by token: a decoder with the fused tokens as a prefix, as in
    vision-language models (LLaVA, Liu et al. 2023)."""

    kind: Literal["text"] = "text"
    not_decoding: ClassVar = frozenset({"decoder", "beam_size", "temperature", "top_p", "seed"})
    shown_as: ClassVar[str] = "Textbox"
    vocab_size: Annotated[int, Field(ge=300)] = 1000
    """Vocabulary size of byte-level BPE, trained on the train split. A pretrained decoder has its
    own."""
    max_tokens: PositiveInt = 64
    """Maximum length of a learned or generated text; a longer one in the table is a bad cell."""
    decoder: DecoderSpec = ScratchDecoderSpec()
    beam_size: PositiveInt = 1
    """Beam size: hypotheses that are kept, by log-probability per token. 1: the most probable token
    at every position (greedy)."""
    temperature: Annotated[float, Field(ge=0)] = 0.0
    """Sampling temperature. 0: no sampling; 1: from the probabilities; above: more random."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Sample among the likeliest tokens whose probabilities sum to this (nucleus sampling, Holtzman
    et al. 2020)."""
    seed: int = 7
    """Seed of the sampling: the same row gets the same text, in any batch."""
    tokenizer: ClassVar[str] = "bpe"
    lowercase: ClassVar[bool] = False
    missing: Marks = ()
    """Cells that mean a missing text, besides empty ones: [nan, "NULL"]."""

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

    def output_unit(self, state: dict[str, Any]) -> Unit:
        return Unit(generated=True)
