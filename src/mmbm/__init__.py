"""Train one multimodal model from a table of images, audio, text and numbers.

import mmbm
model = mmbm.train("config.yaml")
model.predict({"photo": "p.jpg", "remark": "…"})
mmbm.load("runs/config/bundle").predict("new.csv")
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmbm.api import Model, load, train
    from mmbm.client import Client
    from mmbm.errors import MmbmError
    from mmbm.search import Index, load_index
    from mmbm.serve.start import serve

__version__ = "0.1.0"
__all__ = [
    "Client", "Index", "MmbmError", "Model", "__version__", "load", "load_index", "serve", "train",
]  # fmt: skip

_WHERE = {
    "train": "mmbm.api",
    "serve": "mmbm.serve.start",
    "Client": "mmbm.client",
    "load": "mmbm.api",
    "load_index": "mmbm.search",
    "Index": "mmbm.search",
    "Model": "mmbm.api",
    "MmbmError": "mmbm.errors",
}


def __dir__() -> list[str]:
    """Include public names that are not imported yet, for completion in notebooks."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str):
    """Import a public name on first use: `import mmbm` alone loads no heavy module."""
    if name not in _WHERE:
        raise AttributeError(f"module 'mmbm' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_WHERE[name]), name)
