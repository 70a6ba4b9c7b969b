"""Parsers of what others send: any bytes are read or refused by a sentence, whatever they are.

`make fuzz` runs these, and every other test with hypothesis, with many more examples.
"""

import contextlib
import io
import json
import subprocess
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mmbm.bundle.manifest import MANIFEST, Files
from mmbm.config import load as configfile
from mmbm.errors import BadCell, MmbmError
from mmbm.kinds.audio.column import AudioColumn
from mmbm.kinds.audio.spec import AudioSpec
from mmbm.kinds.image.column import ImageColumn
from mmbm.kinds.image.spec import ImageSpec
from mmbm.serve.body import parse
from mmbm.serve.limits import Limits, RequestError
from mmbm.serve.openai.requests import Chat, Embed, bounded, valid
from mmbm.serve.origins import ORIGIN, Origins, address
from mmbm.serve.playground.gate import Folder, own_files

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=8), inside),
    max_leaves=20,
)


@given(st.binary(max_size=200) | VALUES.map(lambda x: json.dumps(x).encode()))
def test_a_body_is_json_or_refused(content):
    with contextlib.suppress(RequestError):
        parse(content)


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


@pytest.fixture(scope="module")
def folder():
    made = Folder(Limits())
    yield made
    made.remove()


NAMES = st.sampled_from(
    ["/etc/passwd", "..", "\0", "", "/", "http://x/", "mmbm-gone.png", "{folder}", "{folder}/..",
     "{folder}/../../etc/passwd", "{folder}x/y", "{folder}/x/../../../etc/passwd"]
)  # fmt: skip


@given(st.recursive(
    NAMES | st.none() | st.integers(),
    lambda inside: st.lists(inside, max_size=3)
    | st.dictionaries(st.sampled_from(["path", "url", "meta", "x"]), inside, max_size=3),
    max_leaves=12,
))  # fmt: skip
def test_an_event_of_a_page_names_files_of_the_folder_or_is_refused(folder, event):
    text = json.dumps(event).replace("{folder}", str(folder.path))
    try:
        passed = json.dumps(own_files(json.loads(text), folder))
    except RequestError:
        return
    for path in paths(json.loads(passed)):
        assert folder.holds(path)


def paths(value):
    if isinstance(value, dict):
        if value.get("path") is not None:
            yield value["path"]
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from paths(one)


@given(st.text(max_size=40), st.none() | st.text(max_size=40))
def test_a_host_and_an_origin_are_this_server_or_refused(host, origin):
    headers = {b"host": host.encode(errors="replace")}
    if origin is not None:
        headers[b"origin"] = origin.encode(errors="replace")
    refusal = Origins().refusal("POST", headers)
    if refusal is None:
        here = address(headers[b"host"].decode("latin-1"))
        assert here is not None
        assert Origins().knows(here.host)
        assert origin is None or ORIGIN.fullmatch(origin.lower())


@given(st.binary(max_size=300) | BODIES.map(lambda x: yaml.safe_dump(x).encode()))
def test_a_config_is_read_or_a_sentence(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    path.write_bytes(content)
    with pytest.raises(MmbmError):
        configfile.load(path)


@given(
    st.dictionaries(
        st.sampled_from(["format", "files", "tolerance", "runner", "mmbm"]),
        VALUES | st.dictionaries(st.text(max_size=12), VALUES) | st.just(1),
    )
)
def test_a_manifest_is_read_or_a_sentence(tmp_path_factory, manifest):
    path = tmp_path_factory.getbasetemp() / "fuzzed"
    path.mkdir(exist_ok=True)
    (path / MANIFEST).write_text(json.dumps(manifest))
    with contextlib.suppress(MmbmError):
        assert all(isinstance(name, str) for name in Files(path))


@given(st.sampled_from([b"RIFF\x24\0\0\0WAVEfmt ", b"fLaC", b"OggS", b"ID3", b""]), st.binary())
def test_any_bytes_are_a_sound_or_a_bad_cell(start, rest):
    column = AudioColumn(AudioSpec(kind="audio", sample_rate=8000, seconds=1))
    try:
        wave = column.decode(start + rest)
    except BadCell:
        return
    assert wave is None or len(wave) <= 8000


@given(st.binary(max_size=400), st.integers(0, 400), st.integers(0, 255))
def test_any_damage_to_a_png_is_an_image_or_a_bad_cell(junk, place, value):
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (12, 9), "red").save(file, "PNG")
    raw = bytearray(file.getvalue())
    raw[place % len(raw)] = value
    column = ImageColumn(ImageSpec(kind="image", size=8))
    try:
        pixels = column.decode(bytes(raw) + junk)
    except BadCell:
        return
    assert pixels is not None
    assert pixels.shape == (8, 8, 3)


@pytest.mark.parametrize("seed", range(3))
def test_any_damage_to_a_parquet_file_ends_the_child_that_reads_it_in_order(tmp_path, seed):
    """Its exit status: 0, or 3 with a sentence; or it was out of memory."""
    import random

    import pyarrow as pa
    import pyarrow.parquet as pq

    file = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": [f"text {i}" for i in range(50)], "b": range(50)}), file)
    chance, raw = random.Random(seed), bytearray(file.read_bytes())
    for _ in range(chance.choice([1, 4, 40])):
        raw[chance.randrange(len(raw))] = chance.randrange(256)
    command = [sys.executable, "-m", "mmbm.serve.parquet", "1000000", "a", "b"]
    done = subprocess.run(command, input=bytes(raw), capture_output=True, timeout=60)
    assert b"Traceback" not in done.stderr
    assert done.returncode in (0, 3) or done.returncode < 0
