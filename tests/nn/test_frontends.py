"""Everything numeric after decoding is in a frontend, and these are its promises."""

import numpy as np
import pytest
import torch
from battery import Flat, answers, column, exported, field, gap
from torch import nn

from mmbm.kinds.audio.frontend import LogMel, mel_filters, to_hertz, to_mel
from mmbm.kinds.audio.spec import AudioAugment, AudioSpec
from mmbm.kinds.category.frontend import CategoryFrontend
from mmbm.kinds.category.spec import CategorySpec
from mmbm.kinds.date.frontend import DateFrontend
from mmbm.kinds.date.spec import DateSpec
from mmbm.kinds.image.frontend import ImageFrontend
from mmbm.kinds.image.spec import ImageAugment, ImageSpec
from mmbm.kinds.labels.frontend import LabelsFrontend
from mmbm.kinds.labels.spec import LabelsSpec
from mmbm.kinds.number.column import NumberColumn
from mmbm.kinds.number.frontend import NumberFrontend
from mmbm.kinds.number.spec import NumberSpec
from mmbm.kinds.series.frontend import SeriesFrontend
from mmbm.kinds.series.spec import SeriesSpec
from mmbm.kinds.text.frontend import TextFrontend
from mmbm.kinds.text.spec import TextSpec
from mmbm.kinds.vector.frontend import VectorFrontend
from mmbm.kinds.vector.spec import VectorSpec
from mmbm.layers.batch import Features, Field
from mmbm.layers.blocks import MaskedBatchNorm

RATE = 16000
KINDS = ("image", "audio", "text", "number", "category", "labels", "date", "vector", "series")


SERIES = {
    "channels": ["a", "b", "c"], "mean": [1.0, 0.0, -5.0], "std": [2.0, 1.0, 3.0],
    "gap": 1.5, "duration": 20.0,
}  # fmt: skip


def make(kind: str) -> nn.Module:
    torch.manual_seed(0)
    number = {"mean": 50.0, "std": 25.0, "edges": [0.0, 25.0, 50.0, 75.0, 100.0]}
    build = {
        "image": lambda: ImageFrontend(ImageSpec(size=12), column()),
        "audio": lambda: LogMel(AudioSpec(sample_rate=RATE), column()),
        "text": lambda: TextFrontend(TextSpec(), column({"vocab_size": 300})),
        "number": lambda: NumberFrontend(NumberSpec(), column(number)),
        "category": lambda: CategoryFrontend(CategorySpec(), column({"values": ["a", "b"]})),
        "labels": lambda: LabelsFrontend(LabelsSpec(), column(shape=(4,))),
        "series": lambda: SeriesFrontend(SeriesSpec(), column(SERIES)),
        "vector": lambda: VectorFrontend(
            VectorSpec(), column({"length": 5, "mean": [0.5] * 5, "std": [2.0] * 5})
        ),
        "date": lambda: DateFrontend(DateSpec(), column({"mean": 19_000.5, "std": 30.0})),
    }
    return build[kind]().eval()


def example(kind: str, lengths: list[int]) -> Field:
    """Random cells; lengths count samples or tokens and are 1 for the other kinds."""
    rows, size = len(lengths), max(lengths)
    whole = [1] * rows
    if kind == "image":
        return field(torch.randint(0, 256, (rows, 12, 12, 3), dtype=torch.uint8), whole)
    if kind == "number":
        return field(torch.rand(rows, dtype=torch.float64) * 100, whole)
    if kind == "category":
        return field(torch.randint(0, 3, (rows,), dtype=torch.int32), whole)
    if kind == "labels":
        return field(torch.randint(0, 2, (rows, 4), dtype=torch.uint8), whole)
    if kind == "vector":
        return field(torch.randn(rows, 5), whole)
    if kind == "date":
        return field(torch.rand(rows, 7) + torch.tensor([19_000, *[0] * 6]), whole)
    real = torch.arange(size) < torch.tensor(lengths)[:, None]
    if kind == "series":
        steps = torch.cat([torch.rand(rows, size, 1).cumsum(1), torch.randn(rows, size, 3),
                           (torch.rand(rows, size, 3) < 0.4).float()], 2)  # fmt: skip
        return field(steps * real[..., None], lengths)
    if kind == "text":
        return field(torch.randint(1, 300, (rows, size), dtype=torch.int32) * real, lengths)
    return field(torch.randint(-9999, 9999, (rows, size), dtype=torch.int16) * real, lengths)


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    return request.param


# ── every frontend ───────────────────────────────────────────────────────────────────────────────


def test_layout_and_features_say_what_comes_out(kind):
    front = make(kind)
    x, keep = front(example(kind, [800, 100]))
    axis = {"picture": 1, "frames": 2, "tokens": 2, "vector": 1}[front.layout]
    assert x.shape[axis] == front.features
    assert (keep is None) == (front.layout in ("picture", "vector"))


