"""Many clients on one machine: requests over kept connections, as fast as answers come.

A process of its own, on an event loop, that does little more than send bytes and look for the
status: it shares the machine with the server it asks, so it must cost little.

    python bench/load.py URL BODIES --clients 16 --seconds 5        one JSON line on stdout
"""

import argparse
import asyncio
import json
import pickle
import random
import time
from pathlib import Path
from urllib.parse import urlsplit


class Client:
    def __init__(self, host: str, port: int):
        self.host, self.port = host, port
        self.reader = self.writer = None

    async def ask(self, request: bytes) -> int:
        """Status of the answer; the connection is opened again if the server closed it."""
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        low = head.lower()
        length = int(low.partition(b"content-length:")[2].partition(b"\r\n")[0])
        await self.reader.readexactly(length)
        if b"connection: close" in low:
            self.writer.close()
            self.writer = None
        return int(head[9:12])


async def load(url: str, bodies: list[bytes], clients: int, seconds: float, rate: float) -> dict:
    """Answers by status, and seconds they took. rate: requests/s in all; 0: as fast as it goes."""
    parts = urlsplit(url)
    requests = [
        b"POST %b HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%b" % (parts.path.encode() or b"/", len(body), body)
        for body in bodies
    ]
    took: list[float] = []
    statuses: dict[str, int] = {}
    end = time.perf_counter() + seconds

    async def one(number: int) -> None:
        client, choose = Client(parts.hostname or "", parts.port or 80), random.Random(number)
        while (start := time.perf_counter()) < end:
            try:
                status = str(await client.ask(choose.choice(requests)))
            except (OSError, asyncio.IncompleteReadError) as error:
                status, client.writer = type(error).__name__, None
            spent = time.perf_counter() - start
            statuses[status] = statuses.get(status, 0) + 1
            if status == "200":
                took.append(spent)
            if rate:
                await asyncio.sleep(max(0, clients / rate - spent))

    start = time.perf_counter()
    await asyncio.gather(*(one(i) for i in range(clients)))
    whole = time.perf_counter() - start
    took.sort()
    at = lambda part: took[min(int(part * len(took)), len(took) - 1)] if took else None  # noqa: E731
    return {
        "per_second": len(took) / whole, "p50": at(0.5), "p99": at(0.99),
        "longest": at(1.0), "statuses": statuses,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("bodies", type=Path, help="A pickled list of bodies.")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rate", type=float, default=0)
    given = parser.parse_args()
    bodies = pickle.loads(given.bodies.read_bytes())
    work = load(given.url, bodies, given.clients, given.seconds, given.rate)
    try:
        import uvloop

        print(json.dumps(uvloop.run(work)))
    except ImportError:
        print(json.dumps(asyncio.run(work)))


if __name__ == "__main__":
    main()
