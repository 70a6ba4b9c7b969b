"""Response format of the assistant's message: targets, text or JSON, log probabilities."""

import json
import math
from typing import Any, NamedTuple

from mmbm.kinds.category.column import text
from mmbm.kinds.text.spec import TextTarget
from mmbm.serve.model_server import ModelServer
from mmbm.serve.openai.requests import Chat, Format, no
from mmbm.serve.openai.schemas import schema_targets, unfit

LEAST = -9999.0
"""The logarithm of zero probability in OpenAI's format."""


class Shape(NamedTuple):
    """Contents of the assistant's message."""

    replica: ModelServer
    targets: list[str]
    json: bool
    likely: int | None
    """Number of alternative classes with probabilities; None: no probabilities."""

    @classmethod
    def of(cls, replica: ModelServer, asked: Chat) -> "Shape":
        """Raises a RequestError for what the model can't answer."""
        specs = replica.bundle.config.targets
        targets = [name for name, spec in specs.items() if spec.has_cells]
        if not targets:
            raise no("model", f"{replica.name} answers with embeddings: POST /v1/embeddings")
        for name, spec in replica.bundle.config.texts.items():
            as_configured(asked, name, spec)
        form = asked.response_format or Format(type="text")
        as_json = len(targets) > 1 or form.type != "text"
        if form.type == "json_schema":
            if form.json_schema is None:
                raise unfit("is needed for this type")
            targets = schema_targets(replica.bundle, targets, form.json_schema.schema_)
        likely = (asked.top_logprobs or 0) if asked.logprobs else None
        if asked.top_logprobs is not None and likely is None:
            raise no("top_logprobs", "needs logprobs: true")
        if likely is not None and (as_json or specs[targets[0]].task != "multiclass"):
            raise no("logprobs", "are those of one category that is answered as text")
        return cls(replica, targets, as_json, likely)

    @property
    def written(self) -> str:
        """The text to stream, if a single text is requested."""
        texts = self.replica.bundle.config.texts
        return "" if self.json or self.targets[0] not in texts else self.targets[0]

    def text(self, answer: dict[str, Any]) -> str:
        """The content: the value of one target, or an object of all of them."""
        said = {name: "" if answer[name] is None else answer[name] for name in self.targets}
        if self.json:
            return json.dumps(said, ensure_ascii=False)
        ((name, value),) = said.items()
        spec = self.replica.bundle.config.targets[name]
        if spec.task == "multilabel":
            return spec.separator.join(map(text, value))
        return value if isinstance(value, str) else json.dumps(value)

    def logprobs(self, answer: dict[str, Any]) -> dict[str, Any] | None:
        """A class is one token."""
        if self.likely is None:
            return None
        (name,) = self.targets
        p = {c: answer[f"{name}.p.{c}"] for c in self.replica.bundle.values(name) or []}
        first = sorted(p, key=p.__getitem__, reverse=True)[: self.likely]
        top = [token(c, p[c]) for c in first]
        said = text(answer[name])
        chosen = token(said, p[said])
        return {"content": [{**chosen, "top_logprobs": top}], "refusal": None}


def as_configured(asked: Chat, name: str, spec: TextTarget) -> None:
    """Raises a RequestError if generation options differ from the config."""
    drawn = {"top_p": spec.top_p, "seed": spec.seed} if spec.temperature else {}
    own = {"temperature": spec.temperature, "presence_penalty": 0, "frequency_penalty": 0, **drawn}
    for field, value in own.items():
        if getattr(asked, field) not in (None, value):
            raise no(field, f"the model's config says {value:g} for {name}, and nothing else here")
    for field in ("max_tokens", "max_completion_tokens"):
        most = getattr(asked, field)
        if most is not None and not (isinstance(most, int) and most >= spec.max_tokens):
            raise no(field, f"{name} may have {spec.max_tokens} tokens, and is not cut short")


def token(name: str, p: float) -> dict[str, Any]:
    return {
        "token": name, "logprob": math.log(p) if p > 0 else LEAST, "bytes": list(name.encode()),
    }  # fmt: skip
