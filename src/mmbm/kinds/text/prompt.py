"""A text asked of a language model."""

from mmbm.kinds.prompt import Prompt


class TextPrompt(Prompt):
    """All that it says."""
