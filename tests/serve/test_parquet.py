"""A damaged parquet file ends the child that reads it in order."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("seed", range(3))
def test_any_damage_to_a_parquet_file_ends_the_child_that_reads_it_in_order(tmp_path, seed):
    """Its exit status: 0, or 3 with a sentence; or it was out of memory."""
    import random

    import pyarrow as pa
    import pyarrow.parquet as pq

    file = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": [f"text {i}" for i in range(50)], "b": range(50)}), file)
    chance, raw = random.Random(seed), bytearray(file.read_bytes())
    for _ in range(chance.choice([1, 4, 40])):
        raw[chance.randrange(len(raw))] = chance.randrange(256)
    command = [sys.executable, "-m", "mmbm.serve.parquet", "1000000", "a", "b"]
    done = subprocess.run(command, input=bytes(raw), capture_output=True, timeout=60)
    assert b"Traceback" not in done.stderr
    assert done.returncode in (0, 3) or done.returncode < 0
