"""Detect the layout of a csv from its beginning: delimiter, lines above the header, quoting.

sep=; · title lines · header · rows    "a ""quoted"" word" or "a \\"quoted\\" word"
"""

import csv
import io
import re
from collections import Counter
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from mmbm.data.readers import delimiter as delimiters
from mmbm.data.readers.options import ReadOptions
from mmbm.errors import BadCell, TableError
from mmbm.kinds.number.column import parse

LOOKED_AT = 200
"""Number of rows that are examined."""
CHARACTERS = 2_000_000
"""Maximum bytes of the file's beginning."""
TITLES = 30
"""Maximum number of lines above a header."""
MEDIA_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".wav", ".flac", ".mp3", ".ogg")
_SEP = re.compile(r"\ufeff?\"?sep=(.)\"?\s*", re.IGNORECASE)


class Layout(NamedTuple):
    delimiter: str
    skip: int
    """Lines above the header; blank ones are lines too."""
    escape: str | None
    quote: bool
    names: list[str]
    notes: tuple[str, ...] = ()


def find_layout(path: Path, encoding: str, options: ReadOptions) -> Layout:
    """Raises TableError: no header, or csv.Error."""
    with path.open(encoding=encoding, newline="") as file:
        text = file.read(CHARACTERS)
    whole = len(text) < CHARACTERS
    lines = list(io.StringIO(text, newline=""))
    said = _SEP.fullmatch(lines[0]) if lines and options.skip is None else None
    start = 1 if said else options.skip or 0
    rest = lines[start:]
    found = delimiters.find(path, rest, said and said[1]) if options.delimiter is None else None
    delimiter = found.mark if found else options.delimiter or ","
    escape = options.escape
    if escape is None and options.quote and '\\"' in text:
        escape = _escape(rest, delimiter)
    rows = _rows(rest, delimiter, escape, options.quote, whole)
    notes = (found.note,) if found and found.note else ()
    if options.skip is None and (titles := _titles(rows)):
        shown = " ".join(cell for row in rows[:titles] for cell in row.cells)[:60]
        line = start + rows[titles].line
        notes += (f"{path}: its header is line {line + 1}, below {shown!r}, so skip: {line}.",)
        rows = rows[titles:]
    while start and len(rows) > 1 and not any(rows[0].cells):
        rows = rows[1:]
    if escape is not None and options.escape is None:
        notes += (f'{path}: quotes inside its cells are written \\", so escape: "\\\\".',)
    if options.quote and (loose := _loose_quote(rest, delimiter, escape)):
        notes += (
            f"{path}: has quotes inside quoted cells that aren't doubled, such as {loose[:60]!r}; "
            "such cells lose some. Double them, or --no-quote.",
        )
    header, *below = [row.cells for row in rows] or [[]]
    skip = start + rows[0].line if rows else start
    names = _names(path, header, below if options.skip is None else None)
    return Layout(delimiter, skip, escape, options.quote, names, notes)


class _Row(NamedTuple):
    line: int  # from 0, of the lines that were read
    cells: list[str]


def _rows(
    lines: list[str], delimiter: str, escape: str | None, quote: bool, whole: bool
) -> list[_Row]:
    reader = csv.reader(lines, **dialect(delimiter, escape, quote))
    rows: list[_Row] = []
    line = 0
    try:
        for cells in islice(reader, LOOKED_AT):
            rows.append(_Row(line, cells))
            line = reader.line_num
    except csv.Error:  # a cell longer than this reader's limit: use the rows before it
        if not rows:
            raise
    return rows if whole or len(rows) < 2 else rows[:-1]  # the last one may be cut off


def dialect(delimiter: str, escape: str | None, quote: bool) -> dict[str, Any]:
    """Options of Python's csv module."""
    quoting = csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE
    return {"delimiter": delimiter, "escapechar": escape, "quoting": quoting}


