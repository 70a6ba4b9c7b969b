"""Series: standardized values that decay to the mean while none comes, masks and times between them
(GRU-D, Che et al. 2018), and statistics of each channel over the whole series."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmbm.kinds.column import Column
from mmbm.kinds.series.spec import SeriesSpec
from mmbm.layers.batch import Features, Field
from mmbm.layers.blocks import along_time, in_float32, valid

FARTHEST = 10.0
"""Standard deviations; values further out are clipped to this."""


class Steps(nn.Module):
    """float32 [B, T, 1 + 2C] and lengths -> the common input of frontend and representation."""

    mean: Tensor  # [C]
    std: Tensor  # [C], > 0

    def __init__(self, spec: SeriesSpec, column: Column):
        super().__init__()
        self.channels = len(column.state["channels"])
        self.value_dropout = spec.augment.value_dropout
        self.doublings = spec.steps.bit_length()
        self.gap, self.duration = float(column.state["gap"]), float(column.state["duration"])
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(column.state[name], dtype=torch.float32))

    def forward(self, field: Field) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Time since the first step [B, T, 1], standard scores [B, T, C], 0 where there is no
        value, masks of present values [B, T, C] and of steps [B, T]. Padding is zero."""
        x, c = field.values, self.channels
        keep = valid(field.lengths, x.shape[1])
        time, values, known = x[..., :1], x[..., 1 : 1 + c], x[..., 1 + c :] > 0.5
        known = known & keep[..., None]
        if self.training and self.value_dropout:
            known = known & (torch.rand_like(values) >= self.value_dropout)
        z = ((values - self.mean) / self.std).clamp(-FARTHEST, FARTHEST)
        return time * keep[..., None], torch.where(known, z, 0.0), known, keep

    def last(self, known: Tensor) -> Tensor:
        """For every step and channel the latest step up to it that has a value; -1: none. A
        parallel scan (Hillis & Steele 1986), since ONNX has no cumulative maximum. [B, T, C]"""
        steps = torch.arange(known.shape[1], device=known.device)[None, :, None]
        place = torch.where(known, steps, -1)
        for i in range(self.doublings):
            earlier = F.pad(place, (0, 0, 2**i, 0), value=-1)[:, : known.shape[1]]
            place = torch.maximum(place, earlier)
        return place


def statistics(z: Tensor, known: Tensor) -> list[Tensor]:
    """Of each channel over the whole series [B, C]: logarithm of the count, mean, standard
    deviation, minimum, maximum, first and last value; zero, the mean, where it has no value."""
    count = known.sum(1)  # [B, C]
    some = count > 0
    mean = z.sum(1) / count.clamp(min=1)
    spread = ((z - mean[:, None]).square() * known).sum(1) / count.clamp(min=1)
    lowest = torch.where(known, z, 2 * FARTHEST).amin(1)
    highest = torch.where(known, z, -2 * FARTHEST).amax(1)
    steps = torch.arange(z.shape[1], device=z.device)[None, :, None]
    first = torch.where(known, steps, z.shape[1] - 1).amin(1)
    last = torch.where(known, steps, 0).amax(1)
    ends = [z.gather(1, place[:, None])[:, 0] for place in (first, last)]
    values = [mean, (spread + 1e-6).sqrt(), lowest, highest, *ends]
    return [(1 + count.float()).log(), *(torch.where(some, one, 0.0) for one in values)]


class SeriesFrontend(nn.Module):
    """Three features per channel: the last value, decayed towards the mean, whether it is of this
    step, and its age; of each step the time since the one before and since the first; of each
    channel its statistics, the same at every step."""

    layout = "tokens"
    SHOWN = (0, 1, 3, 4, 6)
    """Indices in `statistics`: count, mean, minimum, maximum, last."""

    def __init__(self, spec: SeriesSpec, column: Column):
        super().__init__()
        self.steps = Steps(spec, column)
        self.statistics = spec.statistics
        channels = self.steps.channels
        self.decay = nn.Parameter(torch.zeros(channels))  # of a value, for each `gap` of time
        self.features = 3 * channels + 2 + len(self.SHOWN) * channels * spec.statistics

    @in_float32
    def forward(self, field: Field) -> Features:
        time, z, known, keep = self.steps(field)
        last = self.steps.last(known)  # [B, T, C]
        seen = last >= 0
        place = last.clamp(min=0)
        then = torch.where(seen, time.expand_as(z).gather(1, place), 0.0)
        ago = (time - then).clamp(min=0) / self.steps.gap  # [B, T, C], in gaps
        held = torch.where(seen, z.gather(1, place), 0.0)
        held = held * torch.exp(-F.softplus(self.decay - 3) * ago)
        before = along_time(time, (torch.arange(time.shape[1], device=time.device) - 1)
                            .clamp(min=0).expand(keep.shape))  # fmt: skip
        step = ((time - before).clamp(min=0) / self.steps.gap).log1p()
        parts = [held, known.float(), ago.log1p(), step, time / self.steps.duration]
        if self.statistics:
            whole = statistics(z, known)
            shown = torch.cat([whole[i] for i in self.SHOWN], 1)  # [B, 5C]
            parts.append(shown[:, None].expand(-1, z.shape[1], -1))
        return Features(torch.cat(parts, -1) * keep[..., None], keep)  # [B, T, F], [B, T]
