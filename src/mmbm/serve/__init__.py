"""HTTP server of bundles.

    bytes ──► guard ──► app ──► body ──► replica ────────────────► answers
              who may,  routes  JSON,    decode in a pool,         as `mmbm predict`
              how much          files,   batcher (rows that arrive gives them
                                JSONL    together run together),
                                         runner, drift

One process is one event loop, a pool that decodes and one thread that runs the graphs. `start.py`
checks the options, `process.py` starts it, or several that share a port. No torch.
"""

import sys
from types import ModuleType
from typing import Any


class Verb(ModuleType):
    """`mmbm.serve(…)` stays the function when this package of the same name is imported."""

    def __call__(self, *args: Any, **options: Any) -> None:
        from mmbm.serve.start import serve

        serve(*args, **options)


sys.modules[__name__].__class__ = Verb
