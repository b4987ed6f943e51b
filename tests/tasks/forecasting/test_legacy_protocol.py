"""The published protocol that leaks, as a driver: at H = 1 it is ours, at H = 24 it is not.

FSNet, OneNet and their baselines step on the pair of the forecast just issued: at origin t the
model has learned from (X_{t-1}, Y_{t-1}), whose target ends at row t+H-1.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from memories.backbones.dlinear import DLinear
from memories.base import OnlineForecaster, State
from memories.forecasters.online.ogd import OGD
from tasks.forecasting.stream import CausalStream

L, C, ROWS = 30, 2, 140


def rows() -> Tensor:
    rng = torch.Generator().manual_seed(3)
    t = torch.arange(ROWS)[:, None]
    return torch.sin(2 * torch.pi * t / 24) + 0.2 * torch.randn(ROWS, C, generator=rng)


def forecaster(horizon: int) -> OGD:
    rng = torch.Generator().manual_seed(0)
    return OGD(DLinear(C, L, horizon, generator=rng), learning_rate=1e-2)


def driven(memory: OnlineForecaster, series: Tensor, horizon: int, delay: int) -> Tensor:
    """Forecasts [N, H, C]; at origin t the pair of origin t - delay has been handed over."""
    state = memory.init_state()
    forecasts = []
    with torch.no_grad():
        for t in range(L + horizon, ROWS - horizon):
            s = t - delay
            pair = series[s - L + 1 : s + 1], series[s + 1 : s + horizon + 1]
            state = memory.observe(state, series[t], pair)
            forecast, state = memory.predict(state, series[t - L + 1 : t + 1])
            forecasts.append(forecast)
    return torch.stack(forecasts)


def causal(horizon: int) -> Tensor:
    """Forecasts with the pairs that the task's stream hands over."""
    memory, series = forecaster(horizon), rows()
    stream = CausalStream(series[None], L, horizon)
    state = memory.init_state()
    forecasts = []
    with torch.no_grad():
        for t in range(L + horizon, ROWS - horizon):
            now = stream.revealed(t, [0])
            state = memory.observe(state, now.row[0], (now.recent[0][0], now.recent[1][0]))
            forecast, state = memory.predict(state, now.window[0])
            forecasts.append(forecast)
    return torch.stack(forecasts)


def test_at_horizon_one_the_legacy_protocol_is_causal():
    """Bit for bit: the pair of origin t-1 ends at row t."""
    assert torch.equal(driven(forecaster(1), rows(), 1, delay=1), causal(1))


@pytest.mark.parametrize("horizon", [2, 24])
def test_at_longer_horizons_it_is_another_protocol(horizon):
    legacy, ours = driven(forecaster(horizon), rows(), horizon, delay=1), causal(horizon)
    assert torch.equal(driven(forecaster(horizon), rows(), horizon, delay=horizon), ours)
    assert not torch.equal(legacy, ours)


def test_the_legacy_protocol_uses_rows_that_are_not_yet_there():
    """Forecasts of origins up to t change when rows after t do; ours do not."""
    horizon, t = 24, 100
    changed = rows()
    changed[t + 1 :] += 5
    upto = t - (L + horizon) + 1
    for delay, same in ((1, False), (horizon, True)):
        kept, other = (driven(forecaster(horizon), x, horizon, delay) for x in (rows(), changed))
        assert torch.equal(kept[:upto], other[:upto]) == same


class LastMean(OnlineForecaster):
    """Forecasts the mean of the newest target that it was given."""

    def init_state(self) -> State:
        return {"target": torch.zeros(24, C)}

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:
        return {"target": recent[1]}

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        return state["target"].mean(0).expand(24, -1), state


def test_the_leak_alone_halves_the_error_on_a_random_walk():
    """The mean of rows t..t+H-1 lies among the rows to be forecast, that of t-H+1..t before them.

    With Cov(x_s, x_t) = min(s, t) the expected squared errors, averaged over the leads, are 4.03
    and 20.0 for H = 24, a factor of five; one path of 140 rows is asked for two.
    """
    rng = torch.Generator().manual_seed(0)
    series = torch.randn(ROWS, C, generator=rng).cumsum(0)
    origins = range(L + 24, ROWS - 24)
    truth = torch.stack([series[t + 1 : t + 25] for t in origins])
    legacy, ours = (
        float((driven(LastMean(), series, 24, delay) - truth).square().mean()) for delay in (1, 24)
    )
    assert legacy < ours / 2
