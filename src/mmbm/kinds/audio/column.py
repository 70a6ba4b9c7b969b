"""An audio cell -> int16 [T] at the configured rate, mono."""

import os
import re
from collections.abc import Generator, Iterable
from contextlib import closing, nullcontext
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
import soundfile
import soxr

from mmbm.cells import media
from mmbm.cells.values import RATES
from mmbm.errors import BadCell, ConfigError
from mmbm.kinds.audio.spec import AudioSpec
from mmbm.kinds.column import Cell, Description, State, Storage
from mmbm.kinds.pretrained import SOUNDS, read_folder
from mmbm.specs.encoders import PretrainedSpec

BLOCK = 1 << 18
"""Frames per read: memory is bounded even if a damaged header claims more."""
MAX_CHANNELS = 64
HOP = 0.010
"""Seconds between two spectrogram frames, usual for speech."""
CANCELLED = 0.1
"""Relative to the loudest channel: if the mean is fainter (by 20 dB), the channels cancel out."""

UNKNOWN_SIZE = 0x7FFF_0000
"""Bytes: a larger size in a header is a placeholder of programs that stream audio into a pipe."""
_SIZES = re.compile(r"(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)")  # of libsndfile

# Containers FFmpeg may open. Playlists and the like name other files, so they are not among them.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,asf,flv,mpegts,mpeg,aac,mp3,mp2,ogg,flac,wav,w64,"
    "aiff,au,caf,amr,ac3,eac3,wv,ape,tta"
)


def hop(spec: AudioSpec) -> int:
    """Samples between two frames."""
    return max(1, round(spec.sample_rate * HOP))


def stride(spec: AudioSpec) -> int | None:
    """Frames per token after the encoder; None if a user's own encoder doesn't define it."""
    step = getattr(spec.encoder, "stride", None)
    return step if isinstance(step, int) and step > 0 else None


