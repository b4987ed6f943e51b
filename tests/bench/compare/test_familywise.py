"""How often a whole table makes any claim where there is nothing to claim, by simulation."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
import pytest

from bench.compare import compare
from tests.bench.frames import FrameBuilder, Metric

pytestmark = pytest.mark.slow

TABLES = 500
ALPHA = 0.05
SLACK = 3 * (ALPHA * (1 - ALPHA) / TABLES) ** 0.5
"""Three binomial standard errors at the nominal level: .029."""
Failing = Literal["nothing", "trials", "cells", "the worst"]


@pytest.fixture(autouse=True)
def without_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranks and scores over tasks claim nothing here, and would take minutes."""
    monkeypatch.setattr("bench.compare.overall.overall", lambda *_: ())


def nothing_to_find(n: int, failing: Failing) -> pd.DataFrame:
    """Many tables in one frame, each a metric and so a family of its own: 6 memories that are
    exchangeable given the seed, on 3 tasks.
    """
    rng = np.random.default_rng(n)
    builder = FrameBuilder()
    for table in range(TABLES):
        metric = Metric(f"m{table:03d}")
        for task in range(3):
            shared = rng.normal(10.0, 1.0, n)
            for memory in range(6):
                values = shared + rng.normal(0.0, 1.0, n)
                builder.cell(
                    f"memory-{memory}",
                    failed(values, memory, failing, rng),
                    task=f"task-{task}",
                    metric=metric,
                )
    return builder.frame()


def failed(
    values: np.ndarray, memory: int, failing: Failing, rng: np.random.Generator
) -> list[float | str]:
    """A tenth of all trials fail, or a fifth of all cells, or often the worst seed of each memory
    but the reference, so that what is left looks better than it is.
    """
    lost = np.zeros(values.size, dtype=bool)
    if failing == "trials":
        lost = rng.random(values.size) < 0.1
    elif failing == "cells":
        lost[:] = rng.random() < 0.2
    elif failing == "the worst" and memory:
        lost[values.argmax()] = rng.random() < 0.3
    return ["oom" if gone else float(x) for x, gone in zip(values, lost, strict=True)]


def share_with_a_claim(frame: pd.DataFrame, **options: str) -> float:
    comparison = compare(frame, published="none", **options)
    claimed = {
        section.metric
        for section in comparison.sections
        for contrast in section.contrasts
        if contrast.verdict in ("better", "worse")
    }
    return len(claimed) / TABLES


@pytest.mark.parametrize("failing", ["nothing", "trials", "cells", "the worst"])
@pytest.mark.parametrize("n", [5, 12])
def test_a_table_claims_anything_false_at_most_at_its_level(n: int, failing: Failing) -> None:
    """Paired t at n = 5, sign flips at n = 12, Holm over 15 contrasts."""
    assert share_with_a_claim(nothing_to_find(n, failing)) <= ALPHA + SLACK


def test_without_correction_it_claims_far_more() -> None:
    """Fifteen tests at 5%, five by five against one reference: between 5% and 1 - .95^15 = .54."""
    assert 0.2 < share_with_a_claim(nothing_to_find(5, "nothing"), correction="none") < 0.54
