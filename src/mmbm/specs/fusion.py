"""`fusion`: tokens of every modality -> one vector per row."""

from typing import ClassVar, Literal

from pydantic import PositiveInt

from mmbm.specs.base import Fraction, Spec

MODALITY_DROPOUT = 0.2


class FusionSpec(Spec):
    kind: str
    module: ClassVar[str]
    width: PositiveInt = 128
    """Width of every modality's tokens and of the fused vector."""
    modality_dropout: Fraction | dict[str, Fraction] = MODALITY_DROPOUT
    """Modality dropout: the probability that a modality is hidden from a row in training (Neverova
    et al. 2016); one number, or one for each modality, `{photo: 0.8}`, with 0.2 for the others."""
    dropout: Fraction = 0.1


class ConcatSpec(FusionSpec):
    """Pool each modality, concatenate, two dense layers: the textbook fusion."""

    kind: Literal["concat"] = "concat"
    module: ClassVar[str] = "mmbm.nn.fusion.concat:Concat"


class SumSpec(FusionSpec):
    """Pool each modality and add (late fusion): the most robust with a few thousand rows."""

    kind: Literal["sum"] = "sum"
    module: ClassVar[str] = "mmbm.nn.fusion.sum:Sum"


class GatedSpec(FusionSpec):
    """A learned gate weighs each modality, row by row (GMU, Arevalo et al. 2017)."""

    kind: Literal["gated"] = "gated"
    module: ClassVar[str] = "mmbm.nn.fusion.gated:Gated"


class TransformerFusionSpec(FusionSpec):
    """Self-attention over the tokens of all modalities."""

    kind: Literal["transformer"] = "transformer"
    module: ClassVar[str] = "mmbm.nn.fusion.transformer:TransformerFusion"
    layers: PositiveInt = 2
    heads: PositiveInt = 4


class BottleneckSpec(FusionSpec):
    """Attention bottlenecks: modalities exchange only through a few tokens (Nagrani et al.
    2021)."""

    kind: Literal["bottleneck"] = "bottleneck"
    module: ClassVar[str] = "mmbm.nn.fusion.bottleneck:Bottleneck"
    layers: PositiveInt = 2
    heads: PositiveInt = 4
    tokens: PositiveInt = 4


class LowRankSpec(FusionSpec):
    """Low-rank product of all modalities (LMF, Liu et al. 2018)."""

    kind: Literal["lowrank"] = "lowrank"
    module: ClassVar[str] = "mmbm.nn.fusion.lowrank:LowRank"
    rank: PositiveInt = 8
