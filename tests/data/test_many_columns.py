"""Tables of very many columns take linear time."""

import random
from pathlib import Path

from rows import opened

from mmbm.config import load as configfile
from mmbm.data.prepare import prepare
from mmbm.init import infer

R = random.Random(6)


def test_a_table_of_very_many_columns_is_opened_and_inferred_in_linear_time(tmp_path: Path):
    import time

    def seconds(columns: int) -> float:
        names = [f"c{i}" for i in range(columns)]
        rows = [[str(R.random()) for _ in names] + ["ny"[i % 2]] for i in range(12)]
        text = "\n".join(",".join(row) for row in [[*names, "y"], *rows])
        started = time.perf_counter()
        inferred = infer(opened(tmp_path, text, f"{columns}.csv"), ["y"])
        assert len(inferred.inputs) == columns
        return time.perf_counter() - started

    seconds(200)
    assert seconds(8000) < 12 * seconds(2000)


def test_a_table_of_very_many_columns_is_prepared_in_linear_time_and_few_open_files(tmp_path: Path):
    import time

    def seconds(columns: int) -> float:
        names = [f"c{i}" for i in range(columns)]
        rows = [[str(R.random()) for _ in names] + ["ny"[i % 2]] for i in range(12)]
        config = configfile.parse({
            "data": {"table": "t", "split": {"valid": 0.2, "test": 0.2}},
            "inputs": {name: {"kind": "number"} for name in names},
            "targets": {"y": {"kind": "category"}},
        })  # fmt: skip
        table = [dict(zip([*names, "y"], row)) for row in rows]
        started = time.perf_counter()
        data = prepare(config, tmp_path / str(columns), table=table)
        assert len(data.columns) == columns + 1
        maps = Path("/proc/self/maps")
        assert not maps.exists() or maps.read_text().count(f"/{columns}/") < 10
        return time.perf_counter() - started

    seconds(50)
    assert seconds(2400) < 12 * seconds(600)
