"""From a kind to the class that does it: one line per kind, imported only when asked for.

A user's own class is named in the config as `package.module:Class` and built the same way.
"""

import importlib
from typing import Any

from mmbm.errors import ConfigError

COLUMNS = {
    "image": "mmbm.kinds.image.column:ImageColumn",
    "audio": "mmbm.kinds.audio.column:AudioColumn",
    "text": "mmbm.kinds.text.column:TextColumn",
    "number": "mmbm.kinds.number.column:NumberColumn",
    "category": "mmbm.kinds.category.column:CategoryColumn",
    "labels": "mmbm.kinds.labels.column:LabelsColumn",
    "transcript": "mmbm.kinds.transcript.column:TranscriptColumn",
}
ANSWERS = {
    "category": "mmbm.kinds.category.answer:CategoryAnswer",
    "number": "mmbm.kinds.number.answer:NumberAnswer",
    "labels": "mmbm.kinds.labels.answer:LabelsAnswer",
    "transcript": "mmbm.kinds.transcript.answer:TranscriptAnswer",
    "contrastive": "mmbm.kinds.contrastive.answer:ContrastiveAnswer",
    "text": "mmbm.kinds.text.answer:TextAnswer",
}
FRONTENDS = {
    "image": "mmbm.kinds.image.frontend:ImageFrontend",
    "audio": "mmbm.kinds.audio.frontend:LogMel",
    "text": "mmbm.kinds.text.frontend:TextFrontend",
    "number": "mmbm.kinds.number.frontend:NumberFrontend",
    "category": "mmbm.kinds.category.frontend:CategoryFrontend",
    "labels": "mmbm.kinds.labels.frontend:LabelsFrontend",
}
RAW_FRONTENDS = {
    "image": "mmbm.kinds.image.frontend:ImageFrontend",
    "audio": "mmbm.kinds.audio.frontend:Wave",
    "text": "mmbm.kinds.text.frontend:Ids",
}
"""For a pretrained encoder, which makes its own features."""
ENCODERS = {
    "cnn": "mmbm.nn.encoders.cnn:CNN",
    "rnn": "mmbm.nn.encoders.rnn:RNN",
    "transformer": "mmbm.nn.encoders.transformer:Transformer",
    "conformer": "mmbm.nn.encoders.conformer:Conformer",
    "bag": "mmbm.nn.encoders.bag:Bag",
    "pretrained": "mmbm.nn.encoders.pretrained:build",
    "keras": "mmbm.nn.encoders.keras:Keras",
}
REPRESENTATIONS = {
    "image": "mmbm.kinds.image.representation:ImageRepresentation",
    "audio": "mmbm.kinds.audio.representation:AudioRepresentation",
    "text": "mmbm.kinds.text.representation:TextRepresentation",
}
MEMBERS = {
    "linear": "mmbm.nn.members.linear:Linear",
    "boosting": "mmbm.nn.members.boosting:Boosting",
    "forest": "mmbm.nn.members.forest:Forest",
}
"""Of a target's answer, beside the network."""
FUSIONS = {
    "concat": "mmbm.nn.fusion.concat:Concat",
    "sum": "mmbm.nn.fusion.sum:Sum",
    "gated": "mmbm.nn.fusion.gated:Gated",
    "transformer": "mmbm.nn.fusion.transformer:TransformerFusion",
    "bottleneck": "mmbm.nn.fusion.bottleneck:Bottleneck",
    "lowrank": "mmbm.nn.fusion.lowrank:LowRank",
}
HEADS = {
    "category": "mmbm.kinds.category.head:CategoryHead",
    "number": "mmbm.kinds.number.head:NumberHead",
    "labels": "mmbm.kinds.labels.head:LabelsHead",
    "transcript": "mmbm.kinds.transcript.head:TranscriptHead",
    "text": "mmbm.kinds.text.head:TextHead",
}
DECODERS = {
    "scratch": "mmbm.nn.decoders.scratch:ScratchDecoder",
    "pretrained": "mmbm.nn.decoders.pretrained:PretrainedDecoder",
}
RUNNERS = {
    "onnx": "mmbm.inference.runners.onnx:OnnxRunner",
    "openvino": "mmbm.inference.runners.openvino:OpenVINORunner",
    "litert": "mmbm.inference.runners.litert:LiteRTRunner",
}
EXPORTS = {
    "onnx": "mmbm.export.precision:convert",
    "openvino": "mmbm.export.openvino:convert",
    "litert": "mmbm.export.litert:convert",
}


def find(registry: dict[str, str], kind: str) -> Any:
    """The class that `kind` names: a registry key, or the user's own `package.module:Class`."""
    path = kind if ":" in kind else registry[kind]
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if ":" not in kind or not (module + ".").startswith(f"{error.name}."):
            raise  # a package that the user's own module lacks: its own message is the best one
        raise ConfigError(
            f"{kind!r}: there is no module {module!r}. Write package.module:Class, and make sure "
            "the package can be imported from here."
        ) from error
    except AttributeError as error:
        raise ConfigError(f"{kind!r}: module {module!r} has no {name!r}.") from error
