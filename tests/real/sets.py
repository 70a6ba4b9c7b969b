"""The data sets in ../shared/data and what is promised on each; `make results` runs them all."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

DATA = Path(__file__).parents[3] / "shared" / "data"


FEW = (
    "inputs.image.size=32",
    "inputs.image.encoder={kind: cnn, size: tiny, dropout: 0.5}",
    "inputs.text.encoder={kind: bag, size: base}",
    "inputs.text.tokenizer=word",
    "inputs.text.vocab_size=4000",
    "inputs.text.augment.token_dropout=0",
    "fusion={kind: sum, modality_dropout: {image: 0.9, text: 0, table: 0}}",
    "train.lr=0.0007",
    "train.max_grad_norm=10",
    "train.unimodal_loss_weight=1",
)
"""Two thousand rows: see docs/decisions/018."""


LONGEST = ("inputs.audio.seconds=2.5", "inputs.audio.max_seconds=2.5")
"""Of fsdd's clips two are longer than the two seconds that `mmbm init` finds in a sample."""


DIGITS = (
    *LONGEST,
    "inputs.audio.n_mels=40",
    "inputs.audio.top_db=50",
    "inputs.audio.normalize=band",
    "inputs.audio.augment={noise_snr: 12, vtlp: 0.1}",
    "inputs.audio.encoder={kind: cnn, size: tiny, dropout: 0.2}",
)
"""Four people's voices: see docs/speech-recognition.md."""


WHISPER = "models/whisper"
"""Beside the config: what `whisper.py` makes."""


def whisper(fill: float) -> tuple[str, ...]:
    """Frozen, with a GRU behind it: see docs/speech-recognition.md."""
    behind = "{kind: rnn, width: 96, layers: 1, dropout: 0.3}"
    return (
        "inputs.audio.sample_rate=16000",
        f"inputs.audio.encoder={{kind: pretrained, model: {WHISPER}, tune: frozen, "
        f"pad_to_seconds: {fill:g}, downstream: {behind}}}",
    )


class Task(NamedTuple):
    """`mmbm init FOLDER/data.csv --target T --only …`, then `mmbm train`, at most a few --set."""

    folder: str
    target: str
    only: tuple[str, ...]
    promise: float | None
    """Least test score of the mean over seeds; of a transcript the largest word error rate."""
    settings: tuple[str, ...] = ()
    seeds: int = 1
    alone: tuple[str, ...] = ()
    """Inputs to train alone too: those that may be the best single modality."""
    note: str = ""
    spoken: int = 0
    """Rows of the train split beside those of the folder: what espeak-ng says (`digits.py`)."""
    heard: Mapping[str, str] = MappingProxyType({})
    """Whom the test and valid splits of these hear, if others than the folder's."""
    transcript: bool = False
    valid: str = ""
    """What the valid split is, where its score is worth telling too."""

    def init(self, table: Path, inputs: tuple[str, ...]) -> list[str]:
        only = [part for name in inputs for part in ("--only", name)]
        kind = "--transcript" if self.transcript else "--target"
        return [str(table), kind, self.target, *only]

    @property
    def metric(self) -> str:
        return "wer" if self.transcript else "accuracy"


TASKS = {
    "mnist": Task(
        "mnist", "label", ("image",), 0.975, ("inputs.image.encoder={kind: cnn, size: tiny}",)
    ),
    "fsdd": Task(
        "fsdd",
        "label",
        ("audio",),
        None,
        (*DIGITS, "train.epochs=14", "train.batch_size=32"),
        spoken=2000,
        note="speaker lucas, never heard in training",
        valid="speaker george, who helped choose settings, mix and weights,",
    ),
    "fsdd_words": Task(
        "fsdd",
        "text",
        ("audio",),
        None,
        (
            *DIGITS,
            "targets.text.tokenizer=bpe",
            "targets.text.vocab_size=60",
            "train.epochs=14",
            "train.batch_size=32",
        ),
        spoken=2000,
        transcript=True,
        note="speaker lucas, never heard in training",
        valid="speaker george, who helped choose settings and weights,",
    ),
    "fsdd_whisper": Task(
        "fsdd",
        "text",
        ("audio",),
        0.15,
        (
            *LONGEST,
            *whisper(2.5),
            "targets.text.tokenizer=bpe",
            "targets.text.vocab_size=60",
            "train.epochs=10",
            "train.batch_size=32",
        ),
        transcript=True,
        note="speaker lucas, never heard in training",
        valid="speaker george, who helped choose weights,",
    ),
    "wakewords": Task(
        "wakewords",
        "text",
        ("audio",),
        None,
        (
            "inputs.audio.n_mels=40",
            "inputs.audio.normalize=band",
            "inputs.audio.encoder={kind: rnn, width: 96, layers: 2, stride: 4}",
            "targets.text.tokenizer=bpe",
            "targets.text.vocab_size=120",
            "targets.text.beam_size=16",
            "targets.text.ngram_order=4",
            "train.epochs=60",
            "train.batch_size=16",
            "train.lr=0.004",
        ),
        transcript=True,
        note="85 phrases, all of them in training, as some speakers may be",
    ),
    "wakewords_whisper": Task(
        "wakewords",
        "text",
        ("audio",),
        None,
        (
            "inputs.audio.seconds=5.1",
            "inputs.audio.max_seconds=5.1",
            *whisper(5.1),
            "targets.text.tokenizer=bpe",
            "targets.text.vocab_size=120",
            "targets.text.beam_size=16",
            "targets.text.ngram_order=4",
            "train.epochs=30",
            "train.batch_size=16",
        ),
        transcript=True,
        note="85 phrases, all of them in training, as some speakers may be",
    ),
    "avmnist_pairs": Task(
        "avmnist_pairs",
        "label",
        ("image", "audio"),
        0.985,
        (
            "inputs.audio.n_mels=40",
            "inputs.image.encoder=cnn",
            "inputs.audio.encoder={kind: cnn, size: tiny}",
            "fusion={kind: concat, modality_dropout: 0.5}",
            "train.unimodal_loss_weight=1",
        ),
        alone=("image",),
    ),
    "season": Task(
        "fashion_products",
        "season",
        ("image", "text", "base_colour", "gender", "usage"),
        0.86,
        FEW,
        seeds=3,
        alone=("text",),
    ),
    "season_year": Task(
        "fashion_products",
        "season",
        ("image", "text", "base_colour", "gender", "usage", "year"),
        0.89,
        (*FEW, "inputs.year={kind: category}"),
        seeds=3,
        alone=("text",),
    ),
    "usage": Task(
        "fashion_products",
        "usage",
        ("image", "text", "base_colour", "gender", "season"),
        None,
        FEW,
        seeds=3,
        alone=("image", "text"),
    ),
    "emoji": Task(
        "emoji_zh_en",
        "label",
        ("image", "text", "text_zh"),
        None,
        (
            "inputs.image.encoder=cnn",
            "inputs.text={kind: text, max_tokens: 16, tokenizer: word, lowercase: true}",
            "inputs.text_zh={kind: text, max_tokens: 16, tokenizer: word, lowercase: true}",
            "fusion={kind: concat, modality_dropout: 0.1}",
            "train.epochs=30",
        ),
        alone=("image", "text", "text_zh"),
    ),
}
