"""Rate limits: how often one sender, or one address, may do a thing."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

REMEMBERED = 50_000  # keys; the least recently used is forgotten


@dataclass(frozen=True)
class Rate:
    """`per_minute` on average, `burst` at once. `per_minute` 0: no limit."""

    per_minute: int
    burst: int


class Limits(Protocol):
    async def wait_seconds(self, key: str, rate: Rate) -> float:
        """0.0 and the act is counted, or how long to wait and it is not."""


class MemoryLimits:
    """Token buckets in this process; several gateways each count alone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, remembered: int = REMEMBERED) -> None:
        self._clock = clock
        self._remembered = remembered
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, when

    async def wait_seconds(self, key: str, rate: Rate) -> float:
        if rate.per_minute <= 0:
            return 0.0
        now = self._clock()
        tokens, when = self._buckets.pop(key, (float(rate.burst), now))
        tokens = min(float(rate.burst), tokens + (now - when) * rate.per_minute / 60)
        allowed = tokens >= 1
        self._buckets[key] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > self._remembered:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) * 60 / rate.per_minute


class RedisLimits:
    """The same buckets in Redis, for all gateways together. An outage of Redis limits nobody."""

    # Runs inside Redis in one step: two gateways never spend the same token.
    _SCRIPT = """
    local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
    local time = redis.call('TIME')
    local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
    local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
    local tokens = tonumber(bucket[1]) or burst
    local at = tonumber(bucket[2]) or now
    tokens = math.min(burst, tokens + math.max(0, now - at) * rate / 60)
    local wait = 0
    if tokens >= 1 then tokens = tokens - 1 else wait = (1 - tokens) * 60 / rate end
    redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', tostring(now))
    redis.call('EXPIRE', KEYS[1], math.ceil(burst * 60 / rate) + 60)
    return tostring(wait)
    """

    def __init__(self, client: Any, errors: tuple[type[Exception], ...]) -> None:
        self._bucket = client.register_script(self._SCRIPT)
        self._errors = errors

    async def wait_seconds(self, key: str, rate: Rate) -> float:
        if rate.per_minute <= 0:
            return 0.0
        try:
            return float(await self._bucket(keys=[f"kefu:limit:{key}"], args=[rate.per_minute, rate.burst]))
        except self._errors:
            return 0.0


def open_limits(redis_url: str) -> Limits:
    """In memory, or in Redis when there is a URL.

    Raises:
        ConnectionError: the redis package is missing; the message names the extra.
    """
    if not redis_url:
        return MemoryLimits()
    try:
        from redis import asyncio as redis
        from redis.exceptions import RedisError
    except ImportError as error:
        raise ConnectionError("KEFU_REDIS_URL is set, but redis is not installed: uv sync --extra redis") from error
    client = redis.from_url(redis_url, socket_timeout=1.0, socket_connect_timeout=1.0)
    return RedisLimits(client, (RedisError, OSError))
