"""Reading a table as a bundle's training table was read: encoding, delimiter, media root.

A table for prediction or evaluation is read like the training table. The caller's options have
priority. A text file that is valid UTF-8 is read as UTF-8 whatever the training table was: text of
another encoding with characters beyond ASCII is hardly ever valid UTF-8.
"""

import codecs
import contextlib
import os
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from mmbm.config import Config
from mmbm.data.table import Table, open_table
from mmbm.errors import TableError

TEXTS = (".csv", ".tsv", ".txt")
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
"""BOMs, which mark a text's encoding; UTF-32's begin like UTF-16's."""


class Reading(NamedTuple):
    """The caller's options for a table: they override those of training."""

    root: str | Path | None = None
    encoding: str | None = None
    delimiter: str | None = None


AS_TRAINED = Reading()


def open_as_trained(
    config: Config, source: Any, reading: Reading = AS_TRAINED, cache: Path | None = None
) -> Table:
    """Open a table as the training table of a bundle was opened. Raises TableError."""
    root, encoding, delimiter = reading
    path = Path(source) if isinstance(source, str | os.PathLike) else None
    if path is not None and path.is_file() and path.suffix.lower() in TEXTS:
        encoding = encoding or encoding_of(path, config.data.encoding)
        delimiter = delimiter or delimiter_of(path, encoding, config.data.delimiter)
    folder, data = Path.cwd() if path is None else path.parent, config.data
    place = Path(root) if root is not None else root_of(config, folder)
    opened = partial(
        open_table, source, encoding=encoding, delimiter=delimiter, escape=data.escape,
        quote=data.quote, root=place, cache=cache,
    )  # fmt: skip
    if data.skip:
        with contextlib.suppress(TableError):  # it may have no lines above its header
            table = opened(skip=data.skip)
            if set(table.names) & set(config.inputs):
                return table
    return opened()


def encoding_of(path: Path, trained: str | None) -> str | None:
    """The configured encoding of the training table, unless this table's is given or differs."""
    if trained is None:
        return None
    with path.open("rb") as file:
        head = file.read(4)
    marked = next((name for mark, name in MARKS.items() if head.startswith(mark)), None)
    if marked:
        return marked
    try:
        codecs.lookup(trained)
    except LookupError as error:
        raise TableError(f"{path}: there is no encoding {trained!r} (data.encoding).") from error
    return "utf-8-sig" if is_utf8(path) else trained


def is_utf8(path: Path) -> bool:
    """Whether a file is valid UTF-8 and has characters beyond ASCII."""
    decoder, foreign = codecs.getincrementaldecoder("utf-8")(), False
    with path.open("rb") as file:
        try:
            while part := file.read(1 << 20):
                foreign |= not part.isascii()
                decoder.decode(part)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return foreign


def delimiter_of(path: Path, encoding: str | None, trained: str | None) -> str | None:
    """The training table's delimiter; None, to detect it, if the header doesn't contain it."""
    if trained is None:
        return None
    try:
        with path.open(encoding=encoding or "utf-8-sig") as file:
            header = file.readline(1 << 20)
    except (UnicodeError, LookupError):  # the reader reports the error and its place
        return trained
    return trained if trained in header else None


def root_rule(config: Config) -> str | None:
    """The media root, relative to the table's folder; None if there is no relative path."""
    table = Path(config.data.table)
    if config.data.root is None:
        return None
    try:
        rule = Path(os.path.relpath(config.data.root, table.parent)).as_posix()
    except ValueError:  # another drive of Windows
        return None
    return None if rule == "." else rule


def root_of(config: Config, folder: Path) -> Path | None:
    """The media root by the training table's rule; None, the table's own folder, without one."""
    rule = root_rule(config)
    place = folder / rule if rule else None
    return place if place is not None and place.is_dir() else None
