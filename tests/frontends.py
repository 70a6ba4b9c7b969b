"""A frontend of each kind, fitted by hand, and cells for it."""

import torch
from battery import column, field
from torch import nn

from mmbm.kinds.audio.frontend import LogMel
from mmbm.kinds.audio.spec import AudioSpec
from mmbm.kinds.category.frontend import CategoryFrontend
from mmbm.kinds.category.spec import CategorySpec
from mmbm.kinds.image.frontend import ImageFrontend
from mmbm.kinds.image.spec import ImageSpec
from mmbm.kinds.labels.frontend import LabelsFrontend
from mmbm.kinds.labels.spec import LabelsSpec
from mmbm.kinds.number.frontend import NumberFrontend
from mmbm.kinds.number.spec import NumberSpec
from mmbm.kinds.text.frontend import TextFrontend
from mmbm.kinds.text.spec import TextSpec
from mmbm.layers.batch import Field

RATE = 16000
KINDS = ("image", "audio", "text", "number", "category", "labels")


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
    real = torch.arange(size) < torch.tensor(lengths)[:, None]
    if kind == "text":
        return field(torch.randint(1, 300, (rows, size), dtype=torch.int32) * real, lengths)
    return field(torch.randint(-9999, 9999, (rows, size), dtype=torch.int16) * real, lengths)
