"""Prompt of a text for a language model."""

from mmbm.kinds.prompt import Prompt


class TextPrompt(Prompt):
    """The whole reply."""
