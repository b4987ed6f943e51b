"""Hierarchical primitive memory as a trained key-value memory: routed static and dynamic banks."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, State
from memories.hpm.aggregator import weighted_mean
from memories.hpm.bank_router import BankRouter, Routing
from memories.hpm.hpm_kv import HpmKv
from memories.hpm.load_balance import batch_balance
from memories.hpm.settings import STATIC, level_sizes
from memories.hpm.static_banks import StaticBanks
from memories.slots.blocks import in_blocks
from memories.slots.ring import capacity_within

BALANCE = 0.01
"""Weight of the loss that keeps the router from always asking the same banks."""


@memory("hpm-kv-trained", family="hpm", source="HPM v2 (peymanrah/SCI-ARC, 2025), for values")
class HpmKvTrained(AssociativeMemory):
    """Recalls W_o sum_b w_b o_b of four static banks and one of events, of which two are asked.

    The static banks hold primitives for keys and values of their own for answers; the bank of
    events answers as `hpm-kv`. The weights w are those of a sparse router of the query. There is
    no attention over banks, no gate and no residual, and W_o starts as the identity: untrained,
    the static banks add noise to what the events recall. Meant for meta-training, whose loss gets
    0.01 times the balance loss. A memory without events recalls zeros.

    State: that of `hpm-kv`.

    Args:
        key_dim: D.
        value_dim: V.
        max_events: Events the task will write; the capacity unless one is given.
        capacity: Slots M.
        retrieval_k: Keys read from the bank of events.
        temperature: Of their weights.
        top_k: Banks that a query is sent to.
        primitives_per_bank: Primitives of a static bank, over all levels.
        levels_per_bank: Levels of a static bank.
        generator: Source of router and primitives.

    Raises:
        InvalidParameter: If there are fewer primitives than levels.
    """

    slot_state = ("keys", "values")

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        max_events: int,
        capacity: Annotated[int, Ge(1)] | None = None,
        retrieval_k: Annotated[int, Ge(1)] = 5,
        temperature: Annotated[float, Gt(0)] = 0.05,
        top_k: Annotated[int, Ge(1)] = 2,
        primitives_per_bank: Annotated[int, Ge(1)] = 16,
        levels_per_bank: Annotated[int, Ge(1)] = 2,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.value_dim = value_dim
        self.events = HpmKv(
            key_dim,
            value_dim,
            max_events=max_events,
            capacity=capacity,
            retrieval_k=retrieval_k,
            temperature=temperature,
        )
        self.capacity = self.events.capacity
        self.static = StaticBanks(
            key_dim,
            len(STATIC),
            level_sizes(primitives_per_bank, levels_per_bank),
            value_width=value_dim,
            generator=generator,
        )
        banks = len(STATIC) + 1
        self.top_k = min(top_k, banks)
        self.router = BankRouter(key_dim, banks, self.top_k, single="prob", generator=generator)
        self.output = nn.Parameter(torch.eye(value_dim))

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        return capacity_within(budget, key_dim + value_dim)

    @override
    def init_state(self) -> State:
        return self.events.init_state()

    @override
    def valid(self, state: State) -> Tensor:
        return self.events.valid(state)

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        return self.events.write(state, keys, values)

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        return in_blocks(partial(self._recall, state), queries)

    def _recall(self, state: State, queries: Tensor) -> Tensor:
        answers = torch.cat(
            [self.static(queries)[0], self.events.read(state, queries)[:, None]], dim=1
        )
        recalled = weighted_mean(answers, self._routing(state, queries).weights) @ self.output.mT
        return torch.where(state["count"] > 0, recalled, 0.0)

    def _routing(self, state: State, queries: Tensor) -> Routing:
        """Where the queries go; not to the bank of events while it is empty."""
        filled = (state["count"] > 0)[None]
        available = torch.cat([filled.new_ones(len(STATIC)), filled])
        routing: Routing = self.router(queries, available)
        return routing

    @override
    def auxiliary_loss(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        """0.01 times the balance loss of the queries, see `load_balance.batch_balance`."""
        routing = self._routing(state, queries)
        return BALANCE * batch_balance(routing.probabilities, routing.selected, self.top_k)
