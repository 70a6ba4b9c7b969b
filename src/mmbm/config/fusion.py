"""`fusion`: tokens of every modality -> one vector per row."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, PositiveInt, Tag

from mmbm.config.spec import Fraction, Spec, by_kind, component

MODALITY_DROPOUT = 0.2


class FusionSpec(Spec):
    width: PositiveInt = 128
    """Width of every modality's tokens and of the fused vector."""
    modality_dropout: Fraction | dict[str, Fraction] = MODALITY_DROPOUT
    """The chance that a modality is hidden from a row in training (Neverova et
    al. 2016); one number, or one for each modality, `{photo: 0.8}`, with 0.2 for the others."""
    dropout: Fraction = 0.1


class ConcatSpec(FusionSpec):
    """Pool each modality, concatenate, two dense layers: the textbook fusion."""

    kind: Literal["concat"] = "concat"


class SumSpec(FusionSpec):
    """Pool each modality and add (late fusion): the steadiest from a few thousand rows."""

    kind: Literal["sum"] = "sum"


class GatedSpec(FusionSpec):
    """A learned gate weighs each modality, row by row (GMU, Arevalo et al. 2017)."""

    kind: Literal["gated"] = "gated"


class TransformerFusionSpec(FusionSpec):
    """Self-attention over the tokens of all modalities."""

    kind: Literal["transformer"] = "transformer"
    layers: PositiveInt = 2
    heads: PositiveInt = 4


class BottleneckSpec(FusionSpec):
    """Modalities exchange only through a few tokens (Nagrani et al. 2021)."""

    kind: Literal["bottleneck"] = "bottleneck"
    layers: PositiveInt = 2
    heads: PositiveInt = 4
    tokens: PositiveInt = 4


class LowRankSpec(FusionSpec):
    """Low-rank product of all modalities (LMF, Liu et al. 2018)."""

    kind: Literal["lowrank"] = "lowrank"
    rank: PositiveInt = 8


AnyFusionSpec = Annotated[
    Annotated[ConcatSpec, Tag("concat")]
    | Annotated[SumSpec, Tag("sum")]
    | Annotated[GatedSpec, Tag("gated")]
    | Annotated[TransformerFusionSpec, Tag("transformer")]
    | Annotated[BottleneckSpec, Tag("bottleneck")]
    | Annotated[LowRankSpec, Tag("lowrank")],
    Discriminator(by_kind),
    BeforeValidator(component),
]
