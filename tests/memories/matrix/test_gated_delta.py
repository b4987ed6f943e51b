"""The gated delta rule: what is kept, what is forgotten, and its two limits."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.memories import theory
from tests.memories.case import build, events, orthonormal, unit_rows
from tests.reference import gated_delta as loop


def recall(keys: Tensor, values: Tensor, queries: Tensor, **params: object) -> Tensor:
    memory = build("gated-delta", key_dim=keys.shape[1], value_dim=values.shape[1], **params)
    memory = memory.to(keys.dtype)
    return memory.read(memory.write(memory.init_state(), keys, values), queries)


@pytest.mark.parametrize("chunk", [1, 7, 64])
@pytest.mark.parametrize(("decay", "strength"), [(0.99, 1.0), (0.5, 0.75)])
def test_chunks_of_any_size_equal_the_loop(chunk: int, decay: float, strength: float) -> None:
    """150 events: several chunks and a torn one; 1e-10 is float64 rounding of 150 steps.

    A decay of 0.99 enters as the nearest float32, so the loop gets that number.
    """
    keys, values = events(1, 150, dtype=torch.float64)
    queries = events(2, 20, dtype=torch.float64)[0]
    exact = float(torch.tensor(decay))
    expected = loop.recall(keys, values, queries, decay=exact, write_strength=strength)
    recalled = recall(keys, values, queries, decay=decay, write_strength=strength, chunk=chunk)
    torch.testing.assert_close(recalled, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("decay", [1.0, 0.9, 0.1])
@pytest.mark.parametrize("n", [1, 5, 200])
def test_the_newest_event_is_recalled_exactly_whatever_the_decay(decay: float, n: int) -> None:
    """The error is taken against the decayed matrix: k W = decay k W_old + (v - decay k W_old)."""
    keys, values = events(3, n, key_dim=8)
    recalled = recall(keys, values, keys[-1:], decay=decay)
    torch.testing.assert_close(recalled, values[-1:], rtol=0, atol=2e-5)


@pytest.mark.parametrize("strength", [1.0, 0.3])
def test_without_decay_it_is_the_delta_rule(strength: float) -> None:
    keys, values = events(4, 150, dtype=torch.float64)
    memory = build("delta", write_strength=strength).double()
    expected = memory.read(memory.write(memory.init_state(), keys, values), keys)
    recalled = recall(keys, values, keys, decay=1.0, write_strength=strength)
    torch.testing.assert_close(recalled, expected, rtol=0, atol=1e-12)


def test_orthonormal_keys_fade_by_the_decay_alone() -> None:
    """Nothing is corrected: the value written L events ago comes back times decay^L."""
    keys, values = orthonormal(1, 32, 32), unit_rows(2, 32, 20)
    lags = torch.arange(31, -1, -1)[:, None]
    recalled = recall(keys, values, keys, decay=0.9)
    torch.testing.assert_close(recalled, 0.9**lags * values, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("lag", "signal"), [(0, 0.700), (20, 0.459), (60, 0.198)])
def test_random_keys_are_forgotten_by_decay_and_by_overwriting(lag: int, signal: float) -> None:
    """strength (decay (1 - strength/D))^L for strength 0.7, decay 0.99, D = 64.

    Up to seven neighbouring lags of 60 draws: standard error below 0.02, tested at 0.03.
    """
    around = [at for at in range(lag - 3, lag + 4) if at >= 0]
    signals = []
    for draw in range(60):
        keys, values = unit_rows(draw, 200, 64), unit_rows(500 + draw, 200, 64)
        asked = [199 - at for at in around]
        recalled = recall(keys, values, keys[asked], decay=0.99, write_strength=0.7)
        signals.append(float((recalled * values[asked]).sum(-1).mean()))
    expected = [theory.gated_delta_signal(at, 64, 0.7, 0.99) for at in around]
    assert theory.gated_delta_signal(lag, 64, 0.7, 0.99) == pytest.approx(signal, abs=1e-3)
    assert sum(signals) / 60 == pytest.approx(sum(expected) / len(expected), abs=0.03)


def test_rewriting_a_key_replaces_its_value() -> None:
    keys, values = orthonormal(1, 32, 64), unit_rows(2, 64, 20)
    recalled = recall(torch.cat([keys, keys]), values, keys, decay=1.0)
    torch.testing.assert_close(recalled, values[32:], rtol=0, atol=1e-5)
