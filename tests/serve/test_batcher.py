"""Who waits, who goes together, who is turned away: the batcher alone, on a real thread."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mmbm.serve.batcher import Batcher
from mmbm.serve.limits import RequestError


class Model:
    """Answers with the item; waits for `go` before each batch, and remembers the batches."""

    def __init__(self):
        self.batches: list[list] = []
        self.go = threading.Semaphore(0)

    def __call__(self, items: list) -> list:
        self.go.acquire()
        self.batches.append(items)
        if "bad" in items:
            raise ValueError("bad")
        return [f"{item}!" for item in items]


def run(story, most: int = 4, queue: int = 8):
    async def told():
        model = Model()
        with ThreadPoolExecutor(1) as thread:
            try:
                return await asyncio.wait_for(story(Batcher(model, thread, most, queue), model), 10)
            finally:
                model.go.release(1000)

    return asyncio.run(told())


async def submit(batcher: Batcher, *items, size: float = 0.0) -> list[asyncio.Task]:
    tasks = [asyncio.create_task(batcher.submit(item, size)) for item in items]
    await asyncio.sleep(0.01)
    return tasks


def test_an_idle_batcher_waits_for_nobody():
    async def story(batcher, model):
        (task,) = await submit(batcher, "a")
        model.go.release()
        assert await task == "a!"
        assert model.batches == [["a"]]

    run(story)


def test_rows_that_arrive_while_a_batch_runs_go_together():
    async def story(batcher, model):
        tasks = await submit(batcher, "a") + await submit(batcher, *"bcdef")
        model.go.release(3)
        assert await asyncio.gather(*tasks) == [f"{x}!" for x in "abcdef"]
        assert model.batches == [["a"], ["b", "c", "d", "e"], ["f"]]

    run(story)


def test_one_long_row_does_not_pad_the_others():
    async def story(batcher, model):
        tasks = await submit(batcher, "first")
        tasks += await submit(batcher, "short", size=0.1)
        tasks += await submit(batcher, "long", size=0.9)
        tasks += await submit(batcher, "short too", size=0.15)
        model.go.release(3)
        await asyncio.gather(*tasks)
        assert model.batches == [["first"], ["short", "short too"], ["long"]]

    run(story)


def test_a_full_queue_turns_away_and_a_patient_row_waits():
    async def story(batcher, model):
        tasks = await submit(batcher, "running") + await submit(batcher, *"ab")
        with pytest.raises(RequestError) as refusal:
            await batcher.submit("c")
        assert (refusal.value.status, refusal.value.retry_after) == (429, 1)
        patient = asyncio.create_task(batcher.submit("p", patient=True))
        model.go.release(9)
        assert await asyncio.gather(*tasks, patient) == ["running!", "a!", "b!", "p!"]

    run(story, queue=2)


def test_a_cancelled_row_leaves_the_queue():
    async def story(batcher, model):
        running, waiting = *await submit(batcher, "a"), *await submit(batcher, "b")
        waiting.cancel()
        await asyncio.sleep(0.01)
        assert not batcher.waiting
        model.go.release(2)
        assert await running == "a!"
        assert model.batches == [["a"]]

    run(story)


def test_a_batch_that_breaks_tells_its_own_rows_and_the_next_is_answered():
    async def story(batcher, model):
        tasks = await submit(batcher, "bad") + await submit(batcher, "good")
        model.go.release(2)
        bad, good = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(bad, ValueError)
        assert good == "good!"

    run(story)
