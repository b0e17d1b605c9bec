"""Group commit: what comes together shares a transaction, one who comes alone is never kept waiting."""

import asyncio
import threading

from bot.database.engine import open_engine, open_sessions
from bot.messaging.batches import BUSY_ITEMS, Batches


def batches_of(tmp_path, work, pace_seconds):
    return Batches(open_sessions(open_engine(f"sqlite:///{tmp_path}/t.db")), work, pace_seconds=pace_seconds)


def test_a_lone_item_is_not_paced(tmp_path):
    async def run():
        writer = batches_of(tmp_path, lambda session, items: list(items), 3600.0)
        for number in range(BUSY_ITEMS // 2):
            assert await asyncio.wait_for(writer.submit(number), 60) == number
        writer.close()

    asyncio.run(run())


def test_what_comes_while_many_come_shares_a_transaction(tmp_path):
    sizes = []
    first = threading.Event()

    def work(session, items):
        sizes.append(len(items))
        first.wait(30)  # all of them have come before the first transaction ends
        return list(items)

    async def run():
        writer = batches_of(tmp_path, work, 0.01)
        asked = [asyncio.create_task(writer.submit(number)) for number in range(3 * BUSY_ITEMS)]
        await asyncio.sleep(0)
        first.set()
        assert await asyncio.gather(*asked) == list(range(3 * BUSY_ITEMS))
        writer.close()

    asyncio.run(run())
    assert sum(sizes) == 3 * BUSY_ITEMS
    assert len(sizes) <= 3


def test_one_bad_item_fails_alone(tmp_path):
    def work(session, items):
        if "bad" in items:
            raise ValueError("bad")
        return list(items)

    async def run():
        writer = batches_of(tmp_path, work, 0.0)
        found = await asyncio.gather(*(writer.submit(each) for each in ("a", "bad", "b")), return_exceptions=True)
        writer.close()
        assert found[0] == "a"
        assert isinstance(found[1], ValueError)
        assert found[2] == "b"

    asyncio.run(run())
