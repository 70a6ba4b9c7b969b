"""Model server: cells are decoded in a pool, rows run in batches on one thread."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmbm.console import say
from mmbm.data.unseen import cell_sentence
from mmbm.errors import MmbmError
from mmbm.inference.predict import Decoded, answer_rows, batched, decode_row, pieces
from mmbm.inference.predictor import Predictor, load
from mmbm.inference.runners import Named, flatten
from mmbm.kinds import column as kinds
from mmbm.kinds.column import Arrays, Cell
from mmbm.kinds.transcript.answer import trimmed
from mmbm.search import Found, Index
from mmbm.serve.batcher import Batcher
from mmbm.serve.limits import Limits
from mmbm.serve.metrics import CELLS, STAGES, Metrics

SMALL = 1 << 15
"""Bytes (or characters) of a row up to which decoding it isn't worth its own thread."""
TINY = 1 << 12
"""The same without media, up to which it is decoded inline: microseconds."""


VALUE = 200
"""Characters of an unseen value that an answer quotes."""


class Unreadable(MmbmError):
    """A cell of a request can't be read."""

    def __init__(self, message: str, column: str):
        super().__init__(f"{message}.")
        self.column = column


class ResponseOptions(NamedTuple):
    """Optional contents of a response."""

    probabilities: bool = True
    explain: bool = False
    embeddings: bool = False


PLAIN = ResponseOptions()
NOBODY = Decoded({}, None)
"""Raised for a row whose client is gone."""


@dataclass(slots=True)
class Wanted:
    """A row to decode, and whether its client is gone or its time is over."""

    row: dict[str, Cell]
    gone: bool = False


@dataclass(slots=True)
class Job:
    """A decoded row on its way through the batcher."""

    row: Decoded
    wish: ResponseOptions
    since: float  # start of its wait
    listen: bool = False
    """A part of a stream instead of a row: its token probabilities are requested."""


