"""How a text is searched, and where it ends."""

import numpy as np
import pytest
import told

from mmbm.inference.generation import State, TextGenerator, beam, chooser
from mmbm.kinds.text.spec import TextTarget


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return told.make(tmp_path_factory.mktemp("told"))


def test_a_nucleus_leaves_out_what_is_unlikely():
    p = np.array([[0.5, 0.3, 0.15, 0.05]]).repeat(1, 0)
    spec = TextTarget(temperature=1.0, top_p=0.6)
    drawn = {int(chooser(spec)(p, place)[0]) for place in range(200)}
    assert drawn == {0, 1}
    every = TextTarget(temperature=1.0)
    counts = np.bincount([int(chooser(every)(p, place)[0]) for place in range(2000)], minlength=4)
    assert counts / 2000 == pytest.approx(p[0], abs=0.05)


class Bigrams:
    """A runner whose next token depends on the last one alone: all beams can be counted."""

    def __init__(self, table):
        self.table = np.asarray(table, np.float32)

    def run(self, graph, arrays):
        grown = np.concatenate([arrays["cache"], arrays["cache"][..., :1, :]], 4)
        return {"logits": np.log(self.table[arrays["token"]]), "grown": grown}


def test_a_beam_finds_what_greedy_misses():
    """After the start `2` is likelier than `3`, but what follows it is not."""
    table = np.full((5, 5), 1e-9)
    table[1, [2, 3]] = 0.6, 0.4
    table[2, [2, 3, 4, 0]] = 0.3, 0.25, 0.25, 0.2
    table[3, 4], table[4, 0] = 1, 1
    runner = Bigrams(table)
    start = State(np.array([1]), np.zeros((1, 1, 2, 1, 1, 1), np.float32), np.ones((1, 1), bool))

    def best(width):
        spec = TextTarget(beam_size=width, max_tokens=6)
        return beam(TextGenerator(runner, {"t": spec}), "t", start).tokens

    assert best(2) == [3, 4, 0]
    assert best(1) != best(2)


def test_a_text_ends_at_max_tokens_if_nothing_ends_it():
    runner = Bigrams(np.full((5, 5), 1e-9) + np.eye(5)[[2, 2, 2, 2, 2]])
    outputs = {"t.cache": np.zeros((2, 1, 2, 1, 1, 1), np.float32), "t.read": np.ones((2, 1), bool)}
    spec = TextTarget(max_tokens=3)
    places = list(TextGenerator(runner, {"t": spec}).write("t", outputs))
    assert [place.tokens.tolist() for place in places] == [[2, 2]] * 4
