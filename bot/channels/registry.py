"""Which channels this installation has: those whose settings are filled in, and always the web page."""

from collections.abc import Callable, Mapping
from typing import Any

from bot.channels.connector import Connector
from bot.channels.slack import Slack
from bot.channels.telegram import Telegram
from bot.channels.web.connector import WebConnector

Values = Mapping[str, Any]  # settings by name

# channel: (settings it needs, how it is made)
CHANNELS: dict[str, tuple[tuple[str, ...], Callable[[Values], Connector]]] = {
    "telegram": (
        ("telegram_token", "telegram_secret"),
        lambda of: Telegram(of["telegram_token"], of["telegram_secret"], base_url=of["telegram_url"]),
    ),
    "slack": (
        ("slack_bot_token", "slack_signing_secret"),
        lambda of: Slack(of["slack_bot_token"], of["slack_signing_secret"], base_url=of["slack_url"]),
    ),
}


def open_connectors(values: Values) -> dict[str, Connector]:
    """Connectors by name.

    Raises:
        ValueError: a channel is set up by half; the message names what is missing.
    """
    made: dict[str, Connector] = {"web": WebConnector(values["secret"])}
    for name, (needed, make) in CHANNELS.items():
        missing = [setting for setting in needed if not values[setting]]
        if len(missing) == len(needed):
            continue
        if missing:
            variables = ", ".join(f"KEFU_{setting.upper()}" for setting in missing)
            raise ValueError(f"channel {name} is set up by half: {variables} is empty")
        made[name] = make(values)
    return made
