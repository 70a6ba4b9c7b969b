"""Bodies as they arrive: the spool alone, on a real event loop."""

import asyncio
import contextlib
import json
import time
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbm.serve.body import Spool, parse
from mmbm.serve.limits import RequestError

MEGABYTE = 1_000_000


def lines_of(parts: Iterable[bytes], longest: int = 64 * MEGABYTE) -> list[bytes]:
    async def told() -> list[bytes]:
        async def stream():
            for part in parts:
                yield part

        spool = Spool(stream())
        try:
            return [line async for line in spool.lines(longest)]
        finally:
            await spool.close()

    return asyncio.run(told())


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_lines_are_the_same_in_whatever_parts_they_arrive(size):
    body = b'{"a": 1}\n\n{"b": "\xc3\xa9"}\r\n{"c": ' + b"1" * 5000 + b"}\nlast"
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    assert lines_of(parts) == body.split(b"\n")


def test_the_time_of_a_line_grows_with_its_length_and_not_with_its_square():
    start = time.perf_counter()
    (line,) = lines_of([b"x" * 1000] * 32_000)
    assert len(line) == 32 * MEGABYTE
    assert time.perf_counter() - start < 5  # 0.1 s; 22 s where each part is joined to all before


def test_a_line_that_is_too_long_is_refused_before_all_of_it_came():
    with pytest.raises(RequestError, match="more than 100000 bytes"):
        lines_of([b"x" * 1000] * 1000, longest=100_000)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=8), inside),
    max_leaves=20,
)


@given(st.binary(max_size=200) | ANYTHING.map(lambda x: json.dumps(x).encode()))
def test_a_body_is_json_or_refused(content):
    with contextlib.suppress(RequestError):
        parse(content)
