"""Data types that are passed through the model."""

from typing import Literal, NamedTuple

from torch import Tensor

Layout = Literal["picture", "frames", "tokens", "vector", "wave", "ids"]
"""Layouts of a frontend's output: an image [B, C, H, W]; spectrogram frames [B, T, F]; embedded
tokens [B, T, F]; one vector per row [B, F]; or samples or token ids [B, T], for a pretrained
encoder only. An encoder declares which layouts it reads."""


class Field(NamedTuple):
    """One column of a batch."""

    values: Tensor  # [B, ...] padded, in the column's storage type
    lengths: Tensor  # [B] int64 valid length along axis 1 (1 where there is no such axis)
    present: Tensor  # [B] bool; False: the cell is absent, values are zeros


class Features(NamedTuple):
    """A column after its frontend: the input of an encoder."""

    x: Tensor  # by layout: [B, C, H, W] | [B, T, F] | [B, F] | [B, T]
    keep: Tensor | None = None  # [B, T] bool, True where valid; None for an image or a vector


class Tokens(NamedTuple):
    """One modality after its encoder. Where `keep` is False, x is zero."""

    x: Tensor  # [B, T, D]
    keep: Tensor  # [B, T] bool; the first token of a row is always kept


class Fused(NamedTuple):
    """All modalities after fusion."""

    pooled: Tensor  # [B, D]
    tokens: Tokens  # for heads that read a sequence


class Prefix(NamedTuple):
    """The state of a decoder after its prefix."""

    cache: Tensor  # [B, L, 2, h, P, D/h] keys and values of every layer
    read: Tensor  # [B, P] bool, which positions of it are valid


class Encoded(NamedTuple):
    """The output of the `encode` graph."""

    tokens: dict[str, Tokens]  # by modality
    present: dict[str, Tensor]  # by modality, [B] bool
    features: dict[str, Tensor] = {}  # noqa: RUF012  by representation, [B, F]; none in training


class Context(NamedTuple):
    """The inputs of a target."""

    inputs: dict[str, Tokens]  # by modality, as encoded
    present: dict[str, Tensor]  # by modality, [B] bool
    fused: Fused | None  # computed only if some target needs it
    without: dict[str, Fused]  # fused as if this modality were absent; those that an ensemble needs
    features: dict[str, Tensor] = {}  # noqa: RUF012  zero where the modality is absent