def test_a_row_is_the_same_alone_and_in_any_batch(kind):
    front, lengths = make(kind), [900, 1, 2, 160, 401]
    batch = example(kind, lengths)
    together = front(batch)
    for row, length in enumerate(lengths):
        values = batch.values[row : row + 1]
        ragged = together.keep is not None
        alone = front(field(values[:, :length] if ragged else values, [length if ragged else 1]))
        if ragged:
            assert alone.keep.all()
            assert together.keep[row].sum() == alone.keep.shape[1]
        size = alone.x.shape[1]
        assert (together.x[row, :size] - alone.x[0]).abs().max() <= 1e-5
        assert not ragged or (together.x[row, size:] == 0).all()


def test_autocast_leaves_it_in_float32(kind):
    front, batch = make(kind), example(kind, [900, 3])
    with torch.autocast("cpu", torch.bfloat16):
        x, _ = front(batch)
    assert x.dtype == torch.float32
    assert torch.equal(x, front(batch).x)


def test_onnx_answers_as_torch_at_any_batch_and_length(kind, tmp_path):
    module = Flat(make(kind))

    def tensors(lengths: list[int]) -> dict[str, torch.Tensor]:
        cells = example(kind, lengths)
        return {"values": cells.values, "lengths": cells.lengths}

    ragged = {"values": "length"} if kind in ("audio", "text", "series") else {}
    run = exported(module, tensors([700, 300]), ragged, tmp_path / "frontend.onnx")
    sizes = ([1], [900], [1] * 5, [401, 1, 160], [50_000, 2])
    for lengths in sizes:
        batch = tensors(lengths)
        # Log-mel: float32 sums of 400 terms in another order, then a logarithm.
        assert gap(run(**batch), answers(module, **batch)) <= (5e-5 if kind == "audio" else 1e-5)


@pytest.mark.parametrize(
    "kind", ["text", "number", "category", "labels", "date", "vector", "series"], indirect=True
)
def test_gradients_reach_every_parameter(kind):
    front = make(kind).train()
    front(example(kind, [50] * 40)).x.sin()[..., :9].sum().backward()  # not 0 at 0, as a square is
    assert all(p.grad is not None and p.grad.any() for p in front.parameters())


# ── picture ──────────────────────────────────────────────────────────────────────────────────────

EVERYTHING = ImageAugment(flip=True, crop=0.3, random_erasing=0.5)


def ramp(rows: int) -> torch.Tensor:
    """Rows of one picture whose pixels all differ. [B, 8, 10, 1]"""
    return torch.arange(80, dtype=torch.uint8).view(1, 8, 10, 1).expand(rows, -1, -1, -1)


def test_pixels_become_about_zero_mean_and_unit_range():
    x = make("image")(field(torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1))).x
    assert x.flatten().tolist() == [-2.0, 2.0]


def test_a_picture_stays_channels_last_in_memory():
    x = make("image")(example("image", [1, 1])).x
    assert x.is_contiguous(memory_format=torch.channels_last)


def test_absent_pictures_do_not_move_the_statistics_of_the_batch():
    pixels = torch.randint(0, 256, (4, 12, 12, 3), dtype=torch.uint8)
    means = []
    for cells, present in ((pixels[[0, 2]], [True] * 2), (pixels, [True, False] * 2)):
        cells = cells * torch.tensor(present)[:, None, None, None]  # absent cells hold zeros
        front, norm = make("image").train(), MaskedBatchNorm(3)
        norm(front(field(cells)._replace(present=torch.tensor(present))).x)
        means.append(norm.running_mean)
    assert torch.allclose(*means)


def test_a_batch_without_any_picture_goes_through():
    front = make("image").train()
    none = Field(torch.zeros(3, 12, 12, 3), torch.ones(3), torch.zeros(3, dtype=torch.bool))
    assert front(none).x.isfinite().all()


def test_augmentation_does_nothing_in_evaluation():
    plain = ImageFrontend(ImageSpec(channels=1), column()).eval()
    front = ImageFrontend(ImageSpec(channels=1, augment=EVERYTHING), column()).eval()
    assert torch.equal(front(field(ramp(4))).x, plain(field(ramp(4))).x)


def test_augmentation_draws_for_each_row_and_repeats_with_the_seed():
    front = ImageFrontend(ImageSpec(channels=1, augment=EVERYTHING), column()).train()
    torch.manual_seed(3)
    first = front(field(ramp(32))).x
    torch.manual_seed(3)
    again = front(field(ramp(32))).x
    assert torch.equal(first, again)
    assert len({row.numpy().tobytes() for row in first}) > 16


