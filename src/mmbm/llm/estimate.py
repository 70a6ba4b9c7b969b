"""Estimate the cost of the requests."""

from collections.abc import Iterable
from typing import NamedTuple

from mmbm.errors import BadCell
from mmbm.llm.endpoint import ChatClient, Request
from mmbm.llm.parts import Size
from mmbm.llm.question import Question


class Estimate(NamedTuple):
    rows: int
    kept: int
    size: Size
    answers: int  # tokens

    def text(self, endpoint: ChatClient, price: tuple[float, float] | None) -> str:
        """price: per million input tokens, and output tokens."""
        size, asked = self.size, self.rows - self.kept
        said = (
            f"{self.rows} rows, {self.kept} of them answered before; {asked} go to "
            f"{endpoint.model} at {endpoint.base_url}: about {size.tokens:.0f} tokens of text, "
            f"{size.pictures:.0f} pictures and {size.seconds:.0f} s of sound (as GPT-4o counts, "
            f"{size.of_media:.0f} tokens), and {self.answers} tokens of answers"
        )
        if price is None:
            return said + "; no price, since --price-in and --price-out are not given."
        paid = (size.tokens + size.of_media) * price[0] + self.answers * price[1]
        return said + f"; about {paid / 1e6:.4f} at the prices given."


def estimate(
    endpoint: ChatClient, question: Question, requests: Iterable[Request | BadCell]
) -> Estimate:
    rows = kept = asked = 0
    size = Size()
    for request in requests:
        rows += 1
        if isinstance(request, BadCell):
            continue
        if endpoint.kept.get(endpoint.key(request)):
            kept += 1
        else:
            asked += 1
            size = size.plus(request.size)
    return Estimate(rows, kept, size, asked * question.length())
