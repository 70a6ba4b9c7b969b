"""The schema of requests, from the bundle's own columns, with examples that work when pasted."""

import base64
import io
import wave
from typing import Any

import numpy as np
from PIL import Image

from mmbm.columns import Cell
from mmbm.serve.replica import Replica

SMALL = 8000
"""Bytes of a golden cell that may stand in an example; instead of a larger one, a made one does."""


def predict(replica: Replica) -> dict[str, Any]:
    """The request and answers of /predict, for FastAPI's `openapi_extra`."""
    row, example = schema(replica), example_row(replica)
    rows = {
        "type": "object",
        "properties": {"rows": {"type": "array", "items": row}},
        "required": ["rows"],
        "additionalProperties": False,
    }
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"anyOf": [row, rows]},
                    "examples": {
                        "one row": {"value": example},
                        "several": {"value": {"rows": [example, {}]}},
                    },
                },
                "multipart/form-data": {"schema": form(replica)},
            },
        },
        "responses": {"200": answers(), **refusals(400, 401, 413, 415, 422, 429, 503)},
    }


def batch(replica: Replica) -> dict[str, Any]:
    lines = {"schema": {"type": "string", "description": "A row as JSON on each line."}}
    file = {"schema": {"type": "string", "format": "binary"}}
    content = {"application/x-ndjson": lines, "application/vnd.apache.parquet": file}
    answered = {
        "description": "A line for each row, in order.",
        "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
    }
    return {
        "requestBody": {"required": True, "content": content},
        "responses": {"200": answered, **refusals(400, 401, 413, 422, 503)},
    }


def schema(replica: Replica) -> dict[str, Any]:
    """A row: every input may be left out."""
    columns = replica.bundle.columns
    cells = {
        name: {**columns[name].describe().schema, "nullable": True}
        for name in replica.bundle.config.inputs
    }
    return {"type": "object", "properties": cells, "additionalProperties": False}


def form(replica: Replica) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    for name in replica.bundle.config.inputs:
        described = replica.bundle.columns[name].describe()
        file = {"type": "string", "format": "binary", "contentMediaType": described.media}
        parts[name] = file if described.media else {"type": "string"}
    return {"type": "object", "properties": parts}


def answers() -> dict[str, Any]:
    cell = {"type": ["string", "number", "array", "null"]}
    answer = {"type": "object", "additionalProperties": cell}
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
    return {
        "description": "The answer, or answers.",
        "content": {"application/json": {"schema": body}},
    }


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
    said = {"description": "Why not.", "content": {"application/json": {"schema": body}}}
    return {str(status): said for status in statuses}


# ── examples ─────────────────────────────────────────────────────────────────────────────────────


def example_row(replica: Replica) -> dict[str, Any]:
    """A golden row as JSON, made cells in place of large ones."""
    rows, _ = replica.bundle.golden()
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
    """Bytes as a data URI; all else as it is."""
    if not isinstance(cell, bytes):
        return cell
    kind = (media or "application/*").replace("*", "octet-stream" if media is None else "*")
    return f"data:{kind};base64,{base64.b64encode(cell).decode()}"


def made(widget: str, schema: dict[str, Any]) -> Cell:
    """A small cell of a kind: a grey picture, a tenth of a second of a tone, the first choice."""
    if widget == "image":
        file = io.BytesIO()
        Image.new("RGB", (8, 8), "grey").save(file, "PNG")
        return file.getvalue()
    if widget == "audio":
        return tone()
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
