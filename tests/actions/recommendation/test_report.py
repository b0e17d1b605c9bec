"""The page of a training."""

import json

from actions.recommendation import report


def test_the_page_shows_every_system_and_measure_side_by_side_with_plots(tmp_path):
    systems = {
        "content": {"ndcg@10": 0.1, "coverage@10": 0.9, "gini@10": 0.3, "ndcg@10_new": 0.1, "ndcg@10_regular": 0.2},
        "kefu": {"ndcg@10": 0.3, "coverage@10": 0.7, "gini@10": 0.6, "ndcg@10_new": 0.2, "ndcg@10_regular": 0.4},
    }
    page = report.write(tmp_path / "r", systems, title="Training 1", facts={"products": 12})
    text = page.read_text()
    for said in ("content", "kefu", "0.3000", "gini@10", "ndcg@10_regular", "12 products"):
        assert said in text
    for plot in ("groups.png", "accuracy_and_coverage.png"):
        assert plot in text
        assert (page.parent / plot).stat().st_size > 1000
    assert json.loads((page.parent / "metrics.json").read_text()) == systems
