"""OpenAPI schema of requests, from the bundle's own columns, with runnable examples."""

import base64
import io
import wave
from collections.abc import Iterable
from typing import Any

import numpy as np
from PIL import Image

from mmbm import __version__
from mmbm.kinds.column import Cell
from mmbm.search import MOST
from mmbm.serve.model_server import ModelServer
from mmbm.serve.openai.requests import Chat, Embed, Transcribe

SMALL = 8000
"""Maximum bytes of a golden cell in an example; a larger one is replaced by a generated cell."""

Schema = dict[str, Any]
PLAIN = {
    "/health/live": ("The process answers.", "application/json"),
    "/health/ready": (
        "Every model's golden rows were answered as in training.",
        "application/json",
    ),
    "/models": ("What each model takes and answers.", "application/json"),
    "/metrics": ("Counts, latencies and drift of inputs, for Prometheus.", "text/plain"),
}


def prefixes(names: Iterable[str]) -> list[tuple[str, str]]:
    """(path prefix, model): the first model has a short one too."""
    names = list(names)
    return [("", names[0]), *((f"/models/{name}", name) for name in names)]


def document(replicas: dict[str, ModelServer], root: str = "") -> Schema:
    """OpenAPI 3.1 (spec.openapis.org): a path for each model, with its own columns."""
    paths: Schema = {
        path: {"get": {"summary": text, "responses": {"200": said(text, kind)}}}
        for path, (text, kind) in PLAIN.items()
    }
    for prefix, name in prefixes(replicas):
        paths[f"{prefix}/predict"] = {"post": {"tags": [name], **predict(replicas[name])}}
        paths[f"{prefix}/predict/batch"] = {"post": {"tags": [name], **batch(replicas[name])}}
        if replicas[name].index is not None:
            paths[f"{prefix}/search"] = {"post": {"tags": [name], **search(replicas[name])}}
    schemas: Schema = {}
    paths |= as_openai(replicas, schemas)
    about = "Answers of mmbm bundles. Media are sent as data URIs, base64 or files."
    bearer = {"type": "http", "scheme": "bearer"}
    return {
        "openapi": "3.1.0",
        **({"servers": [{"url": root}]} if root else {}),
        "info": {"title": ", ".join(replicas), "version": __version__, "description": about},
        "paths": paths,
        "components": {"securitySchemes": {"bearer": bearer}, "schemas": schemas},
        "security": [{}, {"bearer": []}],
    }


def predict(replica: ModelServer) -> Schema:
    row, example = schema(replica), example_row(replica)
    rows = {
        "type": "object",
        "properties": {"rows": {"type": "array", "items": row}},
        "required": ["rows"],
        "additionalProperties": False,
    }
    examples = {
        "one row": {"value": example},
        "several": {"value": {"rows": [example, {}]}},
    }
    return {
        "summary": "One row, or a list of them; what is left out of a row is absent.",
        "parameters": OPTIONS,
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"anyOf": [row, rows]}, "examples": examples},
                "multipart/form-data": {"schema": form(replica)},
            },
        },
        "responses": {
            "200": said("The answer, or the answers.", schema=answers()),
            **refusals(400, 401, 403, 408, 413, 415, 422, 429, 503),
        },
    }


def search(replica: ModelServer) -> Schema:
    index = replica.index
    assert index is not None
    columns = set(index.about.columns)
    cells = {k: v for k, v in schema(replica)["properties"].items() if k in columns}
    parts = {k: v for k, v in form(replica)["properties"].items() if k in columns}
    row = {"type": "object", "properties": cells, "additionalProperties": False}
    examples = {
        name: {"value": {name: cell}}
        for name, cell in example_row(replica).items()
        if name in columns and cell is not None
    }
    texts = {
        "k": ("Rows to find.", {"type": "integer", "minimum": 1, "maximum": MOST, "default": 10}),
        "of": (
            "Column whose cells are searched; the first that isn't given if not said.",
            {"type": "string", "enum": index.about.indexed},
        ),
        "where": (
            f"Only rows such as this says, in SQL, of {', '.join(index.told.values())}.",
            {"type": "string", "maxLength": 1000},
        ),
    }
    one = {
        "type": "object",
        "properties": {
            "row": {"type": "integer", "description": "Of the table, 1 is the first."},
            "score": {"type": "number", "description": "Cosine similarity."},
            "cells": {"type": "object"},
        },
        "required": ["row", "score", "cells"],
    }
    return {
        "summary": f"The nearest of {len(index)} rows to a cell, or to the mean of several.",
        "parameters": [
            {"name": name, "in": "query", "description": text, "schema": kind}
            for name, (text, kind) in texts.items()
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": row, "examples": examples},
                "multipart/form-data": {"schema": {"type": "object", "properties": parts}},
            },
        },
        "responses": {
            "200": said(
                "What is found, nearest first.",
                schema={
                    "type": "object",
                    "properties": {
                        "id": {"type": "string"},
                        "model": {"type": "string"},
                        "version": {"type": "string"},
                        "found": {"type": "array", "items": one},
                    },
                    "required": ["id", "model", "version", "found"],
                },
            ),
            **refusals(400, 401, 403, 408, 413, 415, 422, 429, 503),
        },
    }


