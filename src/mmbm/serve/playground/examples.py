"""Rows from the valid split, as a table with images and players: a click fills the form with one.

The cells are those of the bundle's golden rows. Their media come from routes of this server, which
identify them by model, row and column, never by a name that a browser sends.
"""

import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from mmbm.cells.media import name_format
from mmbm.serve.model_server import ModelServer

ROUTE = "/examples/"
LONGEST = 200
"""Characters of a cell that are shown."""
STYLE = (
    ".examples {overflow-x: auto} .examples table {border-collapse: collapse; width: 100%}"
    " .examples td, .examples th {padding: 6px 10px; text-align: left; vertical-align: middle;"
    " border-bottom: 1px solid var(--border-color-primary, #ddd)}"
    " .examples tbody tr {cursor: pointer}"
    " .examples tbody tr:hover, .examples tbody tr:focus"
    " {background: var(--background-fill-secondary, #f4f4f4)}"
    " .examples img {height: 64px; max-width: 160px; object-fit: contain}"
    " .examples audio {height: 40px; width: 220px}"
)
ON_LOAD = """
const row = (event) => event.target.closest('tr[data-row]');
const pick = (event) => {
  if (row(event) && !event.target.closest('audio')) {
    trigger('click', {row: Number(row(event).dataset.row)});
  }
};
element.addEventListener('click', pick);
element.addEventListener('keydown', (event) => { if (event.key === 'Enter') pick(event); });
"""
TYPES = {
    "a JPEG picture": "image/jpeg",
    "a PNG picture": "image/png",
    "a GIF picture": "image/gif",
    "a WebP picture": "image/webp",
    "a WAV sound": "audio/wav",
    "a FLAC sound": "audio/flac",
    "an Ogg sound": "audio/ogg",
    "an MP3 sound": "audio/mpeg",
    "an MP4 or QuickTime file": "video/mp4",
    "a Matroska or WebM file": "video/webm",
}
"""Types of files that browsers show or play, by their first bytes; others are downloads."""


def examples(replica: ModelServer) -> list[dict[str, Any]]:
    """The golden rows: plain cells unchanged, media as files of the bundle."""
    bundle = replica.bundle

    def cell_of(cell: Any) -> Any:
        return bundle.bundle.files.golden(cell.get("file")) if isinstance(cell, dict) else cell

    names = list(bundle.config.inputs)
    return [{name: cell_of(row.get(name)) for name in names} for row in bundle.bundle.golden_rows()]


def table(rows: list[dict[str, Any]], model: str, root: str) -> str:
    """`root`: the playground's path, as a browser sees it."""
    names = list(rows[0])
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    lines = []
    for i, row in enumerate(rows):
        cells = []
        for name in names:
            address = f"{root}{ROUTE}{quote(model)}/{i}/{quote(name, safe='')}"
            cells.append(f"<td>{shown(row[name], address)}</td>")
        lines.append(f'<tr data-row="{i}" tabindex="0">{"".join(cells)}</tr>')
    return (
        f'<div class="examples"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def shown(cell: Any, address: str) -> str:
    if isinstance(cell, Path):
        sort = media_type(cell).partition("/")[0]
        source = html.escape(address, quote=True)
        if sort == "image":
            return f'<img src="{source}" alt="" loading="lazy">'
        if sort in ("audio", "video"):
            return f'<audio controls preload="metadata" src="{source}"></audio>'
        return f'<a href="{source}" download>{html.escape(cell.name)}</a>'
    if cell is None:
        return "–"
    text = cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)
    return html.escape(text[:LONGEST] + ("…" if len(text) > LONGEST else ""))


def media_type(file: Path) -> str:
    with file.open("rb") as opened:
        return TYPES.get(name_format(opened.read(512)) or "", "application/octet-stream")


def media(replicas: Mapping[str, ModelServer], route: str) -> Response:
    """The file of MODEL/ROW/COLUMN. Raises HTTPException if it doesn't exist."""
    model, _, rest = route.removeprefix(ROUTE).partition("/")
    row, _, column = rest.partition("/")
    rows = examples(replicas[model]) if model in replicas else []
    if row.isascii() and row.isdigit() and len(row) < 6 and int(row) < len(rows):
        cell = rows[int(row)].get(column)
        if isinstance(cell, Path):
            return FileResponse(cell, media_type=media_type(cell))
    raise HTTPException(404, "There is no such example.")
