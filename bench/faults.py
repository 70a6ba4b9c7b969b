"""What training runs and `mmbm serve` survive.

    python bench/faults.py --kills 40               training: see kills.py
    python bench/faults.py BUNDLE TABLE             the server

Training: killed at seeded steps of its writes, on a full disk, in a folder that may not be written,
with damaged files. The server: 10,000 requests of a fuzzer, damaged cells, and a long steady load.
Schemathesis makes requests from the server's own schema (`pip install schemathesis`); the damaged
cells are those of tests/damaged.py. The steady load tells how much memory grows.
"""

import base64
import json
import pickle
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
from serve import Server, load, ours, requests, running
from side_by_side import options

import mmbm

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))


def fuzz(server: Server, count: int) -> str:
    """The fuzzer's own last lines. Two operations take a body it can write."""
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run",
        server.url.replace("/predict", "/openapi.json"),
        "--exclude-path-regex", "batch$", "-n", str(count // 2), "--seed", "1",
        "-c", "not_a_server_error,status_code_conformance,content_type_conformance",
        "-c", "response_schema_conformance,unsupported_method", "--no-color",
        "--suppress-health-check", "all", "--warnings", "off",
        "--phases", "examples,coverage,fuzzing",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    found = [x.strip() for x in done.stdout.splitlines() if "generated" in x or "❌" in x]
    return "; ".join([f"exit {done.returncode}", *found])


def cells(server: Server, columns: list[str]) -> dict[int, int]:
    """Every damaged cell in every column, as base64: how often each status came."""
    import damaged

    statuses: Counter[int] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for raw in damaged.contents(Path(folder)).values():
            value = base64.b64encode(raw).decode() if isinstance(raw, bytes) else raw
            for column in columns:
                body = json.dumps({column: value}, default=str).encode()
                asked = urllib.request.Request(
                    server.url, body, {"content-type": "application/json"}
                )
                try:
                    with urllib.request.urlopen(asked, timeout=60) as answer:
                        statuses[answer.status] += 1
                except urllib.error.HTTPError as error:
                    statuses[error.code] += 1
    return dict(statuses)


def steady(server: Server, bodies: Path, count: int) -> dict[str, Any]:
    """RSS after a tenth of the answers and after all of them."""
    process, done, marks = psutil.Process(server.process.pid), 0, []
    while done < count:
        said = load(server.url, bodies, 16, 20)
        assert set(said["statuses"]) == {"200"}, said["statuses"]
        done += said["statuses"]["200"]
        marks.append((done, process.memory_info().rss))
    first = next(rss for answers, rss in marks if answers >= count / 10)
    return {"answers": done, "MB": round(marks[-1][1] / 1e6), "growth": marks[-1][1] / first}


def training(count: int, seed: int) -> dict[str, Any]:
    """What came of each round; an AssertionError where a run did not end as it should."""
    import random

    import kills

    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        run = kills.Run(Path(folder))
        rounds = {
            "steps of its writes": run.steps,
            "killed": kills.kills(run, count, draw),
            "full disk": kills.full_disks(run, max(1, count // 4), draw),
            "read-only folder": kills.read_only(run),
        }
        if count >= 10:  # every file in three ways
            rounds["damaged file"] = kills.damages(run, draw)
        return rounds


def serving(bundle: mmbm.Model, table: Path, fuzzed: int, requested: int) -> dict[str, Any]:
    made, _ = requests(bundle, table, 200)
    with (
        tempfile.TemporaryDirectory() as folder,
        running(ours(bundle.path, "--no-log"), made[0]) as on,
    ):
        bodies = Path(folder) / "bodies"
        bodies.write_bytes(pickle.dumps(made))
        return {
            "fuzzed": fuzz(on, fuzzed),
            "damaged cells": cells(on, list(bundle.config.inputs)),
            "steady": steady(on, bodies, requested),
        }


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("bundle", type=Path, nargs="?", help="of `mmbm demo`: demo/run/bundle")
    parser.add_argument("table", type=Path, nargs="?", help="demo/data.csv")
    parser.add_argument("--fuzzed", type=int, default=10_000)
    parser.add_argument("--steady", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=0, help="of training runs, at seeded steps")
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    if not given.kills and not (given.bundle and given.table):
        parser.error("give --kills, or a bundle and a table")
    facts: dict[str, Any] = training(given.kills, given.seed) if given.kills else {}
    if given.bundle and given.table:
        facts |= serving(mmbm.load(given.bundle), given.table, given.fuzzed, given.steady)
    if given.json:
        print(json.dumps(facts))
    else:
        for name, fact in facts.items():
            print(f"{name}: {dict(fact) if isinstance(fact, Counter) else fact}")


if __name__ == "__main__":
    main()
