"""When H-Mem knows what: the timeline of a bank, what is stored, and when it first corrects."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from memories.forecasters.hmem.hmem import HMem
from memories.forecasters.hmem.hmem_chrc import HMemCHRC
from tests.memories.forecasters.backbones import Newest, pieces
from tests.memories.forecasters.hmem.streams import build, stream, walk

LOOKBACK, HORIZON, ROWS = 8, 4, 2
SHIFT = LOOKBACK + HORIZON - 1
"""Row of step 0: origin t of the stream is step t - SHIFT."""


class Ramp(nn.Module):
    """Continues a ramp of slope one without error, plus a constant."""

    def __init__(self, constant: float = 0.0) -> None:
        super().__init__()
        self.constant = constant

    def forward(self, windows: Tensor) -> Tensor:
        leads = torch.arange(1.0, HORIZON + 1)[:, None]
        return windows[:, -1:] + leads + self.constant


def correcting(backbone: nn.Module | None = None, **options: Any) -> HMem:
    """CHRC alone: the plain recalled error, added whole, no learning."""
    plain = {
        "quality": False,
        "use_refinement": False,
        "gate": "none",
        "similarity_gate": False,
        "horizon_mask": "none",
        "max_correction": None,
        "online_lr": 0.0,
        "channels": 1,
        "lookback": LOOKBACK,
        "backbone": Newest(HORIZON, 1) if backbone is None else backbone,
    }
    return build(HMemCHRC, **(plain | options))


def squares(n: int = 60) -> Tensor:
    """Rows t^2: the errors of `Newest` differ from origin to origin."""
    return torch.arange(n, dtype=torch.float32)[:, None] ** 2


def ramp(n: int = 60) -> Tensor:
    return torch.arange(n, dtype=torch.float32)[:, None]


def residual(rows: Tensor, step: int) -> Tensor:
    """What the newest row gets wrong at a step, lead by lead."""
    t = SHIFT + step
    return (rows[t + 1 : t + HORIZON + 1] - rows[t]).flatten()


def run(forecaster: HMem, rows: Tensor, steps: int, **options: Any) -> list[Any]:
    return list(walk(forecaster, rows, steps, lookback=LOOKBACK, horizon=HORIZON, **options))


def held(state: dict[str, Tensor]) -> int:
    return int((state["bank/index"] >= 0).sum())


def test_the_timeline_of_four_leads_and_two_newest_rows():
    """Issued at step 1 (targets 2..5): nothing is complete at 2, 3 and 4; at 5 the error of step 1
    is written; at 6 that of step 2. Slots of the ring: 1 mod 4, 2 mod 4, 3, 0, then 1 again.
    """
    rows = squares()
    forecaster = correcting()
    assert forecaster.rows == ROWS
    for step, observed, _, state in run(forecaster, rows, 7):
        assert held(observed) == {1: 0, 2: 0, 3: 0, 4: 0, 5: 1, 6: 2, 7: 3}[step]
        assert int(state["ring/origin"][step % 4]) == step
        for origin in range(1, held(observed) + 1):
            value = observed["bank/values"][origin - 1]
            assert torch.equal(value, residual(rows, origin))
            assert int(observed["bank/time"][origin - 1]) == origin + HORIZON
        if step == 4:
            assert sorted(state["ring/origin"].tolist()) == [1, 2, 3, 4]
        if step == 5:
            assert sorted(state["ring/origin"].tolist()) == [2, 3, 4, 5]


@torch.no_grad()
def test_a_key_is_that_of_the_rows_before_the_forecast_and_not_of_its_target():
    """Key of step 1, written at 5: the encoding of rows t-1, t of step 1."""
    rows = stream(channels=1)
    forecaster = correcting()
    *_, (_, observed, _, _) = run(forecaster, rows, HORIZON + 3)
    chrc = forecaster.adapter.chrc
    for origin in (1, 2, 3):
        newest = rows[SHIFT + origin - ROWS + 1 : SHIFT + origin + 1]
        expected = chrc.key(chrc.encode(newest), torch.zeros(HORIZON, 1))
        torch.testing.assert_close(observed["bank/keys"][origin - 1], expected, rtol=0, atol=1e-6)
    keys = observed["bank/keys"][:3]
    assert (keys - keys.roll(1, 0)).abs().amax(-1).min() > 1e-3


@pytest.mark.parametrize("capacity", [3, 128])
def test_the_bank_holds_what_was_completed_up_to_its_capacity(capacity):
    """min(N, t - t0 - H + 1) errors after step t, with t0 = 1."""
    forecaster = correcting(capacity=capacity, min_entries=3, top_k=2)
    for step, observed, _, _ in run(forecaster, squares(), 20):
        assert held(observed) == max(0, min(capacity, step - HORIZON))


@pytest.mark.parametrize(("needed", "options"), [(10, {}), (1, {"min_entries": 1})])
def test_the_first_corrected_forecast_waits_for_enough_errors(needed, options):
    """The n-th error is written at t0 + H + n - 1; ten are needed unless it is said otherwise."""
    rows = squares()
    corrected = [
        step
        for step, _, forecast, _ in run(correcting(**options), rows, 25)
        if not torch.equal(forecast, rows[SHIFT + step].expand(HORIZON, 1))
    ]
    assert corrected == list(range(1 + HORIZON + needed - 1, 26))


def test_nothing_is_stored_and_nothing_learned_for_an_origin_without_a_forecast():
    """A stride of two, then a gap of more than a horizon: the ring then holds older records."""
    rows = squares(90)
    skipped = frozenset(range(2, 20, 2)) | frozenset(range(24, 33))
    issued = [step for step in range(1, 46) if step not in skipped]
    for step, observed, _, _ in run(correcting(), rows, 45, skipped=skipped):
        complete = [origin for origin in issued if origin + HORIZON <= step]
        assert held(observed) == len(complete)
        assert int(observed["training/trained"]) == len(complete)
        for slot, origin in enumerate(complete):
            assert torch.equal(observed["bank/values"][slot], residual(rows, origin))


def test_a_perfect_forecaster_stores_exact_zeros():
    *_, (_, observed, forecast, _) = run(correcting(Ramp()), ramp(), 30)
    assert held(observed) == 26
    assert torch.equal(observed["bank/values"], torch.zeros_like(observed["bank/values"]))
    assert torch.equal(forecast.flatten(), torch.arange(1.0, HORIZON + 1) + SHIFT + 30)


def test_shifted_pairing_stores_the_drift_over_a_horizon_instead_of_the_error():
    """Y_{t-H} - Yhat_{t-2H} of a perfect forecast of a ramp: H, first at step 1 + 2H."""
    forecaster = correcting(Ramp(), pairing="shifted")
    for step, observed, _, _ in run(forecaster, ramp(), 30):
        n = max(0, step - 2 * HORIZON)
        assert held(observed) == n
        expected = torch.full((n, HORIZON), float(HORIZON))
        assert torch.equal(observed["bank/values"][:n], expected)


@torch.no_grad()
def test_shifted_pairing_keeps_the_key_of_the_forecast():
    rows = stream(channels=1)
    forecaster = correcting(pairing="shifted")
    *_, (_, observed, _, _) = run(forecaster, rows, 2 * HORIZON + 2)
    chrc = forecaster.adapter.chrc
    for origin in (1, 2):
        newest = rows[SHIFT + origin - ROWS + 1 : SHIFT + origin + 1]
        expected = chrc.key(chrc.encode(newest), torch.zeros(HORIZON, 1))
        torch.testing.assert_close(observed["bank/keys"][origin - 1], expected, rtol=0, atol=1e-6)


def test_a_constant_error_is_corrected_exactly():
    """Every stored error is c, and so is every weighted mean of them."""
    rows = ramp()
    for step, _, forecast, _ in run(correcting(Ramp(-3.0)), rows, 30):
        truth = rows[SHIFT + step + 1 : SHIFT + step + HORIZON + 1]
        expected = truth - (3.0 if step < HORIZON + 10 else 0.0)
        torch.testing.assert_close(forecast, expected, rtol=0, atol=1e-5)


def test_a_limit_below_the_error_leaves_the_rest_of_it():
    rows = ramp()
    *_, (step, _, forecast, _) = run(correcting(Ramp(-3.0), max_correction=2.0), rows, 30)
    truth = rows[SHIFT + step + 1 : SHIFT + step + HORIZON + 1]
    torch.testing.assert_close(forecast, truth - 1.0, rtol=0, atol=1e-5)


def test_storing_corrected_forecasts_makes_corrections_come_and_go():
    """Constant stream, error c, all keys equal, the newest entry wins (K = 1, decay < 1): a
    correction at t is what was left over H steps before, so it alternates in blocks of H between
    0 and c. Steps 1..4: 0; 5..8: the stored c; 9..12: the 0 that these left; and so on.
    """
    constant = torch.full((60, 1), 2.0)

    class Below(nn.Module):
        def forward(self, windows: Tensor) -> Tensor:
            return windows[:, -1:].expand(-1, HORIZON, -1) - 3.0

    forecaster = correcting(Below(), store="final", min_entries=1, top_k=1, aggregate="max")
    for step, _, forecast, _ in run(forecaster, constant, 30):
        correction = 3.0 * ((step - 1) // HORIZON % 2)
        expected = torch.full((HORIZON, 1), -1.0 + correction)
        torch.testing.assert_close(forecast, expected, rtol=0, atol=1e-5)


def test_the_lag_takes_the_newest_rows_of_an_earlier_step():
    forecaster = build(HMemCHRC, lookback=LOOKBACK, channels=1, pogt_lag=4)
    window = torch.arange(8.0)[:, None]
    assert forecaster.newest(window).flatten().tolist() == [2.0, 3.0]
    assert pieces(ramp(), SHIFT + 1, LOOKBACK, HORIZON)[3].shape == (8, 1)
