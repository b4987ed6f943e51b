"""The slow weights of all networks train lane by lane in one call."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap

from memories.base import AssociativeMemory
from tests.memories.case import build, events


class Loss(torch.nn.Module):
    """Squared error of recall from slightly moved keys."""

    def __init__(self, memory: AssociativeMemory, keys: Tensor, values: Tensor) -> None:
        super().__init__()
        self.memory, self.keys, self.values = memory, keys, values

    def forward(self) -> Tensor:
        state = self.memory.write(self.memory.init_state(), self.keys, self.values)
        return ((self.memory.read(state, self.keys + 0.1) - self.values) ** 2).mean()


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("titans", {"init": "xavier", "learned_gates": True}),
        ("titans", {"init": "xavier", "learned_gates": True, "chunk": 5}),
        ("titans", {"model": "linear", "learned_gates": True}),
        ("ttt-linear", {"learned_gate": True, "chunk": 5}),
        ("ttt-linear", {"form": "layernorm", "learned_gate": True, "chunk": 5}),
        ("lstm-writer", {"hidden": 8}),
        ("gru-writer", {"hidden": 8}),
    ],
    ids=str,
)
def test_slow_weights_of_all_lanes_train_in_one_call(name: str, params: dict[str, Any]) -> None:
    """vmap(grad) through writes and reads equals each lane's own backward pass; none is zero."""
    memories = [build(name, seed, key_dim=6, value_dim=6, **params).double() for seed in range(3)]
    keys, values = events(11, 12, key_dim=6, value_dim=6, dtype=torch.float64)
    losses = [Loss(memory, keys, values) for memory in memories]
    stacked, buffers = stack_module_state(losses)

    def loss(weights: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
        return functional_call(losses[0], (weights, buffers), ())

    gradients = vmap(grad(loss))(stacked, buffers)
    for lane, module in enumerate(losses):
        module().backward()
        for weight, parameter in module.named_parameters():
            torch.testing.assert_close(
                gradients[weight][lane], parameter.grad, rtol=1e-9, atol=1e-11
            )
            assert float(parameter.grad.abs().max()) > 0
