"""Low-rank adapted layers as they are defined: an extra path beside the frozen weight."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

Factors = tuple[Tensor, Tensor]


class Adapted(nn.Module):
    """W x + b + s B (A x) for a linear layer or a convolution; W[i] + s B A[:, i] for a table."""

    def __init__(self, layer: nn.Module, factors: Factors, scale: float) -> None:
        super().__init__()
        self.layer, self.scale = layer, scale
        self.a, self.b = factors

    def forward(self, x: Tensor) -> Tensor:
        plain: Tensor = self.layer(x)
        if isinstance(self.layer, nn.Embedding):
            columns = [self.b @ self.a[:, int(i)] for i in x.reshape(-1)]
            return plain + self.scale * torch.stack(columns).reshape(plain.shape)
        if isinstance(self.layer, nn.Conv1d):
            steps = [self.b @ (self.a @ x[..., t, None]) for t in range(x.shape[-1])]
            return plain + self.scale * torch.cat(steps, dim=-1)
        return plain + self.scale * (x @ self.a.T) @ self.b.T


def adapted(backbone: nn.Module, factors: Mapping[str, Factors], scale: float) -> nn.Module:
    """A copy of the backbone whose named layers have an extra path."""
    changed = copy.deepcopy(backbone)
    for name, pair in factors.items():
        path, _, own = name.rpartition(".")
        parent = changed.get_submodule(path)
        setattr(parent, own, Adapted(getattr(parent, own), pair, scale))
    return changed
