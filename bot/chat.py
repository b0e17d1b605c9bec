"""`kefu chat`: talk to the desk in the terminal, through the gateway like any widget.

A number presses a button. `:language zh` changes the language, `:quit` (or the end of the input) leaves.
"""

import argparse
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

from bot import settings as bot_settings
from bot.channels import shop_token
from bot.settings import SettingError
from bot.widget_client import GatewayError, Line, WidgetClient

REPLY_SECONDS = 60.0
TOKEN_SECONDS = 3600
HOLDERS = {"queue": "waiting for a person", "agent": "a person has taken over", "bot": "the assistant is back"}
STYLES = {"bot": "cyan", "agent": "green", "system": "dim"}


class Chat:
    """One conversation on a terminal. A thread listens and prints; the main thread reads what is typed."""

    def __init__(self, client: WidgetClient, console: Console, position: int) -> None:
        self.client = client
        self.console = console
        self.choices: list[dict[str, str]] = []
        self.holder = "bot"
        self._position = position  # the last line that was shown
        self._answered = 0  # the last line that somebody else wrote
        self._news = threading.Condition()
        self._closed = False
        self._fault = ""

    def listen(self) -> None:
        """Show what others write, until `close`; a broken stream is opened again where it broke."""
        while not self._closed:
            try:
                for event in self.client.events(self._position):
                    if event.kind == "holder":
                        self._held_by(str(event.data.get("holder")))
                    if event.line is not None:
                        self._heard(event.line)
            except (GatewayError, RuntimeError) as error:  # RuntimeError: the client was closed under the stream
                with self._news:
                    self._fault = str(error)
                    self._news.notify_all()
                time.sleep(1)

    def say(self, text: str) -> None:
        """Send what was typed and wait for the answer; with people it comes when it comes."""
        held = self.holder != "bot"
        chosen = self._chosen(text)
        if chosen is None:
            sent = self.client.write(text)
        else:
            self.console.print(f"[dim]› {escape(chosen['title'])}[/]")
            sent = self.client.write(chosen["title"], payload=chosen["payload"])
        with self._news:
            answered = held or self._news.wait_for(lambda: self._answered > sent or bool(self._fault), REPLY_SECONDS)
        if self._fault:
            raise GatewayError(self._fault)
        if not answered:
            self.console.print(f"[red]no reply within {REPLY_SECONDS:.0f} s[/]")

    def close(self) -> None:
        self._closed = True

    def _chosen(self, text: str) -> dict[str, str] | None:
        number = int(text) if text.isdecimal() and len(text) < 3 else 0
        return self.choices[number - 1] if 0 < number <= len(self.choices) else None

    def _held_by(self, holder: str) -> None:
        with self._news:
            changed, self.holder = holder != self.holder, holder
            self._news.notify_all()
        if changed:
            words = {
                "queue": "waiting for a person",
                "agent": "a person has taken over",
                "bot": "the assistant is back",
            }
            self.console.print(f"[dim]— {words.get(holder, holder)} —[/]")

    def _heard(self, line: Line) -> None:
        with self._news:
            self._position = max(self._position, line.position)
            if line.author == "customer":
                self.choices = []
            else:
                self.choices.extend(dict(choice) for choice in line.choices if choice.get("payload"))
                self.show(line, len(self.choices))
                self._answered = line.position
            self._news.notify_all()

    def show(self, line: Line, last: int) -> None:
        """Print a line; its buttons get the numbers that end with `last`."""
        style = STYLES.get(line.author, "")
        name = line.agent_name or line.author
        if line.text:
            self.console.print(f"[bold {style}]{escape(name)}[/] {escape(line.text)}")
        number = last - len([choice for choice in line.choices if choice.get("payload")])
        for card in line.cards:
            parts = (card.get("title"), card.get("price"), card.get("badge"), card.get("text"))
            self.console.print("  ▪ " + escape(" · ".join(str(part) for part in parts if part)))
            number = self._show_buttons(card.get("buttons", ()), number, "    ")
        self._show_buttons(line.buttons, number, "  ")

    def _show_buttons(self, buttons: Iterable[Mapping[str, Any]], number: int, indent: str) -> int:
        for button in buttons:
            if button.get("payload"):
                number += 1
                self.console.print(f"{indent}[bold]{number}[/] {escape(button['title'])}")
            else:
                self.console.print(f"{indent}{escape(button['title'])}: {escape(str(button.get('url', '')))}")
        return number


def talk(chat: Chat, lines: Iterable[str]) -> None:
    for line in lines:
        text = line.strip()
        if text in (":quit", ":q"):
            return
        if text.startswith(":language "):
            chat.client.choose_language(text.split()[1])
        elif text:
            chat.say(text)


def typed(console: Console) -> Iterable[str]:
    """Lines of the keyboard, or of a pipe (shown, so that the record can be read)."""
    while True:
        try:
            if sys.stdin.isatty():
                yield console.input("[bold]you[/] ")
            else:
                line = next(sys.stdin)
                console.print(f"[bold]you[/] {escape(line.rstrip())}")
                yield line
        except (EOFError, StopIteration):
            return


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="kefu chat", description="Talk to the desk in the terminal, through the gateway like any widget."
    )
    parser.add_argument("--url", help="address of the gateway (default: the settings')")
    parser.add_argument("--customer", metavar="ID", help="be this customer, signed in with the shop's secret")
    parser.add_argument("--language", choices=("en", "zh"), default="", help="language to start in")
    options = parser.parse_args(argv)
    console = Console(highlight=False, soft_wrap=True)
    try:
        settings = bot_settings.load()
        token = ""
        if options.customer:
            token = shop_token.sign(options.customer, settings.shop_secret, expires_at=time.time() + TOKEN_SECONDS)
        with WidgetClient(options.url or settings.gateway_url) as client:
            opened = client.open(language=options.language, customer_token=token)
            console.print(f"[dim]{escape(opened.shop_name)} · a number presses a button · :quit leaves[/]")
            chat = Chat(client, console, opened.last_position)
            threading.Thread(target=chat.listen, name="listener", daemon=True).start()
            try:
                talk(chat, typed(console))
            finally:
                chat.close()
    except (SettingError, GatewayError) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