def _escape(lines: list[str], delimiter: str) -> str | None:
    r"""A backslash, if \" occurs inside quoted cells: the cells are whole only if it escapes."""

    def faults(escape: str | None) -> int:
        try:
            for _ in csv.reader(lines, delimiter=delimiter, escapechar=escape, strict=True):
                pass
        except csv.Error as error:
            cut = "unexpected end of data" in str(error) or "field larger" in str(error)
            return 0 if cut else 1
        return 0

    return "\\" if faults(None) and not faults("\\") else None


def _loose_quote(lines: list[str], delimiter: str, escape: str | None) -> str | None:
    """The first examined line that has text after the closing quote of a cell."""
    inside = f'{delimiter}\r\n"'
    form = re.compile(
        rf'(?:^|{re.escape(delimiter)})"[^"{re.escape(escape or "")}]*"[^{re.escape(inside)}]'
    )
    return next((line.strip() for line in lines[:LOOKED_AT] if form.search(line)), None)


def _titles(rows: list[_Row]) -> int:
    """Number of rows above the header: they have one cell, or are empty but for one, and a header
    with a name for most columns follows."""
    usual = Counter(len(row.cells) for row in rows[1:]).most_common(1)
    columns = usual[0][0] if usual else 0
    if columns < 2:
        return 0
    filled = [sum(map(bool, row.cells)) for row in rows]
    header = next((i for i, row in enumerate(rows) if len(row.cells) == columns
                   and filled[i] >= max(2, columns / 2)), 0)  # fmt: skip
    if padded := _padded(rows, columns):
        return padded
    above = rows[:header]
    if not 0 < header <= TITLES or any(f > max(1, columns // 2) for f in filled[:header]):
        return 0
    if all(len(row.cells) == columns for row in above) and columns == 2:
        return 0  # a header with an empty name, as pandas writes over its index
    below = [len(row.cells) == columns for row in rows[header:]]
    return header if sum(below) >= 0.9 * len(below) else 0


def _padded(rows: list[_Row], columns: int) -> int:
    """Number of rows above the first full one, which names columns, where they are padded with
    commas: all rows below the header have a last cell, and those above have none."""
    above = 0
    while above < min(len(rows), TITLES + 1) and not (rows[above].cells or [""])[-1].strip():
        above += 1
    if not 0 < above <= TITLES or len(rows) - above < 4:
        return 0
    header, *below = [row.cells for row in rows[above:]]
    whole = [row for row in below if len(row) == columns and row[-1].strip()]
    names = {name.strip() for name in header}
    named = len(header) == len(names) == columns and "" not in names
    if not named or any(map(_is_number, names)) or len(whole) < 0.9 * len(below):
        return 0
    # A first row of data, below a header whose last name is missing, resembles the others.
    apart = any(
        sum(_is_number(row[i]) or _is_file(row[i]) for row in whole) >= 0.9 * len(whole)
        and not _is_file(header[i])
        for i in range(min(columns, 200))
    )
    return above if apart else 0


def _is_file(name: str) -> bool:
    return name.strip().lower().endswith(MEDIA_ENDINGS)


def _names(path: Path, header: list[str], rows: list[list[str]] | None) -> list[str]:
    """`rows` are those below, to distinguish a header from a row; None: the caller gave one."""
    names = [name.strip().strip("\ufeff") for name in header]
    if not any(names):
        raise TableError(f"{path}: its first row is empty, but must name the columns.")
    data = None
    if rows is not None:
        data = _data_in(names, [row for row in rows if len(row) == len(names)])
    if data is not None:
        raise TableError(
            f"{path}: its first row must name the columns, but {data[:60]!r} looks like data. "
            "Write a header, a first line with a name for each column; if it is one: --skip 0, "
            "data.skip: 0."
        )
    if rows:
        _check_shape(path, names, rows)
    # An empty name is what pandas writes over its index.
    return [name or f"column {i}" for i, name in enumerate(names, start=1)]


def _check_shape(path: Path, names: list[str], rows: list[list[str]]) -> None:
    """Raises TableError if the whole table's shape doesn't match its header."""
    rows = [row for row in rows if any(row)]
    usual, often = Counter(map(len, rows)).most_common(1)[0] if rows else (len(names), 0)
    if usual != len(names) and often >= max(3, 0.9 * len(rows)):
        hint = cure(" ".join(rows[0]), usual < len(names), whole=True)
        raise TableError(
            f"{path}: its header has {len(names)} names, and its rows have {usual} cells. {hint}"
        )
    if rows and all(re.fullmatch(r":?-*:?", cell.strip()) for cell in rows[0]):
        raise TableError(f"{path}: is a Markdown table: save it as .csv, without the lines of it.")
    words = [row[0].split() for row in rows if row]
    blank = len(names[0].split()) if len(names) == 1 else 0
    if blank > 1 and len(words) > 2 and all(len(row) == blank for row in words):
        columns = list(zip(*words))
        if any(all(map(_is_number, column)) for column in columns):
            raise TableError(
                f"{path}: its columns are separated by blanks, it seems. If by one each, say so: "
                "--delimiter ' ', data.delimiter; else save it as .csv (pandas.read_fwf(…))."
            )


def cure(row: str, short: bool, whole: bool = False) -> str:
    """What to do about a row with too few cells (`short`) or too many; or about all rows."""
    if ' "' in row and not short:
        return "A quote counts only right behind a delimiter: remove the blanks before it."
    if row.count("'") > 1 and not short:
        return "Cells are quoted by \" only, not by '."
    if whole:
        return (
            "Give every column a name (R writes none over its row names), and end no row with a "
            "delimiter."
        )
    if short:
        return "Fill it up, or delete it if it is a footer or a comment."
    return (
        'Quote a cell that contains the delimiter; where quotes inside cells are written \\", say '
        "so: --escape, data.escape, a backslash."
    )


def _data_in(names: list[str], rows: list[list[str]]) -> str | None:
    """A name that can't be one: of a file, a number with a point, or a value of its own column, if
    no other looks like a name."""
    odd = next((name for name in names if _looks_like_data(name)), None)
    rows = [row for row in rows if [cell.strip() for cell in row] != names]  # joined files
    if odd is not None or len(rows) < 3:
        return odd
    numeric = [name for name in names if _is_number(name)]
    if _count_up(numeric):
        numeric = []
    columns = [Counter(row[i].strip() for row in rows) for i in range(min(len(names), 200))]
    known = [name for name, cells in zip(names, columns) if name and cells[name] > 1]
    counted = [n for n, cells in zip(names, columns) if n in numeric and _are_numbers(cells)]
    values = counted + known
    # y may be the name of a column of y and n: one cell that can only be a name makes a header.
    alike = [
        not name or name in values or len(name.split()) > 2 or _shaped(name, cells)
        for name, cells in zip(names, columns)
    ]
    return values[0] if values and all(alike) else None


def _shaped(name: str, cells: Counter[str]) -> bool:
    """P001, if P002 is below it."""
    shape = _shape(name)
    alike = sum(n for cell, n in cells.items() if _shape(cell) == shape)
    return "0" in shape and alike >= 0.9 * cells.total()


def _shape(text: str) -> str:
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d", "0", text))


def _are_numbers(cells: Counter[str]) -> bool:
    return sum(n for cell, n in cells.items() if _is_number(cell)) >= 0.9 * cells.total()


def _count_up(numeric: list[str]) -> bool:
    """0, 1, 2, … and 2019, 2020, 2021 are names."""
    try:
        values = [int(name) for name in numeric]
    except ValueError:
        return False
    steps = {b - a for a, b in pairwise(values)}
    return len(steps) == 1 and 0 not in steps


def _is_number(text: str) -> bool:
    try:
        return parse(text) is not None
    except BadCell:
        return False


def _looks_like_data(name: str) -> bool:
    if name.lower().endswith(MEDIA_ENDINGS) or name.lower().startswith("data:"):
        return True
    return "." in name and _is_number(name)
