"""A cell as text, before any tokenizer: shared by texts and transcripts."""

from mmbm.errors import BadCell
from mmbm.kinds.category.column import name
from mmbm.kinds.column import Cell


def as_text(cell: Cell) -> str | None:
    """None if the cell is absent. Raises BadCell."""
    if isinstance(cell, str):
        return cell
    if not isinstance(cell, bytes):
        return name(cell)
    try:
        return cell.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadCell(f"is not UTF-8 text (byte {error.start})") from error


def check_characters(text: str) -> None:
    """Raises BadCell if it isn't valid Unicode."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadCell("has half of a surrogate pair, which is no character") from error
