"""The interface of OpenAI, asked by its own client over a real socket."""

import json
import math

import openai
import pytest
from chats import TOKEN, ask, base, text


def test_a_picture_a_sound_and_a_text_are_answered_as_the_bundle_does(client, one, cells, parts):
    row = {name: cells[name] for name in ("photo", "speech", "remark")}
    (expected,) = one.predict(row, probabilities=True)
    said = ask(client, "one", *parts, logprobs=True, top_logprobs=2)
    choice = said.choices[0]
    assert (choice.message.role, choice.finish_reason) == ("assistant", "stop")
    assert choice.message.content == expected["label"]
    (token,) = choice.logprobs.content
    assert math.exp(token.logprob) == pytest.approx(expected["label.confidence"], abs=1e-4)
    assert token.top_logprobs[0].token == token.token == expected["label"]
    assert len(token.top_logprobs) == 2
    assert said.system_fingerprint == one.version
    tokens = len(one.columns["remark"].decode(cells["remark"]))
    assert (said.usage.prompt_tokens, said.usage.completion_tokens) == (tokens, 1)


def test_what_is_left_out_is_absent_and_only_the_last_message_of_the_user_is_read(client, one):
    (expected,) = one.predict({"remark": "it looks red"})
    talk = [
        {"role": "system", "content": "You see colours."},
        {"role": "user", "content": "it looks blue"},
        {"role": "assistant", "content": "blue"},
        {"role": "user", "content": "it looks red"},
    ]
    said = client.chat.completions.create(model="one", messages=talk, temperature=0, max_tokens=5)
    assert said.choices[0].message.content == expected["label"]


def test_several_targets_are_a_json_object_and_row_names_columns(client, bundle, cells, parts):
    names = ("photo", "speech", "remark", "speed", "place")
    (expected,) = bundle.predict({name: cells[name] for name in names})
    others = {"speed": float(cells["speed"]), "place": cells["place"]}
    said = json.loads(
        ask(client, "three", *parts, extra_body={"row": others}).choices[0].message.content
    )
    assert said == {
        "label": expected["label"],
        "amount": pytest.approx(expected["amount"], rel=1e-4),
        "tags": expected["tags"],
    }
    whole = {**others, "photo": base(cells["photo"]), "speech": base(cells["speech"])}
    named = ask(
        client, "three", extra_body={"row": {**whole, "remark": cells["remark"]}}
    )  # every column by its name, no part
    assert json.loads(named.choices[0].message.content) == said


def test_a_stream_gives_the_same_answer_in_pieces(client, one, parts):
    whole = ask(client, "one", *parts)
    options = {"stream": True, "stream_options": {"include_usage": True}}
    *chunks, last = ask(client, "one", *parts, **options)
    assert chunks[0].choices[0].delta.role == "assistant"
    content = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert content == whole.choices[0].message.content
    assert [c.choices[0].finish_reason for c in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert (last.choices, last.usage) == ([], whole.usage)
    assert all(chunk.usage is None for chunk in ask(client, "one", *parts, stream=True))


def test_a_stream_ends_as_the_protocol_says(served):
    body = {"model": "one", "messages": [{"role": "user", "content": "red"}], "stream": True}
    said = served.post("/v1/chat/completions", body, headers={"authorization": f"Bearer {TOKEN}"})
    assert said.headers["content-type"].startswith("text/event-stream")
    *events, end, nothing = said.text.split("\n\n")
    assert (end, nothing) == ("data: [DONE]", "")
    assert all(json.loads(event.removeprefix("data: "))["id"] for event in events)


def test_a_text_is_told_while_it_is_written(client, writer, served):
    row = {"question": "How many?", "number": "two"}
    (expected,) = writer.predict(row)
    pieces = list(writer.generate_stream(row))
    assert len(pieces) > 2
    named = {"extra_body": {"row": {"number": "two"}}}
    said = ask(client, "writer", text("How many?"), temperature=0, max_tokens=100, **named)
    assert said.choices[0].message.content == expected["answer"]
    tokens = len(writer.columns["answer"].tokens(expected["answer"]))
    assert said.usage.completion_tokens == tokens
    options = {"stream": True, "stream_options": {"include_usage": True}, **named}
    *chunks, last = ask(client, "writer", text("How many?"), **options)
    told = [c.choices[0].delta.content for c in chunks if c.choices[0].delta.content]
    assert told == pieces
    assert last.usage == said.usage
    wanted = {"response_format": {"type": "json_object"}, **named}
    whole = ask(client, "writer", text("How many?"), **wanted).choices[0].message.content
    assert json.loads(whole) == {"answer": expected["answer"]}
    page = served.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"}).text
    assert 'mmbm_cells_total{column="question",model="writer",state="present"} 3.0' in page


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": 0.7}, "temperature: the model's config says 0 for answer"),
        ({"frequency_penalty": 1}, "frequency_penalty: the model's config says 0"),
        ({"max_tokens": 5}, "max_tokens: answer may have 24 tokens"),
    ],
)
def test_a_text_is_written_as_its_config_says_or_not_at_all(client, options, words):
    with pytest.raises(openai.BadRequestError, match=words):
        ask(client, "writer", text("How many?"), **options)
