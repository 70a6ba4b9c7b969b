"""Embeddings: texts -> vectors in the space of a contrastive target."""

import base64
from typing import Any

import numpy as np
from starlette.responses import JSONResponse, Response

from mmbm.serve.limits import Limits
from mmbm.serve.model_server import ModelServer, ResponseOptions, together
from mmbm.serve.openai.requests import Embed, no
from mmbm.serve.openai.responses import decoded, text_tokens


async def embed(
    replica: ModelServer, asked: Embed, note: dict[str, Any], limits: Limits
) -> Response:
    contrastive = replica.bundle.config.contrastive
    if not contrastive:
        raise no("model", f"{replica.name} has no target of kind contrastive to embed in")
    target, spec = next(iter(contrastive.items()))
    inputs = replica.bundle.config.inputs
    texts = [name for name in spec.columns if inputs[name].traits.message == "text"]
    column = asked.column or next(iter(texts), None)
    if column not in spec.columns:
        raise no("column", f"one of {', '.join(spec.columns)}")
    if asked.dimensions not in (None, spec.width):
        raise no("dimensions", f"{replica.name} has {spec.width}, no more and no fewer")
    note["rows"] = len(asked.input)
    if len(asked.input) > limits.rows:
        raise no("input", f"are more than {limits.rows} at once", "too_many_rows", 413)
    rows = await together(decoded(replica, {column: cell}) for cell in asked.input)
    wish = ResponseOptions(probabilities=False, embeddings=True)
    answers = await together(replica.submit(row, wish) for row in rows)
    found = []
    for i, answer in enumerate(answers):
        z = answer.get(f"{target}.embedding.{column}")
        if z is None:  # an empty cell of an image or audio input
            raise no(f"input.{i}", "is empty", "bad_cell")
        if asked.encoding_format == "base64":
            z = base64.b64encode(np.asarray(z, "<f4").tobytes()).decode()
        found.append({"object": "embedding", "index": i, "embedding": z})
    tokens = sum(text_tokens(replica, row) for row in rows)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return JSONResponse({"object": "list", "data": found, "model": replica.name, "usage": usage})
