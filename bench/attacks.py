"""What attacks cost a server: its memory, and how long it leaves others without an answer.

    python bench/attacks.py BUNDLE IMAGE_COLUMN TEXT_COLUMN

Each attack of tests/hostile.py is carried out against a server of its own; rows for
docs/security.md come out.
"""

import subprocess
import sys
import time
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from hostile import ATTACKS, Target, watch


def main(bundle: str, image: str, text: str, port: int = 8765) -> None:
    print("| what is sent | answer | memory, MB | longest silence, s |\n|---|---|---|---|")
    for name, attack in ATTACKS.items():
        command = [sys.executable, "-m", "mmbm.cli", "serve", "--model", f"m={bundle}", "--no-log"]
        server = subprocess.Popen([*command, "--port", str(port)], stderr=subprocess.DEVNULL)
        try:
            target = Target(f"http://127.0.0.1:{port}", server.pid, "m", image, text)
            while not ready(target.url):
                time.sleep(0.1)
            seen = watch(target, attack)
        finally:
            server.terminate()
            server.wait(30)
        answers = ", ".join(sorted({str(x) if x else "cut off" for x in seen.statuses}))
        print(f"| {name} | {answers} | {seen.megabytes} | {seen.silence:.2f} |", flush=True)


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready").status_code == 200
    except httpx.TransportError:
        return False


if __name__ == "__main__":
    main(*sys.argv[1:4])
