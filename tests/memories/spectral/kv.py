"""What the tests of the spectral key-value memories share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tests.memories.case import build, generator

PCR, JOINT, STRICT = "spectral-kv", "spectral-kv-joint", "spectral-kv-strict"
ALL = (PCR, JOINT, STRICT)


def written(name: str, keys: Tensor, values: Tensor, **params: Any) -> tuple[Any, Any]:
    """The memory for keys and values of these widths, and its state after them."""
    sizes = {"key_dim": keys.shape[1], "value_dim": values.shape[1]}
    memory = build(name, **sizes, **params).to(keys.dtype)
    return memory, memory.write(memory.init_state(), keys, values)


def recall(name: str, keys: Tensor, values: Tensor, queries: Tensor, **params: Any) -> Tensor:
    """What one call recalls of what one call wrote."""
    memory, state = written(name, keys, values, **params)
    recalled: Tensor = memory.read(state, queries)
    return recalled


def directions(seed: int, n: int, dim: int) -> Tensor:
    """n random unit vectors of R^dim, in float64."""
    drawn = torch.randn(n, dim, generator=generator(seed), dtype=torch.float64)
    return drawn / drawn.norm(dim=-1, keepdim=True)


def relative_error(recalled: Tensor, values: Tensor) -> float:
    """|V^ - V|^2 / |V|^2."""
    return float((recalled - values).square().sum() / values.square().sum())
