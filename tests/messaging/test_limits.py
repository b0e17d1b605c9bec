"""Rate limits: the same buckets in one process and, shared by several gateways, in Redis."""

import asyncio
import os
import uuid

import pytest

from bot.messaging.limits import Limits, MemoryLimits, Rate, open_limits
from tests.house import free_ports

REDIS = "KEFU_TEST_REDIS_URL"
_REDIS_URL = os.environ.get(REDIS, "")  # read now: conftest.py scrubs the environment of every test
RATE = Rate(per_minute=600, burst=3)  # a token each 0.1 s

needs_redis = pytest.mark.skipif(not _REDIS_URL, reason=f"{REDIS} is not set: no Redis to test on")
urls = ["", pytest.param(_REDIS_URL or "-", marks=needs_redis)]
kinds = pytest.mark.parametrize("url", urls, ids=["memory", "redis"])


@pytest.fixture
def key() -> str:
    return f"test-{uuid.uuid4().hex}"


async def waits(limits: Limits, key: str, count: int, rate: Rate = RATE) -> list[float]:
    return [await limits.wait_seconds(key, rate) for _ in range(count)]


@kinds
def test_a_burst_is_let_through_and_the_next_is_told_how_long_to_wait(url: str, key: str):
    async def scenario() -> None:
        limits = open_limits(url)
        *let, stopped = await waits(limits, key, 4)
        assert let == [0.0, 0.0, 0.0]
        assert 0 < stopped <= 0.1
        assert await limits.wait_seconds(f"{key}-other", RATE) == 0.0, "another sender is not held back"

    asyncio.run(scenario())


@kinds
def test_who_waits_as_long_as_told_is_let_through(url: str, key: str):
    async def scenario() -> None:
        limits = open_limits(url)
        stopped = (await waits(limits, key, 4))[-1]
        await asyncio.sleep(stopped + 0.01)
        assert await limits.wait_seconds(key, RATE) == 0.0

    asyncio.run(scenario())


@kinds
def test_a_rate_of_zero_limits_nobody(url: str, key: str):
    assert set(asyncio.run(waits(open_limits(url), key, 20, Rate(0, 0)))) == {0.0}


@needs_redis
def test_two_gateways_spend_from_one_bucket_and_never_the_same_token(key: str):
    slow = Rate(per_minute=1, burst=10)  # nothing comes back while the test runs

    async def scenario() -> list[float]:
        one, other = open_limits(_REDIS_URL), open_limits(_REDIS_URL)
        asked = [gateway.wait_seconds(key, slow) for gateway in (one, other) for _ in range(15)]
        return await asyncio.gather(*asked)

    found = asyncio.run(scenario())
    assert found.count(0.0) == slow.burst


@needs_redis
def test_a_bucket_nobody_uses_leaves_redis_by_itself(key: str):
    async def scenario() -> int:
        from redis import asyncio as redis

        await open_limits(_REDIS_URL).wait_seconds(key, RATE)
        async with redis.from_url(_REDIS_URL) as client:
            return int(await client.ttl(f"kefu:limit:{key}"))

    assert 0 < asyncio.run(scenario()) <= 120


def test_redis_that_is_away_limits_nobody(key: str):
    (port,) = free_ports(1)
    limits = open_limits(f"redis://127.0.0.1:{port}/0")
    assert set(asyncio.run(waits(limits, key, 5))) == {0.0}


def test_the_memory_of_one_process_forgets_the_sender_unheard_for_longest():
    limits = MemoryLimits(clock=lambda: 0.0, remembered=2)
    once = Rate(per_minute=1, burst=1)

    async def scenario() -> list[float]:
        return [await limits.wait_seconds(name, once) for name in ("a", "b", "c", "a", "c")]

    assert asyncio.run(scenario()) == [0.0, 0.0, 0.0, 0.0, 60.0]
