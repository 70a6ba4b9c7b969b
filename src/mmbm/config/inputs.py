"""`inputs`: one spec per kind of column."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Discriminator, Field, PositiveInt, Tag, model_validator

from mmbm.config.encoders import BagSpec, CNNSpec, EncoderSpec, PretrainedSpec, RNNSpec
from mmbm.config.spec import Fraction, Marks, Positive, Spec, WrittenSpec, by_kind, component


class ImageAugment(Spec):
    """Random changes of a picture, in training only."""

    flip: bool = False
    """Mirror left-right, one row in two."""
    crop: Fraction = 0.0
    """Shift by up to this part of the side (edges repeated)."""
    random_erasing: Fraction = 0.0
    """Probability of blanking a random rectangle (Zhong et al. 2017)."""


class AudioAugment(Spec):
    """Random changes of the spectrogram, in training only: noise, other voices, other tempi, and
    masks (SpecAugment, Park et al. 2019)."""

    noise_snr: Annotated[float, Field(gt=0, lt=60)] | None = None
    """Decibels: add noise of any colour that is fainter than a clip's loudest band by this, or by
    more, up to 60. None if not given."""
    vtlp: Fraction = 0.0
    """Raise or lower all frequencies by up to this part, as a shorter or longer vocal tract does
    (vocal tract length perturbation, Jaitly & Hinton 2013)."""
    tempo: Fraction = 0.0
    """Play faster or slower by up to this part, at the same pitch (Ko et al. 2015)."""
    freq_mask: Annotated[int, Field(ge=0)] = 8
    """Widest mask over mel bands; two masks a clip. 0: none."""
    time_mask: Fraction = 0.15
    """Longest mask over time, as a part of the clip; two masks a clip. 0: none."""


class TextAugment(Spec):
    """Random changes of a text, in training only."""

    token_dropout: Fraction = 0.1
    """The chance that a token is hidden, so that no single word is relied on (Dai & Le 2015)."""


class MediaSpec(Spec):
    not_decoding: ClassVar = frozenset({"encoder", "augment", "share_weights_with"})
    share_weights_with: str | None = None
    """Share all weights with this input (of the same kind and options)."""
    max_bytes: PositiveInt = 100_000_000
    """A larger cell is refused."""

    @model_validator(mode="after")
    def _fills_sounds(self):
        encoder = getattr(self, "encoder", None)
        if (
            isinstance(encoder, PretrainedSpec)
            and encoder.pad_to_seconds
            and not isinstance(self, AudioSpec)
        ):
            raise ValueError(
                "encoder.pad_to_seconds: only sounds are filled with silence; leave it out"
            )
        return self


class ImageSpec(MediaSpec):
    kind: Literal["image"] = "image"
    size: PositiveInt | tuple[PositiveInt, PositiveInt] = 64
    """Pixels after decoding: one number for a square, or [height, width]."""
    channels: Literal[1, 3] = 3
    resize: Literal["stretch", "pad", "crop"] = "stretch"
    """How another aspect ratio becomes this one."""
    bits: Annotated[int, Field(ge=8, le=16)] = 16
    """Of a grey pixel of more than 8 bits: with 12, as of cameras and scanners, 4095 is white."""
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
    not_decoding: ClassVar = frozenset({"n_mels", "normalize"})
    sample_rate: PositiveInt = 16000
    """Samples per second after decoding."""
    gain: Positive = 1.0
    """Factor on the samples: 65536 for 16-bit samples saved as 32-bit integers,
    0.000030517578125 (1/32768) for floats that count to 32768 instead of 1."""
    seconds: Positive = 10.0
    """A longer clip is cropped to this."""
    crop: Literal["start", "center", "end"] = "start"
    """Which part of a longer clip is kept."""
    max_seconds: Positive | None = None
    """A longer clip than this is refused instead of being cropped."""
    windows: WindowsSpec | None = None
    """A bundle transcribes what is longer than `seconds` by windows of that length. In training a
    longer clip is refused, since its text would be said only in part."""
    n_mels: PositiveInt = 64
    """Mel bands of the spectrogram."""
    top_db: Positive | None = None
    """Decibels: what is fainter than a clip's loudest band by more counts as silence, so that
    neither the level of a recording nor its noise tells. Not given: 90 dB under full scale."""
    normalize: Literal["utterance", "band"] = "utterance"
    """What is subtracted: the mean of the clip, or of each band (cepstral mean
    normalization, CMN), which also takes away what the microphone, the room and the speaker add to
    all of it, as it does a hum (Atal 1974)."""
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


TRAINED = ("bpe", "word", "ngram")
"""Tokenizers of texts that are trained on the train split; any other is the path of one."""


class TextSpec(MediaSpec):
    kind: Literal["text"] = "text"
    vocab_size: Annotated[int, Field(ge=300)] = 4000
    """Largest number of byte-level BPE tokens, trained on the train split."""
    max_tokens: PositiveInt = 128
    """A longer text is cut."""
    tokenizer: Annotated[str, Field(min_length=1)] | None = "bpe"
    """bpe: byte-level BPE, trained on the train split. word: whole words (of Chinese, characters),
    unseen ones as one rare word: often better from few rows, since the pieces of an unseen word say
    nothing that was learned. ngram: words, pairs of words, and n-grams of 2 to 5 characters without
    their order, for the encoder bag (fastText, Bojanowski et al. 2017): the best from some hundreds
    of rows. Anything else: the path of a `tokenizer.json`, or of a folder that holds one. In a
    bundle, which holds that file, empty."""
    lowercase: bool = False
    """Read capitals as small letters: fewer different words to learn from few rows."""
    missing: Marks = ()
    """Cells that mean that there is no text, besides empty ones: [nan, "NULL"]."""
    augment: TextAugment = TextAugment()
    encoder: EncoderSpec = RNNSpec()

    @model_validator(mode="after")
    def _order_or_none(self):
        if self.tokenizer == "ngram" and not isinstance(self.encoder, BagSpec):
            raise ValueError("tokenizer: ngram has no order of words; it goes with encoder: bag")
        return self

    @model_validator(mode="after")
    def _one_tokenizer(self):
        if isinstance(self.encoder, PretrainedSpec):
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


class NumberSpec(WrittenSpec):
    kind: Literal["number"] = "number"
    not_decoding: ClassVar = frozenset({"bins", "group"})
    log: bool = False
    """Take sign(x)·log(1+|x|) first: for counts, prices and other long tails."""
    bins: Annotated[int, Field(ge=2, le=256)] = 16
    """Quantile bins of the piecewise-linear embedding."""
    group: str = "table"
    """Number, category and labels inputs of one group form one modality."""


class CategorySpec(Spec):
    kind: Literal["category"] = "category"
    not_decoding: ClassVar = frozenset({"group"})
    min_count: PositiveInt = 1
    """Values seen less often than this in the train split are grouped as one rare value."""
    max_values: PositiveInt = 10_000
    missing: Marks = ()
    """Cells that mean that there is no value, besides empty ones: [nan, "NULL"]."""
    group: str = "table"


class LabelsSpec(Spec):
    kind: Literal["labels"] = "labels"
    not_decoding: ClassVar = frozenset({"group"})
    separator: Annotated[str, Field(min_length=1)] = ";"
    """Between labels in a cell that is one string; a list in a cell needs none."""
    format: Literal["separated", "list"] = "separated"
    """list: a string is a list as Python, JSON or numpy write it, "['a', 'b']"."""
    missing: Marks = ()
    """Cells that mean that nothing is known, besides empty ones: [nan, "NULL"]."""
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