class ModelServer:
    """One version of one model. A reload creates another; this one finishes its own rows."""

    def __init__(
        self,
        name: str,
        bundle: Predictor,
        limits: Limits,
        metrics: Metrics,
        pool: Executor,
        index: Index | None = None,
    ):
        self.name, self.bundle, self.metrics, self.pool = name, bundle, metrics, pool
        self.index = index
        self.since = int(time.time())
        self.writing = 0  # texts streamed during generation
        self.answers = bundle.answers
        self.drift = bundle.drift
        self.thread = ThreadPoolExecutor(1, thread_name_prefix=f"run-{name}")
        self.batcher = Batcher(self._run, self.thread, limits.batch, limits.queue)
        self.small = Batcher(self._decode_all, pool, limits.batch, limits.queue)
        self.media = [name for name, spec in bundle.config.inputs.items() if spec.is_media]
        self.longest = {
            name: spec.longest
            for name, spec in bundle.config.inputs.items()
            if bundle.columns[name].storage.ragged
        }
        self.stage = {stage: metrics.stage.labels(name, stage) for stage in STAGES}
        self.cells = {
            column: {s: metrics.cells.labels(name, column, s) for s in CELLS}
            for column in bundle.config.inputs
        }

    async def answer(
        self,
        row: dict[str, Cell],
        wish: ResponseOptions,
        patient: bool = False,
    ) -> dict[str, Any]:
        """One row's answer as from `mmbm predict`; `error` and `column` if it can't be read;
        `unseen` if cells hold values that training never saw."""
        decoded = await self.decode(row)
        if decoded.column is not None:
            return {"error": decoded.error, "column": decoded.column}
        answer = await self.submit(decoded, wish, patient)
        unseen = [
            {"column": name, "value": value[:VALUE].encode(errors="replace").decode(),
             "message": cell_sentence(name, value, self.bundle.columns[name])}
            for name, value in decoded.unseen
        ]  # fmt: skip
        return {**answer, "unseen": unseen} if unseen else answer

    async def decode(self, row: dict[str, Cell]) -> Decoded:
        """A row's cells, or the reason why one of them can't be read."""
        start = time.perf_counter()
        decoded = await self._decode(row)
        self.stage["decode"].observe(time.perf_counter() - start)
        if decoded.column is not None:
            self.cells[decoded.column]["bad"].inc()
        for column, _ in decoded.unseen:
            self.cells[column]["unseen"].inc()
        return decoded

    async def submit(
        self, decoded: Decoded, wish: ResponseOptions = PLAIN, patient: bool = False
    ) -> dict[str, Any]:
        job = Job(decoded, wish, time.perf_counter())
        return await self.batcher.submit(job, self.size(decoded), patient)

    async def write(self, decoded: Decoded, target: str) -> AsyncIterator[str]:
        """A row's text, streamed in pieces: one position at a time, between batches."""
        loop, since = asyncio.get_running_loop(), time.perf_counter()

        def begin() -> Iterator[str]:
            batch = batched(self.bundle, [decoded])
            encoded = self.bundle.runner.run("encode", flatten(batch, self.bundle.columns))
            self._count([Job(decoded, PLAIN, since)], batch, encoded)
            return pieces(self.bundle, target, encoded)

        self.writing += 1
        try:
            parts = await loop.run_in_executor(self.thread, begin)
            while (piece := await loop.run_in_executor(self.thread, next, parts, None)) is not None:
                yield piece
        finally:
            self.writing -= 1

    async def hear(self, column: str, wave: np.ndarray, patient: bool) -> dict[str, np.ndarray]:
        """A chunk of audio -> its token probabilities [T, V], by transcript."""
        row = Decoded({**dict.fromkeys(self.bundle.config.inputs), column: wave}, None)
        job = Job(row, PLAIN, time.perf_counter(), listen=True)
        return await self.batcher.submit(job, self.size(row), patient)

    async def search(
        self, row: dict[str, Cell], k: int, of: str | None, where: str | None
    ) -> list[Found]:
        """The nearest rows of the index. Raises MmbmError: an unreadable cell, or an unknown filter
        or column."""
        assert self.index is not None
        target = self.index.about.target
        said = await self.answer(row, ResponseOptions(probabilities=False, embeddings=True))
        if said["error"] is not None:
            raise Unreadable(said["error"], said["column"])
        named = {name: said.get(f"{target}.embedding.{name}") for name in self.index.about.columns}
        given = {name: np.array(z) for name, z in named.items() if z is not None}
        start = time.perf_counter()
        nearest = partial(self.index.nearest, given, k, of=of, where=where, served=True)
        found = await asyncio.get_running_loop().run_in_executor(self.pool, nearest)
        self.stage["search"].observe(time.perf_counter() - start)
        return found

    async def _decode(self, row: dict[str, Cell]) -> Decoded:
        """Large rows each by itself in the pool. Small ones together in one of its threads: for
        them, threads that take turns at the interpreter's lock cost more than the decoding. Short
        ones without media here: nothing else is done on the event loop."""
        bulk = weight(row)
        if bulk <= TINY and all(row.get(name) is None for name in self.media):
            return decode_row(self.bundle, row, None)
        if bulk > SMALL:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self.pool, decode_row, self.bundle, row, None)
        wanted = Wanted(row)
        try:
            return await self.small.submit(wanted, patient=True)
        except asyncio.CancelledError:
            wanted.gone = True
            raise

    def _decode_all(self, rows: Sequence["Wanted"]) -> list[Decoded]:
        return [NOBODY if one.gone else decode_row(self.bundle, one.row, None) for one in rows]

    def size(self, decoded: Decoded) -> float:
        """The longest of a row's audio and texts, as a fraction of the maximum length."""
        cells = ((decoded.cells[name], most) for name, most in self.longest.items())
        return max((len(cell) / most for cell, most in cells if cell is not None), default=0.0)

    def _run(self, jobs: Sequence[Job]) -> list[dict[str, Any]]:
        """In the runner thread: a batch of rows -> their answers."""
        start = time.perf_counter()
        for job in jobs:
            self.stage["queue"].observe(start - job.since)
        batch = batched(self.bundle, [job.row for job in jobs])
        encoded = self.bundle.runner.run("encode", flatten(batch, self.bundle.columns))
        results: list[dict[str, Any]] = [{}] * len(jobs)
        asked = {(job.wish, job.listen) for job in jobs}
        for wish, listen in asked:
            rows = [i for i, job in enumerate(jobs) if (job.wish, job.listen) == (wish, listen)]
            some = encoded if len(asked) == 1 else {k: v[rows] for k, v in encoded.items()}
            answered = self._heard(some) if listen else self._answered(some, wish)
            for i, answer in zip(rows, answered):
                results[i] = answer
        self._count(jobs, batch, encoded)
        self.metrics.batch.labels(self.name).observe(len(jobs))
        took = time.perf_counter() - start
        for _ in jobs:
            self.stage["run"].observe(took)
        return results

    def _answered(self, encoded: Named, wish: ResponseOptions) -> list[dict[str, Any]]:
        rows = answer_rows(
            self.bundle, self.answers, encoded, wish.probabilities, 0.0, wish.explain,
            wish.embeddings,
        )  # fmt: skip
        return [told(row) for row in rows]

    def _heard(self, encoded: Named) -> list[dict[str, np.ndarray]]:
        outputs = self.bundle.runner.run("answer", encoded)
        said = [n for n, spec in self.bundle.config.targets.items() if spec.transcribes]
        rows = zip(*(outputs[name] for name in said))
        return [{name: trimmed(p) for name, p in zip(said, row)} for row in rows]

    def _count(self, jobs: Sequence[Job], batch: dict[str, Arrays], encoded: Named) -> None:
        """Count drift and cells of whole rows only: the parts of a stream overlap."""
        rows = [i for i, job in enumerate(jobs) if not job.listen]
        if not rows:
            return
        if len(rows) < len(jobs):
            batch = {name: Arrays(*(part[rows] for part in one)) for name, one in batch.items()}
            encoded = {name: part[rows] for name, part in encoded.items()}
        self.drift.add(batch, encoded)
        for name, arrays in batch.items():
            there = int(np.count_nonzero(arrays.present))
            self.cells[name]["present"].inc(there)
            self.cells[name]["absent"].inc(len(rows) - there)

    def describe(self) -> dict[str, Any]:
        """Its inputs and outputs, as a description for clients."""
        inputs = {
            name: {"kind": spec.kind, **self.bundle.columns[name].describe()._asdict()}
            for name, spec in self.bundle.config.inputs.items()
        }
        targets = {
            name: {"kind": spec.kind, "values": self.bundle.values(name)}
            for name, spec in self.bundle.config.targets.items()
        }
        about = {"model": self.name, "version": self.bundle.version}
        if self.index is None:
            return {**about, "inputs": inputs, "targets": targets}
        index = {
            "target": self.index.about.target,
            "columns": self.index.about.indexed,
            "fields": list(self.index.told.values()),
            "rows": len(self.index),
        }
        return {**about, "inputs": inputs, "targets": targets, "index": index}

    def close(self) -> None:
        self.thread.shutdown(wait=False)


