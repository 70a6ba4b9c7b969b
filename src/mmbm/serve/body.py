"""Bodies of requests -> raw rows. Media come as bytes or data URIs; nothing is ever opened."""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request

from mmbm.bundle import Bundle
from mmbm.columns import Cell
from mmbm.errors import TableError
from mmbm.predict import known_inputs
from mmbm.serve.limits import Limits, Refusal

Row = dict[str, Cell]
FIELDS = 1000
"""Most parts of a form."""
PARQUET = b"PAR1"


async def read_rows(request: Request, bundle: Bundle, limits: Limits) -> tuple[list[Row], bool]:
    """The rows of a JSON or multipart body, and whether it was one row rather than a list."""
    if media_type(request) == "multipart/form-data":
        return [check(await form_row(request, limits), bundle)], True
    body = await read_json(request, "application/json or multipart/form-data")
    if isinstance(body, dict) and set(body) == {"rows"} and isinstance(body["rows"], list):
        if len(body["rows"]) > limits.rows:
            raise Refusal(
                413, f"{len(body['rows'])} rows, more than {limits.rows}: use /predict/batch.",
                reason="too_many_rows",
            )  # fmt: skip
        return [check(row, bundle, i) for i, row in enumerate(body["rows"], 1)], False
    return [check(body, bundle)], True


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_json(request: Request, takes: str = "application/json") -> Any:
    """The body. Raises a Refusal that says what the route `takes`."""
    if (media := media_type(request)) not in ("application/json", ""):
        raise Refusal(415, f"The body is {media}; send {takes}.", reason="media_type")
    return parse(await request.body())


def parse(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise Refusal(400, f"The body is not JSON: {str(error)[:200]}.", reason="json") from error


def check(row: Any, bundle: Bundle, number: int | None = None) -> Row:
    """A row names only columns that the bundle knows. Raises a Refusal."""
    if not isinstance(row, dict):
        raise Refusal(
            422, f"A row is an object of columns, not a {type(row).__name__}.", row=number,
            reason="row",
        )  # fmt: skip
    try:
        return known_inputs(row, bundle)
    except TableError as error:
        raise Refusal(422, str(error), row=number, reason="unknown_column") from error


async def form_row(request: Request, limits: Limits) -> Row:
    row: Row = {}
    for name, cell in await form_cells(request, limits):
        if name in row:
            raise Refusal(422, f"{name}: is given twice.", column=name, reason="duplicate_column")
        row[name] = cell
    return row


async def form_cells(request: Request, limits: Limits) -> list[tuple[str, bytes | str]]:
    """A form's parts with their names: a file as bytes, a plain field as text."""
    size = int(limits.megabytes * 1e6)
    async with request.form(max_files=FIELDS, max_fields=FIELDS, max_part_size=size) as form:
        return [
            (name, await part.read() if isinstance(part, UploadFile) else part)
            for name, part in form.multi_items()
        ]


class Spool:
    """A long body in a temporary file, that can be read while it still arrives.

    The client may send all before it reads an answer, or wait for each: neither stops the other.
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
            pass  # nobody reads the answers: the stream of them ends on its own
        finally:
            self.more.set()

    async def start(self, count: int) -> bytes:
        """The first bytes of the body."""
        while self.size < count and not self.filling.done():
            await self._wait()
        return self._read(0, count)

    async def whole(self) -> Any:
        """The file, when all of it has come."""
        await self.filling
        self.file.seek(0)
        return self.file

    async def lines(self, longest: int) -> AsyncIterator[bytes]:
        """Line by line as they come. Raises a Refusal at one that is longer than `longest`."""
        place, rest = 0, b""
        while True:
            part = self._read(place, 1 << 16)
            place += len(part)
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                yield line
            if len(rest) > longest:
                raise Refusal(413, f"A line has more than {longest} bytes.", reason="too_large")
            if part:
                continue
            if self.filling.done() and place == self.size:
                self.filling.result()  # raises what stopped it
                break
            await self._wait()
        if rest:
            yield rest

    async def _wait(self) -> None:
        self.more.clear()
        if not self.filling.done():
            await self.more.wait()

    def _read(self, place: int, count: int) -> bytes:
        self.file.seek(place)
        return self.file.read(count)

    async def close(self) -> None:
        self.filling.cancel()
        with contextlib.suppress(asyncio.CancelledError, Refusal):
            await self.filling
        self.file.close()


async def jsonl_rows(spool: Spool, bundle: Bundle, limits: Limits) -> AsyncIterator[Row | Refusal]:
    """The rows of a JSONL body; a line that is no row comes as the Refusal that says why."""
    number = 0
    async for line in spool.lines(int(limits.megabytes * 1e6)):
        if not line.strip():
            continue
        number += 1
        try:
            yield check(parse(line), bundle, number)
        except Refusal as refusal:
            refusal.row = number
            yield refusal


async def parquet_rows(spool: Spool, bundle: Bundle, limits: Limits) -> AsyncIterator[Row]:
    """The rows of a Parquet body, a few at a time. Columns that the bundle doesn't know rest."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    file = await spool.whole()
    loop = asyncio.get_running_loop()
    try:
        table = await loop.run_in_executor(None, parquet.ParquetFile, file)
        known = [name for name in bundle.config.inputs if name in table.schema_arrow.names]
        if not known:
            inputs = ", ".join(bundle.config.inputs)
            raise Refusal(
                422, f"The table has none of the inputs: {inputs}.", reason="unknown_column"
            )
        batches: Iterator[Any] = table.iter_batches(batch_size=64, columns=known)
        while (batch := await loop.run_in_executor(None, next, batches, None)) is not None:
            for row in batch.to_pylist():
                yield row
    except (pa.ArrowException, OSError) as error:
        raise Refusal(
            400, f"The body is not a Parquet file that can be read: {str(error)[:200]}.",
            reason="parquet",
        ) from error  # fmt: skip
