"""What kinds bring for the shared batteries of tests.

A kind's samples are a module `samples` in the folder of its tests: `kinds/NAME/samples.py`, or
`plugins/NAME/samples.py` of a package. Only those of installed kinds are read.
"""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from mmbm.layers.batch import Field
from mmbm.registry import kinds
from mmbm.specs.base import Spec

HERE = Path(__file__).parent


class Cells(NamedTuple):
    """For the battery of columns; `COLUMNS` of a module has some by name."""

    spec: Spec
    good: list[Any]  # cells it learns from and must decode


class Frontend(NamedTuple):
    """For the battery of frontends; `FRONTENDS` of a module has some by name."""

    build: Callable[[], nn.Module]
    cells: Callable[[list[int]], Field]  # random ones of these lengths, which others may ignore
    ragged: bool = False
    tolerance: float = 1e-5  # of the exported graph


def gathered(what: str) -> dict[str, Any]:
    """`what` of all modules: COLUMNS, FRONTENDS, or ENCODERS (options by "name-layout")."""
    found: dict[str, Any] = {}
    for folder in (*(HERE / "kinds").iterdir(), *(HERE / "plugins").iterdir()):
        if folder.name in kinds() and (folder / "samples.py").exists():
            found |= getattr(_module(folder / "samples.py"), what, {})
    return dict(sorted(found.items()))


def _module(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"samples_of_{file.parent.name}", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
