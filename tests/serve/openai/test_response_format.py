"""JSON and schemas as the form of an answer."""

import json
from enum import StrEnum
from typing import Literal

import openai
import pytest
import tiny
from chats import ask, picture, text
from pydantic import BaseModel

Colour = StrEnum("Colour", list(tiny.COLOURS))


Tag = StrEnum("Tag", [*tiny.COLOURS, "even", "odd"])


class Fine(BaseModel):
    label: Colour
    tags: list[Tag]


class Plain(BaseModel):
    label: Literal["red", "green", "blue", "none of them"]
    amount: float


@pytest.mark.parametrize("wanted", [Fine, Plain])
def test_a_schema_chooses_targets_and_is_parsed_by_the_client(client, bundle, cells, wanted):
    (expected,) = bundle.predict({"photo": cells["photo"]})
    said = client.chat.completions.parse(
        model="three",
        messages=[{"role": "user", "content": [picture(cells["photo"])]}],
        response_format=wanted,
    )
    found = said.choices[0].message.parsed
    assert isinstance(found, wanted)
    assert found.label == expected["label"]


def test_json_is_given_where_it_is_asked_for(client):
    said = ask(client, "one", text("red"), response_format={"type": "json_object"})
    assert set(json.loads(said.choices[0].message.content)) == {"label"}


def schema(**properties) -> dict:
    body = {"type": "object", "properties": properties, "required": [*properties]}
    return {"type": "json_schema", "json_schema": {"name": "s", "schema": body}}


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (schema(mood={"type": "string"}), "'mood' is no target; targets: label, amount, tags"),
        (schema(label={"type": "number"}), "label: its type is string"),
        (schema(amount={"type": "integer"}), "amount: its type is number"),
        (schema(amount={"enum": [1, 2]}), "amount: answers can't be listed"),
        (schema(label={"enum": ["red", "green"]}), "label: its enum lacks 'blue'"),
        (schema(tags={"type": "array", "items": {"enum": ["red"]}}), "tags: its enum lacks 'blue'"),
        (schema(amount={"type": "number", "minimum": 0}), "amount: 'minimum' can't be promised"),
        (schema(tags={"type": "array", "minItems": 1}), "tags: 'minItems' can't be promised"),
        (schema(tags={"items": {"pattern": "^e"}}), "tags: 'pattern' can't be promised"),
        (schema(label={"$ref": "#/$defs/X"}), "'#/$defs/X' leads nowhere"),
        (schema(label=True), "label: is no object"),
        ({"type": "json_schema"}, "is needed for this type"),
    ],
)  # fmt: skip
def test_a_schema_that_some_answer_would_break_is_refused(client, wanted, words):
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, "three", text("red"), response_format=wanted)
    assert words in str(refused.value)
    assert refused.value.param == "response_format"
