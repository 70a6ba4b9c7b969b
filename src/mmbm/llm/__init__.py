"""Remote language models (OpenAI's API): a baseline, and a teacher that labels rows.

    row ──► messages ──► cached? ──► endpoint ──► cache ──► an allowed answer, or an error

Needs `pip install "mmbm[remote]"`. The key is OPENAI_API_KEY of the environment and nothing else.
"""

from mmbm.llm.baseline import compare
from mmbm.llm.endpoint import ChatClient, Request
from mmbm.llm.estimate import Estimate
from mmbm.llm.parts import Size
from mmbm.llm.question import Question, messages
from mmbm.llm.teacher import label, told

__all__ = [
    "ChatClient", "Estimate", "Question", "Request", "Size", "compare", "label", "messages", "told",
]  # fmt: skip
