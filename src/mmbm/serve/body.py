"""Parse request bodies into raw rows. Media are bytes or data URIs; no path is ever opened."""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator
from typing import Any

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from mmbm.errors import TableError
from mmbm.inference.predict import known_inputs
from mmbm.inference.predictor import Predictor
from mmbm.kinds.column import Cell
from mmbm.serve.limits import Limits, RequestError
from mmbm.serve.parquet import parquet_rows

Row = dict[str, Cell]
FIELDS = 1000
"""Maximum parts of a form, and columns of a row that the bundle doesn't know."""
PARQUET = b"PAR1"
MOST_VALUES = 1_000_000
"""Maximum values in a body's JSON, counted by its commas, colons and brackets before parsing."""


async def read_rows(request: Request, bundle: Predictor, limits: Limits) -> tuple[list[Row], bool]:
    """The rows of a JSON or multipart body, and whether it was one row instead of a list."""
    if media_type(request) == "multipart/form-data":
        return [check(await form_row(request, limits), bundle)], True
    body = await read_json(request, "application/json or multipart/form-data")
    if isinstance(body, dict) and set(body) == {"rows"} and isinstance(body["rows"], list):
        if len(body["rows"]) > limits.rows:
            raise RequestError(
                413, f"{len(body['rows'])} rows, more than {limits.rows}: use /predict/batch.",
                reason="too_many_rows",
            )  # fmt: skip
        return [check(row, bundle, i) for i, row in enumerate(body["rows"], 1)], False
    return [check(body, bundle)], True


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_json(request: Request, takes: str = "application/json") -> Any:
    """The body. Raises a RequestError that names the types the route `takes`."""
    media = media_type(request)
    if media != "application/json":  # without a type, any web page may send it unasked
        named = media or "of no content type"
        raise RequestError(415, f"The body is {named}; send {takes}.", reason="media_type")
    return parse(await request.body())


def parse(text: bytes) -> Any:
    """JSON of a bounded number of values. Raises a RequestError."""
    values = sum(map(text.count, (b",", b":", b"[", b"{")))
    if values > MOST_VALUES:
        raise RequestError(
            413, f"The body has more than {MOST_VALUES} values of JSON.", reason="too_large"
        )
    try:
        return json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        why = str(error)[:200].split("; use sys.")[0]  # from Python's own limit of digits
        raise RequestError(400, f"The body is not JSON: {why}.", reason="json") from error


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; duplicate keys are refused as ambiguous."""
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        key = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise RequestError(
            400, f"The key {key[:80]!r} stands twice in one object of the body.", reason="json"
        )
    return made


def check(row: Any, bundle: Predictor, number: int | None = None) -> Row:
    """Check that a row has known columns only. Raises a RequestError."""
    if not isinstance(row, dict):
        raise RequestError(
            422, f"A row is an object of columns, not a {type(row).__name__}.", row=number,
            reason="row",
        )  # fmt: skip
    if len(row) > FIELDS + len(bundle.config.columns):
        raise RequestError(
            422, f"A row has {len(row)} columns, {FIELDS} more than the model.", row=number,
            reason="unknown_column",
        )  # fmt: skip
    try:
        return known_inputs(row, bundle)
    except TableError as error:
        raise RequestError(422, str(error), row=number, reason="unknown_column") from error


async def form_row(request: Request, limits: Limits) -> Row:
    row: Row = {}
    for name, cell in await form_cells(request, limits):
        if name in row:
            raise RequestError(
                422, f"{name}: is given twice.", column=name, reason="duplicate_column"
            )
        row[name] = cell
    return row


async def form_cells(request: Request, limits: Limits) -> list[tuple[str, bytes | str]]:
    """A form's parts with their names: a file as bytes, a plain field as text."""
    if media_type(request) != "multipart/form-data":
        raise RequestError(
            415, "The body is no form; send multipart/form-data.", reason="media_type"
        )
    parser = Form(
        request.headers, request.stream(), max_files=FIELDS, max_fields=FIELDS,
        max_part_size=int(limits.megabytes * 1e6),
    )  # fmt: skip
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise RequestError(
            400, f"The form can't be read: {error.message}", reason="form"
        ) from error
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(form.close)
        if not parser.ended:
            raise RequestError(
                400, "The form is cut off: its last boundary is missing. Send it again.",
                reason="form",
            )  # fmt: skip
        return [
            (name, await part.read() if isinstance(part, UploadFile) else part)
            for name, part in form.multi_items()
        ]


class Form(MultiPartParser):
    """Starlette's parser, with a flag for the final boundary."""

    ended = False

    def on_end(self) -> None:
        self.ended = True
        super().on_end()


class Spool:
    """A long body in a temporary file that can be read while it still arrives.

    The client may send all before it reads an answer, or wait for each: neither blocks the other.
    """

    def __init__(self, stream: AsyncIterator[bytes]):
        self.file = tempfile.TemporaryFile(prefix="mmbm-")  # noqa: SIM115  # closed by close()
        self.size = 0
        self.filling = asyncio.create_task(self._fill(stream))
        self.more = asyncio.Event()

    async def _fill(self, stream: AsyncIterator[bytes]) -> None:
        try:
            async for part in stream:
                self.file.seek(0, 2)
                self.file.write(part)
                self.size += len(part)
                self.more.set()
        except ClientDisconnect:
            pass  # the client is gone: the answer stream ends on its own
        finally:
            self.more.set()

    async def start(self, count: int) -> bytes:
        """The first bytes of the body."""
        while self.size < count and not self.filling.done():
            await self._wait()
        return self._read(0, count)

    async def whole(self) -> Any:
        """The file, once complete."""
        await self.filling
        self.file.seek(0)
        return self.file

    async def lines(self, longest: int) -> AsyncIterator[bytes]:
        """Lines as they arrive. Raises a RequestError at one longer than `longest`."""
        place, parts, held = 0, [], 0  # parts of an incomplete line
        while True:
            part = self._read(place, 1 << 16)
            place += len(part)
            first, *rest = part.split(b"\n")
            parts.append(first)
            held += len(first)
            if held > longest:
                raise RequestError(
                    413, f"A line has more than {longest} bytes.", reason="too_large"
                )
            for line in rest:
                yield b"".join(parts)
                parts, held = [line], len(line)
            if part:
                continue
            if self.filling.done() and place == self.size:
                self.filling.result()  # raises the error that stopped it
                break
            await self._wait()
        if held:
            yield b"".join(parts)

    async def _wait(self) -> None:
        self.more.clear()
        if not self.filling.done():
            await self.more.wait()

    def _read(self, place: int, count: int) -> bytes:
        self.file.seek(place)
        return self.file.read(count)

    async def close(self) -> None:
        self.filling.cancel()
        with contextlib.suppress(asyncio.CancelledError, RequestError):
            await self.filling
        self.file.close()


async def jsonl_rows(
    spool: Spool, bundle: Predictor, limits: Limits
) -> AsyncIterator[Row | RequestError]:
    """The rows of a JSONL body; an invalid line is returned as a RequestError."""
    number = 0
    async for line in spool.lines(int(limits.megabytes * 1e6)):
        if not line.strip():
            continue
        number += 1
        try:
            yield check(parse(line), bundle, number)
        except RequestError as refusal:
            refusal.row = number
            yield refusal


async def table_rows(
    spool: Spool, bundle: Predictor, limits: Limits
) -> AsyncIterator[Row | RequestError]:
    """The rows of a Parquet body. Columns that the bundle doesn't know are not read."""
    async for row in parquet_rows(await spool.whole(), list(bundle.config.inputs), limits):
        yield row
