"""`mmbm doctor`: what is installed, and what is missing for which feature.

The packages of a feature are those of its extra, read from the metadata of mmbm itself, so that
this list and pyproject.toml can't differ.
"""

import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from mmbm import __version__
from mmbm.files import size_of

ABILITIES = {
    "": "Open bundles and predict",
    "train": "Train and evaluate models",
    "evaluate": "Evaluate bundles, without torch",
    "serve": "Serve bundles over HTTP",
    "playground": "Pages to try a served model",
    "client": "Python client of a server",
    "search": "Index and search embeddings",
    "remote": "Label and compare with a remote model",
    "hub": "Fine-tune models of the Hugging Face Hub",
    "weights": "Published weights, as packages",
    "timm": "Image encoders of timm",
    "keras": "Encoders written in Keras",
    "export": "Export to one ONNX file, and to int8",
    "openvino": "Export to and run on OpenVINO",
    "litert": "Export to LiteRT",
    "litert-runner": "Run on LiteRT",
    "demo": "Make the demo's data",
}
"""Purpose of each extra of pyproject.toml, the base install first."""
GROUPS = {"all", "assistant", "dev", "docs", "home"}
"""Extras that are no feature of their own."""
_REQUIREMENT = re.compile(
    r"(?P<name>[\w.-]+)\s*(\[(?P<extras>[^]]*)\])?\s*\(?(?P<bounds>[^;)]*)\)?\s*(;(?P<when>.*))?"
)


class Requirement(NamedTuple):
    """A required package."""

    name: str
    bounds: str  # ">=2.9", as pip reads it; empty: any version

    def found(self) -> str | None:
        """The version that is installed."""
        try:
            return metadata.version(self.name)
        except metadata.PackageNotFoundError:
            return None

    def fits(self) -> bool:
        """Whether it is installed, and not too old."""
        version = self.found()
        return version is not None and all(
            _number(version) >= _number(bound)
            for bound in re.findall(r"(?:>=|~=|==)\s*([^,\s]+)", self.bounds)
        )

    def __str__(self) -> str:
        return f"{self.name}{self.bounds}"


def examine(folder: Path | None = None) -> dict[str, Any]:
    """Versions, hardware, features with what each lacks, and caches, as JSON values.

    folder: where `runs` is; the current one if not given.
    """
    return {
        "mmbm": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "cpu": {"name": platform.processor() or platform.machine(), "cores": cores()},
        "accelerators": accelerators(),
        "onnxruntime": onnx_providers(),
        "packages": {name: one.found() for name, one in sorted(packages().items())},
        "abilities": [ability(extra) for extra in ABILITIES],
        "caches": caches(folder or Path.cwd()),
    }


def ability(extra: str) -> dict[str, Any]:
    missing = [str(one) for one in requirements(extra) if not one.fits()]
    return {
        "extra": extra,
        "ability": ABILITIES[extra],
        "ready": not missing,
        "missing": missing,
        "install": f'pip install "mmbm[{extra}]"' if extra else "pip install mmbm",
    }


def requirements(extra: str = "") -> list[Requirement]:
    """Requirements of the base install or what an `extra` adds; nested extras too."""
    found: dict[str, Requirement] = {}
    for line in metadata.requires("mmbm") or []:
        match = _REQUIREMENT.match(line)
        if match is None:
            continue
        when = match["when"] or ""
        named = re.search(r"extra\s*==\s*['\"]([\w.-]+)['\"]", when)
        if (named[1] if named else "") != extra or not _here(when):
            continue
        if match["name"] == "mmbm":
            for other in re.split(r"\s*,\s*", match["extras"] or ""):
                found |= {one.name: one for one in requirements(other)}
        else:
            found[match["name"]] = Requirement(match["name"], match["bounds"].strip())
    return list(found.values())


def packages() -> dict[str, Requirement]:
    """All packages that any feature needs."""
    return {one.name: one for extra in ABILITIES for one in requirements(extra)}


def _here(when: str) -> bool:
    """Whether a marker matches this system: for those that pyproject.toml uses."""
    other = re.search(r"sys_platform\s*(==|!=)\s*['\"](\w+)['\"]", when)
    return other is None or (sys.platform == other[2]) == (other[1] == "==")


def _number(version: str) -> tuple[int, ...]:
    """The release of a version: 2.13.0+cpu is (2, 13, 0)."""
    numbers = [
        int(part) for part in re.findall(r"\d+", re.split(r"[+a-z]", version, maxsplit=1)[0])
    ]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def accelerators() -> list[dict[str, Any]]:
    """Devices for training besides the CPU; none if torch isn't installed."""
    try:
        import torch
    except ImportError:
        return []
    found: list[dict[str, Any]] = []
    if torch.cuda.is_available():
        for i in range(torch.cuda.device_count()):
            known = torch.cuda.get_device_properties(i)
            found.append({"device": f"cuda:{i}", "name": known.name, "bytes": known.total_memory})
    if torch.backends.mps.is_available():
        found.append({"device": "mps", "name": "Apple GPU", "bytes": None})
    return found


def onnx_providers() -> list[str]:
    """Devices for running bundles, by ONNX Runtime."""
    try:
        import onnxruntime
    except ImportError:
        return []
    return list(onnxruntime.get_available_providers())


def caches(folder: Path) -> list[dict[str, Any]]:
    """Folders and files that may be removed: their purpose, and their bytes."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache/huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    known = {
        "prepared tables and cells (mmbm cache)": folder / "runs/prepared",
        "answers of remote models": folder / "runs/remote.sqlite",
        "models of the Hugging Face Hub": hub,
    }
    return [
        {"what": what, "path": str(path), "bytes": size_of(path)} for what, path in known.items()
    ]


def show(report: dict[str, Any]) -> None:
    """The report on a terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    console.print(f"mmbm {report['mmbm']}, Python {report['python']}, {report['platform']}")
    gpus = ", ".join(f"{one['device']} ({one['name']})" for one in report["accelerators"])
    console.print(f"Processor: {report['cpu']['cores']} cores. Accelerators: {gpus or 'none'}.")
    console.print(f"ONNX Runtime: {', '.join(report['onnxruntime']) or 'not installed'}")
    table = Table("extra", "ability", "missing")
    table.columns[2].overflow = "fold"
    for one in report["abilities"]:
        missing = ", ".join(one["missing"]) or "–"
        table.add_row(one["extra"] or "–", one["ability"], escape(missing))
    console.print(table)
    if not all(one["ready"] for one in report["abilities"]):
        console.print(escape('To install what an ability needs: pip install "mmbm[EXTRA]"'))
    console.print("Packages: " + ", ".join(
        f"{name} {version}" for name, version in report["packages"].items() if version
    ))  # fmt: skip
    for one in report["caches"]:
        console.print(f"Cache: {one['path']}, {one['bytes'] / 1e6:,.0f} MB of {one['what']}")
