"""A graph of merged events: nodes hold keys and values, edges say what followed what."""

from __future__ import annotations

import math
from functools import partial
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, InvalidParameter, State
from memories.features import unit
from memories.slots.blocks import in_blocks
from memories.slots.masked_softmax import masked_softmax

BOOKKEEPING_WORDS = 4
"""Words of a node beside key, value and edges: two int64 numbers."""
SPREAD_LOGIT = -4.0
"""Where a learned spread starts: 0.018 of the weight moves along the edges."""


@memory("ar-graph", family="ar", source="Graves et al. 2016; Gershman 2017")
class ArGraph(AssociativeMemory):
    """Recalls the softmax-weighted mean of node values; also what came after a key.

    An event whose unit key has a cosine of at least `merge_above` with a node joins the nearest
    such node: key and value there become the mean of all it has merged. Otherwise it opens a
    node, where the memory is full in the place of the node updated longest ago, whose edges go
    with it. Then all edges are multiplied by `edge_decay` and one of weight 1 is added from the
    previous event's node to this one (a temporal link; Graves et al. 2016, a successor
    representation; Gershman 2017).

    A read weights nodes by a = softmax(beta cos(q, key)) and returns a values; with `learn_spread`
    a is first mixed with a A, rows of A summing to one. `successor` returns a A values.

    State: ``node_keys`` [P, D] means of unit keys, ``node_values`` [P, V], ``merged`` [P] events
    in each node, ``index`` [P] number of the event that last touched it, ``edges`` [P, P],
    ``last`` the node of the newest event or -1, ``count``.

    Args:
        key_dim: D.
        value_dim: V.
        capacity: Nodes P.
        beta: Inverse temperature of a read.
        merge_above: Cosine from which on events share a node; above 1 each has its own.
        merge_span: The newest event moves the mean of its node by at least 1 / `merge_span`;
            null takes the plain mean.
        edge_decay: What remains of every edge at each event.
        learn_spread: Whether reads spread along edges, by a slow weight that starts at 0.018.
    """

    slot_state = ("node_keys", "node_values")
    recalls_order = True
    beta: Tensor
    merge_above: Tensor
    edge_decay: Tensor

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        capacity: Annotated[int, Ge(1)] = 100,
        beta: Annotated[float, Gt(0)] = 16.0,
        merge_above: Annotated[float, Gt(0)] = 0.95,
        merge_span: Annotated[int, Ge(1)] | None = None,
        edge_decay: Annotated[float, Gt(0), Le(1)] = 0.99,
        learn_spread: bool = False,
    ) -> None:
        super().__init__()
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.capacity = capacity
        self.merge_span = merge_span
        self.scalar("beta", beta)
        self.scalar("merge_above", merge_above)
        self.scalar("edge_decay", edge_decay)
        self.spread_logit = nn.Parameter(torch.tensor(SPREAD_LOGIT)) if learn_spread else None

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        words = key_dim + value_dim + BOOKKEEPING_WORDS
        if budget < words + 1:
            raise InvalidParameter(
                "budget",
                f"must be >= {words + 1}, the size of one node, got {budget}",
                help="raise the budget, or choose a memory without slots",
            )
        # the larger root of P^2 + words P = budget, rounded down
        return {"capacity": (math.isqrt(words**2 + 4 * budget) - words) // 2}

    @override
    def init_state(self) -> State:
        like, nodes = self.beta, self.capacity
        return {
            "node_keys": like.new_zeros(nodes, self.key_dim),
            "node_values": like.new_zeros(nodes, self.value_dim),
            "merged": like.new_zeros(nodes, dtype=torch.int64),
            "index": like.new_zeros(nodes, dtype=torch.int64),
            "edges": like.new_zeros(nodes, nodes),
            "last": like.new_full((), -1, dtype=torch.int64),
            "count": like.new_zeros((), dtype=torch.int64),
        }

    @override
    def valid(self, state: State) -> Tensor:
        return state["merged"] > 0

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        visited, opened = [], []
        for t, (key, value) in enumerate(zip(unit(keys), values, strict=True)):
            node, is_new = self._node_for(state, key)
            state = self._merged(state, node, is_new, key, value, state["count"] + t)
            visited.append(node)
            opened.append(is_new)
        if not visited:
            return state
        nodes = torch.cat(visited)
        return {
            **state,
            "edges": self._linked(state, nodes, torch.cat(opened)),
            "last": nodes[-1],
            "count": state["count"] + keys.shape[0],
        }

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        values = self._in_use(state, "node_values")
        attend = partial(self._attend, state)
        return in_blocks(lambda block: attend(block)[1] @ values, queries)

    @override
    def successor(self, state: State, queries: Tensor) -> Tensor:
        """Values [Q, V] of what followed the nodes that match queries [Q, D].

        Where a node had several successors, their mean by edge weight; zero weight where nothing
        followed.
        """
        following = self._transitions(state) @ self._in_use(state, "node_values")
        return in_blocks(lambda block: self._match(state, block)[1] @ following, queries)

    def read_info(self, state: State, queries: Tensor) -> dict[str, Tensor]:
        """Values [Q, V] and what they came from.

        ``weights`` and cosines ``sim`` [Q, P]; ``valid`` [P]; ``age`` [P], events since each node
        was last updated.
        """
        sim, weights = self._attend(state, queries)
        return {
            "values": weights @ self._in_use(state, "node_values"),
            "weights": weights,
            "sim": sim,
            "valid": self.valid(state),
            "age": state["count"] - 1 - state["index"],
        }

    def _in_use(self, state: State, name: str) -> Tensor:
        """Nodes [P, ...] of one name; zero where there is none, whatever lies there."""
        return torch.where(self.valid(state)[:, None], state[name], 0.0)

    def _match(self, state: State, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and softmax weights [Q, P] of the nodes."""
        sim = unit(queries) @ unit(self._in_use(state, "node_keys")).mT
        return sim, masked_softmax(self.beta * sim, self.valid(state))

    def _attend(self, state: State, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines [Q, P] and the weights [Q, P] of a read, spread along the edges if learned."""
        sim, weights = self._match(state, queries)
        if self.spread_logit is None:
            return sim, weights
        spread = self.spread_logit.sigmoid()
        return sim, (1 - spread) * weights + spread * (weights @ self._transitions(state))

    def _transitions(self, state: State) -> Tensor:
        """Edges [P, P] with rows summing to one; zero rows where nothing followed."""
        total = state["edges"].sum(-1, keepdim=True)
        return state["edges"] / torch.where(total > 0, total, 1.0)

    def _node_for(self, state: State, key: Tensor) -> tuple[Tensor, Tensor]:
        """The node [1] that takes an event of unit key [D], and whether it is a new one, [1]."""
        valid = self.valid(state)
        known = unit(self._in_use(state, "node_keys").detach())
        cosines = torch.where(valid, known @ key.detach(), -torch.inf)
        best, nearest = cosines.max(0, keepdim=True)
        # free nodes come first, in order, then the one updated longest ago
        free = torch.arange(-self.capacity, 0, device=key.device)
        oldest = torch.where(valid, state["index"], free).argmin(0, keepdim=True)
        is_new = best < self.merge_above
        return torch.where(is_new, oldest, nearest), is_new

    def _merged(
        self,
        state: State,
        node: Tensor,
        is_new: Tensor,
        key: Tensor,
        value: Tensor,
        number: Tensor,
    ) -> State:
        """The state after an event joined or opened a node, but for edges and counters.

        Args:
            state: State before it.
            node: [1].
            is_new: Bool [1]; whether what the node held is forgotten.
            key: Unit key [D].
            value: [V].
            number: The event's, int64 scalar.
        """
        merged = torch.where(is_new, 1, state["merged"][node] + 1)
        among = merged if self.merge_span is None else merged.clamp(max=self.merge_span)

        def moved(name: str, x: Tensor) -> Tensor:
            old = state[name][node]
            mean = torch.where(is_new[:, None], x, old + (x - old) / among[:, None])
            return state[name].index_copy(0, node, mean)

        return {
            **state,
            "node_keys": moved("node_keys", key),
            "node_values": moved("node_values", value),
            "merged": state["merged"].index_copy(0, node, merged),
            "index": state["index"].index_copy(0, node, number[None]),
        }

    def _linked(self, state: State, nodes: Tensor, is_new: Tensor) -> Tensor:
        """Edges [P, P] after events that went to `nodes` [N], all at once.

        An edge lasts until one of its ends is opened anew: the target's own opening belongs to
        the event that adds the edge, the source's would come after it.

        Args:
            state: Its `edges` and `last` are those before the events.
            nodes: [N].
            is_new: Bool [N]; whether the event opened its node.
        """
        n = nodes.shape[0]
        order = torch.arange(n, device=nodes.device)
        here = nodes[:, None] == torch.arange(self.capacity, device=nodes.device)
        opened = torch.where(here & is_new[:, None], order[:, None], -1).amax(0)
        before = torch.cat([state["last"][None], nodes[:-1]])
        source = before.clamp(min=0)
        lasts = (before >= 0) & (opened[source] < order) & (opened[nodes] <= order)
        added = torch.where(lasts, self.edge_decay ** (n - 1 - order), 0.0)
        kept = (opened[:, None] < 0) & (opened < 0)
        edges = torch.where(kept, self.edge_decay**n * state["edges"], 0.0).flatten()
        edges = edges.scatter_add(0, source * self.capacity + nodes, added)
        return edges.reshape(self.capacity, self.capacity)
