"""`kefu settings`: every setting, its value (secrets masked) and what it is for."""

import sys

from rich.console import Console
from rich.table import Table

from bot import settings as bot_settings
from bot.settings import SETTINGS, SettingError, Settings


def table(settings: Settings) -> Table:
    shown = Table("variable", "value", "default", "what for", title="Settings")
    for setting in SETTINGS:
        value = "***" if setting.secret else str(getattr(settings, setting.name))
        shown.add_row(setting.variable, value, "" if setting.secret else str(setting.default), setting.help)
    return shown


def main() -> None:
    try:
        settings = bot_settings.load()
    except SettingError as error:
        sys.exit(str(error))
    Console().print(table(settings))


if __name__ == "__main__":
    main()
