"""What is no request that can be answered is refused by its field."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from chats import TOKEN, ask, text
from hypothesis import given
from hypothesis import strategies as st
from servers import serving

from mmbm.serve.limits import RequestError
from mmbm.serve.openai.requests import Chat, Embed, bounded, valid


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


WORDS = st.sampled_from(
    ["model", "messages", "role", "user", "content", "type", "text", "image_url", "url", "input",
     "row", "stream", "n", "response_format", "json_schema", "schema", "name", "logprobs"]
)  # fmt: skip
BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS | st.text(max_size=9),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(WORDS, inside, max_size=5),
    max_leaves=20,
)


@given(BODIES, st.sampled_from([Chat, Embed]))
def test_a_request_in_openais_shape_is_read_or_refused_by_the_field(body, kind):
    with contextlib.suppress(RequestError):
        bounded(body)
        assert isinstance(valid(kind, body), kind)
