"""Somebody else's model, behind OpenAI's interface: a baseline, and a teacher that labels rows.

    row ──► messages ──► kept already? ──► endpoint ──► kept ──► an answer there is, or an error

Needs `pip install "mmbm[remote]"`. The key is OPENAI_API_KEY of the environment and nothing else.
"""

import base64
import hashlib
import io
import json
import math
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
from PIL import Image

from mmbm.bundle import Bundle
from mmbm.columns import Cell, number
from mmbm.columns.category import name as name_of
from mmbm.columns.media import locate, name_format, read
from mmbm.errors import BadCell, MissingExtra, MmbmError, TableError
from mmbm.prepare import MEDIA
from mmbm.prepare.store import parallel
from mmbm.progress import say, track
from mmbm.table import Table, open_table

LARGEST = 20_000_000
"""Bytes of a picture or a sound that is sent."""
PICTURES = {"PNG": "png", "JPEG": "jpeg", "MPO": "jpeg", "WEBP": "webp", "GIF": "gif"}
"""What OpenAI's interface takes as it is; other pictures are sent as PNG."""
RETRIES = 6
"""Of the client: at 408, 409, 429, 5xx and lost connections, after 0.5 to 8 s or as told."""
KEPT = Path("runs/remote.sqlite")
NOTHING = "what came back is no chat completion"
REFUSED = (400, 413, 422)
"""Statuses that speak of the row; any other error ends the run."""
LIMIT = 200
"""Rows of a comparison, if not said."""
PROBABLE = {"auroc", "log_loss", "calibration_error"}
"""Metrics of probabilities, of which a text has none."""


# ── what is asked ────────────────────────────────────────────────────────────────────────────────


class Question(NamedTuple):
    """What is asked of every row, and which answers there are."""

    ask: str
    kind: str  # category | number | transcript | text
    classes: tuple[str, ...] = ()

    @classmethod
    def of(cls, ask: str, classes: str | None) -> "Question":
        """As the command line says it: `cat,dog`, or a number."""
        if classes is None:
            return cls(ask, "number")
        names = tuple(dict.fromkeys(filter(None, map(str.strip, classes.split(",")))))
        if len(names) < 2:
            raise MmbmError(f"--classes {classes!r}: name at least two, with commas between.")
        return cls(ask, "category", names)

    def text(self) -> str:
        if self.kind == "category":
            listed = json.dumps(self.classes, ensure_ascii=False)
            return f"{self.ask}\nAnswer with one of these and nothing else: {listed}"
        form = "one number and nothing else" if self.kind == "number" else "the words alone"
        return f"{self.ask}\nAnswer with {form}."

    def read(self, said: str) -> str | float:
        """The answer. Spaces, quotes and a full stop around it, and its case, don't count. Raises
        BadCell if it is none of those there are."""
        whole = said.strip()
        if self.kind in ("transcript", "text"):
            return whole
        bare = whole.strip(" \n\"'`*.。")
        if self.kind == "number":
            value = number.parse(bare)
            if value is None:
                raise BadCell("is no number")
            return value
        for fits in (lambda c: c in (whole, bare), lambda c: c.casefold() == bare.casefold()):
            if len(found := [c for c in self.classes if fits(c)]) == 1:
                return found[0]
        raise BadCell("is none of the classes")

    def length(self) -> int:
        """Tokens of an answer, about."""
        return max(map(tokens, self.classes), default=5 if self.kind == "number" else 30)


class Size(NamedTuple):
    """What a request costs, about: as GPT-4o counts (platform.openai.com/docs/guides)."""

    tokens: float = 0  # of text
    pictures: float = 0
    seconds: float = 0
    of_media: float = 0  # tokens of pictures and sounds

    def plus(self, other: "Size") -> "Size":
        return Size(*(a + b for a, b in zip(self, other)))


class Request(NamedTuple):
    body: dict[str, Any]
    size: Size


