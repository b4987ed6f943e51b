"""A dense mixture of experts: the baseline of routers that send a code to few banks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from bench.registry import memory
from memories.base import State
from memories.dense import Dense
from memories.routers.trained_router import Readout, TrainedRouter


class Mixture(nn.Module):
    """Label scores from the gated sum of two-layer experts.

    Args:
        width: d.
        experts: E.
        hidden: Width of an expert's hidden layer.
        labels: Scores.
        residual: Whether the head sees the code besides.
        generator: Source of all weights, uniform as in `torch.nn.Linear`.
    """

    def __init__(
        self,
        width: int,
        experts: int,
        hidden: int,
        labels: int,
        *,
        residual: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.residual = residual

        def drawn(fan_in: int, *shape: int) -> nn.Parameter:
            uniform = 2 * torch.rand(experts, *shape, generator=generator) - 1
            return nn.Parameter(uniform / math.sqrt(fan_in))

        self.inner, self.inner_bias = drawn(width, width, hidden), drawn(width, 1, hidden)
        self.outer, self.outer_bias = drawn(hidden, hidden, width), drawn(hidden, 1, width)
        self.gate = Dense(width, experts, generator)
        self.head = Dense(width, labels, generator)

    def forward(
        self,
        state: State,  # noqa: ARG002
        codes: Tensor,
        exclude_ids: Tensor | None = None,  # noqa: ARG002
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Scores [Q, labels] of codes [Q, d], and the gate's logits ``l/T`` [Q, E], T = 1."""
        logits = self.gate(codes)
        answers = F.gelu(codes @ self.inner + self.inner_bias) @ self.outer + self.outer_bias
        mixed = (logits.softmax(-1).mT[..., None] * answers).sum(0)
        return self.head(codes + mixed if self.residual else mixed), {"l/T": logits}


@memory("dense-moe", family="routers", source="Jacobs et al. 1991")
class DenseMoe(TrainedRouter):
    """Scores labels by a softmax-gated sum of four small networks, all of which see every code.

    y = sum_e softmax(G c)_e E_e(c) with experts E_e(c) = V_e gelu(U_e c + a_e) + b_e and codes
    c = sqrt(d) z; the head is linear on y, or on c + y. Every expert serves every code, so there
    is no load to balance. It stores no event.

    State: ``count`` of events; ``weights`` if `continual`.

    Args:
        key_dim: d.
        label_groups: Group of each label.
        continual: Whether `fit_stage` trains it.
        experts: E.
        hidden: Width of an expert's hidden layer.
        readout: What the head sees: the experts' sum, or the code plus it.
        route_supervision: Weight of the cross-entropy between gate and group, one expert each.
        generator: Source of the weights.

    Raises:
        InvalidParameter: If routing is supervised and experts and groups do not pair off.
    """

    def __init__(
        self,
        key_dim: int,
        label_groups: tuple[int, ...],
        *,
        continual: bool = False,
        experts: Annotated[int, Ge(1)] = 4,
        hidden: Annotated[int, Ge(1)] = 64,
        readout: Readout = "memory-only",
        route_supervision: Annotated[float, Ge(0)] = 0.0,
        generator: torch.Generator,
    ) -> None:
        super().__init__(
            key_dim, label_groups, continual=continual, route_supervision=route_supervision
        )
        self.banks = tuple(f"expert-{number}" for number in range(1, experts + 1))
        self.specialists = self.top_k = experts
        self.require_specialists(label_groups)
        self.network = Mixture(
            key_dim,
            experts,
            hidden,
            len(label_groups),
            residual=readout == "residual",
            generator=generator,
        )

    @override
    def empty(self) -> State:
        return {"count": torch.zeros_like(self.groups[0])}

    @override
    def probabilities(self, aux: Mapping[str, Tensor]) -> Tensor:
        return aux["l/T"].softmax(-1)

    @override
    def learn(self, state: State, z: Tensor, labels: Tensor, ids: Tensor) -> State:
        return {**state, "count": state["count"] + z.shape[0]}
