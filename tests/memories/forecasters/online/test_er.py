"""Experience replay against a loop over whole pairs with torch's Adam."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from memories.base import InvalidParameter
from memories.forecasters.online.er import ER
from memories.forecasters.online.ogd import OGD
from memories.forecasters.online.replay import ReplayForecaster
from tests.memories.forecasters.backbones import pieces
from tests.memories.forecasters.online.walks import (
    CHANNELS,
    FIRST,
    HORIZON,
    LOOKBACK,
    STEPS,
    dlinear,
    forecasts,
    generator,
    headed,
    sizes,
    stream,
    walk,
)
from tests.reference import replayed

RATE = 0.01


def er(backbone: Any = dlinear, **params: Any) -> ER:
    params = {"learning_rate": RATE, "capacity": 12, "generator": generator()} | params
    return ER(**sizes(steps=STEPS), backbone=backbone(), **params)


def uniforms(draws: int = 8) -> Tensor:
    rng = generator()
    return torch.stack([torch.rand(1 + draws, generator=rng) for _ in range(STEPS)])


@pytest.mark.parametrize("replace", [True, False])
@pytest.mark.parametrize("backbone", [dlinear, headed])
def test_it_is_the_loop_over_pairs(backbone, replace):
    """Sixty-two steps, a reservoir of 12 that overflows from the 13th on; float32, hence 1e-5."""
    rows = stream()
    expected = replayed.er(
        backbone(),
        rows,
        (LOOKBACK, HORIZON),
        uniforms(),
        learning_rate=RATE,
        capacity=12,
        weight=0.2,
        replace=replace,
    )
    found = forecasts(er(backbone, replace=replace), rows)
    torch.testing.assert_close(found, torch.stack(list(expected)), rtol=1e-5, atol=1e-5)


def test_the_reservoir_holds_numbers_of_pairs_whose_rows_the_stream_holds():
    rows = stream()
    forecaster = er()
    *_, (_, state) = walk(forecaster, rows)
    items = state["items"]
    assert len(items.unique()) == 12
    assert items.max() > 12
    windows, targets = forecaster.history.cut(state["rows"], state["step"] - 1 - items)
    for i, number in enumerate(items.tolist()):
        _, window, target, _ = pieces(rows, FIRST + number, LOOKBACK, HORIZON)
        assert torch.equal(windows[i], window)
        assert torch.equal(targets[i], target)


def test_its_first_step_is_ogds_and_its_second_is_not():
    """Nothing is stored before the first step."""
    rows = stream()
    replay, plain = forecasts(er(), rows), forecasts(OGD(dlinear(), learning_rate=RATE), rows)
    torch.testing.assert_close(replay[0], plain[0], rtol=0, atol=1e-6)
    assert (replay[2] - plain[2]).abs().max() > 1e-4


def test_with_weight_zero_it_is_ogd():
    """Nine forecasts are one batch instead of one: equal but for rounding."""
    rows = stream()
    plain = forecasts(OGD(dlinear(), learning_rate=RATE), rows)
    found = forecasts(er(replay_weight=0.0), rows)
    torch.testing.assert_close(found, plain, rtol=1e-5, atol=1e-5)


def test_a_reservoir_must_hold_what_is_drawn():
    class Small(ReplayForecaster):
        def observe(self, state: Any, x_t: Tensor, recent: Any) -> Any:
            return state

    with pytest.raises(InvalidParameter, match="at least the 8 pairs drawn at each step, got 7"):
        Small(
            **sizes(steps=9),
            backbone=dlinear(),
            learning_rate=0.1,
            capacity=7,
            generator=generator(),
        )


def test_its_state_is_the_stream_and_not_copies_of_pairs():
    """Weights and moments 3 P, rows (steps+L+H-1) C, and a number of 2 words per slot."""
    state = er().init_state()
    assert state["rows"].shape == (STEPS + LOOKBACK + HORIZON - 1, CHANNELS)
    assert state["items"].shape == (12,)
    assert sorted(state) == ["first_moment", "items", "rows", "second_moment", "step", "weights"]
