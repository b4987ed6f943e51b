"""SOLID against a loop with torch's SGD; what it takes back."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from memories.adam import flatten
from memories.forecasters.online.frozen import Frozen
from memories.forecasters.online.solid import Solid
from tests.memories.forecasters.online.walks import (
    FIRST,
    HORIZON,
    LOOKBACK,
    PERIOD,
    dlinear,
    forecasts,
    headed,
    sizes,
    stream,
    walk,
)
from tests.reference import solid as reference

RATE = 0.05
SEARCH = {"candidates": 25, "neighbours": 4}


def solid(backbone: Any = headed, **params: Any) -> Solid:
    params = {"learning_rate": RATE, "phase_tolerance": 0.2} | SEARCH | params
    return Solid(**sizes(period=PERIOD), backbone=backbone(), **params)


@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize("backbone", [dlinear, headed])
def test_it_is_the_loop_over_origins(backbone, one_sided):
    """Sixty-two steps, the first with fewer pairs than wanted, or none; float32, hence 1e-5."""
    rows = stream()
    module = backbone()
    head = module if backbone is dlinear else module.projection
    expected = reference.solid(
        module,
        head,
        rows,
        (LOOKBACK, HORIZON),
        learning_rate=RATE,
        period=PERIOD,
        tolerance=0.2,
        one_sided=one_sided,
        **SEARCH,
    )
    found = forecasts(solid(backbone, one_sided=one_sided), rows)
    torch.testing.assert_close(found, torch.stack(list(expected)), rtol=1e-5, atol=1e-5)


def test_the_step_is_taken_back_after_each_forecast():
    """Asked again, or after forecasts of other windows, it answers the same."""
    forecaster = solid()
    rows = stream()
    *_, (last, state) = walk(forecaster, rows)
    window = rows[-LOOKBACK:]
    other, after = forecaster.predict(state, window + 1)
    again, unchanged = forecaster.predict(after, window)
    assert unchanged is state
    assert torch.equal(again, last)
    assert not torch.equal(other, last)
    assert torch.equal(flatten(forecaster.backbone), flatten(headed()))
    assert sorted(state) == ["rows", "seen"]


def test_it_moves_the_head_alone():
    """With the last hidden layer zero, the weights of the head have no gradient: its bias moves
    each forecast of a channel alike.
    """

    def blind() -> Any:
        module = headed()
        with torch.no_grad():
            module.norm.weight.zero_()
            module.norm.bias.zero_()
        return module

    rows = stream()
    shift = forecasts(solid(blind), rows) - forecasts(Frozen(blind()), rows)
    assert shift.abs().max() > 1e-3
    torch.testing.assert_close(shift[..., 0], shift[..., 1], rtol=0, atol=1e-6)


def test_before_a_pair_is_in_phase_it_is_the_frozen_backbone():
    """H = 3, P = 5: the pair of age 1 is the first a period ahead within a row."""
    rows = stream()
    found, frozen = forecasts(solid(), rows), forecasts(Frozen(headed()), rows)
    assert solid().similar.ages[:3].tolist() == [1, 2, 3]
    assert torch.equal(found[0], frozen[0])
    assert not torch.equal(found[1], frozen[1])


def test_a_larger_rate_goes_further_in_the_same_direction():
    """The head is linear in its weights: the shift of a forecast is the rate times a constant."""
    rows = stream()
    frozen = forecasts(Frozen(headed()), rows)
    once = forecasts(solid(), rows) - frozen
    twice = forecasts(solid(learning_rate=2 * RATE), rows) - frozen
    torch.testing.assert_close(twice, 2 * once, rtol=1e-4, atol=1e-5)


def test_on_a_series_that_repeats_a_step_lowers_the_error():
    """The nearest pair of a periodic series is the same pair, a period earlier."""
    t = torch.arange(FIRST + 60, dtype=torch.float32)[:, None]
    rows = torch.cat(
        [torch.sin(2 * torch.pi * t / PERIOD), torch.cos(4 * torch.pi * t / PERIOD)], 1
    )
    errors = []
    for forecaster in (solid(learning_rate=0.3), Frozen(headed())):
        found = forecasts(forecaster, rows)[20:-HORIZON]
        truth = rows.unfold(0, HORIZON, 1).mT[FIRST + 21 :][: len(found)]
        errors.append(float((found - truth).square().mean()))
    assert errors[0] < 0.8 * errors[1]