def batch(replica: ModelServer) -> Schema:
    lines = {"type": "string", "description": "A row as JSON on each line."}
    file = {"type": "string", "format": "binary"}
    return {
        "summary": "Many rows: JSON lines or a Parquet file; a JSON line for each row, in order.",
        "parameters": OPTIONS,
        "requestBody": {
            "required": True,
            "content": {
                "application/x-ndjson": {"schema": lines},
                "application/vnd.apache.parquet": {"schema": file},
            },
        },
        "responses": {
            "200": said("A line for each row, in order.", "application/x-ndjson"),
            **refusals(400, 401, 403, 408, 413, 422, 503),
        },
    }


STATUSES = (400, 401, 403, 404, 408, 413, 415, 429, 503)


def as_openai(replicas: dict[str, ModelServer], schemas: Schema) -> Schema:
    """The paths of OpenAI's interface; adds their bodies' types to `schemas`."""
    text = {"type": ["string", "null"]}
    error = {"message": {"type": "string"}, "type": {"type": "string"}, "param": text, "code": text}
    error = {"type": "object", "properties": error, "required": [*error]}
    why = {"type": "object", "properties": {"error": error}, "required": ["error"]}
    refused = {status: said("Why not.", schema=why) for status in STATUSES}

    def post(kind: Any, media: str, summary: str, answers: list[str], **more: Any) -> Schema:
        schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        body = {"required": True, "content": {media: {"schema": schema, **more}}}
        answered = {"200": {"description": summary, "content": {a: {} for a in answers}}}
        responses = {**answered, **{str(status): one for status, one in refused.items()}}
        operation = {"summary": summary, "requestBody": body, "responses": responses}
        return {"post": {"tags": ["OpenAI"], **operation}}

    def get(summary: str, **more: Any) -> Schema:
        responses = {"200": said(summary), "404": refused[404]}
        return {"get": {"tags": ["OpenAI"], "summary": summary, "responses": responses, **more}}

    which = {"type": "string", "enum": list(replicas)}
    path = [{"name": "id", "in": "path", "required": True, "schema": which}]
    stream, plain = "text/event-stream", "application/json"
    examples = {name: {"value": chat_example(replica)} for name, replica in replicas.items()}
    return {
        "/v1/models": get("The models."),
        "/v1/models/{id}": get("What a model takes and answers.", parameters=path),
        "/v1/chat/completions": post(
            Chat, plain, "The answer to a row, as the assistant's message.",
            [plain, stream], examples=examples,
        ),
        "/v1/embeddings": post(
            Embed, plain, "Places of texts in the space of a contrastive target.", [plain]
        ),
        "/v1/audio/transcriptions": post(
            Transcribe, "multipart/form-data", "What is said in a sound.",
            [plain, stream, "text/plain"],
        ),
    }  # fmt: skip


def chat_example(replica: ModelServer) -> Schema:
    """An example row as a message: texts and images as its parts, all else by name."""
    row, parts = example_row(replica), []
    for name, spec in replica.bundle.config.inputs.items():
        if spec.traits.message == "text" and isinstance(row[name], str):
            parts.append({"type": "text", "text": row.pop(name)})
        elif spec.traits.message == "image_url" and row[name] is not None:
            parts.append({"type": "image_url", "image_url": {"url": row.pop(name)}})
    message = {"role": "user", "content": parts}
    return {"model": replica.name, "messages": [message], "row": row}


