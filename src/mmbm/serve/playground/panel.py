"""A model's form: a field for each input, the answer with bars, and what each input contributed."""

import html
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from mmbm.errors import MmbmError
from mmbm.kinds.category.column import text
from mmbm.serve.limits import RequestError
from mmbm.serve.model_server import ModelServer, ResponseOptions, Unreadable
from mmbm.serve.playground.examples import ON_LOAD, examples, table
from mmbm.serve.playground.gate import Folder
from mmbm.serve.playground.words import WORDS, problem

TOP = 6
"""Maximum number of classes shown."""
"""Gradio's components by kind of target; for others a Label."""


def panel(
    gradio: Any,
    words: Any,
    replicas: dict[str, ModelServer],
    model: str,
    folder: Folder,
    root: str,
) -> None:
    """One model: inputs to the left, answers to the right, rows to try below."""
    replica = replicas[model]
    columns, config = replica.bundle.columns, replica.bundle.config
    names = list(config.inputs)
    with gradio.Row():
        with gradio.Column():
            fields = [field(gradio, name, columns[name].describe()) for name in names]
            given = {
                name: gradio.Checkbox(False, label=f"{name}: {WORDS['en']['given']}")
                for name, one in zip(names, fields)
                if isinstance(one, gradio.Slider)
            }
            gradio.Markdown(words("hint"))
            with gradio.Row():
                ask = gradio.Button(words("ask"), variant="primary", elem_id=f"ask-{model}")
                gradio.ClearButton([*fields, *given.values()], value=words("clear"))
        with gradio.Column():
            answers = [
                getattr(gradio, spec.shown_as)(label=name) for name, spec in config.targets.items()
            ]
            bars = gradio.HTML(label=words("contributions"), show_label=True)

    async def answer(request: gradio.Request, *cells: Any) -> list[Any]:  # type: ignore
        values = dict(zip([*names, *(f"{name}/given" for name in given)], cells))
        try:
            row = {
                name: cell_of(values[name], columns[name].describe().media, folder)
                for name in names
                if values.get(f"{name}/given", True)
            }
            said = await replicas[model].answer(row, ResponseOptions(explain=True))
            if said["error"] is not None:
                raise Unreadable(said["error"], said["column"])
        except (MmbmError, RequestError) as error:
            raise problem(gradio, error, request) from error
        shown = [shown_answer(said, name, spec.task) for name, spec in config.targets.items()]
        return [*shown, contributions(said, list(config.targets))]

    for slider, box in [(one, given[name]) for name, one in zip(names, fields) if name in given]:
        slider.input(lambda: True, None, box)
    asked = [answer, [*fields, *given.values()], [*answers, bars]]
    ask.click(*asked, api_name=False)
    if not (rows := examples(replica)):
        return
    gradio.Markdown(words("examples"))
    shown = gradio.HTML(
        table(rows, model, root), js_on_load=ON_LOAD, elem_id=f"examples-{model}",
    )  # fmt: skip

    def pick(event: gradio.EventData) -> list[Any]:  # type: ignore
        now, number = examples(replicas[model]), getattr(event, "row", None)
        if not isinstance(number, int) or not 0 <= number < len(now):
            raise gradio.Error("There is no such row.", print_exception=False)
        cells = now[number]
        fields = [as_field(cells.get(name), columns[name], folder, model) for name in names]
        return [*fields, *(cells.get(name) is not None for name in given)]

    picked = shown.click(pick, None, [*fields, *given.values()], api_name=False)
    picked.then(*asked, api_name=False)


def field(gradio: Any, name: str, described: Any) -> Any:
    schema = described.schema
    listed = schema.get("items", schema)
    choices = listed.get("enum") or listed.get("examples") or []
    match described.widget:
        case "image":  # kept unchanged: no other mode, no loss
            return gradio.Image(
                label=name, type="filepath", format="png", image_mode=None,
                sources=["upload", "webcam", "clipboard"], height=240,
            )  # fmt: skip
        case "audio":
            return gradio.Audio(label=name, type="filepath", sources=["upload", "microphone"])
        case "file":
            return gradio.File(label=name, type="filepath")
        case "number" if choices and choices[0] < choices[-1]:
            return gradio.Slider(choices[0], choices[-1], label=name)
        case "number":
            return gradio.Number(label=name, value=None)
        case "choice":
            return gradio.Dropdown([None, *choices], label=name, allow_custom_value=True)
        case "choices":
            return gradio.Dropdown(choices, label=name, multiselect=True, value=[])
        case _:
            return gradio.Textbox(label=name, lines=2)


def cell_of(value: Any, media: str | None, folder: Folder) -> Any:
    """A field's value -> a cell; an empty field is absent. Raises GoneFile."""
    if value in ("", None, []):
        return None
    return folder.read(value) if media else value


def as_field(cell: Any, column: Any, folder: Folder, model: str) -> Any:
    """A cell of an example -> what its field shows: media as a file of the playground's folder, a
    number that a table has as text as a number, labels as a list."""
    widget = column.describe().widget
    if isinstance(cell, Path):
        return folder.write(f"examples/{model}/{cell.name}", cell.read_bytes())
    if widget == "file" and cell is not None:  # what is in the cell itself
        data = (cell if isinstance(cell, str) else json.dumps(cell)).encode()
        return folder.write(f"examples/{model}/{sha256(data).hexdigest()[:16]}.txt", data)
    if widget not in ("number", "choices") or not isinstance(cell, str):
        return cell
    value = column.decode(cell)
    if value is None:
        return None
    if widget == "choices":
        return [column.state["values"][i] for i in value.nonzero()[0]]
    return float(np.sign(value) * np.expm1(np.abs(value)) if column.spec.log else value)


def shown_answer(said: dict[str, Any], target: str, task: str) -> Any:
    """For Label the most probable classes; labels as one text; a number, a transcript, a text or a
    similarity unchanged."""
    if task == "multilabel":
        return "; ".join(map(text, said[target]))
    if task != "multiclass":
        return said[target]
    start = f"{target}.p."
    p = {key.removeprefix(start): v for key, v in said.items() if key.startswith(start)}
    return dict(sorted(p.items(), key=lambda pair: -pair[1])[:TOP])


def contributions(said: dict[str, Any], targets: list[str]) -> str:
    """Bars to the right for positive attributions, to the left for negative ones."""
    lines = []
    for target in targets:
        start = f"{target}.attribution."
        parts = {k.removeprefix(start): v for k, v in said.items() if k.startswith(start)}
        most = max(map(abs, parts.values()), default=0) or 1
        for name, value in parts.items():
            width, left = 50 * abs(value) / most, 50 - 50 * max(-value, 0) / most
            colour = "#2a9d8f" if value >= 0 else "#e76f51"
            lines.append(
                f"<div style='display:flex;gap:8px;align-items:center;margin:4px 0'>"
                f"<span style='width:11em'>{html.escape(target)} ← {html.escape(name)}</span>"
                f"<span style='flex:1;position:relative;height:12px'>"
                f"<span style='position:absolute;left:{left:.1f}%;width:{width:.1f}%;height:100%;"
                f"background:{colour}'></span></span>"
                f"<span style='width:5em;text-align:right'>{value:+.3f}</span></div>"
            )
    return "".join(lines)
