"""`kefu train dialogue`: train Rasa's policies into <home>/models/dialogue, in Rasa's own environment."""

import argparse
import collections
import os
import shutil
import subprocess
import sys
from pathlib import Path

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bot import settings as bot_settings
from bot.processes import DIALOGUE, DIALOGUE_PYTHON
from bot.settings import PROJECT


def train(out: Path, *, data: Path = DIALOGUE / "data", domain: Path = DIALOGUE / "domain") -> str:
    """Train into `out`; the model there is replaced only by a finished one.

    Returns:
        One line that says what was made.

    Raises:
        RuntimeError: Rasa refused; the message holds its last lines (contradicting rules are named there).
    """
    fresh = out.with_name(out.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    command = [str(DIALOGUE_PYTHON), "-u", "rasa_launch.py", "train", "--config", str(PROJECT / "config.yml")]
    command += ["--domain", str(domain), "--data", str(data), "--out", str(fresh), "--fixed-model-name", "dialogue"]
    lines: collections.deque[str] = collections.deque(maxlen=30)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("KEFU_")}
    with (
        Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()) as progress,
        subprocess.Popen(
            command,
            cwd=DIALOGUE,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        task = progress.add_task("training the dialogue")
        for line in process.stdout or ():
            lines.append(line.rstrip())
            if "training.hooks" in line and "'" in line:
                progress.update(task, description=f"training the dialogue: {line.split(chr(39))[1]}")
    model = fresh / "dialogue.tar.gz"
    if process.returncode or not model.exists():
        raise RuntimeError("\n".join(line for line in lines if line.strip()))
    shutil.rmtree(out, ignore_errors=True)
    fresh.rename(out)
    return f"{out.name}/dialogue.tar.gz, {(out / 'dialogue.tar.gz').stat().st_size / 1000:.0f} kB"


def main() -> None:
    parser = argparse.ArgumentParser(prog="kefu train dialogue", description="Train Rasa's policies.")
    parser.add_argument("--force", action="store_true", help="train even when nothing changed")
    parser.parse_args()
    settings = bot_settings.load()
    try:
        print(f"made: {train(settings.models / 'dialogue')}")
    except (RuntimeError, FileNotFoundError) as error:
        sys.exit(f"the dialogue could not be trained: {error}")


if __name__ == "__main__":
    main()