def option(name: str, default: bool, text: str) -> Schema:
    flag = {"type": "boolean", "default": default}
    return {"name": name, "in": "query", "schema": flag, "description": text}


OPTIONS = [
    option("probabilities", True, "Add the probability of every class."),
    option("explain", False, "Add each modality's contribution (its exact Shapley value)."),
]


def said(text: str, kind: str = "application/json", schema: Schema | None = None) -> Schema:
    return {"description": text, "content": {kind: {"schema": schema or {}}}}


def schema(replica: ModelServer) -> dict[str, Any]:
    """A row: every input may be left out."""
    columns = replica.bundle.columns
    cells = {
        name: {"anyOf": [columns[name].describe().schema, {"type": "null"}]}
        for name in replica.bundle.config.inputs
    }
    return {"type": "object", "properties": cells, "additionalProperties": False}


def form(replica: ModelServer) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    for name in replica.bundle.config.inputs:
        described = replica.bundle.columns[name].describe()
        file = {"type": "string", "format": "binary", "contentMediaType": described.media}
        parts[name] = file if described.media else {"type": "string"}
    return {"type": "object", "properties": parts}


def answers() -> dict[str, Any]:
    cell = {"type": ["string", "number", "boolean", "array", "null"]}
    text = {"type": "string"}
    one = {"column": text, "value": text, "message": text}
    unseen = {
        "type": "array",
        "description": "Cells with values that training never saw; not there if there are none.",
        "items": {"type": "object", "properties": one, "required": [*one]},
    }
    answer = {"type": "object", "properties": {"unseen": unseen}, "additionalProperties": cell}
    body = {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "model": {"type": "string"},
            "version": {"type": "string"},
            "answer": answer,
            "answers": {"type": "array", "items": answer},
        },
        "required": ["id", "model", "version"],
    }
    return body


def refusals(*statuses: int) -> dict[str, Any]:
    error = {
        "type": "object",
        "properties": {
            "message": {"type": "string"},
            "reason": {"type": "string"},
            "row": {"type": "integer"},
            "column": {"type": "string"},
        },
        "required": ["message", "reason"],
    }
    body = {
        "type": "object",
        "properties": {"error": error, "id": {"type": "string"}},
        "required": ["error", "id"],
    }
    return {str(status): said("Why not.", schema=body) for status in statuses}


# ── examples ─────────────────────────────────────────────────────────────────────────────────────


def example_row(replica: ModelServer) -> dict[str, Any]:
    """A golden row as JSON, with generated cells in place of large ones."""
    rows, _ = replica.bundle.bundle.golden()
    golden = rows[0] if rows else {}
    row = {}
    for name in replica.bundle.config.inputs:
        described = replica.bundle.columns[name].describe()
        cell = golden.get(name)
        if cell is None or (isinstance(cell, bytes) and len(cell) > SMALL):
            cell = made(described.widget, described.schema)
        row[name] = as_json(cell, described.media)
    return row


def as_json(cell: Cell, media: str | None) -> Any:
    """Bytes as a data URI; all else unchanged."""
    if not isinstance(cell, bytes):
        return cell
    kind = (media or "application/*").replace("*", "octet-stream" if media is None else "*")
    return f"data:{kind};base64,{base64.b64encode(cell).decode()}"


def made(widget: str, schema: dict[str, Any]) -> Cell:
    """A small example cell of a kind: a gray image, 0.1 s of a tone, the first choice."""
    if widget == "image":
        file = io.BytesIO()
        Image.new("RGB", (8, 8), "grey").save(file, "PNG")
        return file.getvalue()
    if widget == "audio":
        return tone()
    if schema.get("examples"):
        return schema["examples"][0]
    listed = schema.get("items", schema)
    first = next(iter(listed.get("enum") or listed.get("examples") or [None]))
    return {"text": "hello", "choices": [first] if first else []}.get(widget, first)


def tone(rate: int = 8000) -> bytes:
    file = io.BytesIO()
    samples = 8000 * np.sin(np.arange(rate // 10) * (2 * np.pi * 440 / rate))
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, rate, 0, "NONE", ""))
        sound.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()
