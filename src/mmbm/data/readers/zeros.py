"""Zero bytes in a csv, never valid text: from a crash, a fixed-width export or another encoding."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mmbm.errors import TableError

BLOCK = 1 << 20
CURE = "Remove them (tr -d '\\000' < FILE > CLEAN.csv), or write the file anew from its source."


def has_zeros(path: Path) -> bool:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            if 0 in block:
                return True
    return False


def check_zero_names(path: Path, names: list[str]) -> None:
    """Raises TableError."""
    for name in names:
        if "\0" in name:
            raise TableError(
                f"{path}: row 1, the header: the name {name!r} has a zero byte (NUL): the file is "
                f"damaged, or has another encoding. {CURE}"
            )


def zeros_refused(path: Path, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Pass batches through; raises TableError at the first cell with a zero byte."""
    done = 0
    for batch in batches:
        options = pc.MatchSubstringOptions("\0")
        for name, column in zip(batch.schema.names, batch.columns):
            found = pc.call_function("match_substring", [column], options)
            rows = pc.call_function("indices_nonzero", [found]).to_pylist()
            if rows:
                cell = column[rows[0]].as_py()[:40]
                raise TableError(
                    f"{path}: row {done + rows[0] + 2} of the file (the header is row 1), column "
                    f"{name!r}: the cell {cell!r} has a zero byte (NUL): the file is damaged, or "
                    f"has another encoding. {CURE}"
                )
        done += batch.num_rows
        yield batch
