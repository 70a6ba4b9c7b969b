"""The interface of OpenAI, asked by its own client over a real socket."""

import base64
import csv
import json
import math
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import Literal

import openai
import pairs
import pytest
import spoken
import tiny
import told
from pydantic import BaseModel
from servers import fuzz, serving

import mmbm

TOKEN = "a-token-of-this-test"


@pytest.fixture(scope="module")
def one(table, tmp_path_factory):
    """One category from a picture, a sound and a text."""
    config = tiny.config(table, epochs=2)
    config["inputs"] = {name: config["inputs"][name] for name in ("photo", "speech", "remark")}
    return mmbm.train(config, run=tmp_path_factory.mktemp("one") / "run")


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    folder = tmp_path_factory.mktemp("speech")
    return mmbm.train(
        spoken.config(spoken.make(folder / "spoken", 128), epochs=25), run=folder / "run"
    )


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    """Sentences about a picture and a number."""
    folder = tmp_path_factory.mktemp("writer")
    return mmbm.train(told.config(told.make(folder / "told", 96), epochs=4), run=folder / "run")


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    """Pictures and captions in English and Chinese."""
    folder = tmp_path_factory.mktemp("space")
    table = pairs.make(folder / "pairs", 144)
    return mmbm.train(pairs.config(table, epochs=2), run=folder / "run")


@pytest.fixture(scope="module")
def served(bundle_path, one, speech, space, writer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    (folder / "token").write_text(TOKEN)
    named = {
        "one": one.path,
        "three": bundle_path,
        "speech": speech.path,
        "space": space.path,
        "writer": writer.path,
    }
    models = [x for name, path in named.items() for x in ("--model", f"{name}={path}")]
    options = ["--token-file", folder / "token", "--max-megabytes", 1]
    with serving(folder / "run", *models, *options) as server:
        yield server


@pytest.fixture(scope="module")
def client(served):
    return openai.OpenAI(base_url=f"{served.url}/v1", api_key=TOKEN, max_retries=0)


@pytest.fixture(scope="module")
def cells(table) -> dict:
    """The first row: media as paths."""
    with table.open(encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    return {**row, "photo": table.parent / row["photo"], "speech": table.parent / row["speech"]}


def base(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def text(said: str) -> dict:
    return {"type": "text", "text": said}


def picture(path: Path) -> dict:
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base(path)}"}}


def sound(path: Path) -> dict:
    return {"type": "input_audio", "input_audio": {"data": base(path), "format": "wav"}}


def ask(client, model: str, *parts, **options):
    said = [{"role": "user", "content": list(parts)}]
    return client.chat.completions.create(model=model, messages=said, **options)


@pytest.fixture
def parts(cells):
    return [text(cells["remark"]), picture(cells["photo"]), sound(cells["speech"])]


# ── chat ─────────────────────────────────────────────────────────────────────────────────────────


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


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "param", "words"),
    [
        ({"n": 2}, "n", "input should be 1"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools", "not supported"),
        ({"stop": ["."]}, "stop", "not supported"),
        ({"logit_bias": {"1": 2}}, "logit_bias", "not supported"),
        ({"top_logprobs": 2}, "top_logprobs", "needs logprobs"),
        ({"logprobs": True, "response_format": {"type": "json_object"}}, "logprobs", "as text"),
        ({"extra_body": {"row": {"phot": "x"}}}, None, "'phot' is not an input"),
        ({"extra_body": {"row": {"photo": "x.png"}}}, "photo", "a path or URL is not allowed here"),
        ({"messages": []}, "messages", "at least 1 item"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages", "none is the user's"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role", "should be 'system'"),
    ],
)  # fmt: skip
def test_what_would_change_the_answer_and_cannot_is_refused(client, options, param, words):
    said = {"model": "one", "messages": [{"role": "user", "content": "red"}], **options}
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**said)
    assert words in refused.value.body["message"]
    assert refused.value.param == param
    assert refused.value.type == "invalid_request_error"


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"type": "image_url", "image_url": {"url": "http://localhost/p.png"}}, "URL won't do"),
        ({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}, "URL won't do"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
         "photo: is not a picture"),
        ({"type": "input_audio", "input_audio": {"data": "/etc/passwd", "format": "wav"}},
         "a path or URL is not allowed here"),
        ({"type": "file", "file": {"file_id": "x"}}, "'text', 'image_url', 'input_audio'"),
        ({"type": "text", "text": 3}, "messages.0.content.0.text.text: input should be a valid"),
    ],
)  # fmt: skip
def test_a_part_that_is_no_cell_is_refused_with_the_reason(client, part, words):
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, "one", part)
    assert words in refused.value.body["message"]


def test_a_part_too_many_is_refused_with_what_the_model_takes(client, parts):
    with pytest.raises(openai.BadRequestError, match=r"type text .* takes photo \(image\), speech"):
        ask(client, "one", *parts, text("and one more"))
    with pytest.raises(
        openai.BadRequestError, match=r"type image_url .* speech takes speech \(audio\)"
    ):
        ask(client, "speech", parts[1])
    with pytest.raises(openai.BadRequestError, match="type text"):  # its only column is named
        ask(client, "one", text("red"), extra_body={"row": {"remark": "blue"}})


