"""TAFAS in its causal form: against loops with torch's Adam, its period and its timeline."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from bench.lanes import Lanes
from memories.adam import flatten
from memories.forecasters.online.calibration import GatedCalibration
from memories.forecasters.online.frozen import Frozen
from memories.forecasters.online.tafas import Tafas, dominant_period
from tests.memories.forecasters.backbones import pieces
from tests.memories.forecasters.online.layered import layered
from tests.memories.forecasters.online.walks import (
    CHANNELS,
    FIRST,
    HORIZON,
    LOOKBACK,
    dlinear,
    forecasts,
    generator,
    stream,
    walk,
)
from tests.reference import tafas as reference

SIZE = (LOOKBACK, HORIZON)


def made(backbone: Any, **options: Any) -> Tafas:
    return Tafas(CHANNELS, *SIZE, backbone, **options)


def wave(n: int, *periods: float) -> Tensor:
    """Rows [n, C] of one wave per channel, the later the stronger."""
    t = torch.arange(n, dtype=torch.float32)
    waves = [(1 + c) * torch.sin(2 * torch.pi * t / p + 0.3) for c, p in enumerate(periods)]
    return torch.stack(waves, dim=1)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("backbone", [dlinear, layered])
def test_a_stream_is_learned_as_by_loops_with_torchs_adam(backbone, shared):
    """In float64, with rates that float32 holds exactly. The first steps divide a
    gradient by its own size, which magnifies rounding; hence 1e-7.
    """
    rows = stream().double()
    memory = made(backbone(), learning_rate=2**-7, gate=2**-5, shared=shared).double()
    taken = []
    expected = reference.online(
        backbone().double().eval(),
        rows,
        SIZE,
        learning_rate=2**-7,
        gate=2**-5,
        maps=1 if shared else CHANNELS,
    )
    steps = 0
    for (forecast, state), (known, own) in zip(walk(memory, rows), expected, strict=True):
        torch.testing.assert_close(forecast, known, rtol=1e-7, atol=1e-7)
        assert int(state["step"]) - steps == len(own)
        steps = int(state["step"])
        taken += own
    assert taken.count("full") == len(rows) - FIRST > 40
    assert taken.count("partial") >= 5


def test_at_first_and_at_rate_zero_it_is_the_frozen_backbone_bit_for_bit():
    rows = stream()
    still = made(layered(), learning_rate=0.0)
    assert torch.equal(forecasts(still, rows), forecasts(Frozen(layered()), rows))
    first, _ = next(walk(made(layered(), learning_rate=0.0, gate=0.3), rows))
    assert torch.equal(first, forecasts(Frozen(layered()), rows)[0])


def test_the_backbone_stays_and_both_maps_learn():
    memory = made(layered(), learning_rate=1e-2)
    *_, (_, state) = walk(memory, stream())
    assert torch.equal(flatten(memory.backbone), flatten(layered()))
    before, after = torch.split(state["weights"], [memory.before.size, memory.after.size])
    assert not torch.equal(before, memory.before.start(memory.gate))
    assert not torch.equal(after, memory.after.start(memory.gate))


def test_a_calibration_is_scaled_by_its_gate_and_turns_the_matrix_around():
    """W = [[0, 1], [0, 0]] moves the first row to the second: (2, 3) + tanh(1) (0, 2)."""
    calibration = GatedCalibration(2, 1)
    weights = torch.tensor([0.0, 1, 0, 0, 0, 0, 1])
    out = calibration.apply(weights, torch.tensor([[2.0], [3.0]]))
    expected = torch.tensor([[2.0], [3 + 2 * torch.tensor(1.0).tanh()]])
    torch.testing.assert_close(out, expected)


@pytest.mark.parametrize("shared", [False, True])
def test_its_weights_are_a_square_a_bias_and_a_gate_for_both_maps(shared):
    memory = made(layered(), shared=shared)
    each = LOOKBACK**2 + HORIZON**2 + LOOKBACK + HORIZON + 2
    assert memory.init_state()["weights"].numel() == each * (1 if shared else CHANNELS)


@pytest.mark.parametrize(
    ("rows", "periods", "expected"),
    [
        (96, (24.0,), 24),
        (96, (96.0, 12.0), 12),
        (96, (12.0, 96.0), 96),
        (96, (2.0,), 2),
        (100, (30.0,), 33),
        (336, (24.0,), 24),
    ],
)
def test_the_period_is_that_of_the_strongest_frequency_of_the_strongest_channel(
    rows, periods, expected
):
    """The last channel of `wave` is the strongest. 100 rows hold 3.3 waves of 30 rows: frequency
    3 of the transform is the nearest, and floor(100 / 3) = 33.
    """
    window = wave(rows, *periods)
    assert int(dominant_period(window)) == expected == reference.period(window.double())


@pytest.mark.parametrize("level", [0.0, 1.0, 0.1])
def test_a_window_in_which_nothing_moves_has_a_period_of_24(level):
    """0.1 is not a float: what the mean leaves of it is at frequency 0."""
    assert int(dominant_period(torch.full((50, 3), level))) == 24


def test_partial_steps_come_one_period_after_the_other():
    """A wave of 8 rows in windows of 8: the first origin sets p = 8, then every eighth origin
    takes a second step.
    """
    memory = made(dlinear(), learning_rate=1e-3)
    rows = wave(FIRST + 30, 8.0, 8.0)
    counts = [int(state["step"]) for _, state in walk(memory, rows)]
    extra = [b - a - 1 for a, b in zip([0, *counts], counts, strict=False)]
    assert [i for i, more in enumerate(extra) if more] == [8, 16, 24]
    assert set(extra) == {0, 1}


def test_the_period_is_renewed_at_partial_steps_only():
    """4 rows at first, 8 rows from row 30 on: what a partial step sets holds until the next."""
    memory = made(dlinear(), learning_rate=1e-3)
    rows = torch.cat([wave(30, 4.0, 4.0), wave(30, 8.0, 8.0)])
    seen = [(int(s["period"]), int(s["since"])) for _, s in walk(memory, rows)]
    assert seen[0] == (4, 0)
    previous = seen[0]
    for own in seen[1:]:
        due = previous[1] + 1 >= previous[0]
        assert own[1] == (0 if due else previous[1] + 1)
        assert due or own[0] == previous[0]
        previous = own
    assert {p for p, _ in seen} >= {4, 8}


def test_a_partial_step_sees_the_leads_that_are_revealed_and_no_other():
    """With p = 2 of H = 3 the window that ends 2 rows ago is judged on 2 leads; its third lead is
    row t+1, which a pair of origin t-H does not hold.
    """
    memory = made(dlinear())
    rows = torch.randn(LOOKBACK + HORIZON, CHANNELS, generator=generator())
    weights = 0.1 * torch.randn(memory.init_state()["weights"].shape, generator=generator(1))
    loss = memory._partial_loss(rows, torch.tensor(2))(weights)
    window, truth = rows[HORIZON - 2 : HORIZON - 2 + LOOKBACK], rows[-2:]
    state = {**memory.init_state(), "weights": weights}
    forecast, _ = memory.predict(state, window)
    torch.testing.assert_close(loss, (forecast[:2] - truth).square().mean())


def test_lanes_of_other_seeds_rates_and_gates_equal_single_runs():
    settings = [(1, 1e-3, 0.01), (2, 1e-3, 0.3), (3, 1e-2, 0.01)]
    memories = [made(layered(s), learning_rate=rate, gate=g) for s, rate, g in settings]
    streams = [stream(seed) for seed, _, _ in settings]
    lanes = Lanes(memories)
    state = lanes.init_state()
    for t in range(FIRST, FIRST + 20):
        cut = [pieces(rows, t, *SIZE) for rows in streams]
        row, window, target, newest = (torch.stack(part) for part in zip(*cut, strict=True))
        state = lanes.observe(state, row, (window, target))
        together, state = lanes.predict(state, newest, horizon=HORIZON)
    for lane, (memory, rows) in enumerate(zip(memories, streams, strict=True)):
        alone = forecasts(memory, rows[: FIRST + 20])[-1]
        torch.testing.assert_close(together[lane], alone, rtol=1e-5, atol=1e-5)
