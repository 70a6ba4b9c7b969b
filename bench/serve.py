"""`mmbm serve` beside other ways to serve the same bundle, with the same requests.

Against the bare graphs in a loop (1 client), a plain FastAPI endpoint without batching, and
LitServe (`pip install litserve`), in turns, with as many processes on both sides. And with ten
times more clients than it can answer, and the time and memory that starting takes.
"""

import base64
import contextlib
import json
import os
import pickle
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from side_by_side import Ratio, options, show

import mmbm
from mmbm.inference.predict import answer_rows, decode_row, encode

HERE = Path(__file__).parent
RIVALS = (("plain", 1, 1.5), ("plain", 2, 1.5), ("litserve", 2, 1.2))
"""What, in how many processes, and how many times its answers per second are promised."""


def requests(bundle: Any, table: Path, count: int) -> tuple[list[bytes], list[dict]]:
    """JSON bodies of rows of the table, and the rows, media as data URIs."""
    from mmbm.data.table import open_table

    opened = open_table(table)
    columns = {name: opened.cells(name) for name in bundle.config.inputs}
    rows = []
    for _ in range(min(count, opened.rows)):
        row = {}
        for name, cells in columns.items():
            cell = next(cells)
            if bundle.columns[name].describe().media:
                raw = (opened.root / cell).read_bytes()
                cell = "data:;base64," + base64.b64encode(raw).decode()
            row[name] = cell
        rows.append(row)
    return [json.dumps(row).encode() for row in rows], rows


class Server(NamedTuple):
    url: str
    process: subprocess.Popen
    seconds: float  # from its start to its first answer


@contextlib.contextmanager
def running(command: Callable[[int], list[str]], body: bytes) -> Iterator[Server]:
    """Start a server on a free port, wait for its first answer, stop it at the end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    start = time.perf_counter()
    process = subprocess.Popen(
        command(port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        url = f"http://127.0.0.1:{port}/predict"
        asked = urllib.request.Request(url, body, {"content-type": "application/json"})
        while True:
            assert process.poll() is None, f"{command(port)} ended"
            with contextlib.suppress(OSError), urllib.request.urlopen(asked, timeout=10):
                break
            time.sleep(0.02)
        yield Server(url, process, time.perf_counter() - start)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            pass
        finally:  # a server's own processes may outlive it
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def ours(bundle: Path, *more: str) -> Callable[[int], list[str]]:
    return lambda port: [
        sys.executable, "-m", "mmbm.cli", "serve", str(bundle), "--port", str(port), *more
    ]  # fmt: skip


def rival(kind: str, bundle: Path, processes: int) -> Callable[[int], list[str]]:
    script = [sys.executable, str(HERE / "rivals.py"), kind, str(bundle)]
    return lambda port: [*script, str(port), str(processes)]


def load(url: str, bodies: Path, clients: int, seconds: float) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "load.py"), url, str(bodies)]
    given = ["--clients", str(clients), "--seconds", str(seconds)]
    done = subprocess.run([*command, *given], check=True, stdout=-1, text=True)
    return json.loads(done.stdout)


def against(
    name: str, mine: Server, theirs: Server, bodies: Path, clients: int, promised: float, given: Any
) -> Ratio:
    """Answers per second, in turns."""
    pairs = []
    for turn in range(given.turns + 1):
        both = [(mine, 0), (theirs, 1)][:: 1 if turn % 2 else -1]
        pair = [0.0, 0.0]
        for server, place in both:
            said = load(server.url, bodies, clients, given.seconds)
            assert set(said["statuses"]) == {"200"}, (name, place, said["statuses"])
            pair[place] = said["per_second"]
        if turn:  # the first one warms up
            pairs.append(pair)
    ratios = [a / b for a, b in pairs]
    low, middle, high = statistics.quantiles(ratios, n=4)
    a, b = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
    return Ratio(name, middle, low, high, None, promised, "answers/s", a, b)


def bare(path: Path, rows: list[dict], seconds: float) -> float:
    """Median milliseconds of decoding a row and running the graphs on it, in a loop."""
    bundle = mmbm.load(path, threads=2)
    answers, took, end = bundle.answers, [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        row = rows[len(took) % len(rows)]
        start = time.perf_counter()
        answer_rows(
            bundle, answers, encode(bundle, [decode_row(bundle, row, None)]), True, 0.0, False
        )
        took.append(time.perf_counter() - start)
    return 1000 * statistics.median(took)


def one_client(
    server: Server, path: Path, rows: list[dict], bodies: Path, given: Any
) -> list[float]:
    """Milliseconds that serving adds at the median, turn by turn."""
    return [
        1000 * load(server.url, bodies, 1, given.seconds)["p50"] - bare(path, rows, given.seconds)
        for _ in range(given.turns)
    ]


def overload(path: Path, bodies: Path, body: bytes, given: Any) -> dict[str, Any]:
    """Ten times the clients that the queue holds: only 200, 429 and 503, and what stays after."""
    import psutil

    with running(
        ours(path, "--no-log", "--max-queue", "32", "--max-requests", "128"), body
    ) as server:
        process = psutil.Process(server.process.pid)
        usual = load(server.url, bodies, 16, given.seconds)
        before = process.memory_info().rss
        crowd = load(server.url, bodies, 320, 3 * given.seconds)
        grown = process.memory_info().rss / before
        time.sleep(1)
        after = load(server.url, bodies, 16, given.seconds)
    return {
        "statuses": crowd["statuses"], "p99": crowd["p99"], "memory": grown,
        "speed after / before": after["per_second"] / usual["per_second"],
    }  # fmt: skip


def main() -> None:
    import psutil

    parser = options(__doc__)
    parser.add_argument("bundle", type=Path, help="runs of `mmbm demo`: demo/run/bundle")
    parser.add_argument("table", type=Path, help="demo/data.csv")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    given = parser.parse_args()
    bundle = mmbm.load(given.bundle)
    made, rows = requests(bundle, given.table, 200)
    ratios = []
    with tempfile.TemporaryDirectory() as folder, running(ours(given.bundle), made[0]) as mine:
        bodies = Path(folder) / "bodies"
        bodies.write_bytes(pickle.dumps(made))
        memory = psutil.Process(mine.process.pid).memory_info().rss / 1e6
        added = one_client(mine, given.bundle, rows, bodies, given)
        busy = load(mine.url, bodies, 64, given.seconds)
        crowded = overload(given.bundle, bodies, made[0], given)
        for kind, processes, promised in RIVALS:
            workers = ours(given.bundle, "--no-log", "--workers", str(processes))
            theirs = rival(kind, given.bundle, processes)
            with running(workers, made[0]) as server, running(theirs, made[0]) as other:
                for clients in (16, 64):
                    name = f"{clients} clients, mmbm / {kind}, {processes} processes each"
                    ratios.append(against(name, server, other, bodies, clients, promised, given))
    facts = {
        "ready": f"{mine.seconds:.2f} s from start to first answer (promised ≤ 2 s)",
        "memory": f"{memory:.0f} MB after it (promised ≤ 300 MB)",
        "1 client": f"{statistics.median(added):.2f} ms added at p50 (promised ≤ 3 ms)",
        "64 clients": f"p50 {1000 * busy['p50']:.0f} ms, p99 {1000 * busy['p99']:.0f} ms",
        "overload": json.dumps(crowded),
    }
    if not given.json:
        for name, fact in facts.items():
            print(f"{name}: {fact}")
    show("answers per second" if not given.json else json.dumps(facts), ratios, given.json)


if __name__ == "__main__":
    main()
