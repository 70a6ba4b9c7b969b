"""An agent, asked by OpenAI's own client over a real socket."""

from pathlib import Path

import openai
import pytest
from chats import ask, picture, sound, text
from servers import serving

from mmbm.errors import ConfigError
from mmbm.serve.limits import Limits
from mmbm.serve.playground.chat import turn
from mmbm.serve.playground.gate import Folder
from mmbm.serve.start import serve

TESTS = str(Path(__file__).parents[1])


@pytest.fixture(scope="module")
def client(bundle_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("agents")
    agents = ["--agent", "echo=agents:Echo", "--agent", "hasty=agents:Hasty"]
    agents += ["--agent", "late=agents:Late"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", TESTS, prepend=":")
        with serving(folder, "--model", f"tiny={bundle_path}", *agents) as server:
            yield openai.OpenAI(base_url=f"{server.url}/v1", api_key="-", max_retries=0)


def test_an_agent_has_a_name_beside_the_models(client):
    assert [model.id for model in client.models.list()] == ["tiny", "echo", "hasty", "late"]
    assert client.models.retrieve("echo").owned_by == "mmbm"


def test_an_agent_reads_the_whole_talk(client):
    talk = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [text("hello"), text("you")]},
        {"role": "assistant", "content": "Hello!"},
        {"role": "assistant", "content": None, "refusal": None},
        {"role": "user", "content": "and then?"},
    ]
    said = client.chat.completions.create(model="echo", messages=talk)
    assert said.choices[0].message.content == "5 s+u+a+a+u: and then?"
    assert said.model == "echo"


def test_an_agent_asks_models_as_anybody_would(client, bundle, table):
    files = table.parent / "media/0.png", table.parent / "media/0.wav"
    row = dict(zip(("photo", "speech"), files))
    (expected,) = bundle.predict(row, probabilities=True)
    told = f"1 u: look | {expected['label']} {expected['label.confidence']:.4f}"
    parts = text("look"), picture(files[0]), sound(files[1])
    assert ask(client, "echo", *parts).choices[0].message.content == told


def test_what_an_agent_says_is_streamed_piece_by_piece(client, table):
    parts = text("look"), picture(table.parent / "media/0.png")
    whole = ask(client, "echo", *parts).choices[0].message.content
    chunks = list(ask(client, "echo", *parts, stream=True))
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]
    assert "".join(pieces) == whole
    assert len(pieces) == 2
    assert chunks[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_wrong_before_the_first_piece_is_an_error_with_its_reason(client, stream):
    broken = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8="}}
    with pytest.raises(openai.BadRequestError, match=r"photo.*") as found:
        ask(client, "hasty", text("picture"), broken, stream=stream)
    assert found.value.code == "agent"
    with pytest.raises(openai.BadRequestError, match=r"tiny: has no index .*--index tiny=INDEX"):
        ask(client, "hasty", text("search"), stream=stream)
    with pytest.raises(openai.BadRequestError, match=r"asks a model 'nobody'; there are tiny"):
        ask(client, "hasty", text("nobody"), stream=stream)


def test_what_is_wrong_after_the_first_piece_ends_the_stream_with_its_reason(client):
    heard: list[str | None] = []
    with pytest.raises(openai.APIError, match=r"photo") as found:
        heard.extend(
            c.choices[0].delta.content for c in ask(client, "late", text("?"), stream=True)
        )
    assert heard == ["", "Let me see. "]
    assert found.value.code == "agent"
    with pytest.raises(openai.BadRequestError, match="photo"):
        ask(client, "late", text("?"))


def test_an_agent_that_says_nothing_says_the_empty_text(client):
    assert ask(client, "hasty", text("?")).choices[0].message.content == ""


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"logprobs": True}, "logprobs"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"extra_body": {"row": {"a": 1}}}, "row"),
        ({"n": 2}, "n"),
    ],
)
def test_what_would_change_the_answer_is_refused_by_its_name(client, options, named):
    with pytest.raises(openai.BadRequestError) as found:
        ask(client, "echo", text("hello"), **options)
    assert found.value.param == named


def test_what_changes_nothing_is_taken(client):
    said = ask(client, "echo", text("a"), logprobs=False, response_format={"type": "text"})
    assert said.choices[0].message.content == "1 u: a"


def test_a_file_of_the_page_is_told_by_what_it_holds(table):
    folder = Folder(Limits())
    media = {name: (table.parent / "media" / name).read_bytes() for name in ("0.png", "0.wav")}
    files = [folder.write(f"{name}.bin", data) for name, data in media.items()]
    found = turn("user", ["a", "b"], files, folder)
    folder.remove()
    assert found.text == "a\nb"
    assert found.pictures == ((table.parent / "media/0.png").read_bytes(),)
    assert found.sounds == ((table.parent / "media/0.wav").read_bytes(),)


def test_a_talk_ends_with_the_user(client):
    talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    with pytest.raises(openai.BadRequestError, match="the last one is the user's"):
        client.chat.completions.create(model="echo", messages=talk)


def test_a_message_that_cannot_be_read_is_named_wherever_it_stands(client):
    talk = [{"role": "user", "content": [{"type": "file"}]}, {"role": "user", "content": "b"}]
    with pytest.raises(openai.BadRequestError, match=r"messages\.0\.content"):
        client.chat.completions.create(model="echo", messages=talk)


def test_an_agent_has_no_embeddings_and_no_transcriptions(client):
    with pytest.raises(openai.BadRequestError, match="echo is an agent: POST /v1/chat"):
        client.embeddings.create(model="echo", input="a")


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("echo", "write NAME=package.module:Class"),
        ("e c=agents:Echo", "write NAME=package.module:Class"),
        ("tiny=agents:Echo", "a name that no model has"),
        ("echo=nowhere:Echo", "there is no module 'nowhere'"),
        ("echo=agents:Nobody", "has no 'Nobody'"),
        ("echo=agents:Demanding", "is made without arguments: missing a required argument: 'key'"),
        ("echo=agents:function", "an agent is a class, not a function"),
    ],
)
def test_an_agent_that_cannot_be_is_refused_before_anything_is_served(bundle_path, agent, said):
    with pytest.raises(ConfigError, match=said):
        serve(models=[f"tiny={bundle_path}"], agents=[agent], port=0)
