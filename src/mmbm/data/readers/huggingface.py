"""Hugging Face's ClassLabel columns -> the names of their classes.

A dataset, and a parquet or Arrow file that `datasets` wrote, keep integers in such a column and the
names in the schema's metadata. (https://huggingface.co/docs/datasets/about_dataset_features)
"""

import json
from typing import Any

import pyarrow as pa

KEY = b"huggingface"


class Labels(list[str]):
    """The names of a column's classes, in the order of their numbers; `many` in a list each."""

    many: bool = False


def class_labels(schema: pa.Schema) -> dict[str, Labels]:
    """The ClassLabel columns in the metadata of a schema."""
    raw = (schema.metadata or {}).get(KEY)
    if raw is None:
        return {}
    try:
        features = json.loads(raw)["info"]["features"]
    except (ValueError, KeyError, TypeError):  # written by something else: the numbers are kept
        return {}
    found = {}
    for name in schema.names:
        feature = features.get(name) if isinstance(features, dict) else None
        if labels := _labels(feature):
            found[name] = labels
    return found


def _labels(feature: Any) -> Labels | None:
    many = isinstance(feature, dict) and feature.get("_type") in ("Sequence", "List", "LargeList")
    inner = feature["feature"] if many and "feature" in feature else feature
    if isinstance(feature, list) and len(feature) == 1:  # how older versions wrote a list
        many, inner = True, feature[0]
    names = inner.get("names") if isinstance(inner, dict) else None
    if not isinstance(names, list) or inner.get("_type") != "ClassLabel":
        return None
    labels = Labels(str(name) for name in names)
    labels.many = many
    return labels


def named_type(labels: Labels) -> pa.DataType:
    return pa.list_(pa.string()) if labels.many else pa.string()


def named(column: Any, labels: Labels) -> Any:
    """The column with names in place of numbers; -1, datasets' mark of an unknown class, is
    absent."""
    if isinstance(column, pa.ChunkedArray):
        return pa.chunked_array(
            [named(chunk, labels) for chunk in column.chunks], named_type(labels)
        )

    def name(number: int | None) -> str | None:
        return None if number is None or not 0 <= number < len(labels) else labels[number]

    cells = column.to_pylist()
    if labels.many:
        cells = [None if cell is None else [name(n) for n in cell] for cell in cells]
        return pa.array(cells, named_type(labels))
    return pa.array([name(cell) for cell in cells], named_type(labels))
