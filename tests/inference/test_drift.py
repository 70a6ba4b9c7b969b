"""An input that changes is seen, one that doesn't isn't."""

import numpy as np
import pytest

from mmbm.inference.drift import ENOUGH, Drift
from mmbm.inference.predict import batched, decode_row
from mmbm.inference.runners import flatten


def told(bundle, rows: list[dict]) -> dict[str, float]:
    drift = Drift(bundle.bundle.reference, bundle.config.inputs)
    decoded = [decode_row(bundle, row, bundle.path) for row in rows]
    for start in range(0, len(decoded), 32):
        batch = batched(bundle, decoded[start : start + 32])
        drift.add(batch, bundle.runner.run("encode", flatten(batch, bundle.columns)))
    return drift.index()


@pytest.fixture(scope="module")
def usual(table) -> list[dict]:
    import csv

    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    wanted = ("photo", "speech", "remark", "speed", "place")
    media = {"photo", "speech"}
    return [
        {k: (table.parent / r[k]).read_bytes() if k in media else r[k] for k in wanted}
        for r in rows
    ] * 10  # fmt: skip


def test_rows_like_those_of_training_do_not_drift(bundle, usual):
    index = told(bundle, usual)
    assert set(index) == {"photo", "speech", "remark", "speed", "place"}
    assert max(index[name] for name in ("speed", "place")) < 0.25


@pytest.mark.parametrize(
    ("column", "cell"), [("speed", 1e6), ("place", "elsewhere"), ("remark", "完全不同的话 " * 9)]
)
def test_a_changed_input_drifts_and_the_others_do_not(bundle, usual, column, cell):
    before = told(bundle, usual)
    index = told(bundle, [{**row, column: cell} for row in usual])
    assert index[column] > 1
    assert all(index[name] == pytest.approx(before[name]) for name in index if name != column)


def test_pictures_of_another_kind_drift(bundle, usual):
    import io

    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    before = told(bundle, usual)
    index = told(bundle, [{**row, "photo": file.getvalue()} for row in usual])
    assert index["photo"] > before["photo"] + 1


def test_inputs_that_stay_away_drift(bundle, usual):
    index = told(bundle, [{**row, "speech": None} for row in usual])
    assert index["speech"] > 1


def test_a_few_rows_say_nothing(bundle, usual):
    assert told(bundle, usual[: ENOUGH - 1]) == {}
