"""The one shape of all benchmarks: arguments, rows, intervals, table, JSON, plots, progress.

A benchmark is `python -m tests.benchmarks.NAME` (`kefu bench NAME`):

    def main(argv=None) -> int:
        arguments = report.parser("nlu", "Intent models on public data sets").parse_args(argv)
        with report.progress() as bar:
            rows = [...Row(data="clinc150", system="kefu", measure="accuracy", value=0.95, low=0.94, high=0.96)]
        report.write(rows, title="nlu", json_file=arguments.json, plots=arguments.plots)
        return 0
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

PROJECT = Path(__file__).resolve().parent.parent.parent
DATA = PROJECT.parent / "shared" / "data"


@dataclass(frozen=True)
class Row:
    """One measured number. `low` and `high` bound a 95 % interval; None where none makes sense."""

    data: str
    system: str
    measure: str
    value: float
    low: float | None = None
    high: float | None = None


def parser(name: str, description: str) -> argparse.ArgumentParser:
    """The arguments every benchmark has; add more to the result."""
    made = argparse.ArgumentParser(prog=f"kefu bench {name}", description=description)
    made.add_argument("--data", type=Path, default=DATA, help=f"folder of data sets (default {DATA})")
    made.add_argument("--json", type=Path, default=None, help="write the rows to this file")
    made.add_argument("--plots", type=Path, default=None, help="folder of the plots (default: beside --json)")
    return made


def progress() -> Progress:
    """A progress bar: `with progress() as bar: task = bar.add_task("train", total=9); bar.advance(task)`."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))


def interval(
    values: Sequence[float] | np.ndarray,
    statistic: Callable[[np.ndarray], float] = lambda sample: float(np.mean(sample)),
    *,
    seed: int = 0,
    rounds: int = 1000,
) -> tuple[float, float, float]:
    """(value, low, high): the statistic and its 95 % bootstrap percentile interval.

    Args:
        values: (n,) or (n, columns), one row a case; rows are drawn with replacement.
        statistic: of one drawn sample of the same shape.

    Raises:
        ValueError: no values.
    """
    sample = np.asarray(values)
    if len(sample) == 0:
        raise ValueError("no values to take an interval of")
    generator = np.random.default_rng(seed)
    drawn = [statistic(sample[generator.integers(0, len(sample), len(sample))]) for _ in range(rounds)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(statistic(sample)), float(low), float(high)


def write(rows: Sequence[Row], *, title: str, json_file: Path | None = None, plots: Path | None = None) -> None:
    """Show the table; write the JSON list and one bar plot a measure where asked."""
    Console().print(_table(rows, title))
    if json_file is not None:
        write_json(rows, json_file)
        Console().print(f"rows: {json_file}")
    folder = plots or (json_file.parent if json_file else None)
    if folder is not None:
        for file in plot(rows, title, folder):
            Console().print(f"plot: {file}")


def write_json(rows: Sequence[Row], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False) + "\n")


def _table(rows: Sequence[Row], title: str) -> Table:
    table = Table(title=title)
    for column in ("data", "system", "measure"):
        table.add_column(column)
    for column in ("value", "low", "high"):
        table.add_column(column, justify="right")
    for row in rows:
        numbers = ("" if number is None else f"{number:.4g}" for number in (row.value, row.low, row.high))
        table.add_row(row.data, row.system, row.measure, *numbers)
    return table


def plot(rows: Sequence[Row], title: str, folder: Path) -> list[Path]:
    """One PNG a measure: a bar for each (data, system), with its interval."""
    import matplotlib  # here: drawing is not part of measuring, and the import takes a second

    matplotlib.use("Agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for measure in dict.fromkeys(row.measure for row in rows):
        shown = [row for row in rows if row.measure == measure]
        figure, axes = pyplot.subplots(figsize=(7, 0.8 + 0.35 * len(shown)))
        values = np.array([row.value for row in shown], dtype=float)
        low = np.array([row.value if row.low is None else row.low for row in shown], dtype=float)
        high = np.array([row.value if row.high is None else row.high for row in shown], dtype=float)
        spread = np.clip(np.array([values - low, high - values]), 0, None)
        axes.barh([f"{row.data}: {row.system}" for row in shown], values, xerr=spread, capsize=3)
        axes.invert_yaxis()
        axes.set_xlabel(measure)
        figure.tight_layout()
        name = "".join(letter if letter.isalnum() else "_" for letter in f"{title}_{measure}")
        figure.savefig(folder / f"{name}.png", dpi=120)
        pyplot.close(figure)
        files.append(folder / f"{name}.png")
    return files
