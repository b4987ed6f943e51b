"""A mixture of the four episodic memories, of which a router weighs each by query."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, InvalidParameter, State
from memories.episodic.episodic_linear import EpisodicLinear, in_cued_blocks
from memories.episodic.episodic_matrix import EpisodicMatrix
from memories.episodic.hier_linear import HierLinear
from memories.episodic.hier_matrix import HierMatrix
from memories.features import unit
from memories.sizing import largest

EXPERTS = ("linear", "matrix", "hier-linear", "hier-matrix")
"""What the entries of each expert's state begin with, in the order of the router's outputs."""
EVIDENCE = 3
"""Figures of every expert that the router sees beside the query."""
CUES = 3
HIDDEN = 64
BALANCE = 0.01
"""Weight of the loss that keeps the router from always asking the same expert."""
PROBABILITY_FLOOR = 1e-12


@memory("episodic-moe", family="episodic", source="Jacobs et al. 1991; Fedus et al. 2022")
class EpisodicMoe(AssociativeMemory):
    """Recalls the mean of what four episodic memories recall, weighted for each query by a router.

    The experts are `episodic-linear`, `episodic-matrix` rowwise, `hier-linear` and `hier-matrix`;
    every event is written to all of them, each has a quarter of the slots. The router is
    softmax(W_2 relu(W_1 phi + b_1) + b_2) of phi = [unit(q); of each expert the largest weight,
    the entropy of its weights over log M and its best cosine; the share of slots in use, whether
    there is a context, whether there is a time], with 64 hidden units. W_2 and b_2 start at zero:
    untrained, all experts count alike.

    State: of each expert its entries behind its name and a slash, without their count; ``count``.
    Slow weights: those of the experts and the router.

    Args:
        key_dim: D.
        value_dim: V.
        context_dim: C; 0 keeps no contexts.
        capacity: Slots of all experts together; what four does not divide goes to the first ones.
        mode: ``top-k`` recalls through the `top_k` best experts of a query alone, of equal ones
            the first, with the gradient of all.
        top_k: Experts that count with mode ``top-k``.
        generator: Source of the router's first layer.

    Raises:
        InvalidParameter: If there is not a slot for each expert.
    """

    uses_context = True
    uses_time = True

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        context_dim: int,
        capacity: Annotated[int, Ge(1)] = 100,
        mode: Literal["dense", "top-k"] = "dense",
        top_k: Annotated[int, Ge(1), Le(2)] = 1,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if capacity < len(EXPERTS):
            raise InvalidParameter(
                "capacity",
                f"must be >= {len(EXPERTS)}, a slot for each expert, got {capacity}",
                help="raise it, or use one of the experts alone",
            )
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.capacity = capacity
        self.top_k = top_k if mode == "top-k" else len(EXPERTS)
        self.experts = _experts(key_dim, value_dim, context_dim, capacity)
        width = key_dim + EVIDENCE * len(EXPERTS) + CUES
        drawn = torch.randn(width, HIDDEN, generator=generator) / math.sqrt(width)
        self.hidden_in = nn.Parameter(drawn)
        self.hidden_bias = nn.Parameter(torch.zeros(HIDDEN))
        self.out = nn.Parameter(torch.zeros(HIDDEN, len(EXPERTS)))
        self.out_bias = nn.Parameter(torch.zeros(len(EXPERTS)))

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        given = {"context_dim": 0, "generator": torch.Generator(), **params}
        sized = largest(
            lambda capacity: cls(key_dim, value_dim, **{**given, "capacity": capacity}),
            budget,
            at_least=len(EXPERTS),
        )
        return {"capacity": sized}

    @override
    def init_state(self) -> State:
        count = self.out_bias.new_zeros((), dtype=torch.int64)
        return self._joined([expert.init_state() for expert in self._members()], count)

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        written = [
            expert.write(part, keys, values, times, contexts)
            for expert, part in zip(self._members(), self._parts(state), strict=True)
        ]
        return self._joined(written, state["count"] + keys.shape[0])

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        def recall(q: Tensor, t: Tensor | None, c: Tensor | None) -> Tensor:
            return self.read_info(state, q, t, c)["values"]

        return in_cued_blocks(recall, queries, times, contexts)

    def read_info(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Values [Q, V] and through which experts they came.

        ``expert_values`` [Q, E, V]; ``routing`` [Q, E], the router's probabilities, and
        ``expert_weights`` [Q, E], those that were used; ``active_experts`` [Q], how many were.
        """
        expert_values, routing = self._ask(state, queries, times, contexts)
        weights = self._used(routing)
        return {
            "values": (weights[..., None] * expert_values).sum(1),
            "expert_values": expert_values,
            "routing": routing,
            "expert_weights": weights,
            "active_experts": (weights > 0).sum(-1),
        }

    @override
    def auxiliary_loss(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        """0.01 E sum_e f_e mean(pi_e), f_e the share of queries whose best expert is e.

        The load-balancing loss of Fedus et al. (2022): 0.01 where all experts are asked alike.
        """
        routing = self._ask(state, queries, times, contexts)[1]
        n_experts = len(EXPERTS)
        best = routing.argmax(-1, keepdim=True)
        asked = (best == torch.arange(n_experts, device=best.device)).to(routing.dtype)
        n_queries = max(1, queries.shape[0])
        shares, means = asked.sum(0) / n_queries, routing.sum(0) / n_queries
        return BALANCE * n_experts * (shares * means).sum()

    def _ask(
        self, state: State, queries: Tensor, times: Tensor | None, contexts: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Values [Q, E, V] of the experts and the router's probabilities [Q, E]."""
        parts = zip(self._members(), self._parts(state), strict=True)
        infos = [expert.read_info(part, queries, times, contexts) for expert, part in parts]
        in_use = (state["count"].to(self.out.dtype) / self.capacity).clamp(max=1)
        given = [in_use.new_tensor(float(cue is not None)) for cue in (contexts, times)]
        cues = torch.stack([in_use, *given])
        features = [unit(queries), *map(_evidence, infos), cues.expand(queries.shape[0], -1)]
        hidden = (torch.cat(features, dim=-1) @ self.hidden_in + self.hidden_bias).relu()
        routing = (hidden @ self.out + self.out_bias).softmax(-1)
        return torch.stack([info["values"] for info in infos], dim=1), routing

    def _used(self, routing: Tensor) -> Tensor:
        """Weights [Q, E] with which the experts count, of probabilities [Q, E]."""
        if self.top_k == len(EXPERTS):
            return routing
        order = routing.detach().sort(dim=-1, descending=True, stable=True).indices
        ranks = order.argsort(dim=-1)
        kept = torch.where(ranks < self.top_k, routing.detach(), 0.0)
        hard = kept / kept.sum(-1, keepdim=True)
        # exactly the hard choice in value, the router's probabilities in gradient
        return hard + (routing - routing.detach())

    def _members(self) -> list[EpisodicLinear]:
        return [expert for expert in self.experts if isinstance(expert, EpisodicLinear)]

    def _parts(self, state: State) -> list[State]:
        """The experts' states."""
        return [
            {
                "count": state["count"],
                **{
                    name.removeprefix(f"{expert}/"): entry
                    for name, entry in state.items()
                    if name.startswith(f"{expert}/")
                },
            }
            for expert in EXPERTS
        ]

    def _joined(self, parts: list[State], count: Tensor) -> State:
        """One state of the experts' states."""
        entries = {
            f"{expert}/{name}": entry
            for expert, part in zip(EXPERTS, parts, strict=True)
            for name, entry in part.items()
            if name != "count"
        }
        return {**entries, "count": count}


def _experts(key_dim: int, value_dim: int, context_dim: int, capacity: int) -> nn.ModuleList:
    """The four memories, with `capacity` slots together."""
    first, second, third, fourth = ((capacity + spare) // len(EXPERTS) for spare in (3, 2, 1, 0))
    return nn.ModuleList(
        [
            EpisodicLinear(key_dim, value_dim, context_dim=context_dim, capacity=first),
            EpisodicMatrix(
                key_dim, value_dim, context_dim=context_dim, capacity=second, address="rowwise"
            ),
            HierLinear(key_dim, value_dim, context_dim=context_dim, capacity=third),
            HierMatrix(key_dim, value_dim, context_dim=context_dim, capacity=fourth),
        ]
    )


def _evidence(info: dict[str, Tensor]) -> Tensor:
    """Largest weight, entropy over log M and best cosine [Q, 3] of an expert's read."""
    weights, capacity = info["weights"], info["weights"].shape[-1]
    # the floor keeps the gradient of an unused slot's weight finite
    entropy = -(weights * weights.clamp(min=PROBABILITY_FLOOR).log()).sum(-1)
    sim = torch.where(info["valid"], info["sim"], -1.0)
    best = torch.where(info["valid"].any(), sim.amax(-1), 0.0)
    return torch.stack([weights.amax(-1), entropy / math.log(max(2, capacity)), best], dim=-1)
