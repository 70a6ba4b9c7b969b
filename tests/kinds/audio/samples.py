import damaged
import torch
from battery import column, field
from samples import Cells, Frontend

from mmbm.kinds.audio.frontend import LogMel
from mmbm.kinds.audio.spec import AudioSpec

COLUMNS = {
    "audio": Cells(
        AudioSpec(sample_rate=16000, seconds=0.25), [damaged.sound(), damaged.sound(rate=44100)]
    ),
    "audio, end": Cells(AudioSpec(sample_rate=4000, seconds=0.1, crop="end"), [damaged.sound()]),
}


def cells(lengths):
    size = max(lengths)
    real = torch.arange(size) < torch.tensor(lengths)[:, None]
    noise = torch.randint(-9999, 9999, (len(lengths), size), dtype=torch.int16)
    return field(noise * real, lengths)


FRONTENDS = {
    "audio": Frontend(
        lambda: LogMel(AudioSpec(sample_rate=16000), column()), cells, ragged=True,
        tolerance=5e-5,  # float32 sums of 400 terms in another order, then a logarithm
    )
}  # fmt: skip
