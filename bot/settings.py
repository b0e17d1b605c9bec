"""Every setting in one table: name, type, default, secret or not, help. README's table is made from it.

Values come from the environment (`KEFU_*`) and from `kefu.env` beside the project, the environment first.
They are read once, frozen, and secrets mask themselves in `repr`.
"""

import difflib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

OF_TESTS = "KEFU_TEST_"  # tell tests where their servers are; no settings of a house
PROJECT = Path(__file__).resolve().parent.parent


class SettingError(Exception):
    """A setting is unknown, missing or not of its type; the message names it and the rule."""


class Setting(NamedTuple):
    name: str
    type: type
    default: Any
    help: str
    secret: bool = False

    @property
    def variable(self) -> str:
        return f"KEFU_{self.name.upper()}"


SETTINGS = (
    # where things are
    Setting(
        "home", Path, PROJECT / ".kefu", "Folder of everything Kefu makes: database, models, index, mailbox, keys."
    ),
    Setting(
        "database_url", str, "", "Database; empty: SQLite in the home folder. PostgreSQL: postgresql://user@host/name."
    ),
    Setting(
        "tracker_url",
        str,
        "",
        "Database of the dialogue's memory; empty: SQLite in the home folder, or the PostgreSQL above.",
    ),
    Setting(
        "redis_url", str, "", "Redis for rate limits shared by several gateways; empty: each gateway counts alone."
    ),
    # addresses
    Setting(
        "host",
        str,
        "127.0.0.1",
        "Address of the gateway. 127.0.0.1 is this machine only; 0.0.0.0 is every network it is on.",
    ),
    Setting("port", int, 8080, "Port of the gateway; the other processes follow (see the next ones)."),
    Setting("dialogue_port", int, 8101, "First port of the dialogue processes, on loopback."),
    Setting("nlu_port", int, 8091, "Port of the nlu process, on loopback."),
    Setting("actions_port", int, 8092, "Port of the action server, on loopback."),
    Setting(
        "public_url",
        str,
        "",
        "Address customers reach the gateway at; empty: http://HOST:PORT. Webhook signatures use it.",
    ),
    # size
    Setting("dialogue_workers", int, 1, "Dialogue processes; a conversation always goes to the same one."),
    Setting("turns_concurrency", int, 20, "Conversations one turns process serves at a time."),
    Setting("torch_threads", int, 1, "Threads a model process uses for one computation."),
    # limits
    Setting("sender_per_minute", int, 30, "Messages one visitor may write a minute, on average; 0: no limit."),
    Setting("address_per_minute", int, 300, "Messages one network address may write a minute; 0: no limit."),
    # secrets
    Setting(
        "secret",
        str,
        "",
        "Key that signs visitor sessions and console cookies; empty: made once and kept in the home folder.",
        True,
    ),
    Setting(
        "shop_secret",
        str,
        "",
        "Key shared with the shop; its server signs customer tokens with it. Empty: made once and kept in the home folder.",
        True,
    ),
    Setting(
        "internal_token",
        str,
        "",
        "Token between our own processes; empty: made once and kept in the home folder.",
        True,
    ),
    # the shop
    Setting("shop_name", str, "Kefu Outdoor & Home", "Name customers read."),
    Setting("allowed_origins", str, "*", "Web origins the widget may be embedded on, comma separated; * allows all."),
    Setting("shop_language", str, "en", "Language a conversation starts in: en or zh."),
    # models
    Setting(
        "encoder",
        str,
        "offline",
        "Sentence encoder (BERT): a hub name, a local folder, or offline: the multilingual weights inside an installed package.",
    ),
    Setting(
        "english_encoder",
        str,
        "offline-en",
        "English encoder that joins the multilingual one in search: offline-en (fast), offline-large (most right, slower), a hub name, a local folder, or none.",
    ),
    Setting(
        "gpt2",
        str,
        "own",
        "Generator: own (trained here on the shop's dialogues), a hub name such as gpt2, or a local folder.",
    ),
    Setting("device", str, "auto", "auto, cpu or cuda."),
    Setting(
        "recommend_spread",
        float,
        0.3,
        "Recommendations, 0 to 1: 0 ranks by score alone, more spreads lists over shelves and the whole catalogue.",
    ),
    Setting(
        "recommend_bandit",
        bool,
        False,
        "Learn the mix of recommenders from clicks (a bandit that logs its probabilities).",
    ),
    Setting("train_size", str, "small", "small: minutes on two cores; full: every member, fine-tuned to the end."),
    # channels: one is on when its settings are filled in
    Setting("telegram_token", str, "", "Telegram: the bot's token, from @BotFather.", True),
    Setting("telegram_secret", str, "", "Telegram: the secret_token given to setWebhook.", True),
    Setting("slack_bot_token", str, "", "Slack: the bot token (xoxb-...) of the app.", True),
    Setting("slack_signing_secret", str, "", "Slack: the signing secret on the app's Basic Information page.", True),
    Setting("whatsapp_token", str, "", "WhatsApp Cloud API: a permanent access token of a system user.", True),
    Setting("whatsapp_app_secret", str, "", "WhatsApp: the Meta app's secret, which signs webhooks.", True),
    Setting("whatsapp_verify_token", str, "", "WhatsApp: any text, the same as in the app's webhook settings.", True),
    Setting("whatsapp_phone_number_id", str, "", "WhatsApp: id of the number that answers."),
    Setting("messenger_token", str, "", "Messenger: the page's access token.", True),
    Setting("messenger_app_secret", str, "", "Messenger: the Meta app's secret, which signs webhooks.", True),
    Setting("messenger_verify_token", str, "", "Messenger: any text, the same as in the app's webhook settings.", True),
    Setting("wechat_app_id", str, "", "WeChat Official Account: the AppID."),
    Setting("wechat_app_secret", str, "", "WeChat Official Account: the AppSecret.", True),
    Setting("wechat_token", str, "", "WeChat Official Account: the Token of the server settings (plain mode).", True),
    Setting("line_token", str, "", "LINE: the channel access token.", True),
    Setting("line_secret", str, "", "LINE: the channel secret.", True),
    Setting("twilio_account_sid", str, "", "SMS through Twilio: the account SID."),
    Setting("twilio_auth_token", str, "", "SMS through Twilio: the auth token, which also signs webhooks.", True),
    Setting("twilio_number", str, "", "SMS through Twilio: the number that sends, such as +15550100."),
    Setting("telegram_url", str, "https://api.telegram.org", "Telegram's Bot API; another for a server of your own."),
    Setting("slack_url", str, "https://slack.com/api", "Slack's Web API."),
    # mail
    Setting(
        "smtp_url",
        str,
        "",
        "Mail server, smtp://user:password@host:587; empty: mails are files in the mailbox folder of the home.",
        True,
    ),
    Setting("mail_from", str, "service@shop.example", "Sender of mails to customers."),
)
BY_NAME = {setting.name: setting for setting in SETTINGS}


