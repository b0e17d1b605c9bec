"""The smoke run: one scripted conversation a skill in both languages, through the gateway like any widget.

`kefu up --smoke` calls `run`. Its customers are made for the run and erased after it, with all they did; nobody else's
data is touched.
"""

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console
from rich.markup import escape

from bot import settings as bot_settings
from bot.database.engine import open_engine, open_sessions
from bot.settings import SettingError, Settings
from bot.smoke_play import Played, Stage
from bot.smoke_script import Script, ScriptError, read_scripts

AT_ONCE = 4


def run(settings: Settings, scripts: Sequence[Script] | None = None, *, console: Console | None = None) -> bool:
    """Play all scripts (or these), print their transcripts; True when all went as written."""
    console = console or Console(highlight=False, soft_wrap=True)
    scripts = read_scripts() if scripts is None else scripts
    engine = open_engine(settings.database_url)
    sessions = open_sessions(engine)
    stage = Stage(settings, sessions)
    began = time.monotonic()
    try:
        stage.clear()
        with ThreadPoolExecutor(AT_ONCE) as threads:
            played = []
            for result in threads.map(stage.play, scripts):
                show(result, console)
                played.append(result)
    finally:
        stage.clear()
        engine.dispose()
    return _conclude(played, time.monotonic() - began, console)


def show(played: Played, console: Console) -> None:
    """Print one transcript with its timings."""
    mark = "[red]✗[/]" if played.fault else "[green]✓[/]"
    console.print(f"{mark} [bold]{played.script.name}[/] [dim]{played.seconds:.1f} s[/]")
    for author, text, seconds in played.record:
        time_shown = f" [dim]{seconds * 1000:.0f} ms[/]" if seconds is not None else ""
        style = "" if author in ("customer", "press") else "cyan"
        indented = escape(text).replace("\n", "\n" + " " * 13)
        console.print(
            f"  [bold]{author:>9}[/]  [{style}]{indented}[/]{time_shown}" if style else f"  {author:>9}  {indented}"
        )
    if played.fault:
        console.print(f"  [red]{escape(played.fault)}[/]")


def _conclude(played: Sequence[Played], seconds: float, console: Console) -> bool:
    failed = [each for each in played if each.fault]
    times = sorted(time_ for each in played for _, _, time_ in each.record if time_ is not None)
    if times:
        middle, high = times[len(times) // 2], times[min(len(times) - 1, int(len(times) * 0.95))]
        console.print(f"{len(times)} replies, median {middle * 1000:.0f} ms, p95 {high * 1000:.0f} ms")
    console.print(f"{len(played) - len(failed)} of {len(played)} conversations went as written, in {seconds:.0f} s")
    for each in failed:
        console.print(f"  [red]✗ {each.script.name}: {escape(each.fault)}[/]")
    return bool(played) and not failed


def main() -> int:
    """`python -m bot.smoke [PART OF A NAME]`: against a house that is running."""
    try:
        only = " ".join(sys.argv[1:])
        return 0 if run(bot_settings.load(), [script for script in read_scripts() if only in script.name]) else 1
    except (SettingError, ScriptError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
