"""Audio: int16 samples -> log-mel spectrogram, normalized per clip; augmented in training."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmbm.kinds.audio.column import hop
from mmbm.kinds.audio.spec import AudioSpec
from mmbm.kinds.column import Column
from mmbm.layers.batch import Features, Field
from mmbm.layers.blocks import along_time, in_float32, valid

WINDOW = 0.025  # seconds, usual for speech
FLOOR = 1e-5
"""Added to a band: 90 dB under a full-scale tone and above the float32 noise of the DFT."""

FAINTEST, COLOUR = 60.0, 4.0
"""Decibels, for added noise: the lowest level and the spread of its spectrum."""


class LogMel(nn.Module):
    """Frame t is centred on sample t·hop; the clip is padded with silence on both sides."""

    layout = "frames"
    basis: Tensor
    mel: Tensor

    def __init__(self, spec: AudioSpec, column: Column):
        super().__init__()
        self.features = spec.n_mels
        self.augment, self.each_band = spec.augment, spec.normalize == "band"
        self.range = spec.top_db
        self.rate = spec.sample_rate
        self.window = max(2, 2 * round(spec.sample_rate * WINDOW / 2))
        self.hop = hop(spec)
        points, mel = mel_filters(spec.sample_rate, self.window, spec.n_mels)
        self.register_buffer("basis", fourier(self.window, points), persistent=False)
        self.register_buffer("mel", mel, persistent=False)

    @torch.no_grad()
    @in_float32
    def forward(self, field: Field) -> Features:
        x = self.power(field)
        if self.training and self.augment.noise_snr:
            x = add_noise(x, self.augment.noise_snr)
        x = logarithm(x, self.range).transpose(1, 2)  # [B, T', bands]
        frames = field.lengths // self.hop + 1  # [B]
        if self.training and self.augment.vtlp:
            x = vtlp(x, self.augment.vtlp, self.rate)
        if self.training and self.augment.tempo:
            x, frames = tempo(x, frames, self.augment.tempo)
        keep = valid(frames, x.shape[1])
        x = normalize(x, keep, self.each_band)
        if self.training:
            x = freq_mask(x, self.augment.freq_mask)
            x = time_mask(x, keep, self.augment.time_mask)
        return Features(x, keep)

    def power(self, field: Field) -> Tensor:
        """Power of each mel band and frame [B, bands, T']."""
        x = field.values.float() / 32768.0  # [B, T]
        x = F.pad(x, (self.window // 2, self.window // 2))
        x = F.conv1d(x[:, None], self.basis, stride=self.hop)  # [B, 2K, T']
        real, imaginary = x.square().chunk(2, dim=1)
        return self.mel @ (real + imaginary)

    @torch.no_grad()
    @in_float32
    def spectrogram(self, field: Field) -> tuple[Tensor, Tensor]:
        """Log power [B, T', bands], neither normalized nor augmented, and the frames of a clip
        [B, T']."""
        x = logarithm(self.power(field), None).transpose(1, 2)
        return x, valid(field.lengths // self.hop + 1, x.shape[1])


class Wave(nn.Module):
    """The raw samples, for an encoder that reads waveforms."""

    layout = "wave"
    features = 1

    def __init__(self, spec: AudioSpec, column: Column):
        super().__init__()
        self.hop = hop(spec)

    def forward(self, field: Field) -> Features:
        x = field.values.float() / 32768.0  # [B, T]
        return Features(x, valid(field.lengths, x.shape[1]))


def logarithm(x: Tensor, below: float | None) -> Tensor:
    """Floor of a power [B, bands, T']: fixed, or `below` decibels under the clip's loudest
    place."""
    if below is None:
        return (x + FLOOR).log()
    loudest = x.amax((1, 2), keepdim=True).clamp(min=FLOOR)  # padding is silent
    return (x / loudest + 10 ** (-below / 10)).log()


def normalize(x: Tensor, keep: Tensor, each_band: bool = False) -> Tensor:
    """Zero mean and unit variance over a clip's valid frames and bands; padding is zero. The mean
    is that of the clip, or of each band."""
    mask = keep[..., None]
    frames = keep.sum(1)[:, None, None]
    mean = (x * mask).sum(1, keepdim=True) / frames  # [B, 1, bands]
    x = (x - (mean if each_band else mean.mean(2, keepdim=True))) * mask
    var = x.square().sum((1, 2), keepdim=True) / (frames * x.shape[2])
    return x * torch.rsqrt(var + 0.01)  # silence stays zero instead of being amplified to noise


def add_noise(x: Tensor, least: float) -> Tensor:
    """Each clip's power [B, bands, T'] with added noise whose spectrum is a smooth random curve,
    `least` to FAINTEST decibels under the clip's loudest place."""
    draw = torch.rand(len(x), 1, 1, device=x.device)
    level = -least - (FAINTEST - least) * draw  # decibels
    points = COLOUR * torch.randn(len(x), 1, 4, device=x.device)
    colour = F.interpolate(points, size=x.shape[1], mode="linear", align_corners=True)
    power = -torch.rand(2, *x.shape, device=x.device).clamp(min=1e-7).log().mean(0)  # 1 on average
    loudest = x.amax((1, 2), keepdim=True)
    return x + loudest * 10 ** ((level + colour.transpose(1, 2)) / 10) * power


def vtlp(x: Tensor, most: float, rate: int) -> Tensor:
    """Vocal tract length perturbation (Jaitly & Hinton 2013): each clip's frequencies multiplied by
    1 ± `most`; the highest band is repeated at the upper end. [B, T', bands]"""
    bands = x.shape[2]
    factor = 1 + most * (2 * torch.rand(len(x), 1, device=x.device) - 1)
    step = to_mel(torch.tensor(rate / 2)) / (bands + 1)  # between the centres of two bands
    centre = to_hertz(step * torch.arange(1, bands + 1)).to(x.device)
    place = to_mel(centre * factor) / step.to(x.device) - 1  # [B, bands]
    return between(x.transpose(1, 2), place).transpose(1, 2)


def tempo(x: Tensor, frames: Tensor, most: float) -> tuple[Tensor, Tensor]:
    """Tempo perturbation by up to `most` (Ko et al. 2015): x [B, T'', bands], and the number of
    valid frames [B]."""
    factor = 1 + most * (2 * torch.rand(len(x), 1, device=x.device) - 1)
    longest = math.ceil((x.shape[1] - 1) / (1 - most)) + 1
    place = torch.arange(longest, device=x.device) * factor  # [B, T'']
    last = (frames - 1)[:, None]
    return between(x, place.minimum(last)), ((last / factor).floor().long() + 1)[:, 0]


def between(x: Tensor, place: Tensor) -> Tensor:
    """Rows of x [B, N, D] at fractional places [B, M], linearly between the two nearest."""
    place = place.clamp(0, x.shape[1] - 1)
    low = place.floor()
    part = (place - low)[..., None]
    index = low.long()
    above = (index + 1).clamp(max=x.shape[1] - 1)
    return along_time(x, index) * (1 - part) + along_time(x, above) * part


def freq_mask(x: Tensor, widest: int) -> Tensor:
    """Two frequency masks a clip over up to `widest` bands (SpecAugment, Park et al. 2019)."""
    band = torch.arange(x.shape[2], device=x.device)
    for _ in range(2 if widest else 0):
        draw = torch.rand(2, len(x), 1, device=x.device)
        size = draw[0] * min(widest, x.shape[2])
        start = draw[1] * (x.shape[2] - size)
        hidden = (band >= start) & (band < start + size)  # [B, bands]
        x = x.masked_fill(hidden[:, None, :], 0.0)
    return x


def time_mask(x: Tensor, keep: Tensor, longest: float) -> Tensor:
    """Two time masks a clip over up to `longest` of its valid frames."""
    frame = torch.arange(x.shape[1], device=x.device)
    length = keep.sum(1, keepdim=True)  # [B, 1]
    for _ in range(2 if longest else 0):
        draw = torch.rand(2, len(x), 1, device=x.device)
        size = draw[0] * longest * length
        start = draw[1] * (length - size)
        hidden = (frame >= start) & (frame < start + size)  # [B, T']
        x = x.masked_fill(hidden[:, :, None], 0.0)
    return x


def fourier(window: int, points: int) -> Tensor:
    """Real, then imaginary part of a Hann-windowed DFT: [2K, 1, window], K = points/2 + 1."""
    time = torch.arange(window, dtype=torch.float64)
    hann = 0.5 - 0.5 * torch.cos(2 * math.pi * time / window)
    bins = torch.arange(points // 2 + 1, dtype=torch.float64)[:, None]
    angle = 2 * math.pi * bins * time / points  # [K, window]
    return torch.cat([hann * angle.cos(), -hann * angle.sin()]).float()[:, None]


def to_mel(hertz: Tensor) -> Tensor:
    """HTK's formula (O'Shaughnessy 1987)."""
    return 2595 * torch.log10(1 + hertz / 700)


def to_hertz(mel: Tensor) -> Tensor:
    return 700 * (10 ** (mel / 2595) - 1)


def mel_filters(rate: int, window: int, bands: int) -> tuple[int, Tensor]:
    """DFT points, and triangles [bands, points/2+1] evenly spaced in mel.

    The points grow until no band falls between two bins.
    """
    top = to_mel(torch.tensor(rate / 2, dtype=torch.float64)).item()
    edges = to_hertz(torch.linspace(0, top, bands + 2, dtype=torch.float64))  # Hz, [bands + 2]
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    points = 2 ** math.ceil(math.log2(window))
    while True:
        hertz = torch.linspace(0, rate / 2, points // 2 + 1, dtype=torch.float64)
        rising, falling = (hertz - low) / (centre - low), (high - hertz) / (high - centre)
        filters = torch.minimum(rising, falling).clamp(min=0)
        if bool((filters.sum(1) > 0).all()):
            return points, filters.float()
        points *= 2
