"""Pretrained encoders. Each reads its input with its own preprocessing.

A class for each `model_type`, named in `READERS`; all share how a model is opened, kept and tuned.
"""

from mmbm.kinds.column import State
from mmbm.kinds.pretrained import PICTURES, TEXTS, TIMM
from mmbm.nn.encoders.pretrained.pictures import Lite, Picture, Timm
from mmbm.nn.encoders.pretrained.sounds import Wav2Vec2, Whisper
from mmbm.nn.encoders.pretrained.texts import Text
from mmbm.nn.pretrained import Pretrained
from mmbm.specs.encoders import PretrainedSpec

READERS = (
    dict.fromkeys(TEXTS, Text)
    | dict.fromkeys(PICTURES, Picture)
    | {"wav2vec2": Wav2Vec2, "whisper": Whisper, "efficientnet-lite0": Lite, TIMM: Timm}
)


def build(spec: PretrainedSpec, learned: State) -> Pretrained:
    """learned: the result of `columns.pretrained.read_folder` for the model's folder."""
    return READERS[learned["config"]["model_type"]](spec, learned)
