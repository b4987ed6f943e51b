"""The continual form of SOLID against a loop with torch's Adam."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from memories.forecasters.online.frozen import Frozen
from memories.forecasters.online.solidpp import SolidPP
from tests.memories.forecasters.online.walks import (
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

RATE = 0.01
SEARCH = {"candidates": 25, "neighbours": 4}


def solidpp(backbone: Any = headed, **params: Any) -> SolidPP:
    params = {"learning_rate": RATE, "phase_tolerance": 0.2} | SEARCH | params
    return SolidPP(**sizes(period=PERIOD), backbone=backbone(), **params)


@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize("backbone", [dlinear, headed])
def test_it_is_the_loop_over_origins(backbone, one_sided):
    """Sixty-two steps, the first with fewer pairs than wanted, or none; float32, hence 1e-5."""
    rows = stream()
    expected = reference.solidpp(
        backbone(),
        rows,
        (LOOKBACK, HORIZON),
        learning_rate=RATE,
        period=PERIOD,
        tolerance=0.2,
        one_sided=one_sided,
        **SEARCH,
    )
    found = forecasts(solidpp(backbone, one_sided=one_sided), rows)
    torch.testing.assert_close(found, torch.stack(list(expected)), rtol=1e-5, atol=1e-5)


def test_no_step_is_taken_while_no_pair_is_in_phase():
    """H = 3, P = 5: the pair of age 1, the first in phase, exists from the second row on."""
    rows = stream()
    frozen = forecasts(Frozen(headed()), rows)
    steps = []
    for n, (forecast, state) in enumerate(walk(solidpp(), rows)):
        steps.append(int(state["step"]))
        assert int(state["seen"]) == n + 1
        assert torch.equal(forecast, frozen[n]) == (n == 0)
    assert steps[:3] == [0, 1, 2]


def test_what_was_learned_stays():
    forecaster = solidpp()
    *_, (_, state) = walk(forecaster, stream())
    window = stream()[-LOOKBACK:]
    forecast, after = forecaster.predict(state, window)
    assert after is state
    assert (state["weights"] - forecaster.pretrained()).abs().max() > 0.1
    assert not torch.equal(forecast, headed()(window[None])[0])
