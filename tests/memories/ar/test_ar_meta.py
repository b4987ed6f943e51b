"""The learned write rule."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from memories.base import state_floats
from tests.memories.case import build, events, orthonormal, unit_rows
from tests.memories.trained import lane_gradients, moved, reached
from tests.reference import delta


@torch.no_grad()
def recall(memory: object, keys: Tensor, values: Tensor, queries: Tensor) -> Tensor:
    return memory.read(memory.write(memory.init_state(), keys, values), queries)


def test_untrained_it_is_the_delta_rule_with_slight_decay() -> None:
    """One orthonormal key each: event i of n comes back as strength decay^(n - 1 - i) v_i.

    sigmoid(4) = 0.98201 and sigmoid(6) = 0.99753: nothing overlaps, so nothing is corrected.
    """
    keys, values = orthonormal(1, 20, 32), unit_rows(2, 20, 7)
    recalled = recall(build("ar-meta", key_dim=32, value_dim=7), keys, values, keys)
    scale = 0.9820138 * 0.9975274 ** torch.arange(19.0, -1, -1)
    torch.testing.assert_close(recalled, scale[:, None] * values, rtol=0, atol=1e-5)


@torch.no_grad()
def test_with_open_strength_and_no_decay_it_equals_the_delta_rule() -> None:
    """Logits of 40 are 1 to float64 precision; random keys, so that errors are corrected."""
    memory = build("ar-meta").double()
    memory.write_logit.fill_(40.0)
    memory.decay_logit.fill_(40.0)
    keys, values = events(3, 25, dtype=torch.float64)
    expected = delta.recall(keys, values, keys, phi=lambda x: x / x.norm())
    torch.testing.assert_close(recall(memory, keys, values, keys), expected, rtol=0, atol=1e-12)


def test_rewriting_a_key_replaces_its_value_up_to_the_strength() -> None:
    """v_2 is written over s v_1: s v_2 + (decay - s) s v_1, with (decay - s) = 0.0155."""
    key, values = unit_rows(1, 1, 16), unit_rows(2, 2, 16)
    recalled = recall(build("ar-meta", key_dim=16, value_dim=16), key.repeat(2, 1), values, key)
    s, decay = 0.9820138, 0.9975274
    expected = s * values[1:] + (decay - s) * s * values[:1]
    torch.testing.assert_close(recalled, expected, rtol=0, atol=1e-5)


def test_the_initial_weights_change_nothing_until_the_heads_are_trained() -> None:
    """Two seeds draw different networks behind heads of zero: the reads are bit-equal."""
    keys, values = events(4, 12)
    first, second = (recall(build("ar-meta", seed), keys, values, keys) for seed in (0, 1))
    assert torch.equal(first, second)
    apart = [moved(build("ar-meta", seed), 0, 0.1) for seed in (0, 1)]
    first, second = (recall(memory, keys, values, keys) for memory in apart)
    assert float((first - second).abs().max()) > 1e-3


@pytest.mark.parametrize("distance", [0.0, 0.1])
def test_gradients_reach_every_slow_weight_of_every_lane(distance: float) -> None:
    """Through ten writes. Behind zero heads the network has none yet: they get theirs first."""
    memories = [moved(build("ar-meta", seed), seed, distance) for seed in range(3)]
    keys, values = events(5, 10)

    def loss(memory: object) -> Tensor:
        state = memory.write(memory.init_state(), keys, values)
        return (memory.read(state, keys) - values).square().mean()

    behind = {"known_in", "error_in", "between"} if distance == 0.0 else set()
    for name, gradient in lane_gradients(memories, loss).items():
        assert gradient.isfinite().all()
        assert reached(gradient) is (name.split(".")[0] not in behind), name


def test_training_through_the_writes_teaches_what_the_delta_rule_cannot() -> None:
    """Keys that all share a direction of three times their own scale overlap, so that the delta
    rule overwrites; 30 steps of Adam must cut the error on unseen episodes by 30 %.
    """
    memory = build("ar-meta", key_dim=8, value_dim=8)
    generator = torch.Generator().manual_seed(1)
    shared = 3.0 * torch.eye(8)[0]

    def error() -> Tensor:
        keys, values = torch.randn(2, 4, 4, 8, generator=generator)
        states = [
            memory.write(memory.init_state(), k + shared, v)
            for k, v in zip(keys, values, strict=True)
        ]
        reads = [memory.read(state, k + shared) for state, k in zip(states, keys, strict=True)]
        return (torch.stack(reads) - values).square().mean()

    with torch.no_grad():
        before = sum(float(error()) for _ in range(10))
    optimiser = torch.optim.Adam(memory.parameters(), lr=0.01)
    for _ in range(30):
        optimiser.zero_grad()
        error().backward()
        optimiser.step()
    with torch.no_grad():
        assert sum(float(error()) for _ in range(10)) < 0.7 * before


def test_the_state_is_one_matrix() -> None:
    assert state_floats(build("ar-meta", key_dim=12, value_dim=7).init_state()) == 12 * 7
