"""Fixed representations of a modality: one vector [F] per row, none of it trained by gradients.

Classical members (`mmbm.nn.members`) read them. Images: downsampled colors, color and gradient
histograms. Audio: statistics of log-mel and MFCC. Text: TF-IDF of words and word pairs. Table:
standardized numbers, indicators of absence, one-hot categories, and for linear members bins of the
numbers. An input with a frozen pretrained encoder also has its pooled embedding.

A representation is fitted on the labelled rows without their targets, is part of the `encode`
graph, and is zero where the modality is absent.
"""

from mmbm.config import Config
from mmbm.kinds.column import Columns
from mmbm.layers.representation import Representation
from mmbm.nn.representations.pretrained import EmbeddingRepresentation
from mmbm.nn.representations.table import BinsRepresentation, TableRepresentation
from mmbm.specs.columns import MediaSpec

FEATURES, EMBEDDING, BINS = "features", "embedding", "bins"
BINNED = 50
"""Number columns up to which they have bins."""


def build(config: Config, columns: Columns) -> dict[str, Representation]:
    """By name, `MODALITY.features`, `.embedding` or `.bins`, in the order of the modalities."""
    built: dict[str, Representation] = {}
    for modality, names in config.modalities().items():
        spec = config.inputs[names[0]]
        if spec.tabular:
            built[f"{modality}.{FEATURES}"] = TableRepresentation(names, config, columns)
            numbers = [n for n in names if config.inputs[n].encoding == "standardized"]
            if 0 < len(numbers) <= BINNED:
                built[f"{modality}.{BINS}"] = BinsRepresentation(numbers, columns)
            continue
        make = spec.traits.part("representation")
        built[f"{modality}.{FEATURES}"] = make(modality, spec, columns[modality])
        if is_frozen(spec):
            built[f"{modality}.{EMBEDDING}"] = EmbeddingRepresentation(modality)
    return built


def modality_of(name: str) -> str:
    return name.rpartition(".")[0]


def is_frozen(spec: MediaSpec) -> bool:
    encoder = getattr(spec, "encoder", None)
    return encoder is not None and encoder.frozen
