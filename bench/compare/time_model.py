"""What a comparison holds of two forecasters over time, beside their difference over seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.stats.diebold_mariano import EqualWeightedCosines, HarveyLeybourneNewbold

Claim = Literal["both", "seed", "time"]
"""What a mark on a fixed series rests on: ``both`` tests, that over seeds, or that over time."""

Gap = Literal["", "failed", "not stored", "not the metric", "too short", "undefined"]
"""Why there is no p over time: a side has no values; some of its trials stored no losses, or
losses that do not average to the metric; there are fewer than 8 origins per step of the horizon;
or the losses differ by a constant, which has no spread to be tested by.
"""

Unsettled = Literal["", "seeds", "time", "seeds and time"]


@dataclass(frozen=True)
class TimeTest:
    """Two forecasters on one fixed series, their losses averaged over seeds at each origin.

    Attributes:
        gap: Why there is no p; empty if there is one.
        origins: T, the number of forecast origins; 0 where no losses could be compared.
        horizon: h, in steps between origins.
        decision: Equal-weighted cosine test of the differences, positive where the memory judged
            is better; None where no losses could be compared.
        reported: The statistic that papers report; None where T <= h or nothing is to be compared.
        equivalent: Whether the interval of the mean over time lies within the margin; None without
            a margin or a test.
        p_adjusted: p after correction over all time tests of the metric; None outside of them.
        unsettled: Where the claim has p at or above alpha: over ``seeds``, ``time``, or both.
    """

    gap: Gap
    origins: int
    horizon: int
    decision: EqualWeightedCosines | None = None
    reported: HarveyLeybourneNewbold | None = None
    equivalent: bool | None = None
    p_adjusted: float | None = None
    unsettled: Unsettled = ""

    @property
    def p(self) -> float | None:
        """Two-sided p, raw; None where there is a gap."""
        return self.decision.p if self.decision is not None else None

    @property
    def in_family(self) -> bool:
        """Whether it counts among the tests that are corrected together.

        What was planned and failed, or lacks losses that others have, does with p = 1; a path
        that is too short for its horizon by plan does not.
        """
        return self.gap != "too short"

    @property
    def p_raw(self) -> float | None:
        """p, 1 where a planned test failed; None outside of a family."""
        if not self.in_family:
            return None
        return 1.0 if self.p is None else self.p
