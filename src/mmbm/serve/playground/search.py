"""The playground's search page: a query cell, and the nearest images and rows."""

from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from mmbm.cells.media import read
from mmbm.errors import BadCell, MmbmError
from mmbm.kinds.image.column import DAMAGE, FORMATS
from mmbm.search import Found, Index
from mmbm.serve.limits import RequestError
from mmbm.serve.model_server import ModelServer
from mmbm.serve.playground.gate import Folder
from mmbm.serve.playground.panel import cell_of, field
from mmbm.serve.playground.words import problem

SHOWN = 12
"""Default number of results."""
MOST = 100
SIDE = 256
"""Pixels of an image on the page."""
CAPTION = 40
"""Letters."""


def page(
    gradio: Any, words: Any, replicas: dict[str, ModelServer], model: str, folder: Folder
) -> None:
    """Fields of the contrastive target's columns to the left, the results to the right."""
    index = replicas[model].index
    assert index is not None
    columns, names = replicas[model].bundle.columns, index.about.columns
    with gradio.Row():
        with gradio.Column():
            fields = [field(gradio, name, columns[name].describe()) for name in names]
            gradio.Markdown(words("one"))
            of = gradio.Dropdown(index.about.indexed, label=words("of"), value=None)
            k = gradio.Slider(1, MOST, SHOWN, step=1, label=words("k"))
            shown = ", ".join(index.told.values())
            where = gradio.Textbox(label=words("where"), placeholder=shown)
            with gradio.Row():
                ask = gradio.Button(words("search"), variant="primary", elem_id=f"search-{model}")
                gradio.ClearButton([*fields, of, where], value=words("clear"))
        with gradio.Column(scale=2):
            pictures = gradio.Gallery(
                label=words("found"), columns=4, height=520, object_fit="contain", format="png",
                visible=picture_of(index) is not None, elem_id=f"gallery-{model}",
            )  # fmt: skip
            rows = gradio.Dataframe(
                headers=["row", "score", *index.told], label=words("found"), wrap=True,
                interactive=False,
            )  # fmt: skip

    async def look(request: gradio.Request, *said: Any) -> list[Any]:  # type: ignore
        *cells, column, number, condition = said
        try:
            row = {
                name: cell_of(cell, columns[name].describe().media, folder)
                for name, cell in zip(names, cells)
            }
            found = await replicas[model].search(row, int(number), column, condition or None)
        except (MmbmError, RequestError) as error:
            raise problem(gradio, error, request) from error
        table = [[one.row, round(one.score, 4), *one.cells.values()] for one in found]
        return [gallery(found, index), table]

    ask.click(look, [*fields, of, k, where], [pictures, rows], api_name=False)


def picture_of(index: Index) -> str | None:
    """The column whose images are shown."""
    inputs = index.config.inputs
    named = (n for n in index.about.indexed if inputs[n].traits.media == "image/*")
    return next(named, None)


def gallery(found: list[Found], index: Index) -> list[tuple[Image.Image, str]]:
    """The images of the results, with their number, similarity and first text. A file that no
    longer exists is left out; the table below still has its row."""
    column, shown = picture_of(index), []
    if column is None:
        return []
    texts = [
        name for name in index.about.indexed if index.config.inputs[name].traits.message == "text"
    ]
    for one in found:
        try:
            picture = small(Path(one.media.get(column, "")), index.config.inputs[column].max_bytes)  # type: ignore[union-attr]
        except (BadCell, *DAMAGE):
            continue
        text = next((one.cells[name] for name in texts if one.cells.get(name)), "")
        shown.append((picture, f"{one.row} · {one.score:.2f} {text[:CAPTION]}".strip()))
    return shown


def small(path: Path, max_bytes: int) -> Image.Image:
    """An image in the page's size. Raises BadCell, or Pillow's exceptions for damage."""
    with Image.open(BytesIO(read(path, max_bytes)), formats=FORMATS) as picture:
        picture.thumbnail((SIDE, SIDE))
        return picture.convert("RGBA")