def tokens(text: str) -> int:
    """Four letters, or a character of another script."""
    plain = sum(map(str.isascii, text))
    return len(text) - plain + -(-plain // 4)


def messages(
    question: Question, row: dict[str, Cell], kinds: dict[str, str], root: Path | None
) -> tuple[list[dict[str, Any]], Size]:
    """A row as a conversation: the question, then a part for each cell that is there, in the order
    of `kinds` (kind by column). Where several columns are written, each says its name.

    Raises BadCell of a medium that can't be read, and of a row in which there is nothing.
    """
    several = sum(kind not in MEDIA for kind in kinds.values()) > 1
    parts, size = [], Size(tokens(question.text()))
    for name, kind in kinds.items():
        try:
            found = part_of(kind, row[name], root, f"{name}: " if several else "")
        except BadCell as bad:
            raise BadCell(f"{name}: {bad.reason}") from bad
        if found:
            parts.append(found[0])
            size = size.plus(found[1])
    if not parts:
        raise BadCell("the row is empty")
    asked = [{"role": "system", "content": question.text()}, {"role": "user", "content": parts}]
    return asked, size


Part = tuple[dict[str, Any], Size]


def part_of(kind: str, cell: Cell, root: Path | None, label: str) -> Part | None:
    if kind in MEDIA:
        where = locate(cell, root)
        make = picture if kind == "image" else sound
        return None if where is None else make(read(where, LARGEST))
    if (text := written(cell)) is None:
        return None
    return {"type": "text", "text": label + text}, Size(tokens(label + text))


def written(cell: Cell) -> str | None:
    if isinstance(cell, list):
        return "; ".join(map(str, cell)) or None
    return (cell if isinstance(cell, str) and cell.strip() else name_of(cell)) or None


def picture(raw: bytes) -> Part:
    try:
        opened = Image.open(io.BytesIO(raw))
        kind, (width, height) = PICTURES.get(opened.format or ""), opened.size
        if kind is None:
            opened.convert("RGB").save(file := io.BytesIO(), "PNG")
            kind, raw = "png", file.getvalue()
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise BadCell(f"is not a picture but {name_format(raw) or 'damaged'}") from error
    shrink = min(1, 2048 / max(width, height), 768 / min(width, height))
    tiles = math.ceil(width * shrink / 512) * math.ceil(height * shrink / 512)
    url = f"data:image/{kind};base64,{base64.b64encode(raw).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}, Size(0, 1, 0.0, 85 + 170 * tiles)


def sound(raw: bytes) -> Part:
    """WAV and MP3 as they are, all else that libsndfile reads as WAV of 16 bit."""
    try:
        about = soundfile.info(io.BytesIO(raw))
        kind = {"WAV": "wav", "MP3": "mp3"}.get(about.format)
        if kind is None:
            wave, rate = soundfile.read(io.BytesIO(raw), dtype="int16")
            soundfile.write(file := io.BytesIO(), wave, rate, format="WAV")
            kind, raw = "wav", file.getvalue()
    except soundfile.LibsndfileError as error:
        raise BadCell(f"is not a sound but {name_format(raw) or 'damaged'}") from error
    data = {"data": base64.b64encode(raw).decode(), "format": kind}
    cost = Size(0, 0, about.duration, math.ceil(10 * about.duration))
    return {"type": "input_audio", "input_audio": data}, cost


# ── asking ───────────────────────────────────────────────────────────────────────────────────────


class Reply(NamedTuple):
    content: str
    tokens_in: int
    tokens_out: int


class Kept:
    """Answers by the hash of what was asked, in one SQLite file: written one by one, so whatever
    ends a run, none is asked for twice."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.lock = path, threading.Lock()
        self.base = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        columns = "key text primary key, content text, tokens_in integer, tokens_out integer"
        self._run(f"create table if not exists replies ({columns})")

    def get(self, key: str) -> Reply | None:
        ask = "select content, tokens_in, tokens_out from replies where key = ?"
        found = self._run(ask, key)
        return Reply(*found[0]) if found else None

    def keep(self, key: str, reply: Reply) -> None:
        self._run("insert or replace into replies values (?, ?, ?, ?)", key, *reply)

    def _run(self, statement: str, *values: Any) -> list[Any]:
        try:
            with self.lock:
                return self.base.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise MmbmError(f"{self.path} can't be used to keep answers: {error}.") from error


class Endpoint:
    """A model at a URL."""

    def __init__(self, model: str, base_url: str, concurrency: int = 4, cache: Path | None = None):
        """concurrency: requests under way at once. cache: where answers are kept."""
        try:
            import openai
        except ModuleNotFoundError as error:
            raise MissingExtra("Asking a remote model", "remote") from error
        key = os.environ.get("OPENAI_API_KEY", "")
        if not key or not key.isascii():
            raise MmbmError(
                "Set OPENAI_API_KEY to the key of the endpoint (to any word, if it needs none)."
            )
        self.model, self.base_url, self.concurrency = model, base_url, concurrency
        self.client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=RETRIES)
        self.kept = Kept(cache or KEPT)

    def request(
        self, question: Question, row: dict[str, Cell], kinds: dict[str, str], root: Path | None
    ) -> Request | BadCell:
        try:
            asked, size = messages(question, row, kinds, root)
        except BadCell as bad:
            return bad
        return Request({"model": self.model, "messages": asked}, size)

    def key(self, request: Request) -> str:
        text = json.dumps([self.base_url.rstrip("/"), request.body], sort_keys=True)
        return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()

    def ask(self, requests: Iterable[Request | BadCell], total: int) -> list[Reply | BadCell]:
        """In order; what was answered before isn't asked. BadCell: why there is no answer. Raises
        MmbmError when the endpoint fails; the answers until then are kept."""
        return list(track(parallel(self._one, requests, self.concurrency), total, "asking"))

    def _one(self, request: Request | BadCell) -> Reply | BadCell:
        import openai

        if isinstance(request, BadCell):
            return request
        if reply := self.kept.get(key := self.key(request)):
            return reply
        try:
            said: Any = self.client.chat.completions.create(**request.body)
        except openai.APIError as error:
            body, status = error.body, getattr(error, "status_code", None)
            why = body.get("message") if isinstance(body, dict) else None
            why = f"{why or error.message}".strip().rstrip(".")
            if status in REFUSED:
                return BadCell(f"refused: {why}")
            raise MmbmError(
                f"{self.base_url}: {f'{status}, ' if status else ''}{why}. What was answered is "
                "kept; the same command goes on from there."
            ) from error
        except json.JSONDecodeError:
            return BadCell(NOTHING)
        reply = reply_of(said)
        if isinstance(reply, Reply):
            self.kept.keep(key, reply)
        return reply


def reply_of(said: Any) -> Reply | BadCell:
    """The client makes an object of whatever came: its parts may be missing."""
    try:
        choice, use = said.choices[0], getattr(said, "usage", None)
        content, end = choice.message.content, getattr(choice, "finish_reason", None)
    except (AttributeError, IndexError, KeyError, TypeError):
        return BadCell(NOTHING)
    if end in ("length", "content_filter"):
        return BadCell(f"the answer was cut off ({end})")
    if not isinstance(content, str):
        return BadCell("the model refused to answer")
    counts = (getattr(use, f"{kind}_tokens", None) or 0 for kind in ("prompt", "completion"))
    return Reply(content, *counts)


class Estimate(NamedTuple):
    """What asking will cost, before it does."""

    rows: int
    kept: int
    size: Size
    answers: int  # tokens

    def text(self, endpoint: Endpoint, price: tuple[float, float] | None) -> str:
        """price: of a million tokens read, and written."""
        size, asked = self.size, self.rows - self.kept
        said = (
            f"{self.rows} rows, {self.kept} of them answered before; {asked} go to "
            f"{endpoint.model} at {endpoint.base_url}: about {size.tokens:.0f} tokens of text, "
            f"{size.pictures:.0f} pictures and {size.seconds:.0f} s of sound (as GPT-4o counts, "
            f"{size.of_media:.0f} tokens), and {self.answers} tokens of answers"
        )
        if price is None:
            return said + "; no price, since --price-in and --price-out are not given."
        paid = (size.tokens + size.of_media) * price[0] + self.answers * price[1]
        return said + f"; about {paid / 1e6:.4f} at the prices given."


def estimate(
    endpoint: Endpoint, question: Question, requests: Iterable[Request | BadCell]
) -> Estimate:
    rows = kept = asked = 0
    size = Size()
    for request in requests:
        rows += 1
        if isinstance(request, BadCell):
            continue
        if endpoint.kept.get(endpoint.key(request)):
            kept += 1
        else:
            asked += 1
            size = size.plus(request.size)
    return Estimate(rows, kept, size, asked * question.length())


def answers(
    question: Question, replies: list[Reply | BadCell]
) -> tuple[list[str | float | None], list[str | None]]:
    """The answers, and for each why there is none."""
    values, errors = [], []
    for reply in replies:
        value, why = None, None
        if isinstance(reply, BadCell):
            why = reply.reason
        else:
            try:
                value = question.read(reply.content)
            except BadCell as bad:
                why = f"the answer {reply.content[:80]!r} {bad.reason}"
        values.append(value)
        errors.append(why)
    return values, errors


# ── a teacher ────────────────────────────────────────────────────────────────────────────────────


def label(
    table: Any,
    column: str,
    question: Question,
    endpoint: Endpoint,
    output: Path,
    agree: Callable[[Estimate], bool],
    *,
    show: Iterable[str] = (),
    limit: int | None = None,
) -> dict[str, int]:
    """Write `table` with `column` answered by a remote model, and `COLUMN.error` why it isn't.

    A cell that the column has already is kept and not asked for. `show` names the columns that the
    model sees: all that `mmbm init` would take as inputs, if not given. `agree` is told the cost.
    """
    opened = open_table(table)
    kinds = shown(opened, column, list(show))
    check_output(opened, output)
    there: list[Any] = (
        list(opened.cells(column)) if column in opened.names else [None] * opened.rows
    )
    rows = np.array([i for i, cell in enumerate(there) if written(cell) is None][:limit], int)

    def requests() -> Iterator[Request | BadCell]:
        cells = {name: opened.cells(name, rows) for name in kinds}
        for _ in rows:
            row = {name: next(cells[name]) for name in kinds}
            yield endpoint.request(question, row, kinds, opened.root)

    if not agree(estimate(endpoint, question, requests())):
        raise MmbmError("Nothing was asked.")
    replies = endpoint.ask(requests(), len(rows))
    values, errors = answers(question, replies)
    why: list[str | None] = [None] * opened.rows
    for i, value, error in zip(rows, values, errors):
        there[i], why[i] = value, error
    write(opened, output, {column: there, f"{column}.error": why})
    failed = sum(error is not None for error in errors)
    spent = [reply for reply in replies if isinstance(reply, Reply)]
    return {
        "rows": opened.rows, "asked": len(rows), "labelled": len(rows) - failed, "failed": failed,
        "tokens_in": sum(reply.tokens_in for reply in spent),
        "tokens_out": sum(reply.tokens_out for reply in spent),
    }  # fmt: skip


def told(done: dict[str, int], output: Path) -> str:
    return (
        f"Wrote {output}: {done['labelled']} of {done['asked']} rows labelled, {done['failed']} "
        f"with the reason why not; {done['tokens_in']} tokens read, {done['tokens_out']} written."
    )


def shown(table: Table, column: str, show: list[str]) -> dict[str, str]:
    """The kinds of the columns that the model sees."""
    from mmbm.infer.kinds import look
    from mmbm.infer.sample import Sample, sample_rows

    rows, kinds = sample_rows(table.rows), {}
    for name in show or [n for n in table.names if n not in (column, f"{column}.error")]:
        found = look(Sample(table, name, rows))
        if found.kind or show:
            kinds[name] = found.kind or "text"
        else:
            say(f"{name} is not shown: {found.why}.")
    if not kinds:
        raise TableError(f"{table.source}: no column is left to show. Name some: --show COLUMN.")
    say(f"Shown: {', '.join(f'{name} ({kind})' for name, kind in kinds.items())}.")
    return kinds


def check_output(table: Table, output: Path) -> None:
    import pyarrow as pa

    if output.suffix not in (".csv", ".jsonl", ".parquet"):
        raise MmbmError(f"{output}: rows are written as .csv, .jsonl or .parquet.")
    nested = [n for n in table.names if not is_plain(table.column(n).type, pa)]
    if nested and output.suffix != ".parquet":
        raise MmbmError(f"{output}: column {nested[0]!r} is no text or number; write .parquet.")


def is_plain(kind: Any, pa: Any) -> bool:
    return not (
        pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    )


def write(table: Table, output: Path, added: dict[str, list]) -> None:
    """The table's columns and those that are added, whole or not at all."""
    import pyarrow as pa
    import pyarrow.csv as csv
    import pyarrow.parquet as parquet

    columns = {name: table.column(name) for name in table.names}
    for name, cells in added.items():
        if not all(isinstance(cell, float | None) for cell in cells) or name.endswith(".error"):
            columns[name] = pa.array([written(cell) for cell in cells], pa.string())
        else:
            columns[name] = pa.array(cells, pa.float64())
    made = pa.table(columns)
    part = output.with_name(output.name + ".part")
    output.parent.mkdir(parents=True, exist_ok=True)
    if output.suffix == ".parquet":
        parquet.write_table(made, part)
    elif output.suffix == ".csv":
        csv.write_csv(made, part)
    else:
        with part.open("w", encoding="utf-8") as file:
            for batch in made.to_batches(1024):
                for row in batch.to_pylist():
                    file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
    part.replace(output)
    if output.resolve().parent != table.root.resolve():
        say(f"Paths in {output} are relative to {table.root}: data.root in a config says so.")


# ── a baseline ───────────────────────────────────────────────────────────────────────────────────


def against(
    bundle: Bundle,
    table: Any,
    split: str | None,
    endpoint: Endpoint,
    *,
    ask: str | None = None,
    target: str | None = None,
    limit: int = LIMIT,
) -> dict[str, Any]:
    """The metrics of a remote model that was never trained on this, and the bundle's, on the same
    rows: `limit` of those that have a right answer, drawn with a fixed seed.

    An answer that is none of the classes is wrong; a row without a number is left out for both, and
    counted in `unanswered`. `difference` is the bundle's main metric less the other's, with its
    paired 95 % interval.
    """
    from mmbm.answers import intervals
    from mmbm.evaluate import collect, truths
    from mmbm.predict import measured
    from mmbm.prepare.batches import Rows

    target, question = asked_of(bundle, target, ask)
    answer = bundle.answers[target]
    kinds = {name: spec.kind for name, spec in bundle.config.inputs.items()}
    with measured(bundle, table, split) as data:
        rows = data.splits["test"]
        _, has = truths(rows, {target: answer})[target]
        numbers = rows.rows[has]
        if limit < len(numbers):
            numbers = np.sort(np.random.default_rng(0).choice(numbers, limit, replace=False))
        rows = Rows(rows.stores, rows.inputs, rows.targets, numbers)
        truth, _ = truths(rows, {target: answer})[target]
        whole = tuple(bundle.config.modalities())
        own = collect(bundle.runner, rows, bundle.columns, [whole], read={whole: {target: answer}})
        cells = {name: data.table.cells(name, numbers) for name in kinds}
        requests = [
            endpoint.request(
                question, {n: next(c) for n, c in cells.items()}, kinds, data.table.root
            )
            for _ in numbers
        ]
        replies = endpoint.ask(requests, len(requests))
    values, errors = answers(question, replies)
    ours, theirs = own[whole][target], outputs(question, values)
    known = np.array([e is None for e in errors]) | (question.kind != "number")
    ours, theirs, truth = ours[known], theirs[known], truth[known]
    report = {
        "model": endpoint.model, "base_url": endpoint.base_url, "target": target,
        "ask": question.text(), "rows": int(known.sum()),
        "unanswered": sum(e is not None for e in errors), "why": next(filter(None, errors), None),
    }  # fmt: skip
    if not known.any():
        return report
    for name, output in (("metrics", theirs), ("bundle", ours)):
        scores = {**answer.score(output, truth), **intervals(answer, output, truth)}
        report[name] = {k: v for k, v in scores.items() if k not in PROBABLE}
    draws = np.random.default_rng(0).integers(0, len(truth), (1000, len(truth)))
    main = answer.main_score
    gaps = [main(ours[d], truth[d]) - main(theirs[d], truth[d]) for d in draws]
    report["difference"] = {
        "metric": answer.main.name, "value": main(ours, truth) - main(theirs, truth),
        "interval": [float(x) for x in np.nanquantile(gaps, [0.025, 0.975])],
    }  # fmt: skip
    return report


def asked_of(bundle: Bundle, target: str | None, ask: str | None) -> tuple[str, Question]:
    kinds = ("category", "number", "transcript", "text")
    targets = {n: spec.kind for n, spec in bundle.config.targets.items() if spec.kind in kinds}
    name = target or next(iter(targets), None)
    if name not in targets:
        raise MmbmError(
            f"A remote model is compared on a {', '.join(kinds)}; {bundle.path} has "
            f"{', '.join(targets) or 'none'}."
        )
    kind = targets[name]
    usual = "What is said?" if kind == "transcript" else f"What is the {name!r} of this?"
    classes = tuple(bundle.values(name) or ()) if kind == "category" else ()
    return name, Question(ask or usual, kind, classes)


def outputs(question: Question, values: list[str | float | None]) -> np.ndarray:
    """As an Answer reads its model's: of a category one-hot [N, C + 1], the last is no class."""
    if question.kind == "category":
        places = {name: i for i, name in enumerate(question.classes)}
        return np.eye(len(places) + 1)[[places.get(v, len(places)) for v in values]]  # type: ignore
    if question.kind == "number":
        return np.array([np.nan if v is None else v for v in values], float)[:, None]
    return np.array([v or "" for v in values], object)