def test_flip_mirrors_about_half_of_the_rows_and_changes_nothing_else():
    torch.manual_seed(0)
    front = ImageFrontend(ImageSpec(channels=1, augment=ImageAugment(flip=True)), column()).train()
    out, plain = front(field(ramp(400))).x, front.eval()(field(ramp(1))).x[0]
    mirrored = sum(torch.equal(row, plain.flip(-1)) for row in out)
    kept = sum(torch.equal(row, plain) for row in out)
    assert mirrored + kept == 400
    assert 150 < mirrored < 250


def test_crop_shifts_and_repeats_the_edge():
    torch.manual_seed(0)
    front = ImageFrontend(ImageSpec(channels=1, augment=ImageAugment(crop=0.25)), column()).train()
    out = front(field(ramp(200))).x * 63.75 + 127.5  # [B, 1, 8, 10], pixels 0..79
    down, across = out[:, 0, :, 5] // 10, out[:, 0, 4, :] % 10
    for lines, moved in ((down, 2), (across, 2)):
        steps = lines.diff(dim=1)
        assert set(steps.unique().tolist()) <= {0.0, 1.0}  # in order, edges repeated
        middle = lines[:, lines.shape[1] // 2] - lines.shape[1] // 2
        assert middle.abs().max() == moved


def test_erase_blanks_a_rectangle_in_a_part_of_the_rows():
    torch.manual_seed(0)
    spec = ImageSpec(channels=1, augment=ImageAugment(random_erasing=0.4))
    front = ImageFrontend(spec, column()).train()
    white = torch.full((500, 32, 32, 1), 255, dtype=torch.uint8)
    grey = front(field(white)).x[:, 0] == 0  # [B, 32, 32]
    erased = grey.flatten(1).any(1)
    assert 0.3 < erased.float().mean() < 0.5
    for hole in grey[erased]:
        assert torch.equal(hole, hole.any(1)[:, None] & hole.any(0))  # a full rectangle
    assert grey[erased].float().mean((1, 2)).max() < 0.4


# ── sound ────────────────────────────────────────────────────────────────────────────────────────


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


@pytest.mark.parametrize("value", [0.0, -1e308, 1e308, 5e-324, 1e19])
def test_a_number_far_outside_training_is_finite(value):
    x = make("number")(field(torch.tensor([value], dtype=torch.float64))).x
    assert x.isfinite().all()


def test_numbers_that_float32_cannot_tell_apart_are_told_apart():
    """Seconds since 1970: float32 has steps of 128 s there."""
    start = 1_700_000_000.0
    state = NumberColumn(NumberSpec()).fit([start + i for i in range(100)])
    front = NumberFrontend(NumberSpec(), column(state)).eval()
    seen = []
    front.mix.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    front(field(torch.tensor([start + 10, start + 11], dtype=torch.float64)))
    standardised = seen[0][:, 0].double() * state["std"] + state["mean"] - start
    assert standardised.tolist() == pytest.approx([10, 11], abs=1e-4)


def test_a_column_of_one_constant_is_finite():
    state = NumberColumn(NumberSpec()).fit([4.0] * 10)
    front = NumberFrontend(NumberSpec(), column(state)).eval()
    assert front(field(torch.tensor([4.0, 5.0, 0.0], dtype=torch.float64))).x.isfinite().all()


def test_bins_fill_one_after_the_other():
    front = make("number")
    seen = []
    front.mix.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    front(field(torch.tensor([-10.0, 60.0, 500.0], dtype=torch.float64)))
    assert seen[0][:, 1:].tolist() == [[0, 0, 0, 0], [1, 1, pytest.approx(0.4), 0], [1, 1, 1, 1]]


def test_a_value_is_hidden_now_and_then_in_training_so_that_unseen_is_learned():
    torch.manual_seed(0)
    front = make("category")
    batch = field(torch.ones(20_000, dtype=torch.int32))
    unseen = front.embed.weight[0]
    assert not (front(batch).x == unseen).all(1).any()
    hidden = (front.train()(batch).x == unseen).all(1).float().mean()
    assert 0.005 < hidden < 0.015


def test_labels_add_up_in_any_combination():
    front = make("labels")
    rows = torch.tensor([[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [1, 0, 1, 0]], dtype=torch.uint8)
    none, first, third, both = front(field(rows)).x
    assert torch.allclose(both - none, (first - none) + (third - none), atol=1e-6)


def test_a_text_frontend_is_as_wide_as_its_encoder_is_large():
    sizes = {}
    for size in ("tiny", "small", "base"):
        spec = TextSpec(encoder={"kind": "rnn", "size": size})
        sizes[size] = TextFrontend(spec, column({"vocab_size": 300})).features
    assert sizes["tiny"] < sizes["small"] < sizes["base"]


def test_an_encoder_of_the_users_own_may_have_an_option_called_size():
    spec = TextSpec(encoder={"kind": "mine.parts:Reader", "size": 12})
    assert TextFrontend(spec, column({"vocab_size": 300})).features == 128


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
