"""Somebody else's model, behind OpenAI's interface: a baseline, and a teacher that labels rows.

    row ──► messages ──► kept already? ──► endpoint ──► kept ──► an answer there is, or an error

Needs `pip install "mmbm[remote]"`. The key is OPENAI_API_KEY of the environment and nothing else.
"""

from mmbm.remote.baseline import compare
from mmbm.remote.endpoint import Endpoint, Request
from mmbm.remote.estimate import Estimate
from mmbm.remote.parts import Size
from mmbm.remote.question import Question, messages
from mmbm.remote.teacher import label, told

__all__ = [
    "Endpoint", "Estimate", "Question", "Request", "Size", "compare", "label", "messages", "told",
]  # fmt: skip
