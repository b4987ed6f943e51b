"""MIR against a loop with copies of model and optimiser, and what it chooses to replay."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from memories.base import InvalidParameter
from memories.forecasters.online.er import ER
from memories.forecasters.online.mir import MIR
from memories.forecasters.online.ogd import OGD
from memories.forecasters.online.replay import Replay
from tests.memories.forecasters.backbones import Newest
from tests.memories.forecasters.online.walks import (
    CHANNELS,
    HORIZON,
    LOOKBACK,
    STEPS,
    dlinear,
    forecasts,
    generator,
    headed,
    sizes,
    stream,
)
from tests.reference import replayed

RATE = 0.01


def mir(backbone: Any = dlinear, **params: Any) -> MIR:
    params = {"learning_rate": RATE, "capacity": 20, "candidates": 12} | params
    return MIR(**sizes(steps=STEPS), backbone=backbone(), generator=generator(), **params)


@pytest.mark.parametrize("backbone", [dlinear, headed])
def test_it_is_the_loop_over_pairs(backbone):
    """Sixty-two steps, 12 candidates of 20 pairs; float32, hence 1e-5."""
    rows = stream()
    rng = generator()
    expected = replayed.mir(
        backbone(),
        rows,
        (LOOKBACK, HORIZON),
        torch.stack([torch.rand(13, generator=rng) for _ in range(STEPS)]),
        learning_rate=RATE,
        capacity=20,
        weight=0.2,
    )
    found = forecasts(mir(backbone), rows)
    torch.testing.assert_close(found, torch.stack(list(expected)), rtol=1e-5, atol=1e-5)


def material(errors: list[float], held: int) -> Replay:
    """Candidates that a forecast of zeros misses by these errors, of which the first ones exist."""
    n = len(errors)
    targets = -torch.tensor([0.0, *errors])[:, None, None].expand(1 + n, HORIZON, CHANNELS)
    return Replay(
        rows=torch.zeros(1, CHANNELS),
        here=torch.zeros(20, dtype=torch.bool),
        drawn=torch.arange(n),
        share=(torch.arange(n) < held) / held,
        windows=torch.zeros(1 + n, LOOKBACK, CHANNELS),
        targets=targets,
    )


def offset() -> Newest:
    return Newest(HORIZON, CHANNELS)


def test_the_pairs_are_those_whose_loss_the_virtual_step_raises_most():
    """From offset 0 to d each loss grows by (e + d)^2 - e^2 = d (2 e + d): by order of e."""
    errors = [3.0, -1.0, 0.0, 9.0, 2.0, -5.0, 7.0, 1.0, 8.0, -2.0, 4.0, 6.0]
    forecaster = mir(offset)
    start = forecaster.pretrained()
    up = forecaster._most_interfered(start, start + 0.1, material(errors, 12))
    assert up.tolist() == [3, 8, 6, 11, 10, 0, 4, 7]
    down = forecaster._most_interfered(start, start - 0.1, material(errors, 12))
    assert down.tolist() == [5, 9, 1, 2, 7, 4, 0, 10]


def test_equal_harm_is_decided_by_the_order_of_the_draw():
    forecaster = mir(offset)
    start = forecaster.pretrained()
    equal = material([1.0] * 12, 12)
    assert forecaster._most_interfered(start, start + 0.1, equal).tolist() == list(range(8))
    assert forecaster._most_interfered(start, start, equal).tolist() == list(range(8))


def test_candidates_that_do_not_exist_come_last():
    errors = [-1.0, 5.0, -2.0, *[9.0] * 9]
    forecaster = mir(offset)
    start = forecaster.pretrained()
    found = forecaster._most_interfered(start, start + 0.1, material(errors, 3))
    assert found[:3].tolist() == [1, 0, 2]


def test_a_small_harm_is_ranked_though_the_losses_round_to_the_same():
    """Losses near 1e4 have steps of 1e-3 in float32; the harms differ by 2e-5."""
    errors = [100.0 + i for i in range(12)]
    forecaster = mir(offset)
    start = forecaster.pretrained()
    found = forecaster._most_interfered(start, start + 1e-5, material(errors, 12))
    assert found.tolist() == [11, 10, 9, 8, 7, 6, 5, 4]


def test_with_weight_zero_it_is_ogd_and_otherwise_not_er():
    rows = stream()
    plain = forecasts(OGD(dlinear(), learning_rate=RATE), rows)
    found = forecasts(mir(replay_weight=0.0), rows)
    torch.testing.assert_close(found, plain, rtol=1e-5, atol=1e-5)
    replay = ER(
        **sizes(steps=STEPS),
        backbone=dlinear(),
        learning_rate=RATE,
        capacity=20,
        generator=generator(),
    )
    assert (forecasts(mir(), rows) - forecasts(replay, rows)).abs().max() > 1e-4


def test_with_as_many_candidates_as_are_replayed_it_is_er_without_replacement():
    """All eight are chosen, in another order."""
    rows = stream()
    replay = ER(
        **sizes(steps=STEPS),
        backbone=dlinear(),
        learning_rate=RATE,
        capacity=20,
        replace=False,
        generator=generator(),
    )
    found = forecasts(mir(candidates=8), rows)
    torch.testing.assert_close(found, forecasts(replay, rows), rtol=1e-5, atol=1e-5)


def test_there_cannot_be_more_candidates_than_pairs():
    with pytest.raises(InvalidParameter, match="at least the 30 pairs drawn at each step, got 20"):
        mir(candidates=30)
