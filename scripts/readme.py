"""Tables of the documents that are made from the code: `python scripts/readme.py` writes, `--check` compares.

Between the markers `<!-- NAME: made by scripts/readme.py -->` and `<!-- end of NAME -->`.
"""

import argparse
import functools
import re
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from bot.__main__ import COMMANDS  # noqa: E402
from bot.database.import_schema import SCHEMAS, markdown  # noqa: E402
from bot.settings import SETTINGS, Setting  # noqa: E402


def settings_table() -> str:
    rows = ["| variable | default | what for |", "| --- | --- | --- |"]
    return "\n".join(rows + [f"| `{each.variable}` | {_default(each)} | {_cell(each.help)} |" for each in SETTINGS])


def commands_table() -> str:
    rows = ["| command | does |", "| --- | --- |"]
    return "\n".join(rows + [f"| `kefu {' '.join(each.words)}` | {_cell(each.help)} |" for each in COMMANDS])


def _default(setting: Setting) -> str:
    if setting.secret or setting.default == "":
        return ""
    value = setting.default
    return f"`{value.relative_to(PROJECT) if isinstance(value, Path) else value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


TABLES = {
    "README.md": {"settings": settings_table},
    "docs/engineer.md": {"commands": commands_table},
    "docs/import.md": {kind: functools.partial(markdown, kind) for kind in SCHEMAS},
}


def filled(text: str, name: str, table: str) -> str:
    """The text with the table between its markers.

    Raises:
        ValueError: the markers are missing.
    """
    start, end = f"<!-- {name}: made by scripts/readme.py -->", f"<!-- end of {name} -->"
    made, count = re.subn(
        re.escape(start) + ".*?" + re.escape(end), lambda _: f"{start}\n{table}\n{end}", text, flags=re.S
    )
    if count != 1:
        raise ValueError(f"the markers of {name} are there {count} times; once is needed")
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a table is not the code's")
    options = parser.parse_args()
    stale = []
    for name, tables in TABLES.items():
        file = PROJECT / name
        old = new = file.read_text(encoding="utf-8")
        for table, make in tables.items():
            new = filled(new, table, make())
        if new != old:
            stale.append(name)
            if not options.check:
                file.write_text(new, encoding="utf-8")
    print(f"{'stale' if options.check else 'written'}: {', '.join(stale) or 'nothing'}")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
