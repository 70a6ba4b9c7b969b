"""Embeddings, asked by OpenAI's own client."""

import base64

import openai
import pytest


@pytest.mark.parametrize("form", ["float", "base64"])
def test_embeddings_are_those_of_the_bundle(client, space, form):
    asked = ["a red circle on the left", "a blue cross on the right"]
    said = client.embeddings.create(model="space", input=asked, encoding_format=form, dimensions=16)
    rows = space.predict([{"en": en} for en in asked], embeddings=True)
    for i, (one, row) in enumerate(zip(said.data, rows)):
        z = one.embedding
        if form == "base64":
            import numpy as np

            z = np.frombuffer(base64.b64decode(z), "<f4").tolist()
        assert one.index == i
        assert z == pytest.approx(row["alike.embedding.en"], abs=1e-4)
    tokens = sum(len(space.columns["en"].decode(en)) for en in asked)
    assert said.usage.prompt_tokens == said.usage.total_tokens == tokens


def test_a_column_of_a_contrastive_target_can_be_named(client, space, served):
    (row,) = space.predict({"zh": "左边的红色圆形"}, embeddings=True)
    said = client.embeddings.create(
        model="space", input="左边的红色圆形", extra_body={"column": "zh"}
    )
    assert said.data[0].embedding == pytest.approx(row["alike.embedding.zh"], abs=1e-4)
    for options, words in [
        ({"dimensions": 8}, "space has 16, no more and no fewer"),
        ({"extra_body": {"column": "sound"}}, "one of photo, en, zh"),
        ({"input": [[1, 2]]}, "input.0: input should be a valid string"),
        ({"input": []}, "at least 1 item"),
        ({"model": "one"}, "no target of kind contrastive"),
        ({"input": "x.png", "extra_body": {"column": "photo"}}, "not allowed here"),
    ]:
        with pytest.raises(openai.BadRequestError, match=words):
            client.embeddings.create(**{"model": "space", "input": "a", **options})
