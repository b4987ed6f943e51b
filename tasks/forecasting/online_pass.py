"""Driving forecasters over a causal stream: update, then predict, one origin after another.

The order is normative: at origin t the row is revealed, `observe` learns, `predict` issues a final
forecast. A pass can be left at any origin and continued bit-equal from a check-point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from memories.base import State
from tasks.base import Lanes, Workbench
from tasks.forecasting.reports import Reports
from tasks.forecasting.scores import ForecastScores
from tasks.forecasting.stream import CausalStream

STATE = "state/"
SCORES = "scores/"
REPORTS = "reports/"
BUFFER = 64
"""Forecasts scored together: scoring one at a time would cost as much as forecasting."""


@dataclass
class Pass:
    """One run over consecutive origins: the forecasters, where they are, what they scored.

    Attributes:
        origins: All origins of the pass.
        scored: Those whose forecasts count.
        lanes: The forecasters.
        series: Which lane of the stream each forecaster follows.
        state: Their state.
        scores: What the scored forecasts came to.
        reports: What the forecasters report of themselves, if anyone asks.
        position: Origins done.
    """

    origins: range
    scored: range
    lanes: Lanes
    series: Sequence[int]
    state: State
    scores: ForecastScores
    reports: Reports | None = None
    position: int = 0

    def tensors(self) -> dict[str, Tensor]:
        """All that is needed to go on from here."""
        parts = {STATE: self.state, SCORES: self.scores.tensors()}
        if self.reports is not None:
            parts[REPORTS] = self.reports.tensors()
        return {
            prefix + name: entry for prefix, part in parts.items() for name, entry in part.items()
        }

    def restore(self, kept: Mapping[str, Tensor], position: int) -> None:
        """Go back to where `tensors` was taken; position 0 is the beginning."""
        if not position:
            return
        self.state = _part(kept, STATE)
        self.scores = ForecastScores.from_tensors(_part(kept, SCORES))
        if self.reports is not None:
            self.reports.restore(_part(kept, REPORTS))
        self.position = position


def _part(kept: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in kept.items() if k.startswith(prefix)}


@torch.no_grad()
def drive(
    run: Pass,
    stream: CausalStream,
    bench: Workbench,
    *,
    before: int,
    total: int,
    carry: Mapping[str, Tensor] | None = None,
) -> None:
    """Take a pass to its end.

    Args:
        run: The pass, changed in place.
        stream: The scaled series.
        bench: Receives check-points and progress.
        before: Origins of earlier passes, for progress and positions.
        total: Origins of all passes.
        carry: What check-points keep beside the pass, from an earlier one.
    """
    unscored = _Unscored(run, stream)
    reports = run.reports

    def keep() -> dict[str, Tensor]:
        unscored.score()
        return run.tensors() | dict(carry or {})

    for t in run.origins[run.position :]:
        now = stream.revealed(t, run.series)
        state = run.lanes.observe(run.state, now.row, now.recent)
        forecast, run.state = run.lanes.predict(state, now.window, horizon=stream.horizon)
        run.position += 1
        if t in run.scored:
            unscored.add(t, forecast)
            if reports is not None:
                reports.offer(run.lanes, run.state, run.scored.index(t) + 1)
        bench.checkpoint(before + run.position, keep)
        bench.progress(before + run.position, total)
    unscored.score()


class _Unscored:
    """Forecasts that were issued and not scored yet, the newest `BUFFER` at most."""

    def __init__(self, run: Pass, stream: CausalStream) -> None:
        self.run, self.stream = run, stream
        self.origins: list[int] = []
        self.forecasts: list[Tensor] = []

    def add(self, origin: int, forecast: Tensor) -> None:
        """Keep the forecasts [S, H, C] of one more origin."""
        self.origins.append(origin)
        self.forecasts.append(forecast)
        if len(self.origins) == BUFFER:
            self.score()

    def score(self) -> None:
        """Score what is kept, in the order in which it was issued."""
        if self.origins:
            truth = self.stream.targets(self.origins, self.run.series)
            self.run.scores.add(torch.stack(self.forecasts).cpu(), truth.cpu())
            self.origins, self.forecasts = [], []
