"""Options of an audio input."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from mmbm.specs.base import Fraction, Positive, Spec
from mmbm.specs.choices import EncoderSpec
from mmbm.specs.columns import MediaSpec
from mmbm.specs.encoders import CNNSpec


class AudioAugment(Spec):
    """Random changes of the spectrogram, in training only: noise, vocal tract length, tempo, and
    masks (SpecAugment, Park et al. 2019)."""

    noise_snr: Annotated[float, Field(gt=0, lt=60)] | None = None
    """Decibels: add noise of any spectrum that is fainter than a clip's loudest band by this, or by
    more, up to 60. None if not given."""
    vtlp: Fraction = 0.0
    """Scale all frequencies by up to this fraction, as a shorter or longer vocal tract does (vocal
    tract length perturbation, VTLP, Jaitly & Hinton 2013)."""
    tempo: Fraction = 0.0
    """Change the tempo by up to this fraction, at the same pitch (Ko et al. 2015)."""
    freq_mask: Annotated[int, Field(ge=0)] = 8
    """Widest mask over mel bands; two masks a clip. 0: none."""
    time_mask: Fraction = 0.15
    """Longest mask over time, as a fraction of the clip; two masks a clip. 0: none."""


class WindowsSpec(Spec):
    """Chunked inference: a long recording is transcribed in overlapping windows."""

    overlap: Positive = 1.0
    """Overlap of two windows in seconds; each window supplies the tokens of its own half of it."""
    max_seconds: Positive = 600.0
    """A longer recording is refused."""


class AudioSpec(MediaSpec):
    kind: Literal["audio"] = "audio"
    not_decoding: ClassVar = frozenset({"n_mels", "normalize"})
    has_seconds: ClassVar[bool] = True
    sample_rate: PositiveInt = 16000
    """Sampling rate in Hz after decoding."""
    gain: Positive = 1.0
    """Factor on the samples: 65536 for 16-bit samples saved as 32-bit integers, 0.000030517578125
    (1/32768) for floats with full scale 32768 instead of 1."""
    seconds: Positive = 10.0
    """A longer clip is cropped to this."""
    crop: Literal["start", "center", "end"] = "start"
    """Which part of a longer clip is kept."""
    max_seconds: Positive | None = None
    """A longer clip is refused instead of being cropped."""
    windows: WindowsSpec | None = None
    """A bundle transcribes recordings longer than `seconds` in windows of that length. In training
    a longer clip is refused, since its text would not match the cropped audio."""
    n_mels: PositiveInt = 64
    """Mel bands of the spectrogram."""
    top_db: Positive | None = None
    """Decibels: what is fainter than a clip's loudest band by more counts as silence, which removes
    the effect of a recording's level and noise floor. Not given: 90 dB under full scale."""
    normalize: Literal["utterance", "band"] = "utterance"
    """Mean that is subtracted: of the clip, or of each band (cepstral mean normalization, CMN, Atal
    1974), which also removes constant effects of the microphone, the room and the speaker, and a
    hum."""
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
        if self.encoder.raw and self.augment != AudioAugment():
            raise ValueError(
                "augment: changes a spectrogram, and a pretrained encoder reads the sound itself"
            )
        return self

    @property
    def longest(self) -> int:
        """Maximum number of samples that are kept."""
        return max(1, round(self.seconds * self.sample_rate))

    def whole(self) -> Self:
        """As a bundle reads cells: long recordings are read whole."""
        if self.windows is None:
            return self
        most = self.windows.max_seconds
        return self.model_copy(update={"seconds": most, "max_seconds": most, "windows": None})
