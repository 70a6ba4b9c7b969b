"""Detect a text file that is another format under the wrong ending, by its first bytes."""

from pathlib import Path

from mmbm.cells.media import name_format
from mmbm.errors import TableError

_CURES = {
    "a ZIP archive": "If it is an Excel workbook, save its table as .csv; else name it .zip.",
    "a gzip archive": "Name it .csv.gz.",
    "JSON": "Name it .json, or .jsonl.",
    "a web page": "Fetch the table itself: a link to a page isn't one.",
}


def check_content(path: Path, json: bool = False) -> None:
    """Raises TableError that names the format. `json`: JSON is expected."""
    with path.open("rb") as file:
        head = file.read(512)
    found = "a Parquet file" if head.startswith(b"PAR1") else name_format(head)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[{"):
        found = "JSON"
    if found is None or (json and found == "JSON"):
        return
    if "run `git" in found:
        raise TableError(f"{path}: is {found}.")
    cure = _CURES.get(found, "Give it the ending of its kind, or save the table as .csv.")
    raise TableError(f"{path}: is {found}, not text. {cure}")
