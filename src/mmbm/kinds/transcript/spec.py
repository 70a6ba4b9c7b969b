"""Options of a transcript target."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveInt, model_validator

from mmbm.specs.columns import Counted, TargetSpec


class TranscriptTarget(TargetSpec):
    """Automatic speech recognition (ASR): connectionist temporal classification (Graves et al.
    2006)."""

    kind: Literal["transcript"] = "transcript"
    windowed: ClassVar[bool] = True
    not_decoding: ClassVar = frozenset(
        {"input", "beam_size", "ngram_order", "lm_weight", "token_insertion_bonus"}
    )
    shown_as: ClassVar[str] = "Textbox"
    transcribes: ClassVar[bool] = True
    # preceded by the blank and the id of unknown characters
    counted: ClassVar = Counted("tokens", "occurrences in the train rows", first=2)
    input: str
    """The audio input that it transcribes, alone."""
    tokenizer: Literal["char", "bpe"] = "char"
    """Output tokens: characters, or pieces of words, which need fewer tokens."""
    vocab_size: Annotated[int, Field(ge=10)] = 500
    """Maximum number of pieces (`tokenizer: bpe`), trained on the train split."""
    lowercase: bool = False
    """Lowercase the text in training, answers and metrics."""
    beam_size: PositiveInt = 1
    """Beam size: prefixes that are kept. 1: the most probable token at every position (greedy)."""
    ngram_order: Annotated[int, Field(ge=0, le=6)] = 0
    """Order of the n-gram language model, counted in the train split's texts, that the beam search
    uses as well. 0: none."""
    lm_weight: Annotated[float, Field(ge=0)] = 0.5
    """Weight of the language model's log-probability."""
    token_insertion_bonus: float = 1.0
    """Added to the log-score for every token, since a language model favors short texts."""
    fuses: ClassVar[bool] = False

    @model_validator(mode="after")
    def _searches(self):
        if self.ngram_order and self.beam_size == 1:
            raise ValueError("a language model (ngram_order) needs a beam search: beam_size: 16")
        return self

    @property
    def reads(self) -> set[str]:
        return {self.input}

    def lacks(self, state: dict[str, Any]) -> str:
        return "" if any(state["counts"]) else "no text in the train split"
