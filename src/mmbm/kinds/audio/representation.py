"""Audio features without training: statistics of log-mel bands and MFCC over a clip."""

import math

import torch
from torch import Tensor

from mmbm.kinds.audio.frontend import LogMel
from mmbm.kinds.audio.spec import AudioSpec
from mmbm.kinds.column import Column
from mmbm.layers.batch import Field
from mmbm.layers.representation import Representation

COEFFICIENTS = 20
PARTS = 4
"""Equal parts of a clip whose mean MFCC are features too, for coarse temporal order."""


class AudioRepresentation(Representation):
    """Fields of one audio column -> [B, 2·bands + (3 + parts)·20 + 2]: mean and standard deviation
    of each band and coefficient, the standard deviation of their change, coefficients by quarters
    of the clip, level, length."""

    cosine: Tensor

    def __init__(self, column: str, spec: AudioSpec, fitted: Column):
        super().__init__()
        self.column, self.mel = column, LogMel(spec, fitted)
        band = torch.arange(spec.n_mels, dtype=torch.float64) + 0.5
        order = torch.arange(min(COEFFICIENTS, spec.n_mels), dtype=torch.float64)[:, None]
        cosine = (math.pi / spec.n_mels * order * band).cos() * math.sqrt(2 / spec.n_mels)  # DCT-II
        self.register_buffer("cosine", cosine.float(), persistent=False)

    def raw(self, batch: dict[str, Field]) -> Tensor:
        x, keep = self.mel.spectrogram(batch[self.column])  # [B, T, bands], [B, T]
        level = mean(x.mean(2, keepdim=True), keep)  # [B, 1]
        x = (x - level[:, None]) * keep[..., None]
        mfcc = (x @ self.cosine.T) * keep[..., None]  # [B, T, 20]
        change, both = mfcc[:, 1:] - mfcc[:, :-1], keep[:, 1:]
        frames = keep.sum(1, keepdim=True)
        place = torch.arange(keep.shape[1], device=keep.device) * PARTS // frames  # [B, T]
        parts = [mean(mfcc, keep & (place == part)) for part in range(PARTS)]
        features = [mean(x, keep), deviation(x, keep), mean(mfcc, keep), deviation(mfcc, keep)]
        features += [deviation(change, both), *parts, level, frames.float().log()]
        return torch.cat(features, 1)


def mean(x: Tensor, keep: Tensor) -> Tensor:
    """Over the kept positions [B, T, D] -> [B, D]."""
    return (x * keep[..., None]).sum(1) / keep.sum(1, keepdim=True).clamp(min=1)


def deviation(x: Tensor, keep: Tensor) -> Tensor:
    around = (x - mean(x, keep)[:, None]).square()
    return (mean(around, keep) + 1e-6).sqrt()
