"""The same bundle served in two other ways, to compare with `mmbm serve`.

python bench/rivals.py plain BUNDLE PORT 1       FastAPI, one request at a time through the graphs
python bench/rivals.py litserve BUNDLE PORT 2    LitServe with its batching: a process for HTTP and
                                                 one for the model
"""

import os
import sys
from typing import Annotated

import mmbm
from mmbm.api import Model
from mmbm.inference.predict import Decoded, answer_rows, decode_row, encode

THREADS = 2


def answer(bundle: Model, rows: list[Decoded]) -> list[dict]:
    return answer_rows(bundle, bundle.answers, encode(bundle, rows), True, 0.0, False)


def endpoint():
    """The app of one process; uvicorn calls this in each."""
    from fastapi import Body, FastAPI

    app, bundle = FastAPI(), mmbm.load(os.environ["BUNDLE"], threads=THREADS)

    @app.post("/predict")
    def predict(row: Annotated[dict, Body()]) -> dict:
        return answer(bundle, [decode_row(bundle, row, None)])[0]

    return app


def plain(path: str, port: int, processes: int) -> None:
    import uvicorn

    os.environ["BUNDLE"] = path
    uvicorn.run(
        "rivals:endpoint", factory=True, port=port, workers=processes, log_level="error",
        access_log=False,
    )  # fmt: skip


class Split:
    """LitServe's interface, as a mixin: its workers are spawned and must find the class by name."""

    path = ""

    def setup(self, device) -> None:
        self.bundle = mmbm.load(self.path, threads=THREADS)

    def decode_request(self, request):
        return decode_row(self.bundle, request, None)

    def batch(self, inputs):
        return inputs

    def unbatch(self, output):
        return output

    def predict(self, rows):
        return answer(self.bundle, rows)

    def encode_response(self, output):
        return output


if sys.argv[1:2] == ["litserve"] or __name__ != "__main__":
    import litserve

    class API(Split, litserve.LitAPI):
        pass


def lit(path: str, port: int, processes: int) -> None:
    assert processes == 2, "one answers HTTP, one runs the model"
    api = API(max_batch_size=32, batch_timeout=0.002)
    api.path = path
    server = litserve.LitServer(api, accelerator="cpu", track_requests=False)
    server.run(port=port, log_level="error", generate_client_file=False, num_api_servers=1)


if __name__ == "__main__":
    kind, path, port, processes = sys.argv[1:]
    {"plain": plain, "litserve": lit}[kind](path, int(port), int(processes))
