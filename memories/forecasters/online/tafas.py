"""TAFAS: a frozen backbone between two gated corrections that are learned online."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.func import grad

from bench.registry import memory
from memories.adam import adamw_step
from memories.base import OnlineForecaster, State
from memories.forecasters.online.calibration import GatedCalibration

FALLBACK_PERIOD = 24
"""Period of a window in which nothing oscillates."""


def dominant_period(window: Tensor) -> Tensor:
    """Period in rows, an int64 scalar, of the strongest oscillation in a window [L, C].

    floor(L / k), k the frequency of largest amplitude of the channel with the largest mean power,
    after the mean was removed (Kim et al. 2025); `FALLBACK_PERIOD` where that is frequency 0.
    """
    amplitude = torch.fft.rfft(window - window.mean(0), dim=0).abs()
    strongest = amplitude.square().mean(0).argmax(0, keepdim=True)
    frequency = amplitude.argmax(0).gather(0, strongest).squeeze(0)
    period = torch.div(len(window), frequency.clamp(min=1), rounding_mode="floor")
    return torch.where(frequency == 0, FALLBACK_PERIOD, period)


@memory("tafas", family="online-learning", source="Kim et al. 2025 (causal form)")
class Tafas(OnlineForecaster):
    """Corrects window and forecast of a frozen backbone, learning from whole and partial targets.

    yhat = G_out(f(G_in(X))), both G gated linear maps along time that start as the identity.
    At each revealed row t, on the mean squared error under the present weights:

    - a full step on the newest complete pair;
    - p rows after the last time, a partial step: on the forecast for the window of
      s = t - min(p, H), over its first t - s leads, all revealed by now. Then p is the dominant
      period of the window at t. The first window of a stream sets the first p.

    This is the causal form. The published program forecasts p + 1 windows in one go, after the
    last of them is known, and rewrites leads already forecast; here every forecast is final.

    State: the weights of both maps [P] and their two Adam moments, and as scalars the number of
    steps taken, the period and the rows since it was set.

    Args:
        channels: C.
        lookback: L.
        horizon: H.
        backbone: Pre-trained module, [B, L, C] to [B, H, C]; it stays as it is.
        learning_rate: Adam's step size; choose it on the validation stream with `tune`.
        gate: Initial g of every map; its hyperbolic tangent scales a map's first steps.
        shared: Whether all channels share one map, as the authors have it for PatchTST.
    """

    learning_rate: Tensor
    gate: Tensor
    leads: Tensor
    back: Tensor

    def __init__(
        self,
        channels: int,
        lookback: int,
        horizon: int,
        backbone: nn.Module,
        *,
        learning_rate: Annotated[float, Ge(0)] = 1e-3,
        gate: float = 0.01,
        shared: bool = False,
    ) -> None:
        super().__init__()
        self.lookback, self.horizon = lookback, horizon
        self.backbone = backbone.eval()
        maps = 1 if shared else channels
        self.before = GatedCalibration(lookback, maps)
        self.after = GatedCalibration(horizon, maps)
        self.scalar("learning_rate", learning_rate)
        self.scalar("gate", gate)
        self.register_buffer("leads", torch.arange(horizon), persistent=False)
        self.register_buffer("back", torch.arange(lookback), persistent=False)

    def init_state(self) -> State:
        """Two identities, fresh moments, and no period yet."""
        weights = torch.cat([self.before.start(self.gate), self.after.start(self.gate)])
        counter = torch.zeros((), dtype=torch.int64, device=weights.device)
        return {
            "weights": weights,
            "first_moment": torch.zeros_like(weights),
            "second_moment": torch.zeros_like(weights),
            "step": counter,
            "period": counter.clone(),
            "since": counter.clone(),
        }

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:  # noqa: ARG002
        """The state after a full step and, where one is due, a partial step."""
        window, target = recent
        rows = torch.cat([window, target])
        since = state["since"] + 1
        started = state["period"] > 0
        due = started & (since >= state["period"])
        renewed = due | ~started

        def full(weights: Tensor) -> Tensor:
            return (self._forecast(weights, window) - target).square().mean()

        learned = self._step(state, full, torch.ones_like(due))
        learned = self._step(learned, self._partial_loss(rows, state["period"]), due)
        return {
            **learned,
            "period": torch.where(renewed, dominant_period(rows[self.horizon :]), state["period"]),
            "since": torch.where(renewed, 0, since),
        }

    def _partial_loss(self, rows: Tensor, period: Tensor) -> Callable[[Tensor], Tensor]:
        """Loss over the revealed leads of the window that ends min(period, H) rows ago.

        Args:
            rows: The last L + H rows [L+H, C].
            period: int64 scalar; below 1 it counts as 1, and no step is due.
        """
        known = period.clamp(1, self.horizon)
        start = self.horizon - known
        window = rows.index_select(0, start + self.back)
        revealed = self.leads < known
        ahead = (start + self.lookback + self.leads).clamp(max=len(rows) - 1)
        target = rows.index_select(0, ahead)

        def loss(weights: Tensor) -> Tensor:
            errors = (self._forecast(weights, window) - target).square().mean(-1)
            return (errors * revealed).sum() / known

        return loss

    def _step(self, state: State, loss: Callable[[Tensor], Tensor], enable: Tensor) -> State:
        """The state after one Adam step on a loss of the weights, where enabled."""
        weights, first, second = adamw_step(
            state["weights"],
            grad(loss)(state["weights"]),
            state["first_moment"],
            state["second_moment"],
            state["step"],
            self.learning_rate,
            0.0,
            enable=enable,
        )
        return {
            **state,
            "weights": weights,
            "first_moment": first,
            "second_moment": second,
            "step": state["step"] + enable,
        }

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        """The corrected forecast [H, C] of the corrected window."""
        return self._forecast(state["weights"], window), state

    def _forecast(self, weights: Tensor, window: Tensor) -> Tensor:
        before, after = torch.split(weights, [self.before.size, self.after.size])
        corrected = self.before.apply(before, window)
        forecast: Tensor = self.backbone(corrected[None])[0]
        return self.after.apply(after, forecast)
