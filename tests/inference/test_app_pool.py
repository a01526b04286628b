"""The pool: work off the event loop, refused early where it would wait too long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from tridock.inference.errors import OverloadedError
from tridock.inference.scheduling.thread_pool import Pool


def crowd(pool: Pool, late: Callable[[Pool], Awaitable[str]]) -> str:
    """Occupy the only worker, let `late` come, then free the worker."""
    gate = threading.Event()

    async def scene() -> str:
        begun = threading.Event()

        def held() -> str:
            begun.set()
            gate.wait(10)
            return "first"

        first = asyncio.create_task(pool.run(held))
        await asyncio.to_thread(begun.wait, 10)
        second = asyncio.ensure_future(late(pool))
        await asyncio.sleep(0.05)
        gate.set()
        assert await first == "first"
        return await second

    return asyncio.run(scene())


async def second(pool: Pool) -> str:
    return await pool.run(lambda: "second")


def test_work_waits_for_a_worker() -> None:
    assert crowd(Pool(1, queue=1, patience=5), second) == "second"


def test_a_full_queue_refuses_at_once() -> None:
    with pytest.raises(OverloadedError, match="1 requests are in work or waiting"):
        crowd(Pool(1, queue=0, patience=5), second)


def test_what_waited_too_long_is_refused_rather_than_begun() -> None:
    with pytest.raises(OverloadedError, match="has waited for more than 0.01 seconds"):
        crowd(Pool(1, queue=5, patience=0.01), second)


def test_a_free_worker_takes_work_whatever_the_last_ones_took() -> None:
    pool = Pool(1, queue=0, patience=0.0001)
    slow = threading.Event()
    for _ in range(3):
        assert asyncio.run(pool.run(lambda: slow.wait(0.01))) is False


def test_the_expected_wait_grows_with_the_queue_and_the_durations() -> None:
    pool = Pool(1, queue=5, patience=5)
    assert (pool.wait_seconds(), pool.retry_after()) == (0, 1)

    async def three(pool: Pool) -> str:
        for _ in range(2):
            asyncio.ensure_future(second(pool))
        await asyncio.sleep(0)
        waits.append(pool.wait_seconds())
        return await second(pool)

    waits: list[float] = []
    asyncio.run(pool.run(lambda: threading.Event().wait(0.05)))
    crowd(pool, three)
    assert waits[0] >= 3 * 0.2 * 0.05
