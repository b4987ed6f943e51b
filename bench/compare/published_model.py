"""Published numbers beside our own, as a comparison holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.stats.replication import Replication

PublishedVerdict = Literal["reproduced", "better", "worse", "inconclusive", "n<3", "no result", ""]
"""``better`` and ``worse``: not reproduced, and in which direction ours differs; empty where there
is nothing of ours to set against the number."""


@dataclass(frozen=True)
class Beside:
    """One published number, and the row of ours that is meant to give it.

    Attributes:
        name: What the source calls the method.
        value: The number.
        sd: Its standard deviation over runs; None if not published.
        n: Number of runs behind it; None if not published.
        source: Key of the citation.
        label: Our memory; None where we do not run it.
        ours: Its mean; None without one.
        n_ours: Number of its values.
        difference: Ours minus theirs; None without ours.
        replication: The interval behind the verdict; None below 3 values, and for one that holds
            for every seed.
        margin: Largest difference that counts as the same; None where nothing is compared.
        verdict: Whether ours reproduces it.
        runs: Single runs behind it, if published.
        seeds: Their seeds, if published.
    """

    name: str
    value: float
    sd: float | None
    n: int | None
    source: str
    label: str | None = None
    ours: float | None = None
    n_ours: int = 0
    difference: float | None = None
    replication: Replication | None = None
    margin: float | None = None
    verdict: PublishedVerdict = ""
    runs: tuple[float, ...] = ()
    seeds: tuple[int, ...] = ()

    @property
    def decimals(self) -> int:
        """Decimals that the single runs are published with; 0 without any."""
        return max((len(f"{run:.15g}".partition(".")[2]) for run in self.runs), default=0)


@dataclass(frozen=True)
class Published:
    """Published numbers of one task point and metric, from one file.

    Attributes:
        task_label: The task point.
        metric: The metric.
        comparable: Whether they were measured as ours are.
        requires: At which other parameters of the task they would be comparable, in words; empty
            where they are, or at none.
        remark: What a reader has to know about them; may be empty.
        meaning: What the metric is in the sources.
        citations: Sources by key, those that are used.
        rows: One per number and matching memory of ours.
    """

    task_label: str
    metric: str
    comparable: bool
    requires: str
    remark: str
    meaning: str
    citations: tuple[tuple[str, str], ...]
    rows: tuple[Beside, ...]
