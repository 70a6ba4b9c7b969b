"""Inputs of a target's constructor, besides its own options and column."""

from typing import NamedTuple


class Parts(NamedTuple):
    """The properties of the model that a target needs."""

    width: int
    """Width of the fused vector and of every modality's tokens."""
    modalities: list[str]
    """Modalities that the network reads; none without a network."""
    batch_size: int
    """Rows per training step."""
    members: list[str]
    """The classical members of an ensemble."""
    exact: dict[str, bool]
    """Of each fixed representation whether its features are exact: see `Representation`."""