@dataclass(frozen=True)
class Settings:
    """Values by attribute: `settings.port`. Make with `load`."""

    values: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(f"no setting {name!r}") from None

    def __repr__(self) -> str:
        shown = (
            f"{name}={'***' if BY_NAME[name].secret and value else value!r}" for name, value in self.values.items()
        )
        return f"Settings({', '.join(shown)})"

    @property
    def nlu_url(self) -> str:
        return f"http://127.0.0.1:{self.nlu_port}"

    @property
    def actions_url(self) -> str:
        return f"http://127.0.0.1:{self.actions_port}"

    @property
    def dialogue_urls(self) -> list[str]:
        return [f"http://127.0.0.1:{self.dialogue_port + worker}" for worker in range(self.dialogue_workers)]

    @property
    def gateway_url(self) -> str:
        return str(self.public_url) or f"http://{self.host}:{self.port}"

    @property
    def models(self) -> Path:
        """Folder of trained models, one folder a kind."""
        return Path(self.home) / "models"


def load(environ: Mapping[str, str] | None = None, *, file: Path | None = None) -> Settings:
    """Read all settings; makes the home folder and the secrets nobody set.

    Raises:
        SettingError: an unknown `KEFU_*` name (the nearest known one is named) or a value not of its type.
    """
    environ = os.environ if environ is None else environ
    file = PROJECT / "kefu.env" if file is None else file
    ours = {
        name: value for name, value in environ.items() if name.startswith("KEFU_") and not name.startswith(OF_TESTS)
    }
    given = {**_read_file(file), **ours}
    known = {setting.variable for setting in SETTINGS}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise SettingError(
                f"{name} is no setting" + (f"; did you mean {near[0]}?" if near else "; see `kefu settings`")
            )
    values = {setting.name: _value(setting, given.get(setting.variable)) for setting in SETTINGS}
    home = values["home"] = Path(values["home"]).expanduser().resolve()
    home.mkdir(parents=True, exist_ok=True)
    if not values["database_url"]:
        values["database_url"] = f"sqlite:///{home / 'kefu.db'}"
    if not values["tracker_url"]:
        on_sqlite = values["database_url"].startswith("sqlite")
        values["tracker_url"] = f"sqlite:///{home / 'dialogue.db'}" if on_sqlite else values["database_url"]
    for name in ("secret", "shop_secret", "internal_token"):
        values[name] = values[name] or _kept_secret(home / "keys" / name)
    return Settings(values)


def _value(setting: Setting, text: str | None) -> Any:
    if text is None or text == "":
        return setting.default
    if setting.type is bool:
        if text.lower() not in ("1", "true", "yes", "0", "false", "no"):
            raise SettingError(f"{setting.variable} has value {text!r}; it must be true or false")
        return text.lower() in ("1", "true", "yes")
    try:
        return setting.type(text)
    except ValueError:
        raise SettingError(f"{setting.variable} has value {text!r}; it must be a {setting.type.__name__}") from None


def _read_file(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    pairs = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, sign, value = line.partition("=")
        if not sign:
            raise SettingError(f"{file.name} line {number}: {line!r} is not NAME=VALUE")
        pairs[name.strip()] = value.strip().strip("\"'")
    return pairs


def _kept_secret(file: Path) -> str:
    """The key in `file`, made now if nobody has; two processes that start at once agree on one."""
    file.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text().strip()
    with os.fdopen(handle, "w") as out:
        out.write(secrets.token_urlsafe(32))
    return file.read_text().strip()
