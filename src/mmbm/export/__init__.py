"""Export of a trained model to other runtimes, verified against the model itself.

`export` converts a bundle to another one, whose graphs are in another format or precision and whose
manifest names the runner that runs them: predict, evaluate and serve work with it unchanged. A file
that ends in .onnx is for users without mmbm.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from mmbm import files
from mmbm.bundle.manifest import MANIFEST
from mmbm.bundle.writer import seal
from mmbm.errors import BundleError, MmbmError
from mmbm.export.verify import TOLERANCES, ParityReport, answers, check
from mmbm.inference.predictor import Predictor, load
from mmbm.inference.runners import units
from mmbm.registry import EXPORTS, find

PRECISIONS = {
    "onnx": ("float32", "float16", "int8"),
    "openvino": ("float32", "float16"),
    "litert": ("float32",),
}
Report = dict[str, Any]


class Exported(NamedTuple):
    """Path of the export, and its measurements."""

    path: Path
    report: Report

    def __str__(self) -> str:
        return "\n".join(sentences(self.report))


def export(
    bundle: Predictor,
    to: str,
    output: str | Path | None = None,
    *,
    precision: str = "float32",
    tolerance: float | None = None,
    table: Any = None,
    split: str | None = "test",
    external: bool = False,
) -> "Exported":
    """Export a bundle to another runtime; nothing is written if an answer differs too much.

    to: onnx, openvino or litert.
    output: folder of the new bundle, or with `to="onnx"` a file that ends in .onnx: one graph
        from raw columns to answers. BUNDLE-FORMAT next to the bundle if not given.
    precision: float32; float16; int8 (weights and, dynamically, activations).
    tolerance: maximum difference of a probability (a number: in standard deviations).
    table: measure the metrics on it (its `split`) before and after.
    external: the file's weights in a separate file, as a graph of more than 2 GB needs.

    Raises BundleError if an answer differs by more than the tolerance, MissingExtra if the
    format's packages are missing, MmbmError for an unknown format or precision.
    """
    check_asked(bundle, to, precision)
    bound = TOLERANCES[precision] if tolerance is None else tolerance
    if output is None:
        path, exact = bundle.path.resolve(), precision == "float32"
        name = f"{path.name}-{to}" if exact else f"{path.name}-{to}-{precision}"
        output = path.with_name(f"{name}.onnx" if exact and to == "onnx" else name)
    output = Path(output)
    if output.suffix == ".onnx":
        from mmbm.export.onefile import write

        if bundle.config.texts:
            name = next(iter(bundle.config.texts))
            raise MmbmError(
                f"{name!r} is written token by token, by a graph of its own: no one file holds it. "
                f"The graphs are in {bundle.path / 'graphs'}; other precisions go into a folder."
            )
        if to != "onnx" or table is not None:
            raise MmbmError(
                f"{output} is a file for --to onnx, which mmbm doesn't evaluate: name a folder."
            )
        moved = write(bundle, output, precision, bound, external)
        origin = {"from": bundle.version, "to": to, "precision": precision}
        return Exported(output, {**origin, **moved.report()})
    if external:
        raise MmbmError("External weights are for one file: name it (-o model.onnx).")
    if (to, precision) == ("onnx", "float32"):
        raise MmbmError(
            f"{bundle.path} has these graphs already. Name a file (-o model.onnx) to have them as "
            "one graph, or choose --precision float16 or int8."
        )
    report = write_bundle(bundle, to, output, precision, bound, table, split)
    return Exported(output, report)


def check_asked(bundle: Predictor, to: str, precision: str) -> None:
    if to not in EXPORTS:
        raise MmbmError(f"There is no format {to!r}; formats: {', '.join(EXPORTS)}.")
    if precision not in PRECISIONS[to]:
        raise MmbmError(f"{to} is exported in {' or '.join(PRECISIONS[to])}, not in {precision!r}.")
    if bundle.config.texts and to == "litert":
        name = next(iter(bundle.config.texts))
        raise BundleError(
            f"{bundle.path}: {name!r} is written token by token with a cache that grows, and "
            "LiteRT's graphs have fixed sizes. Serve the bundle as it is, or export --to openvino."
        )
    if "runner" in bundle.bundle.manifest:
        raise BundleError(f"{bundle.path} was itself exported: export the bundle it was made from.")


def write_bundle(
    bundle: Predictor,
    to: str,
    output: Path,
    precision: str,
    bound: float,
    table: Any,
    split: str | None,
) -> Report:
    """Written to a temporary place, then moved: it is complete or absent."""
    if output.exists() and not (output / MANIFEST).is_file() and any(output.iterdir()):
        raise MmbmError(f"{output} is not empty and no bundle: it is left as it is.")
    if output.resolve() == bundle.path.resolve():
        raise MmbmError(f"{output} is the bundle itself: choose another folder.")
    with files.written_folder(output) as part:
        bundle.bundle.files.copy(part, lambda name: name.startswith(("graphs/", "weights.")))
        (part / "graphs").mkdir()
        find(EXPORTS[to])(bundle, part / "graphs", precision)
        measured = units(bundle.config, bundle.columns)
        tolerance = {name: bound * unit.std for name, unit in measured.items()}
        origin = {"from": bundle.version, "to": to, "precision": precision}
        seal(part, bundle.config, tolerance, runner=to, export=origin)
        made = load(part)
        moved = check(bundle, partial(answers, made.runner), bound)
        made.verify()
        report = {**origin, **moved.report(), **compare(bundle, made, table, split)}
        describe(part, bundle, report)
        seal(part, bundle.config, tolerance, runner=to, export=origin)
    return report


def compare(bundle: Predictor, made: Predictor, table: Any, split: str | None) -> Report:
    """Metrics on a table before and after, if one is given."""
    if table is None:
        return {}
    before, after = (one.evaluate(table, split) for one in (bundle, made))
    mains = {name: answer.main.name for name, answer in bundle.answers.items()}
    changes = {
        name: {main: [report["targets"][name].get(main) for report in (before, after)]}
        for name, main in mains.items()
    }
    return {"table": {"rows": after["rows"], "split": split, "targets": changes, "after": after}}


def describe(folder: Path, bundle: Predictor, report: Report) -> None:
    """Metrics and card state what was measured on what. In a lower precision the metrics of the
    source bundle are another model's: `evaluate` doesn't show them as this one's."""
    metrics = dict(bundle.metrics)
    measured = report.get("table", {})
    if report["precision"] != "float32":
        metrics = {"before_export": metrics}
    if measured:
        metrics[measured["split"] or "all"] = measured.pop("after")
    metrics["export"] = report
    text = json.dumps(metrics, indent=1, ensure_ascii=False)
    (folder / "metrics.json").write_text(text, encoding="utf-8")
    whose = f"The metrics above are those of bundle {report['from']}, as it was trained."
    lines = [f"- {sentence}" for sentence in sentences(report)]
    with (folder / "README.md").open("a", encoding="utf-8") as card:
        card.write("\n".join(["", "## Exported", "", whose, "", *lines, ""]))


def sentences(report: Report) -> list[str]:
    """A summary of what an export changed."""
    said = [f"Made for {report['to']} in {report['precision']} from bundle {report['from']}."]
    said += ParityReport.sentences(report)
    for name, changes in report.get("table", {}).get("targets", {}).items():
        for metric, (before, after) in changes.items():
            if before is not None and after is not None:
                rows = report["table"]["rows"]
                said.append(
                    f"{name}: {metric} {before:.4f} before, {after:.4f} after ({rows} rows)."
                )
    return said
