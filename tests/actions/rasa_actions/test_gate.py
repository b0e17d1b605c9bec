"""Few at a time, and nobody is held up by one that hangs."""

import asyncio

import pytest

from actions.rasa_actions.gate import Gate


def test_no_more_than_the_places_are_inside_and_all_get_in():
    inside = most = done = 0

    async def one(gate):
        nonlocal inside, most, done
        async with gate.entered():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= 1
            done += 1

    async def all_of_them():
        gate = Gate(3, patience_seconds=30)
        await asyncio.gather(*(one(gate) for _ in range(40)))

    asyncio.run(all_of_them())
    assert (most, done) == (3, 40)


def test_who_waited_long_enough_goes_in_and_takes_no_place_along():
    async def play():
        gate, hung = Gate(1, patience_seconds=0.02), asyncio.Event()

        async def hang():
            async with gate.entered():
                await hung.wait()

        hanging = asyncio.create_task(hang())
        await asyncio.sleep(0)
        for _ in range(3):
            async with asyncio.timeout(10):
                async with gate.entered():
                    assert not hanging.done()
        hung.set()
        await hanging
        return gate

    gate = asyncio.run(play())
    assert gate._free._value == 1  # as many places as before, whoever went in without one


def test_a_place_is_given_back_by_one_that_fails():
    async def play():
        gate = Gate(1, patience_seconds=30)
        with pytest.raises(KeyError):
            async with gate.entered():
                raise KeyError
        async with asyncio.timeout(10):
            async with gate.entered():
                return True

    assert asyncio.run(play())
