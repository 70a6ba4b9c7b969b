"""Prompt of a transcript for a language model."""

from mmbm.kinds.prompt import Prompt


class TranscriptPrompt(Prompt):
    """The whole reply."""

    def usual(self, target: str) -> str:
        return "What is said?"