def told(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer with its `error`, also for numbers that JSON can't represent."""
    for name, value in answer.items():
        numbers = value if isinstance(value, list) else [value]
        if any(isinstance(x, float) and not math.isfinite(x) for x in numbers):
            return {"error": f"{name}: the model's output is not a finite number", "column": name}
    return {**answer, "error": None}


def weight(row: dict[str, Cell], most: int = SMALL) -> int:
    """Bytes and characters of a row's cells, at least one of each value inside; counting ends
    beyond `most`."""
    total, waiting = 0, list(row.values())
    while waiting and total <= most:
        cell = waiting.pop()
        if isinstance(cell, dict):
            waiting += cell.values()
        elif isinstance(cell, list):
            total += len(cell)
            waiting += cell[:most]
        elif isinstance(cell, str | bytes):
            total += len(cell)
        total += 1
    return total


async def together(work: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """The results of all, in order; if one is refused or the client is gone, others are
    cancelled."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def open_bundle(
    path: Path, limits: Limits, threads: int | None, runner: str | None = None
) -> Predictor:
    """Load a bundle, verify its golden rows, and apply the server's limits to its cells.

    Raises BundleError if an answer changed: then it isn't served.
    """
    bundle = load(path, threads=threads, runner=runner)
    if not bundle.verify():
        say(f"Note: {path} has no golden rows, so nothing shows that it answers as it was trained.")
    bounds = {
        "max_bytes": int(limits.megabytes * 1e6),
        "max_pixels": limits.pixels,
        "max_seconds": limits.clip_seconds,
    }
    for name, spec in bundle.config.inputs.items():
        spec = spec.whole()
        lower = {
            key: min(bound, getattr(spec, key) or bound)
            for key, bound in bounds.items()
            if hasattr(spec, key)
        }
        bounded = spec.model_copy(update=lower)
        bundle.columns[name] = kinds.build(bounded, bundle.columns[name].state)
    return bundle
