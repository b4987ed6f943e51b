"""Past pairs that resemble the present: near in phase, then near in shape."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memories.base import Unsuitable
from memories.forecasters.online.stream_history import StreamHistory


class SimilarPairs(nn.Module):
    """Finds, among the newest complete pairs, those whose windows are nearest to a given one.

    Chen et al. 2024. The pair of age j has origin t-H-j, hence the phase difference
    d = (H + j) mod P. It is a candidate if min(d, P - d) <= tolerance P; the published code keeps
    only d <= tolerance P (`one_sided`). Of the candidates the n with the smallest Euclidean
    distance of windows are taken; of equal ones the newest.

    Args:
        history: The rows to search; its pairs are searched.
        period: P, in rows.
        neighbours: n.
        phase_tolerance: Largest phase difference, as a share of P.
        one_sided: Whether only pairs count whose phase is a little behind the present.

    Raises:
        Unsuitable: If no pair of the history is near in phase.
    """

    ages: Tensor

    def __init__(
        self,
        history: StreamHistory,
        period: int,
        *,
        neighbours: int,
        phase_tolerance: float,
        one_sided: bool,
    ) -> None:
        super().__init__()
        self.history, self.neighbours = history, neighbours
        ages = torch.arange(history.pairs)
        behind = (history.horizon + ages) % period
        difference = behind if one_sided else torch.minimum(behind, period - behind)
        ages = ages[difference <= phase_tolerance * period]
        if not len(ages):
            raise Unsuitable(
                f"none of the newest {history.pairs} pairs is in phase with a period of {period} "
                f"rows at horizon {history.horizon}"
            )
        self.register_buffer("ages", ages)

    def nearest(self, rows: Tensor, seen: Tensor, window: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The pairs nearest to a window, and their weights in a mean.

        Args:
            rows: As `StreamHistory` holds them.
            seen: Pairs that exist, int64 scalar.
            window: [L, C].

        Returns:
            Windows [n, L, C], targets [n, H, C] and shares [n], which sum to one; those of pairs
            that do not exist are zero. n is smaller where there are fewer candidates in all.
        """
        distances = self.history.distances(rows, self.ages, window)
        distances = torch.where(self.ages < seen, distances, torch.inf)
        nearest = torch.sort(distances, stable=True).indices[: self.neighbours]
        ages = self.ages.index_select(0, nearest)
        exists = ages < seen
        windows, targets = self.history.cut(rows, ages)
        return windows, targets, exists / exists.sum().clamp(min=1)
