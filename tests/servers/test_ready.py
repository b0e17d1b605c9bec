"""A process that is ready has looked through what it holds once, and full collections leave it out from then on."""

import gc

import pytest

from bot.ready import say_ready, settle


class Cycle:
    def __init__(self):
        self.itself = self


@pytest.fixture(autouse=True)
def thaw():
    yield
    gc.unfreeze()


def held(kind):
    return sum(type(each) is kind for each in gc.get_objects())


def test_what_is_held_when_ready_is_left_out_of_later_collections(capsys):
    kept = Cycle()
    say_ready("somebody")
    assert capsys.readouterr().out == "ready: somebody\n"
    assert gc.get_freeze_count() > 10_000
    assert kept.itself is kept
    assert held(Cycle) == 0  # none that the collector would look at


def test_what_was_frozen_and_let_go_is_freed_by_settling_again():
    def alive():
        gc.unfreeze()
        return held(Cycle)

    first = Cycle()
    settle()
    del first
    gc.collect()
    assert alive() == 1  # a full collection does not find it
    gc.freeze()
    settle()
    assert alive() == 0
