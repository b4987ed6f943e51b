"""DER++ against a loop over whole pairs and stored outputs, and where it meets its neighbours."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from memories.forecasters.online.derpp import DERPP
from memories.forecasters.online.er import ER
from memories.forecasters.online.ogd import OGD
from tests.memories.forecasters.backbones import pieces
from tests.memories.forecasters.online.walks import (
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


def common() -> dict[str, Any]:
    return sizes(steps=STEPS) | {
        "learning_rate": RATE,
        "capacity": 12,
        "generator": generator(),
    }


def derpp(backbone: Any = dlinear, **params: Any) -> DERPP:
    return DERPP(**common(), backbone=backbone(), **params)


@pytest.mark.parametrize(("alpha", "beta"), [(0.3, 0.7), (1.0, 0.0)])
@pytest.mark.parametrize("backbone", [dlinear, headed])
def test_it_is_the_loop_over_pairs_and_outputs(backbone, alpha, beta):
    """Sixty-two steps, a reservoir of 12 that overflows from the 13th on; float32, hence 1e-5."""
    rows = stream()
    rng = generator()
    expected = replayed.derpp(
        backbone(),
        rows,
        (LOOKBACK, HORIZON),
        torch.stack([torch.rand(9, generator=rng) for _ in range(STEPS)]),
        learning_rate=RATE,
        capacity=12,
        alpha=alpha,
        beta=beta,
    )
    found = forecasts(derpp(backbone, alpha=alpha, beta=beta), rows)
    torch.testing.assert_close(found, torch.stack(list(expected)), rtol=1e-5, atol=1e-5)


def test_without_either_term_it_is_er_without_weight_which_is_ogd():
    rows = stream()
    none = forecasts(derpp(alpha=0.0, beta=0.0), rows)
    replay = ER(**common(), backbone=dlinear(), replay_weight=0.0)
    torch.testing.assert_close(none, forecasts(replay, rows), rtol=0, atol=1e-6)
    plain = forecasts(OGD(dlinear(), learning_rate=RATE), rows)
    torch.testing.assert_close(none, plain, rtol=1e-5, atol=1e-5)


def test_without_old_outputs_it_is_er():
    rows = stream()
    labels = forecasts(derpp(alpha=0.0, beta=0.7), rows)
    replay = forecasts(ER(**common(), backbone=dlinear(), replay_weight=0.7), rows)
    torch.testing.assert_close(labels, replay, rtol=1e-5, atol=1e-5)
    assert (forecasts(derpp(alpha=0.7, beta=0.7), rows) - labels).abs().max() > 1e-4


def test_an_output_is_the_forecast_of_the_weights_before_the_step():
    """The weights that learn pair n at step n are those that step n-1 left."""
    rows = stream()
    forecaster = derpp()
    weights = [forecaster.pretrained()]
    for _, state in walk(forecaster, rows):
        weights.append(state["weights"])
    assert state["items"].max() > 12
    for number, output in zip(state["items"].tolist(), state["outputs"], strict=True):
        _, window, _, _ = pieces(rows, FIRST + number, LOOKBACK, HORIZON)
        said = forecaster.forecast(weights[number], window[None])[0]
        torch.testing.assert_close(output, said, rtol=1e-5, atol=1e-6)
