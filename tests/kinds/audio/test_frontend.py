"""Log-mel is what numpy computes; it takes the level away; masks are for training only."""

import numpy as np
import pytest
import torch
from battery import column, field
from frontends import example, make

from mmbm.kinds.audio.frontend import LogMel, mel_filters, to_hertz, to_mel
from mmbm.kinds.audio.spec import AudioAugment, AudioSpec
from mmbm.layers.batch import Features, Field

RATE = 16000


def reference(wave: np.ndarray, rate: int, bands: int) -> np.ndarray:
    """Log-mel of one clip by numpy's FFT, frame by frame, in float64."""
    window, hop = round(rate * 0.025), round(rate * 0.010)
    points, mel = mel_filters(rate, window, bands)
    hann = np.sin(np.pi * np.arange(window) / window) ** 2
    padded = np.concatenate([np.zeros(window // 2), wave / 32768, np.zeros(window)])
    frames = []
    for t in range(len(wave) // hop + 1):
        spectrum = np.fft.rfft(padded[t * hop : t * hop + window] * hann, points)
        frames.append(np.log(mel.double().numpy() @ np.abs(spectrum) ** 2 + 1e-5))
    x = np.stack(frames)
    x = x - x.mean()
    return x / np.sqrt(x.var() + 0.01)


@pytest.mark.parametrize(("rate", "bands"), [(16000, 64), (8000, 40), (22000, 80), (44100, 128)])
def test_log_mel_is_what_numpy_computes(rate, bands):
    rng = np.random.default_rng(0)
    time = np.arange(rate // 2) / rate
    tone = 9000 * np.sin(2 * np.pi * (300 + 2000 * time) * time)  # a rising tone in soft noise
    wave = np.rint(tone + 50 * rng.standard_normal(len(time))).astype(np.int16)
    front = LogMel(AudioSpec(sample_rate=rate, n_mels=bands), column()).eval()
    x, keep = front(field(torch.from_numpy(wave)[None], [len(wave)]))
    expected = reference(wave, rate, bands)
    assert keep.all()
    assert x[0].shape == expected.shape
    assert np.abs(x[0].numpy() - expected).max() < 1e-4  # float32 against float64


def test_a_higher_tone_is_in_a_higher_band():
    time = torch.arange(RATE) / RATE
    tones = torch.stack([(8000 * torch.sin(2 * torch.pi * f * time)) for f in (200, 1000, 5000)])
    x = make("audio")(field(tones.to(torch.int16), [RATE] * 3)).x
    loudest = x[:, 50].argmax(-1)
    hertz = 700 * (10 ** (torch.tensor([200, 1000, 5000]) / 2595) - 1)
    assert (loudest.diff() > 5).all(), hertz


def test_loudness_is_normalised_away_and_the_tone_is_not():
    time = torch.arange(RATE) / RATE
    loud = 20000 * torch.sin(2 * torch.pi * 700 * time)
    other = 20000 * torch.sin(2 * torch.pi * 2100 * time)
    x = make("audio")(field(torch.stack([loud, loud / 4, other]).to(torch.int16), [RATE] * 3)).x
    assert (x[0] - x[2]).abs().mean() > 3 * (x[0] - x[1]).abs().mean()


def test_within_a_range_neither_level_nor_soft_noise_tells():
    torch.manual_seed(0)
    time = torch.arange(RATE) / RATE
    word = torch.sin(2 * torch.pi * 700 * time) * (time > 0.4) * (time < 0.6)
    noisy = 200 * word + 0.5 * torch.randn(RATE)
    both = torch.stack([20000 * word, noisy]).round().to(torch.int16)
    gaps = {}
    for decibels in (None, 30):
        front = LogMel(AudioSpec(sample_rate=RATE, top_db=decibels), column()).eval()
        x = front(field(both, [RATE] * 2)).x
        gaps[decibels] = (x[0] - x[1]).abs().mean()
    assert gaps[30] < gaps[None] / 10


def test_what_is_within_the_range_is_the_clips_own_whatever_stands_beside_it():
    front = LogMel(AudioSpec(sample_rate=RATE, top_db=50), column()).eval()
    batch = example("audio", [900, 400])
    batch.values[0] //= 50
    for i, length in enumerate([900, 400]):
        alone = front(field(batch.values[i : i + 1, :length], [length]))
        assert torch.allclose(front(batch).x[i, : alone.x.shape[1]], alone.x[0], atol=1e-5)


@pytest.mark.parametrize("length", [1, 2, 159, 160, 161, 399, 400])
@pytest.mark.parametrize("level", [0, 1, 32767, -32768])
@pytest.mark.parametrize("decibels", [None, 50])
def test_short_silent_and_clipped_sounds_stay_finite(length, level, decibels):
    front = LogMel(AudioSpec(sample_rate=RATE, top_db=decibels), column()).train()
    x, keep = front(field(torch.full((2, length), level, dtype=torch.int16), [length] * 2))
    assert x.isfinite().all()
    assert x.shape[1] == length // 160 + 1
    assert x.abs().max() < 50
    assert keep.all()


@pytest.mark.parametrize("rate", [100, 4000, 11025, 48000, 192000])
@pytest.mark.parametrize("bands", [1, 64, 200])
def test_every_mel_band_hears_something_at_any_rate(rate, bands):
    _, mel = mel_filters(rate, max(2, 2 * round(rate * 0.0125)), bands)
    assert (mel.sum(1) > 0).all()
    assert len(mel) == bands


def test_masks_are_drawn_per_clip_in_training_only_and_never_touch_padding():
    torch.manual_seed(0)
    augment = AudioAugment(freq_mask=20, time_mask=0.3)
    front = LogMel(AudioSpec(sample_rate=RATE, augment=augment), column())
    clip = example("audio", [8000] * 6).values[:1].expand(6, -1)
    batch = field(clip, [8000, 8000, 8000, 8000, 8000, 4000])
    plain, masked = front.eval()(batch).x, front.train()(batch).x
    changed = (plain != masked).flatten(1)  # rows differ in where they are masked
    assert changed[:5].any(1).all()
    assert not torch.equal(changed[0], changed[1])
    assert torch.equal(masked[plain != masked], torch.zeros(int(changed.sum())))
    assert changed.float().mean() < 0.75


def test_no_masks_when_they_are_turned_off():
    front = LogMel(
        AudioSpec(sample_rate=RATE, augment=AudioAugment(freq_mask=0, time_mask=0)), column()
    )
    batch = example("audio", [4000, 2000])
    assert torch.equal(front.train()(batch).x, front.eval()(batch).x)


def changed(batch: Field, **augment: float) -> Features:
    torch.manual_seed(0)
    spec = AudioSpec(sample_rate=RATE, augment=AudioAugment(freq_mask=0, time_mask=0, **augment))
    return LogMel(spec, column()).train()(batch)


def tones(hertz: float, seconds: list[float]) -> Field:
    time = torch.arange(int(max(seconds) * RATE)) / RATE
    wave = (8000 * torch.sin(2 * torch.pi * hertz * time)).to(torch.int16)
    return field(wave.expand(len(seconds), -1).clone(), [int(s * RATE) for s in seconds])


def test_noise_fills_what_is_silent_differently_in_each_clip_and_leaves_the_tone():
    batch = tones(1500, [0.5] * 8)
    plain, noisy = changed(batch).x[:, 10:40], changed(batch, noise_snr=20).x[:, 10:40]
    assert torch.equal(noisy[:, 10].argmax(1), plain[:, 10].argmax(1))
    silent = plain[0, 20] < plain[0, 20].mean()  # bands
    spread = [x[:, :, silent].std(dim=1).mean(1) for x in (plain, noisy)]
    assert (spread[1] > 3 * spread[0]).all()
    level = noisy[:, :, silent].mean((1, 2))
    assert len(set(level.tolist())) == 8


def test_warp_moves_a_tone_to_neighbouring_bands_differently_in_each_clip():
    batch = tones(1500, [0.5] * 8)
    plain, warped = changed(batch).x[:, 20].argmax(1), changed(batch, vtlp=0.2).x[:, 20].argmax(1)
    assert len(set(warped.tolist())) > 3
    step = to_mel(torch.tensor(RATE / 2)) / 65  # between two of 64 bands
    hertz = to_hertz(step * (warped + 1)) / to_hertz(step * (plain + 1))
    assert ((hertz - 1).abs() <= 0.25).all()  # 0.2 either way, and half a band


def test_speed_makes_clips_longer_and_shorter_and_leaves_the_pitch():
    batch = tones(1500, [0.5] * 8)
    plain, played = changed(batch), changed(batch, tempo=0.2)
    assert plain.keep is not None
    assert played.keep is not None
    ratio = played.keep.sum(1) / plain.keep.sum(1)
    assert len(set(ratio.tolist())) > 3
    assert ((ratio > 1 / 1.22) & (ratio < 1 / 0.78)).all()
    middle = plain.keep.sum(1).min() // 2
    assert torch.equal(played.x[:, middle].argmax(1), plain.x[:, middle].argmax(1))
    assert not played.x[~played.keep].any()


# ── number, category, labels, text ───────────────────────────────────────────────────────────────


def test_what_a_microphone_adds_to_every_frame_is_taken_away_band_by_band():
    """A filter that doesn't change in time, and frames that don't change either: a hum."""
    torch.manual_seed(0)
    speech = torch.randn(1, RATE) * torch.linspace(0, 1, RATE)
    muffled = torch.nn.functional.conv1d(speech[:, None], torch.ones(1, 1, 5) / 5, padding=2)[:, 0]
    both = (torch.cat([speech, muffled]) * 5000).to(torch.int16)
    gaps = {}
    for way in ("utterance", "band"):
        front = LogMel(AudioSpec(sample_rate=RATE, normalize=way), column()).eval()
        x = front(field(both, [RATE] * 2)).x
        gaps[way] = (x[0] - x[1]).abs().mean()
        if way == "band":
            assert x.mean(1).abs().max() < 1e-4
    assert gaps["band"] < gaps["utterance"] / 3
