"""`kefu chat` with a pipe instead of a keyboard, as a process of its own."""

import os
import subprocess
import sys

import pytest

from bot.messaging.messages import Button, Card
from bot.settings import PROJECT
from tests.smoke.desk import Desk, open_desk, says


def answer(turn, sessions):
    if turn.payload:
        return [says(f"pressed {turn.payload}")]
    if turn.text == "orders":
        card = Card("K-104201", kind="order", price="€148.90", badge="on its way", buttons=(Button("Track", "/track"),))
        return [
            says(
                "Your [orders]", cards=(card,), buttons=(Button("All", "/all"), Button("Help", url="https://x.example"))
            )
        ]
    return [says(f"hello {turn.customer_id or 'visitor'} in {turn.language}")]


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    with open_desk(tmp_path_factory.mktemp("desk"), answer) as running:
        yield running


def chat(desk: Desk, typed: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bot.chat", *arguments],
        cwd=PROJECT,
        env={**os.environ, **desk.environ, "PYTHONIOENCODING": "utf-8"},
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_replies_cards_and_numbered_buttons_are_shown(desk):
    done = chat(desk, "orders\n2\n")
    assert done.returncode == 0, done.stderr
    assert "bot Your [orders]" in done.stdout
    assert "▪ K-104201 · €148.90 · on its way" in done.stdout
    assert "1 Track" in done.stdout
    assert "2 All" in done.stdout
    assert "Help: https://x.example" in done.stdout
    assert "pressed /all" in done.stdout


def test_a_customer_is_signed_in_with_the_shops_secret(desk):
    done = chat(desk, "hi\n", "--customer", "demo-emma", "--language", "zh")
    assert "hello demo-emma in zh" in done.stdout


def test_quit_leaves_before_the_rest_of_the_input(desk):
    done = chat(desk, "hi\n:quit\nnever sent\n")
    assert done.returncode == 0
    assert "never sent" not in done.stdout


def test_the_language_can_be_changed(desk):
    assert "hello visitor in zh" in chat(desk, ":language zh\nhi\n").stdout


def test_no_gateway_ends_with_one_sentence(desk):
    done = chat(desk, "hi\n", "--url", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "http://127.0.0.1:9 does not answer" in done.stdout
    assert "Traceback" not in done.stderr