def tokens(spec: AudioSpec, samples: np.ndarray) -> np.ndarray | None:
    """Number of tokens after the encoder for clips of so many samples; see `stride`."""
    step = stride(spec)
    return None if step is None else -(-(samples // hop(spec) + 1) // step)


def seconds_per_token(spec: AudioSpec) -> float | None:
    step = stride(spec)
    return None if step is None else step * hop(spec) / spec.sample_rate


class AudioColumn:
    """An audio file in any container that libsndfile or FFmpeg reads -> int16 [T], T at least 1.

    Channels are averaged, or the loudest is taken where they cancel out; a clip longer than
    `seconds` is cropped before it is resampled.

    State: with a pretrained encoder its `config` and `preprocessor`, under `pretrained`.
    """

    version = 2
    not_decoding: ClassVar = frozenset({"pretrained"})

    def __init__(self, spec: AudioSpec, state: State | None = None):
        self.spec = spec
        self.state: State = state or {}
        self.storage = Storage("int16", (), ragged=True)

    def fit(self, cells: Iterable[Cell]) -> State:
        """Reads a pretrained encoder's preprocessing; nothing is learned from the cells."""
        encoder: Any = self.spec.encoder
        if encoder.raw:
            self.state = {"pretrained": read_folder(encoder, SOUNDS)}
            _check_reader(self.spec, encoder, self.state["pretrained"]["preprocessor"])
        return self.state

    def decode(self, cell: Cell) -> np.ndarray | None:
        """bytes or Path -> int16 [T] in units of 1/32768; None if absent. Raises BadCell."""
        source = cell if isinstance(cell, Path) else media.locate(cell, root=None)
        if source is None:
            return None
        spec = self.spec
        most = min(spec.seconds, spec.max_seconds or spec.seconds) if spec.windows else None
        if isinstance(source, Path):
            media.check(source, spec.max_bytes)
        else:
            source = BytesIO(media.read(source, spec.max_bytes))
        try:
            wave, rate = read_wave(
                source, spec.seconds, spec.crop, spec.sample_rate if spec.gain == 1 else None,
                most or spec.max_seconds,
            )  # fmt: skip
        except OSError as error:
            raise BadCell(f"the file can't be read ({error.strerror or error})") from error
        if wave.dtype == np.int16:
            return wave
        if not np.isfinite(wave).all():
            raise BadCell("has samples that are not finite numbers")
        if rate != spec.sample_rate:
            # A single sample can round to none at a lower rate; it is still a clip.
            resampled = soxr.resample(wave, rate, spec.sample_rate, quality="HQ")
            wave = resampled if len(resampled) else wave[:1]
        wave = wave[: max(1, round(spec.seconds * spec.sample_rate))]
        wave = wave * np.float32(32768 * spec.gain)
        # Clipped, since a sample over full scale would wrap round to the other sign. In place:
        # fresh memory for each of these passes costs more than the pass.
        np.rint(np.clip(wave, -32768, 32767, out=wave), out=wave)
        return wave.astype(np.int16)  # [T]

    def describe(self) -> Description:
        text = "A sound (WAV, FLAC, Ogg, MP3, M4A, WebM, …) as base64 or a data URI."
        schema: dict[str, Any] = {
            "type": "string",
            "contentEncoding": "base64",
            "contentMediaType": "audio/*",
            "description": f"{text} At most {self.spec.seconds:g} s of it are heard.",
        }
        return Description(schema, "audio/*", "audio")


def _check_reader(spec: AudioSpec, encoder: PretrainedSpec, told: dict[str, Any]) -> None:
    """Checks the options against a pretrained encoder's preprocessing. Raises ConfigError."""
    if told.get("sampling_rate") != spec.sample_rate:
        raise ConfigError(
            f"sample_rate: its encoder reads {told.get('sampling_rate')}, not {spec.sample_rate}."
        )
    most = told.get("chunk_length")
    if encoder.pad_to_seconds and not (most and encoder.pad_to_seconds <= most):
        least = f"fills clips to {most} s" if most else "fills no clips with silence"
        raise ConfigError(
            f"encoder.pad_to_seconds: {encoder.model} {least}, so not to "
            f"{encoder.pad_to_seconds:g}."
        )
    if most and spec.seconds > (most := encoder.pad_to_seconds or most):
        raise ConfigError(
            f"seconds: its encoder reads {most:g} s at most, not {spec.seconds:g}; with `windows`, "
            "longer recordings are transcribed too."
        )


def read_wave(
    source: BinaryIO | Path,
    seconds: float,
    crop: str,
    as_is: int | None = None,
    most: float | None = None,
) -> tuple[np.ndarray, int]:
    """Read an audio file -> float32 [T] in -1..1 (floats may exceed it), at its own rate, and
    that rate.

    At most `seconds` are kept, of the start, center or end; memory doesn't grow with the file.
    as_is: a rate; mono 16-bit samples at this rate are returned unchanged, int16.
    most: seconds; a longer clip is a BadCell.
    libsndfile reads a path without the interpreter's lock, so that other threads decode in
    parallel; for a Python file it would take the lock at every block.
    """
    try:
        return _with_soundfile(_name(source), seconds, crop, as_is, most)
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError) as error:
        with source.open("rb") if isinstance(source, Path) else nullcontext(source) as file:
            file.seek(0)
            head = file.read(512)
            file.seek(0)
            try:
                return _with_av(file, seconds, crop, most)
            except _av_errors() as other:
                raise BadCell(_reason(head, error)) from other


def _name(source: BinaryIO | Path) -> Any:
    """A path as libsndfile takes it: outside Windows names are bytes, not always valid UTF-8."""
    if not isinstance(source, Path):
        return source
    return str(source) if os.name == "nt" else os.fsencode(source)


def _reason(head: bytes, error: Exception) -> str:
    found = media.name_format(head)
    if found and "run `git" in found:
        return f"is {found}"
    if found and ("sound" in found or "MP4" in found or "WebM" in found):
        return f"is {found} that is damaged or cut off ({getattr(error, 'error_string', error)})"
    return f"is {found}, which can't be read as a sound" if found else "is not a sound"


def _with_soundfile(
    file: Any, seconds: float, crop: str, as_is: int | None, most: float | None
) -> tuple[np.ndarray, int]:
    with soundfile.SoundFile(file) as sound:
        rate, total = sound.samplerate, sound.frames
        _check(rate, sound.channels, total)
        _check_length(total, rate, most)
        limit = max(1, round(seconds * rate))
        start = _start(total, limit, crop)
        if start:
            sound.seek(start)
        expected = min(limit, total - start)
        plain = rate == as_is and sound.channels == 1 and sound.subtype == "PCM_16"
        dtype = "int16" if plain else "float32"
        blocks: list[np.ndarray] = []
        kept = 0
        while kept < expected:
            block = sound.read(min(BLOCK, expected - kept), dtype=dtype, always_2d=True)
            if not len(block):
                raise BadCell(f"is cut off after {(start + kept) / rate:.2f} s")
            blocks.append(block)
            kept += len(block)
        for promised, there in _SIZES.findall(sound.extra_info):
            if int(there) < int(promised) < UNKNOWN_SIZE:
                raise BadCell(f"is cut off: {there} of {promised} bytes of samples are there")
        return mix(blocks[0] if len(blocks) == 1 else np.concatenate(blocks)), rate


def _with_av(
    file: BinaryIO, seconds: float, crop: str, most: float | None
) -> tuple[np.ndarray, int]:
    total = 0
    if crop != "start" or most:  # containers often lack their length: count, then read again
        for block, rate in _av_blocks(file):
            total += len(block)
            _check_length(total, rate, most)
        file.seek(0)
    blocks: list[np.ndarray] = []
    position, kept, limit, rate, start = 0, 0, 1, 0, 0
    with closing(_av_blocks(file)) as waves:
        for block, rate in waves:
            limit = max(1, round(seconds * rate))
            start = _start(total, limit, crop) if total else 0
            piece = block[max(0, start - position) : max(0, start + limit - position)]
            position += len(block)
            blocks.append(piece)
            kept += len(piece)
            if kept >= limit:
                break
    if not kept:
        raise BadCell("has no samples")
    return mix(np.concatenate(blocks)), rate


def mix(wave: np.ndarray) -> np.ndarray:
    """[T, C] -> [T]: the mean of the channels; the loudest one where they cancel out, as the two
    channels of a balanced recording do."""
    if wave.shape[1] == 1:
        return wave[:, 0]
    mean = wave.mean(axis=1, dtype=np.float32)
    power = np.square(wave, dtype=np.float64).mean(axis=0)  # [C]
    loudest = int(np.argmax(power))
    if np.square(mean, dtype=np.float64).mean() < CANCELLED**2 * power[loudest]:
        return np.ascontiguousarray(wave[:, loudest])
    return mean


def _av_blocks(file: BinaryIO) -> Generator[tuple[np.ndarray, int], None, None]:
    """float32 [T, C] blocks of the first audio track, and their rate."""
    import av

    options = {"format_whitelist": CONTAINERS}
    with av.open(file, mode="r", options=options, metadata_errors="ignore") as container:
        if not container.streams.audio:
            raise BadCell("has no sound track")
        stream = container.streams.audio[0]
        resampler, rate = None, 0
        for frame in container.decode(stream):
            if resampler is None:
                rate = frame.sample_rate
                _check(rate, frame.layout.nb_channels, None)
                resampler = av.AudioResampler(format="fltp", layout=frame.layout, rate=rate)
            for plain in resampler.resample(frame):
                yield plain.to_ndarray().T.astype(np.float32, copy=False), rate


def _av_errors() -> tuple[type[Exception], ...]:
    from av.error import FFmpegError

    return (FFmpegError, OSError, ValueError, IndexError, EOFError, RuntimeError, MemoryError)


def _check(rate: int, channels: int, frames: int | None) -> None:
    if not RATES[0] <= rate <= RATES[1]:
        raise BadCell(f"claims {rate} samples per second")
    if channels > MAX_CHANNELS:
        raise BadCell(f"has {channels} channels, more than {MAX_CHANNELS}")
    if frames == 0:
        raise BadCell("has no samples")


def _check_length(frames: int, rate: int, most: float | None) -> None:
    if most and frames > most * rate:
        raise BadCell(f"is longer than max_seconds={most:g}")


def _start(total: int, limit: int, crop: str) -> int:
    """The first frame to keep of a clip of `total` frames."""
    spare = max(0, total - limit)
    return {"start": 0, "center": spare // 2, "end": spare}[crop]
