"""Sounds: any container, rate and channel count ends as one channel at the asked rate."""

import io

import damaged
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbm.errors import BadCell
from mmbm.kinds.audio.column import AudioColumn
from mmbm.kinds.audio.spec import AudioSpec


def decode(cell, **options) -> np.ndarray:
    return AudioColumn(AudioSpec(**{"sample_rate": 8000, **options})).decode(cell)


def loudest_hertz(wave: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(wave.astype(float) * np.hanning(len(wave))))
    return float(spectrum.argmax() * rate / len(wave))


def test_16_bit_samples_at_the_asked_rate_are_kept_exactly():
    samples = np.array([-32768, -1, 0, 1, 12345, 32767], np.int16)

    np.testing.assert_array_equal(decode(damaged.sound(samples)), samples)


@pytest.mark.parametrize("format", damaged.SOUND_FORMATS)
@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_a_tone_keeps_its_pitch_length_and_loudness(format: str, rate: int):
    wave = decode(damaged.sound(damaged.tone(0.5, rate), rate, format), sample_rate=16000)

    assert abs(loudest_hertz(wave, 16000) - 440) < 5
    assert abs(len(wave) - 8000) < 1200  # MP3 and Ogg pad
    assert abs(np.abs(wave[2000:6000]).max() / 32768 - 0.5) < 0.05


def test_a_container_that_libsndfile_does_not_know_is_read():
    wave = decode(damaged.m4a(damaged.tone(0.5, 16000)), sample_rate=16000)

    assert abs(loudest_hertz(wave, 16000) - 440) < 5
    assert abs(len(wave) - 8000) < 2100


def test_channels_are_averaged():
    left, right = np.full(100, 0.5), np.full(100, -0.25)

    wave = decode(damaged.sound(np.stack([left, right], axis=1)))

    assert set(wave) == {4096}


def test_a_high_tone_does_not_fold_into_a_low_one():
    hiss = damaged.sound(damaged.tone(0.5, 48000, hertz=7000), 48000)

    wave = decode(hiss, sample_rate=8000)  # Nyquist 4 kHz

    assert np.abs(wave[500:-500]).max() < 40


@pytest.mark.parametrize(("crop", "level"), [("start", 0.1), ("center", 0.2), ("end", 0.3)])
@pytest.mark.parametrize("container", ["wav", "flac", "m4a"])
def test_a_long_clip_is_cropped_where_asked(crop: str, level: float, container: str):
    # 440 Hz throughout, at three loudnesses of one second each
    wave = np.concatenate([damaged.tone(1, 16000) * 2 * part for part in (0.1, 0.2, 0.3)])
    data = damaged.m4a(wave) if container == "m4a" else damaged.sound(wave, 16000, container)

    kept = decode(data, sample_rate=16000, seconds=0.5, crop=crop)

    assert len(kept) == 8000
    assert abs(np.abs(kept[2400:-2400]).max() / 32768 - level) < 0.03


def test_only_the_kept_part_of_a_long_file_is_in_memory(tmp_path):
    path = tmp_path / "long.flac"
    with soundfile.SoundFile(path, "w", 8000, 1) as file:
        for _ in range(60):
            file.write(np.zeros(8000 * 60, np.int16))  # an hour

    import tracemalloc

    tracemalloc.start()
    wave = decode(path, seconds=2, crop="end")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert len(wave) == 16000
    assert peak < 3_000_000


def test_one_sample_is_a_sound_at_any_rate():
    for rate in (8000, 16000, 48000, 192000):
        assert len(decode(damaged.sound(np.ones(1, np.float32) / 2, rate))) >= 1


