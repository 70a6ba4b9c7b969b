"""A transcript asked of a language model."""

from mmbm.kinds.prompt import Prompt


class TranscriptPrompt(Prompt):
    """All that it says."""

    def usual(self, target: str) -> str:
        return "What is said?"
