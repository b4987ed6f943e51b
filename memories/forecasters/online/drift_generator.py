"""From how the newest window differs from what was last understood to scales of a backbone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memories.backbones.layers import linear
from memories.forecasters.online.modulation import Layer


class Concept(nn.Module):
    """A summary of some rows, the mean over channels of a small network.

        k(X) = mean_c W2 gelu(W1 X[:, c] + b1) + b2        (Zhao & Shen 2025)

    Args:
        rows: Rows summarised.
        width: Width of the summary and of the hidden layer.
        generator: Draws the weights as `torch.nn.Linear` does.
    """

    def __init__(self, rows: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.hidden = linear(rows, width, generator)
        self.summary = linear(width, width, generator)

    def forward(self, rows: Tensor) -> Tensor:
        """Summaries [.., width] of rows [.., R, C]."""
        hidden = F.gelu(self.hidden(rows.transpose(-1, -2)))
        # the second map is affine: the mean may as well be taken before it, for C times less work
        summary: Tensor = self.summary(hidden.mean(-2))
        return summary


def clipped(drift: Tensor) -> Tensor:
    """A drift [.., d] scaled down to norm 1 where it is longer."""
    return drift * drift.square().sum(-1, keepdim=True).clamp(min=1).rsqrt()


class DriftGenerator(nn.Module):
    """Generates an adaptation of every layer from one drift.

        h_l = sigmoid(U_q delta + u_l),   [a_l; c_l; g_l] = V_q h_l + v_l        (Zhao & Shen 2025)

    Layers of one local name and size are a group q and share U_q and V_q; u_l and v_l are each
    layer's own. V and v start at zero, so that nothing is changed before training.

    Args:
        layers: The layers in the order of a `Modulation`: shape by shape, of one shape the groups
            of equal size together, group by group.
        width: Width of the drift.
        bottleneck: Width of h.
        generator: Draws U and u, uniform in +-1/sqrt(width).
    """

    layer_group: Tensor

    def __init__(
        self, layers: Sequence[Layer], width: int, bottleneck: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        sharing = [layer.sharing for layer in layers]
        groups = list(dict.fromkeys(sharing))
        bound = 1 / math.sqrt(width)

        def drawn(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(shape).uniform_(-bound, bound, generator=generator))

        self.reduce = drawn(len(groups), bottleneck, width)
        self.shift = drawn(len(layers), bottleneck)
        runs = [
            list(same)
            for _, same in groupby(layers, key=lambda a: (a.shape, sharing.count(a.sharing)))
        ]
        self.runs = [(len(run), sharing.count(run[0].sharing)) for run in runs]
        self.expand = nn.ParameterList(
            nn.Parameter(torch.zeros(n // members, run[0].size, bottleneck))
            for run, (n, members) in zip(runs, self.runs, strict=True)
        )
        self.offsets = nn.Parameter(torch.zeros(sum(layer.size for layer in layers)))
        index = torch.tensor([groups.index(q) for q in sharing])
        self.register_buffer("layer_group", index, persistent=False)

    def forward(self, drift: Tensor) -> Tensor:
        """What the drift [.., d] adds to the offsets v: V_q h_l of all layers [.., A]."""
        reduced = torch.einsum("qrd,...d->...qr", self.reduce, drift)
        hidden = torch.sigmoid(reduced.index_select(-2, self.layer_group) + self.shift)
        parts = []
        for rows, h in zip(
            self.expand, torch.split(hidden, [n for n, _ in self.runs], dim=-2), strict=True
        ):
            members = h.view(*h.shape[:-2], len(rows), -1, h.shape[-1])
            parts.append(torch.einsum("qsr,...qmr->...qms", rows, members).flatten(-3))
        return torch.cat(parts, dim=-1)