def test_each_error_is_of_the_class_that_the_client_has_for_it(served, client):
    stranger = openai.OpenAI(base_url=f"{served.url}/v1", api_key="wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError, match="bearer token") as refused:
        stranger.models.list()
    assert refused.value.type == "authentication_error"
    with pytest.raises(
        openai.NotFoundError, match="there is no 'gpt-4'; models: one, three"
    ) as gone:
        ask(client, "gpt-4", text("red"))
    assert (gone.value.code, gone.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4")
    with pytest.raises(openai.NotFoundError, match="Not Found"):
        client.moderations.create(input="x")
    with pytest.raises(openai.APIStatusError, match="more than 1 MB") as large:
        ask(client, "one", text("x" * 2_000_000))
    assert large.value.status_code == 413
    with pytest.raises(openai.BadRequestError, match="POST /v1/embeddings"):
        ask(client, "space", text("red"))


def test_half_a_character_is_refused_and_breaks_no_answer(served):
    header = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    message = '{"role": "user", "content": "red"}'
    for body in (
        '{"model": "one", "messages": [MESSAGE], "\\ud800": 1}',
        '{"model": "\\ud800", "messages": [MESSAGE]}',
        '{"model": "one", "messages": [MESSAGE], "row": {"\\ud800": 1}}',
        '{"model": "one", "messages": [{"role": "user", "content": [{"type": "\\ud800"}]}]}',
        '{"model": "one", "messages": [MESSAGE], "response_format": {"type": "json_schema", '
        '"json_schema": {"name": "s", "schema": {"\\ud800": {}}}}}',
    ):
        said = served.post(
            "/v1/chat/completions", content=body.replace("MESSAGE", message), headers=header
        )
        assert said.status_code in (400, 404), body
        assert said.json()["error"]["message"]


@pytest.mark.slow
def test_a_busy_server_is_asked_again_by_the_client_as_it_says(bundle_path, tmp_path):
    with serving(tmp_path, bundle_path, "--max-queue", 1, "--max-batch", 1) as server:
        name = openai.OpenAI(base_url=f"{server.url}/v1", api_key="-").models.list().data[0].id

        def outcome(retries: int) -> tuple:
            client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="-", max_retries=retries)
            try:
                ask(client, name, text("red"))
            except openai.RateLimitError as busy:
                return busy.status_code, busy.type, busy.response.headers["retry-after"]
            return (200,)

        with ThreadPoolExecutor(24) as pool:
            assert set(pool.map(outcome, [0] * 96)) == {(200,), (429, "rate_limit_error", "1")}
            assert set(pool.map(outcome, [8] * 24)) == {(200,)}


# ── models, embeddings, transcriptions ───────────────────────────────────────────────────────────


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


@pytest.fixture
def clip(speech, tmp_path) -> Path:
    """A sound in which the model hears several words."""
    import numpy as np
    import soundfile

    path = tmp_path / "clip.wav"
    wave = spoken.say("ab ca b", np.random.default_rng(3))
    soundfile.write(path, wave, spoken.RATE)
    return path


def test_a_file_is_transcribed_as_the_bundle_does(client, speech, clip):
    (row,) = speech.predict({"speech": clip})
    assert len(row["words.times"]) > 1
    options = {"model": "speech", "file": clip, "language": "en", "temperature": 0}
    listen = client.audio.transcriptions.create
    said = listen(**options)
    assert said.text == row["words"]
    assert (said.usage.type, said.usage.seconds) == ("duration", pytest.approx(0.56))
    assert listen(**options, response_format="text") == row["words"] + "\n"
    full = listen(
        **options, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert [word.model_dump() for word in full.words] == row["words.times"]
    assert (full.text, full.duration) == (row["words"], pytest.approx(0.56))
    assert "".join(segment.text for segment in full.segments) == row["words"]
    events = list(listen(**options, stream=True))
    assert events[-1].type == "transcript.text.done"
    assert "".join(event.delta for event in events[:-1]) == events[-1].text == row["words"]
    first = row["words.times"][0]["start"]
    srt = listen(**options, response_format="srt").splitlines()
    assert srt[0] == "1"
    assert srt[1].startswith(f"00:00:00,{round(first * 1000):03} --> 00:00:00,")
    assert srt[2] == row["words"]
    vtt = listen(**options, response_format="vtt").splitlines()
    assert vtt[0] == "WEBVTT"
    assert vtt[2].startswith(f"00:00:00.{round(first * 1000):03} --> 00:00:00.")


def test_what_is_no_transcription_is_refused(client, clip):
    for options, words in [
        ({"model": "one"}, "no target of kind transcript"),
        ({"file": b"no sound"}, "speech: "),
        ({"prompt": "ab"}, "prompt: is not supported"),
        ({"response_format": "diarized_json"}, "response_format"),
        ({"response_format": "srt", "stream": True}, "a stream is json"),
        ({"extra_body": {"target": "label"}}, "target: one of words"),
    ]:
        with pytest.raises(openai.BadRequestError, match=words):
            client.audio.transcriptions.create(**{"model": "speech", "file": clip, **options})


def test_subtitles_end_at_pauses_and_keep_the_text_as_it_is_written():
    from mmbm.serve.openai.transcriptions import cues, subtitles

    words = [("你", 0.0, 0.2), ("好", 0.2, 0.4), ("my", 1.5, 1.7), ("friend", 3661.5, 3662.0)]
    times = [{"word": word, "start": start, "end": end} for word, start, end in words]
    said = cues("你好 my friend", times)
    assert [cue.text for cue in said] == ["你好", "my", "friend"]
    assert subtitles(said, "srt").endswith("3\n01:01:01,500 --> 01:01:02,000\nfriend\n")


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
