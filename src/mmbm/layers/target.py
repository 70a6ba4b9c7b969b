"""What a target is built from, besides its own options and column."""

from typing import NamedTuple


class Parts(NamedTuple):
    """The rest of the model, as a target sees it."""

    width: int
    """Of the fused vector and of every modality's tokens."""
    modalities: list[str]
    """That the network reads; none without a network."""
    batch_size: int
    """Rows of a training step."""
    members: list[str]
    """The classical members of an ensemble."""
    exact: dict[str, bool]
    """Of each fixed representation whether its features are exact: see `Representation`."""
