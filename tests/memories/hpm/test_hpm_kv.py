"""HPM as a key-value memory: the nearest-neighbour memory it is, and its trained form."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from bench.running.metatraining import Budget, train
from memories.hpm.load_balance import batch_balance
from tasks.association.curriculum import AssociativeCurriculum
from tests.memories.case import KEY_DIM, VALUE_DIM, build, events, orthonormal
from tests.memories.hpm.built import codes
from tests.memories.trained import Trained, lane_gradients, reached


def test_it_recalls_as_the_nearest_neighbour_memory_with_five_neighbours() -> None:
    ours = build("hpm-kv", max_events=30)
    known = build("exact-knn", max_events=30, k=5, temperature=0.05)
    keys, values = events(1, 40)
    queries = events(2, 25)[0]
    reads = [m.read(m.write(m.init_state(), keys, values), queries) for m in (ours, known)]
    torch.testing.assert_close(*reads, rtol=0, atol=1e-5)


def test_orthonormal_keys_are_recalled_nearly_exactly() -> None:
    """Cosines 1 and 0 at temperature 1/20: the four others weigh e^-20 each."""
    memory = build("hpm-kv", key_dim=16)
    keys, values = orthonormal(1, 12, 16), codes(2, 12, 5)
    state = memory.write(memory.init_state(), keys, values)
    torch.testing.assert_close(memory.read(state, 3 * keys), values, rtol=0, atol=1e-5)


def test_the_published_weights_are_nearly_a_mean_of_five() -> None:
    """Unit keys of 64 dimensions: logits within 1/8, weights within a quarter of one fifth."""
    memory = build("hpm-kv", key_dim=64, value_dim=12, dyn_scale="sqrt-d")
    keys = orthonormal(1, 12, 64)
    state = memory.write(memory.init_state(), keys, torch.eye(12))
    weights = memory.read(state, keys)
    assert torch.equal((weights > 0).sum(-1), torch.full((12,), 5))
    own = weights.diagonal()
    # e^(1/8) against four times e^0
    expected = torch.tensor(0.125).exp() / (torch.tensor(0.125).exp() + 4)
    torch.testing.assert_close(own, expected.expand(12), rtol=0, atol=1e-5)


@pytest.mark.parametrize("inclusive", [True, False])
def test_a_scan_past_capacity_equals_the_loop(inclusive: bool) -> None:
    memory = build("hpm-kv", capacity=9).double()
    keys, values = events(1, 100, dtype=torch.float64)
    queries = events(2, 100, dtype=torch.float64)[0]
    start = memory.write(memory.init_state(), *events(3, 5, dtype=torch.float64))
    reads, after = memory.scan(start, keys, values, queries, inclusive=inclusive)
    expected, state = super(type(memory), memory).scan(
        start, keys, values, queries, inclusive=inclusive
    )
    torch.testing.assert_close(reads, expected, rtol=0, atol=1e-12)
    assert all(torch.equal(after[name], entry) for name, entry in state.items())


def test_untrained_static_banks_add_noise_only() -> None:
    """Primitives of 0.02: with all banks asked the rest is a share of what the events recall."""
    memory = build("hpm-kv-trained", key_dim=16, top_k=5, primitives_per_bank=64)
    keys, values = codes(1, 20), codes(2, 20, 5)
    state = memory.write(memory.init_state(), keys, values)
    with torch.no_grad():
        reads, pure = memory.read(state, keys), memory.events.read(state, keys)
        shares = memory.router(keys).weights[:, -1:]
    torch.testing.assert_close(reads, shares * pure, rtol=0, atol=0.05)


def test_meta_training_reaches_every_weight_in_every_lane() -> None:
    case = Trained("hpm-kv-trained", {"top_k": 2})
    memories = [case.build(seed) for seed in range(3)]
    keys, values = events(1, 12)

    def loss(memory: object) -> Tensor:
        state = memory.write(memory.init_state(), keys, values)
        recalled = (memory.read(state, keys) - values).square().sum()
        return recalled + memory.auxiliary_loss(state, keys)

    gradients = lane_gradients(memories, loss)
    assert {name for name, gradient in gradients.items() if not reached(gradient)} == set()


def test_the_auxiliary_loss_is_a_hundredth_of_the_balance_loss() -> None:
    memory = build("hpm-kv-trained")
    keys, values = events(1, 12)
    state = memory.write(memory.init_state(), keys, values)
    routing = memory.router(keys)
    expected = 0.01 * batch_balance(routing.probabilities, routing.selected, 2)
    torch.testing.assert_close(memory.auxiliary_loss(state, keys), expected)
    assert float(expected.detach()) > 0.005


def test_meta_training_lowers_the_recall_loss() -> None:
    """Of episodes of other seeds, by some hundredths in 40 steps."""
    memories = [build("hpm-kv-trained", seed) for seed in range(2)]
    budget = Budget(steps=40, episodes=8, learning_rate=1e-2, validation_episodes=8)
    trained = train(memories, [0, 1], AssociativeCurriculum(KEY_DIM, VALUE_DIM), budget)
    for lane in trained:
        assert lane.frozen == -1
        assert lane.validation[lane.best] < lane.validation[0] - 0.02
