"""The list of models, and the schema of the whole interface."""

import pytest
import tiny
from chats import TOKEN
from servers import fuzz


def test_models_say_what_they_take_and_answer(client, bundle):
    assert [model.id for model in client.models.list()] == [
        "one",
        "three",
        "speech",
        "space",
        "writer",
    ]
    model = client.models.retrieve("three")
    assert (model.object, model.owned_by, model.version) == ("model", "mmbm", bundle.version)
    assert model.inputs["photo"]["kind"] == "image"
    assert model.targets["label"]["values"] == sorted(tiny.COLOURS)


def test_the_schema_has_a_chat_example_of_each_model_that_works_when_pasted(served):
    header = {"authorization": f"Bearer {TOKEN}"}
    schema = served.get("/openapi.json", headers=header).json()
    body = schema["paths"]["/v1/chat/completions"]["post"]["requestBody"]
    examples = body["content"]["application/json"]["examples"]
    assert set(examples) == {"one", "three", "speech", "space", "writer"}
    for name, example in examples.items():
        said = served.post("/v1/chat/completions", example["value"], headers=header)
        assert said.status_code == (400 if name == "space" else 200), said.text


@pytest.mark.slow
def test_a_fuzzer_that_knows_the_schema_finds_no_answer_that_breaks_it(served):
    token = f"Authorization: Bearer {TOKEN}"
    statuses = fuzz(served, "--include-path-regex", "^/v1", "-n", "200", "-H", token)
    assert len(statuses) > 300
    assert max(statuses) < 500
