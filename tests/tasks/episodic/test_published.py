"""The numbers of language models that are shown beside the task's own."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.tasks.cells import cell, run

FILE = Path(__file__).parents[3] / "suites" / "published" / "episodic_events.yaml"


def test_published_numbers_name_their_source_and_metrics_that_the_task_has():
    published = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    (outcome,) = run(cell("oracle-table", published["task"], {"events": 20}), [0])
    assert set(published["metrics"]) <= {m.name for m in outcome.metrics if not m.primary}
    assert published["comparable"] is False
    rows = published["results"]
    for row in rows:
        assert set(row) == {"name", "params", "metric", "value", "source"}
        assert set(row["params"]) == {"events"}
        assert row["metric"] in published["metrics"]
        assert row["source"] in published["sources"]
        assert 0 <= row["value"] <= 1
    keys = [(row["name"], row["params"]["events"], row["metric"]) for row in rows]
    assert len(set(keys)) == len(keys)


def test_published_numbers_are_those_of_the_ranking():
    """The first and the last of the long books, and the only one of the very long ones."""
    published = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    values = {
        (r["name"], r["params"]["events"], r["metric"]): r["value"] for r in published["results"]
    }
    assert values["gemini-2.5-pro", 200, "f1_lenient"] == 0.968
    assert values["o1-mini", 200, "chronological_awareness"] == 0.033
    assert values["gemini-2.5-pro", 2000, "f1_lenient"] == 0.654
    assert len(values) == 2 * (4 + 21 + 1)
