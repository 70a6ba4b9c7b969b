"""Rows of text, and files of them as tables."""

import random
from pathlib import Path

from mmbm.data.table import Table, open_table

R = random.Random(5)
WORDS = ["red", "green", "blue", "cat", "dog", "runs", "fast", "slow", "home", "again"]
ROWS = [(" ".join(R.sample(WORDS, 4)), str(R.randint(1, 99)), "ny"[i % 2]) for i in range(60)]
LINES = [",".join(row) for row in ROWS]
HEADER = "text,x,y"


def opened(folder: Path, content: str | bytes, name: str = "t.csv", **options) -> Table:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return open_table(path, **options)


def rows_of(table: Table) -> list[tuple]:
    return [tuple(table.row(i).values()) for i in range(table.rows)]
