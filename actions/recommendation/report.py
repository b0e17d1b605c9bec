"""The page of one training: accuracy, coverage, diversity, novelty, Gini and accuracy by group, side by side and drawn.

Who is served how well, and what it costs the rest of the catalogue, is a decision of the shop; the page shows it.
"""

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Systems = Mapping[str, Mapping[str, float]]

MEASURES: Mapping[str, str] = {
    "ndcg@10": "Accuracy: NDCG of ten",
    "hr@10": "Share of lists with a product that was bought",
    "coverage@10": "Share of the catalogue that is shown at all",
    "gini@10": "Inequality of what is shown: 0 all alike, 1 one product only",
    "novelty@10": "Novelty: bits of surprise of a product shown",
    "diversity@10": "Diversity within a list: 1 - cosine of its texts",
}
GROUPS: Mapping[str, str] = {"new": "New customers", "few": "Under ten events", "regular": "Regulars"}


def write(folder: Path, systems: Systems, *, title: str, facts: Mapping[str, Any]) -> Path:
    """`index.html`, its plots and `metrics.json` in `folder`; the page.

    Args:
        systems: member or fusion -> measure -> value, as `train.fuse_members` makes them.
        facts: said above the table: products, events.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plots = [_by_group(systems, folder / "groups.png"), _trade(systems, folder / "accuracy_and_coverage.png")]
    (folder / "metrics.json").write_text(json.dumps(systems, indent=1) + "\n", encoding="utf-8")
    page = folder / "index.html"
    page.write_text(_page(systems, title, facts, [plot.name for plot in plots]), encoding="utf-8")
    return page


def _page(systems: Systems, title: str, facts: Mapping[str, Any], plots: Sequence[str]) -> str:
    columns = {**MEASURES, **{f"ndcg@10_{group}": f"NDCG of ten: {name}" for group, name in GROUPS.items()}}
    shown = [name for name in columns if any(name in values for values in systems.values())]
    head = "".join(f"<th title='{html.escape(columns[name])}'>{html.escape(name)}</th>" for name in shown)
    body = "".join(
        f"<tr><th>{html.escape(system)}</th>"
        + "".join(f"<td>{values[name]:.4f}</td>" if name in values else "<td>–</td>" for name in shown)
        + "</tr>"
        for system, values in systems.items()
    )
    said = ", ".join(f"{html.escape(str(value))} {html.escape(name)}" for name, value in facts.items())
    meanings = "".join(f"<li><b>{html.escape(name)}</b> {html.escape(columns[name])}</li>" for name in shown)
    pictures = "".join(f"<p><img src='{name}' alt='{name}'></p>" for name in plots)
    return (
        f"<!doctype html><meta charset='utf-8'><title>{html.escape(title)}</title>"
        "<meta name='viewport' content='width=device-width'>"
        "<style>:root{color-scheme:light dark}body{font:16px system-ui,sans-serif;margin:2em auto;padding:0 1em;"
        "max-width:1200px}td,th{padding:.2em .6em;text-align:right;font-variant-numeric:tabular-nums}"
        "tr:last-child{font-weight:700}div{overflow-x:auto}img{max-width:100%;background:#fff;border-radius:8px}</style>"
        f"<h1>{html.escape(title)}</h1><p>{said}; measured on later purchases that no member has seen.</p>"
        f"<div><table><tr><th></th>{head}</tr>{body}</table></div><ul>{meanings}</ul>{pictures}\n"
    )


def _by_group(systems: Systems, file: Path) -> Path:
    """A bar for each system and group of customers."""
    pyplot = _pyplot()
    groups = [group for group in GROUPS if any(f"ndcg@10_{group}" in values for values in systems.values())]
    figure, axes = pyplot.subplots(figsize=(8, 1 + 0.45 * len(systems)))
    height = 0.8 / max(1, len(groups))
    for place, group in enumerate(groups):
        values = [held.get(f"ndcg@10_{group}", 0.0) for held in systems.values()]
        axes.barh([row + place * height for row in range(len(systems))], values, height, label=GROUPS[group])
    axes.set_yticks([row + 0.4 - height / 2 for row in range(len(systems))], list(systems))
    axes.invert_yaxis()
    axes.set_xlabel("NDCG of ten")
    axes.legend()
    return _saved(figure, file)


def _trade(systems: Systems, file: Path) -> Path:
    """Accuracy against the share of the catalogue that is shown."""
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(figsize=(7, 5))
    for place, (name, values) in enumerate(systems.items()):
        at = values.get("coverage@10", 0.0), values.get("ndcg@10", 0.0)
        axes.scatter(*at)
        above = place % 2 == 0  # neighbours in the list are often neighbours here
        axes.annotate(name, at, (0, 6 if above else -13), textcoords="offset points", ha="center", fontsize=8)
    axes.margins(0.1)
    axes.set_xlabel("share of the catalogue that is shown")
    axes.set_ylabel("NDCG of ten")
    return _saved(figure, file)


def _pyplot() -> Any:
    import matplotlib  # here: drawing is not part of training, and the import takes a second

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def _saved(figure: Any, file: Path) -> Path:
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    _pyplot().close(figure)
    return file