def test_too_loud_samples_are_clipped_not_wrapped_round():
    loud = damaged.sound(np.array([3.0, -3.0], np.float32), subtype="FLOAT")

    assert decode(loud).tolist() == [32767, -32768]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (damaged.sound(np.zeros(0, np.float32)), "no samples"),
        (damaged.sound(np.full(9, np.nan, np.float32), subtype="FLOAT"), "not finite"),
        (damaged.sound(np.full(9, -np.inf, np.float32), subtype="FLOAT"), "not finite"),
        (damaged.sound(np.zeros((9, 200), np.float32)), "200 channels"),
        (damaged.sound()[:2000], "cut off"),
        (
            damaged.sound(np.random.default_rng(0).normal(0, 0.1, 9000), format="FLAC")[:5000],
            "cut off",
        ),
        (damaged.m4a(damaged.tone(rate=16000))[:2000], "damaged or cut off"),
        (damaged.picture(), "a PNG picture, which can't be read as a sound"),
        (b"#EXTM3U\nfile:///etc/hostname\n", "a playlist"),
        (b"words", "is not a sound"),
        (b"", "is empty"),
    ],
)
def test_what_is_no_whole_sound_is_refused_by_name(cell: bytes, reason: str):
    with pytest.raises(BadCell, match=reason):
        decode(cell)


def test_a_video_without_sound_says_so():
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    with pytest.raises(BadCell, match="no sound track"):
        decode(buffer.getvalue())


def test_a_wav_of_unknown_length_as_a_pipe_writes_it_is_read():
    data = bytearray(damaged.sound())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"

    assert len(decode(bytes(data))) == 4000


@settings(max_examples=150, deadline=None)
@given(
    format=st.sampled_from(damaged.SOUND_FORMATS),
    seed=st.integers(0, 2**32),
    count=st.integers(2, 30),
)
def test_any_damage_gives_a_sound_or_bad_cell(format: str, seed: int, count: int):
    data = damaged.flipped(damaged.sound(format=format), seed, count)
    try:
        wave = decode(data, seconds=0.25)
    except BadCell:
        return
    assert 1 <= len(wave) <= 2000
    assert wave.dtype == np.int16


def test_real_recordings_are_read_at_the_asked_rate(data):
    clips = sorted((data / "fsdd" / "audio").glob("*.flac"))[:20]
    for clip in clips:
        info = soundfile.info(clip)
        wave = decode(clip, sample_rate=16000)
        assert abs(len(wave) - 16000 * info.frames / info.samplerate) <= 2
        assert wave.std() > 50


def loudness(cell: bytes, **options) -> float:
    return float(np.sqrt(np.mean(np.square(decode(cell, **options).astype(float)))))


TONE = damaged.tone(0.5)
FULL = float(np.sqrt(np.mean(np.square(TONE * 32768.0))))


@pytest.mark.parametrize("scale", [-1.0, -0.95])
@pytest.mark.parametrize("format", ["WAV", "FLAC"])
def test_channels_that_cancel_out_are_not_averaged_to_silence(scale: float, format: str):
    stereo = np.stack([TONE, TONE * scale], axis=1)

    assert loudness(damaged.sound(stereo, format=format)) == pytest.approx(FULL, rel=0.01)


def test_channels_are_averaged_as_long_as_something_is_left():
    other = damaged.tone(0.5, hertz=1000)

    assert loudness(damaged.sound(np.stack([TONE, other], axis=1))) == pytest.approx(
        FULL / np.sqrt(2), rel=0.02
    )
    assert loudness(damaged.sound(np.stack([TONE, 0 * TONE], axis=1))) == pytest.approx(
        FULL / 2, rel=0.01
    )


@pytest.mark.parametrize(
    ("samples", "subtype", "gain"),
    [
        (TONE * 32768, "FLOAT", 1 / 32768),
        ((TONE * 32767).astype(np.int32), "PCM_32", 65536.0),
        (TONE, "PCM_16", 1.0),
    ],
)
def test_samples_of_another_scale_are_brought_to_full_scale(samples, subtype: str, gain: float):
    sound = damaged.sound(samples, subtype=subtype)

    assert loudness(sound, gain=gain) == pytest.approx(FULL, rel=0.01)


@given(st.sampled_from([b"RIFF\x24\0\0\0WAVEfmt ", b"fLaC", b"OggS", b"ID3", b""]), st.binary())
def test_any_bytes_are_a_sound_or_a_bad_cell(start, rest):
    column = AudioColumn(AudioSpec(kind="audio", sample_rate=8000, seconds=1))
    try:
        wave = column.decode(start + rest)
    except BadCell:
        return
    assert wave is None or len(wave) <= 8000
