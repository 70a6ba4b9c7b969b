"""From a kind to the class that does it: one line per kind, imported only when asked for.

A user's own class is named in the config as `package.module:Class` and built the same way.
"""

import importlib
from typing import Any

from mmbm.errors import ConfigError

COLUMNS = {
    "image": "mmbm.columns.image:ImageColumn",
    "audio": "mmbm.columns.audio:AudioColumn",
    "text": "mmbm.columns.text:TextColumn",
    "number": "mmbm.columns.number:NumberColumn",
    "category": "mmbm.columns.category:CategoryColumn",
    "labels": "mmbm.columns.labels:LabelsColumn",
    "transcript": "mmbm.columns.transcript:TranscriptColumn",
}
ANSWERS = {
    "category": "mmbm.answers.category:CategoryAnswer",
    "number": "mmbm.answers.number:NumberAnswer",
    "labels": "mmbm.answers.labels:LabelsAnswer",
    "transcript": "mmbm.answers.transcript:TranscriptAnswer",
    "contrastive": "mmbm.answers.match:ContrastiveAnswer",
    "text": "mmbm.answers.text:TextAnswer",
}
FRONTENDS = {
    "image": "mmbm.nn.frontends.image:ImageFrontend",
    "audio": "mmbm.nn.frontends.audio:LogMel",
    "text": "mmbm.nn.frontends.text:TextFrontend",
    "number": "mmbm.nn.frontends.number:NumberFrontend",
    "category": "mmbm.nn.frontends.category:CategoryFrontend",
    "labels": "mmbm.nn.frontends.labels:LabelsFrontend",
}
RAW_FRONTENDS = {
    "image": "mmbm.nn.frontends.image:ImageFrontend",
    "audio": "mmbm.nn.frontends.audio:Wave",
    "text": "mmbm.nn.frontends.text:Ids",
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
    "image": "mmbm.nn.representations.image:ImageRepresentation",
    "audio": "mmbm.nn.representations.audio:AudioRepresentation",
    "text": "mmbm.nn.representations.text:TextRepresentation",
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
    "category": "mmbm.nn.heads.category:CategoryHead",
    "number": "mmbm.nn.heads.number:NumberHead",
    "labels": "mmbm.nn.heads.labels:LabelsHead",
    "transcript": "mmbm.nn.heads.transcript:TranscriptHead",
    "text": "mmbm.nn.heads.text:TextHead",
}
DECODERS = {
    "scratch": "mmbm.nn.decoders.scratch:ScratchDecoder",
    "pretrained": "mmbm.nn.decoders.pretrained:PretrainedDecoder",
}
RUNNERS = {
    "onnx": "mmbm.runners.onnx:OnnxRunner",
    "openvino": "mmbm.runners.openvino:OpenVINORunner",
    "litert": "mmbm.runners.litert:LiteRTRunner",
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
