"""Gradients of memories without slow weights, as a layer around them needs them: lane by lane."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import grad, vmap

from tests.memories.case import build, events


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("gated-delta", {"chunk": 5}),
        ("ridge-assoc", {"ridge": 0.25}),
        ("ridge-assoc", {"ridge": 0.25, "form": "covariance", "phi": "rff", "features": 8}),
        ("spectral-kv", {"components": 3, "ridge": 0.25}),
        ("spectral-kv-joint", {"components": 4}),
        ("spectral-kv-strict", {"components": 4}),
        ("hopfield", {"mode": "hetero", "readout": "linear"}),
        ("sdm", {"locations": 30}),
        ("hrr", {"width": 32}),
        ("hrr", {"encoding": "fft", "value_dim": 6}),
        ("hrr", {"encoding": "fft", "value_dim": 6, "unitary": False}),
        ("ring-attention", {"capacity": 7, "steps": 2}),
    ],
)
def test_vmap_of_grad_equals_the_backward_pass_of_each_lane(
    name: str, params: dict[str, Any]
) -> None:
    """Through a write, a read and a scan, of keys and values; one key of each lane is zero."""
    memory = build(name, **params).double()
    width = params.get("value_dim", 5)
    drawn = [events(seed, 9, value_dim=width, dtype=torch.float64) for seed in range(3)]
    keys, values = (torch.stack(parts) for parts in zip(*drawn, strict=True))
    keys = torch.cat([keys[:, :8], torch.zeros_like(keys[:, 8:])], dim=1)

    def loss(keys: Tensor, values: Tensor) -> Tensor:
        state = memory.write(memory.init_state(), keys, values)
        scanned, _ = memory.scan(state, keys, values, keys)
        return (memory.read(state, keys + 0.1) - values).square().sum() + scanned.square().sum()

    stacked = vmap(grad(loss, argnums=(0, 1)))(keys, values)
    for lane in range(3):
        inputs = keys[lane].clone().requires_grad_(), values[lane].clone().requires_grad_()
        alone = torch.autograd.grad(loss(*inputs), inputs, materialize_grads=True)
        assert alone[1].abs().max() > 0
        for among, single in zip(stacked, alone, strict=True):
            assert single.isfinite().all()
            torch.testing.assert_close(among[lane], single, rtol=1e-9, atol=1e-9)
