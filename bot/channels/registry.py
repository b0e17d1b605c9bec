"""Which channels this installation has: those whose settings are filled in, and always the web page."""

from collections.abc import Callable, Mapping
from typing import Any

from bot.channels.connector import Connector
from bot.channels.line import Line
from bot.channels.messenger import Messenger
from bot.channels.slack import Slack
from bot.channels.sms import Sms
from bot.channels.telegram import Telegram
from bot.channels.web.connector import WebConnector
from bot.channels.wechat import WeChat
from bot.channels.whatsapp import WhatsApp

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
    "whatsapp": (
        ("whatsapp_token", "whatsapp_app_secret", "whatsapp_verify_token", "whatsapp_phone_number_id"),
        lambda of: WhatsApp(
            of["whatsapp_token"], of["whatsapp_app_secret"], of["whatsapp_verify_token"], of["whatsapp_phone_number_id"]
        ),
    ),
    "messenger": (
        ("messenger_token", "messenger_app_secret", "messenger_verify_token"),
        lambda of: Messenger(of["messenger_token"], of["messenger_app_secret"], of["messenger_verify_token"]),
    ),
    "wechat": (
        ("wechat_app_id", "wechat_app_secret", "wechat_token"),
        lambda of: WeChat(of["wechat_app_id"], of["wechat_app_secret"], of["wechat_token"]),
    ),
    "line": (("line_token", "line_secret"), lambda of: Line(of["line_token"], of["line_secret"])),
    "sms": (
        ("twilio_account_sid", "twilio_auth_token", "twilio_number"),
        lambda of: Sms(
            of["twilio_account_sid"],
            of["twilio_auth_token"],
            of["twilio_number"],
            of["public_url"] or f"http://{of['host']}:{of['port']}",
        ),
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
