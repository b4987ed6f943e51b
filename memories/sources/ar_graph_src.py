"""A graph of nodes as first sketched, whose nodes hardly move and hardly differ."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, State
from memories.features import unit
from memories.slots.blocks import in_blocks
from memories.slots.ring import capacity_within
from memories.sources.cross_attention import CrossAttention
from memories.sources.layers import perceptron

INIT_SCALE = 0.1


@memory("ar-graph-src", family="sources", source="Erlebacher 2025, memory_experiments")
class ArGraphSrc(AssociativeMemory):
    """Recalls the same vector for every query from a graph of random nodes: as published.

    An event moves the node n_j of the largest cosine with its key by
    update_rate tanh(MLP([n_j; v])). A read attends by four heads to n' = E n W_g with edges
    E = sigmoid(n W_e n^T). What is known to be wrong: keys are not stored and nodes start random;
    a write moves a coordinate by at most the rate; the edges' logits are so small that all E are
    near 1/2, all n' coincide, and the read ignores the query; E is not normalised; and flipping
    the signs of the attention's output weights negates every read. The form that works is
    `ar-graph`.

    The attention projects from D to V, so that widths may differ; where its four heads do not
    divide V it is as wide as the next multiple.

    State: ``nodes`` [M, D], ``count``. Slow weights: W_e, W_g [D, D] from 0.1 N(0, 1); the
    attention and the MLP, D + V -> D -> D.

    Args:
        key_dim: D.
        value_dim: V.
        capacity: Nodes M.
        update_rate: Factor on a node's move.
        generator: Source of the initial nodes and the slow weights.
    """

    initial_nodes: Tensor
    update_rate: Tensor

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        capacity: Annotated[int, Ge(1)] = 50,
        update_rate: Annotated[float, Gt(0)] = 0.01,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.scalar("update_rate", update_rate)
        drawn = [
            INIT_SCALE * torch.randn(rows, key_dim, generator=generator)
            for rows in (capacity, key_dim, key_dim)
        ]
        self.register_buffer("initial_nodes", drawn[0])
        self.edge, self.convolution = (nn.Parameter(matrix) for matrix in drawn[1:])
        widths = [key_dim + value_dim, key_dim, key_dim]
        self.update = perceptron(widths, generator, nn.Tanh())
        self.attention = CrossAttention(key_dim, key_dim, key_dim, value_dim, generator)

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        return capacity_within(budget, key_dim)

    @override
    def init_state(self) -> State:
        return {
            "nodes": self.initial_nodes.clone(),
            "count": self.initial_nodes.new_zeros((), dtype=torch.int64),
        }

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        nodes = state["nodes"]
        number = torch.arange(nodes.shape[0], device=nodes.device)
        for key, value in zip(unit(keys), values, strict=True):
            best = (unit(nodes) @ key).argmax()
            moved = self.update(torch.cat([nodes[best], value]))
            chosen = (number == best)[:, None]
            nodes = torch.where(chosen, nodes + self.update_rate * moved, nodes)
        return {"nodes": nodes, "count": state["count"] + keys.shape[0]}

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        nodes = state["nodes"]
        edges = torch.sigmoid(nodes @ self.edge @ nodes.mT)
        recalled = in_blocks(partial(self._attend, edges @ nodes @ self.convolution), queries)
        return torch.where(state["count"] > 0, recalled, 0.0)

    def _attend(self, nodes: Tensor, queries: Tensor) -> Tensor:
        """What queries [Q, D] attend to among convolved nodes, [Q, V]."""
        every = torch.ones(1, nodes.shape[0], dtype=torch.bool, device=nodes.device)
        attended: Tensor = self.attention(queries[None], nodes[None], nodes[None], every)
        return attended[0]
