"""Text generation, token by token: a `step` graph continues from the prefix that `answer` has read.

The loop is here, outside the graphs, so that every runner generates alike. A `step` takes `token`
[B], `place` [B], `cache` and `seen` [B, S]; it returns `logits` [B, V] of the next token and
`grown`, the cache with this one. A row that has ended leaves the batch.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from mmbm.config import Config
from mmbm.inference.long_audio import windowed
from mmbm.inference.runners import Named, Runner
from mmbm.kinds.text.column import END_ID, START_ID
from mmbm.kinds.text.spec import TextTarget

Choose = Callable[[np.ndarray, int], np.ndarray]
"""Select tokens [B] from probabilities [B, V] at a position."""


class Place(NamedTuple):
    """The tokens at one position of the texts that reach it."""

    rows: np.ndarray  # [B] indices of these texts
    tokens: np.ndarray  # [B]
    p: np.ndarray  # [B] probability of each of them


class State(NamedTuple):
    """State of the texts: cache, mask, and their last token."""

    token: np.ndarray  # [B] int64
    cache: np.ndarray  # [B, L, 2, h, S, D/h]
    seen: np.ndarray  # [B, S] bool

    def take(self, rows: np.ndarray) -> "State":
        return State(*(part[rows] for part in self))


def wrap_runner(runner: Runner, config: Config, quick: bool = False) -> Runner:
    """Wrap a runner with the parts outside the graphs: long audio in windows, text generation;
    `quick`: greedy, whatever the config."""
    runner, texts = windowed(runner, config), config.texts
    if quick:
        greedy = {"beam_size": 1, "temperature": 0.0}
        texts = {name: spec.model_copy(update=greedy) for name, spec in texts.items()}
    return TextGenerator(runner, texts) if texts else runner


class TextGenerator:
    """A runner whose `answer` returns, for each text, tokens and their probabilities [B, T, 2] up
    to the end token (id 0), followed by zeros."""

    def __init__(self, runner: Runner, texts: dict[str, TextTarget]):
        self.runner, self.texts = runner, texts

    def run(self, graph: str, arrays: Named) -> Named:
        outputs = self.runner.run(graph, arrays)
        if graph == "answer":
            for name, spec in self.texts.items():
                generate = beam_search if spec.beam_size > 1 else written
                outputs[name] = generate(self, name, outputs)
                del outputs[f"{name}.cache"], outputs[f"{name}.read"]
        return outputs

    def places(self, name: str, arrays: Named) -> Iterator[Place]:
        """Generate the texts `name` of encoded rows, position by position, as `answer` does."""
        yield from self.write(name, self.runner.run("answer", arrays))

    def write(self, name: str, outputs: Named) -> Iterator[Place]:
        spec, state = self.texts[name], self.start(name, outputs)
        rows, choose = np.arange(len(state.token)), chooser(spec)
        for place in range(spec.max_tokens + 1):
            p, state = self.step(name, state, place)
            tokens = choose(p, place)
            yield Place(rows, tokens, p[np.arange(len(rows)), tokens])
            going = tokens != END_ID
            if not going.any():
                return
            rows, state = rows[going], state._replace(token=tokens).take(going)

    def start(self, name: str, outputs: Named) -> State:
        cache, seen = outputs[f"{name}.cache"], outputs[f"{name}.read"]
        return State(np.full(len(seen), START_ID, np.int64), cache, seen)

    def step(self, name: str, state: State, place: int) -> tuple[np.ndarray, State]:
        """Probabilities of the next token [B, V], and the state extended by the last token."""
        graph = f"step-{list(self.texts).index(name)}"
        places = np.full_like(state.token, place)
        out = self.runner.run(graph, {**state._asdict(), "place": places})
        known = np.concatenate([state.seen, np.ones((len(places), 1), bool)], 1)
        return softmax(out["logits"]), State(state.token, out["grown"], known)


def written(writing: TextGenerator, name: str, outputs: Named) -> np.ndarray:
    """[B, T, 2]"""
    places = list(writing.write(name, outputs))
    texts = np.zeros((len(places[0].rows), len(places), 2), np.float32)
    for place, (rows, tokens, p) in enumerate(places):
        texts[rows, place, 0], texts[rows, place, 1] = tokens, p
    return texts


def chooser(spec: TextTarget) -> Choose:
    """The likeliest token, or a sampled one: the random number depends on the position alone, so
    that a row's text doesn't depend on the batch."""
    if not spec.temperature:
        return lambda p, place: p.argmax(1)

    def draw(p: np.ndarray, place: int) -> np.ndarray:
        p = p ** (1 / spec.temperature)
        order = np.argsort(-p, 1, kind="stable")
        ranked = np.take_along_axis(p / p.sum(1, keepdims=True), order, 1)
        ranked[ranked.cumsum(1) - ranked >= spec.top_p] = 0
        levels = ranked.cumsum(1)
        at = np.random.default_rng([spec.seed, place]).random() * levels[:, -1:]
        return np.take_along_axis(order, (levels <= at).sum(1, keepdims=True), 1)[:, 0]

    return draw


class Hypothesis(NamedTuple):
    """A hypothesis of a beam."""

    tokens: list[int]
    p: list[float]

    @property
    def score(self) -> float:
        """Log-probability per token."""
        return float(np.mean(np.log(np.maximum(self.p, 1e-30))))

    @property
    def ended(self) -> bool:
        return self.tokens[-1:] == [END_ID]


def beam_search(writing: TextGenerator, name: str, outputs: Named) -> np.ndarray:
    """Beam search, row by row [B, T, 2]: ranked by log-probability per token."""
    spec, start = writing.texts[name], writing.start(name, outputs)
    best = [beam(writing, name, start.take(np.array([row]))) for row in range(len(start.token))]
    texts = np.zeros((len(best), max(len(draft.tokens) for draft in best), 2), np.float32)
    for row, draft in enumerate(best):
        texts[row, : len(draft.tokens)] = np.stack([draft.tokens, draft.p], 1)
    assert texts.shape[1] <= spec.max_tokens + 1
    return texts


def beam(writing: TextGenerator, name: str, state: State) -> Hypothesis:
    spec = writing.texts[name]
    drafts, done = [Hypothesis([], [])], []
    for place in range(spec.max_tokens + 1):
        p, state = writing.step(name, state, place)
        width = min(spec.beam_size, p.shape[1])
        likeliest = np.argsort(-p, 1, kind="stable")[:, :width]
        longer = [
            (Hypothesis([*draft.tokens, int(token)], [*draft.p, float(p[i, token])]), i)
            for i, draft in enumerate(drafts)
            for token in likeliest[i]
        ]
        longer = sorted(longer, key=lambda one: -one[0].score)[: spec.beam_size]
        done += [draft for draft, _ in longer if draft.ended]
        going = [(draft, i) for draft, i in longer if not draft.ended]
        if not going or len(done) >= spec.beam_size:
            break
        drafts = [draft for draft, _ in going]
        state = state.take(np.array([i for _, i in going]))
        state = state._replace(token=np.array([d.tokens[-1] for d in drafts], np.int64))
    return max(done or drafts, key=lambda draft: draft.score)


def softmax(logits: np.ndarray) -> np.ndarray:
    p = np.exp(logits - logits.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)
