"""The LSTM and GRU writers: chance before training, learning by it, and their size."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from bench import registry
from memories.base import InvalidParameter, param_floats, state_floats
from tests.memories.case import build, events, unit_rows

by_name = pytest.mark.parametrize("name", ["lstm-writer", "gru-writer"])


@by_name
def test_untrained_it_guesses(name: str) -> None:
    """64 pairs, 64 candidates, 20 seeds: 1/64, and at most 5 standard deviations of a guess."""
    hits = 0.0
    for seed in range(20):
        memory = build(name, seed, key_dim=16, value_dim=16, hidden=32)
        keys, values = unit_rows(100 + seed, 64, 16), unit_rows(200 + seed, 64, 16)
        with torch.no_grad():
            recalled = memory.read(memory.write(memory.init_state(), keys, values), keys)
        hits += float(((recalled @ values.mT).argmax(-1) == torch.arange(64)).sum())
    assert hits / 1280 == pytest.approx(1 / 64, abs=0.018)


@pytest.mark.parametrize(("name", "layer"), [("lstm-writer", nn.LSTM), ("gru-writer", nn.GRU)])
def test_its_state_is_that_of_the_layer_of_torch(
    name: str, layer: type[nn.LSTM] | type[nn.GRU]
) -> None:
    memory = build(name, hidden=7).double()
    keys, values = events(1, 23, dtype=torch.float64)
    weights = {
        "weight_ih_l0": memory.from_event,
        "weight_hh_l0": memory.from_hidden,
        "bias_ih_l0": memory.event_bias,
        "bias_hh_l0": memory.hidden_bias,
    }
    # made without storage, so that no weight is drawn
    module = layer(11, 7, device="meta")
    with torch.no_grad():
        _, last = functional_call(module, weights, (torch.cat([keys, values], dim=-1),))
        state = memory.write(memory.init_state(), keys, values)
    expected = last if layer is nn.LSTM else (last,)
    for vector, torch_vector in zip(memory.vectors, expected, strict=True):
        torch.testing.assert_close(state[vector], torch_vector[0], rtol=0, atol=1e-12)


@by_name
def test_training_teaches_it_to_recall_one_of_two_pairs(name: str) -> None:
    """Two orthogonal keys and their two scalars: noise before, a tenth of the variance after."""
    memory = build(name, key_dim=2, value_dim=1, hidden=16)
    optimiser = torch.optim.Adam(memory.parameters(), lr=1e-2)
    keys = torch.eye(2)

    def loss(step: int) -> Tensor:
        values = events(step, 2 * 32, key_dim=1, value_dim=1)[1].reshape(32, 2, 1)

        def error(values: Tensor) -> Tensor:
            state = memory.write(memory.init_state(), keys, values)
            return ((memory.read(state, keys) - values) ** 2).mean()

        return torch.func.vmap(error)(values).mean()

    with torch.no_grad():
        assert float(loss(1000)) > 0.7
    for step in range(150):
        optimiser.zero_grad()
        loss(step).backward()
        optimiser.step()
    with torch.no_grad():
        assert float(loss(1000)) < 0.1


@by_name
def test_building_it_leaves_the_global_generator_alone(name: str) -> None:
    before = torch.get_rng_state()
    build(name, hidden=8)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "hidden", "cell_weights"),
    [("lstm-writer", 512, 4 * 512 * (128 + 512 + 2)), ("gru-writer", 1024, 3 * 1024 * (1152 + 2))],
)
def test_a_budget_is_its_state_and_a_large_one_is_refused(
    name: str, hidden: int, cell_weights: int
) -> None:
    """A million slow weights and more at 1,024 floats of state."""
    cls = registry.get("memory", name).cls
    sized: dict[str, Any] = cls.from_budget(1024, 64, 64)
    assert sized == {"hidden": hidden}
    memory = build(name, key_dim=64, value_dim=64, **sized)
    assert state_floats(memory.init_state()) == 1024
    assert param_floats(memory) > cell_weights > 1e6
    for budget in (0, 1025, 4096):
        with pytest.raises(InvalidParameter, match="slow weights") as refused:
            cls.from_budget(budget, 64, 64)
        assert refused.value.parameter == "budget"
