"""Episodes in a ring of slots, recalled by content, context, time and recency together."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, InvalidParameter, State
from memories.features import unit
from memories.sizing import largest
from memories.slots.blocks import QUERY_BLOCK
from memories.slots.masked_softmax import masked_softmax
from memories.slots.nearest import nearest, rounding
from memories.slots.ring import ring_age, ring_valid, ring_write


@memory("episodic-linear", family="episodic", source="Ramsauer et al. 2020; Howard & Kahana 2002")
class EpisodicLinear(AssociativeMemory):
    """Recalls the softmax-weighted mean of the values of past events that match the cues.

    An event keeps its key, value, context, time and number. For a query with the cues that are
    given, of n events so far, slot j with event number e_j scores

        beta [cos(q, k_j) + w_c cos(c_q, c_j) + w_t exp(-|t_q - t_j| / tau)]
        + w_r exp(-lambda (n - e_j))

    and a softmax over the slots in use weights the values (Ramsauer et al. 2020). The context
    term needs a context on both sides, the time term a time in the query; a zero query leaves the
    cues alone to decide. Of an event without a time the time is its number.

    State: ``keys`` [M, D] as compared, ``values`` [M, V], ``times`` [M], ``index`` [M] the number
    of the event in each slot, ``count``; with contexts also ``contexts`` [M, C] at unit length and
    ``has_context`` [M]. Slow weights: log beta, w_c, w_t, log tau, w_r, log lambda, the projection
    if there is one.

    Args:
        key_dim: D.
        value_dim: V.
        context_dim: C; 0 keeps no contexts.
        capacity: Slots M; beyond them the oldest event is overwritten.
        beta: Inverse temperature. The default gives one of 100 random unit keys of 32 dimensions
            a weight of 0.9994 on itself.
        context_weight: w_c, weight of the context against the key.
        time_weight: w_t, weight of the time against the key.
        time_scale: tau, in units of time.
        recency_weight: w_r, about what the newest event's score gains over an old one's.
        recency_rate: lambda, per event written since.
        project_keys: Whether keys and queries pass a slow matrix [D, D] that starts at the
            identity.
        query_policy: ``top1`` returns the value of the best slot alone, of equally good ones the
            newest, with the gradient of the softmax.
        depth: Reads of a query: r_1 = read(q), r_(l+1) = read(unit(q + r_l)) with the same cues.
            Beyond 1 it cleans up noisy queries where values are keys, and needs V = D.

    Raises:
        InvalidParameter: If a depth above 1 is asked of keys and values of different widths.
    """

    slot_state = ("keys", "values", "contexts", "times")
    uses_context = True
    uses_time = True

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        context_dim: int,
        capacity: Annotated[int, Ge(1)] = 100,
        beta: Annotated[float, Gt(0)] = 16.0,
        context_weight: Annotated[float, Ge(0)] = 0.5,
        time_weight: Annotated[float, Ge(0)] = 0.5,
        time_scale: Annotated[float, Gt(0)] = 1.0,
        recency_weight: Annotated[float, Ge(0)] = 0.3,
        recency_rate: Annotated[float, Gt(0)] = 0.1,
        project_keys: bool = False,
        query_policy: Literal["soft", "top1"] = "soft",
        depth: Annotated[int, Ge(1), Le(3)] = 1,
    ) -> None:
        super().__init__()
        _check_depth(depth, key_dim, value_dim)
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.context_dim = context_dim
        self.capacity = capacity
        self.query_policy = query_policy
        self.depth = depth
        self.log_beta = nn.Parameter(torch.tensor(math.log(beta)))
        self.context_weight = nn.Parameter(torch.tensor(float(context_weight)))
        self.time_weight = nn.Parameter(torch.tensor(float(time_weight)))
        self.log_time_scale = nn.Parameter(torch.tensor(math.log(time_scale)))
        self.recency_weight = nn.Parameter(torch.tensor(float(recency_weight)))
        self.log_recency_rate = nn.Parameter(torch.tensor(math.log(recency_rate)))
        self.projection = nn.Parameter(torch.eye(key_dim)) if project_keys else None

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        """The `capacity` of the largest such memory of at most `budget` state floats.

        Contexts count with the `context_dim` among `params`, 0 if it is not given.

        Raises:
            InvalidParameter: If not even the smallest fits.
        """
        given = {"context_dim": 0, **params}
        sized = largest(
            lambda capacity: cls(key_dim, value_dim, **{**given, "capacity": capacity}), budget
        )
        return {"capacity": sized}

    @override
    def init_state(self) -> State:
        like, slots = self.log_beta, self.capacity
        state = {
            "keys": like.new_zeros(slots, self.key_dim),
            "values": like.new_zeros(slots, self.value_dim),
            "times": like.new_zeros(slots),
            "index": like.new_zeros(slots, dtype=torch.int64),
            "count": like.new_zeros((), dtype=torch.int64),
        }
        if self.context_dim:
            state["contexts"] = like.new_zeros(slots, self.context_dim)
            state["has_context"] = like.new_zeros(slots, dtype=torch.bool)
        return state

    @override
    def valid(self, state: State) -> Tensor:
        return ring_valid(state["count"], self.capacity)

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        rows = self.event_rows(state, keys, values, times, contexts)
        slots = ring_write({name: state[name] for name in rows}, rows, state["count"])
        return {**state, **slots, "count": state["count"] + keys.shape[0]}

    def event_rows(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None,
        contexts: Tensor | None,
    ) -> dict[str, Tensor]:
        """What N events leave in their slots: a row [N, ...] for every entry that has slots.

        Args:
            state: State before the events.
            keys: [N, D].
            values: [N, V].
            times: [N], or None for the events' numbers.
            contexts: [N, C], or None for events without a context.

        Raises:
            InvalidParameter: If contexts are not as wide as the memory was built for.
        """
        n_events = keys.shape[0]
        numbers = state["count"] + torch.arange(n_events, device=keys.device)
        rows = {
            "keys": self._address(keys),
            "values": values,
            "times": (numbers if times is None else times).to(self.log_beta.dtype),
            "index": numbers,
        }
        contexts = self._context_cue(contexts)
        if self.context_dim:
            blank = keys.new_zeros(n_events, self.context_dim)
            rows["contexts"] = blank if contexts is None else contexts
            given = torch.zeros_like(numbers, dtype=torch.bool)
            rows["has_context"] = given if contexts is None else ~given
        return rows

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        def recall(q: Tensor, t: Tensor | None, c: Tensor | None) -> Tensor:
            return self._attend(state, self._deepened(state, q, t, c), t, c)[0]

        return in_cued_blocks(recall, queries, times, contexts)

    def read_info(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Values [Q, V] and what they came from, in the last read of each query.

        ``weights`` and cosines ``sim`` [Q, M]; ``valid`` [M]; ``age`` [M] in events written since.
        """
        queries = self._deepened(state, queries, times, contexts)
        values, weights = self._attend(state, queries, times, contexts)
        return {
            "values": values,
            "weights": weights,
            "sim": self._similarity(state, queries),
            "valid": self.valid(state),
            "age": state["count"] - 1 - state["index"],
        }

    def _deepened(
        self, state: State, queries: Tensor, times: Tensor | None, contexts: Tensor | None
    ) -> Tensor:
        """The queries [Q, D] of the last read."""
        probes = queries
        for _ in range(self.depth - 1):
            probes = unit(queries + self._attend(state, probes, times, contexts)[0])
        return probes

    def _attend(
        self, state: State, queries: Tensor, times: Tensor | None, contexts: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Values [Q, V] and the weights [Q, M] they came from, all queries at once."""
        weights = self._weights(state, queries, times, contexts)
        return weights @ self._in_use(state, "values"), weights

    def _weights(
        self, state: State, queries: Tensor, times: Tensor | None, contexts: Tensor | None
    ) -> Tensor:
        """Weights [Q, M] of the slots, zero where no event is."""
        logits = self._logits(state, queries, times, contexts)
        return self._chosen(logits, self.valid(state), self._newest_first(state))

    def _logits(
        self, state: State, queries: Tensor, times: Tensor | None, contexts: Tensor | None
    ) -> Tensor:
        """Scores [Q, M] of the slots, finite also where no event is."""
        return self.log_beta.exp() * self._similarity(state, queries) + self._cues(
            state, times, contexts
        )

    def _similarity(self, state: State, queries: Tensor) -> Tensor:
        """Cosines [Q, M] of the queries and the stored keys."""
        return self._address(queries) @ self._in_use(state, "keys").mT

    def _cues(self, state: State, times: Tensor | None, contexts: Tensor | None) -> Tensor:
        """What context, time and recency add to the scores of the slots, [Q, M] or [1, M]."""
        age = state["count"] - state["index"]
        added = self.recency_weight * (-self.log_recency_rate.exp() * age).exp()[None]
        contexts = self._context_cue(contexts)
        if contexts is not None and self.context_dim:
            usable = self.valid(state) & state["has_context"]
            stored = torch.where(usable[:, None], state["contexts"], 0.0)
            added = added + self.log_beta.exp() * self.context_weight * (contexts @ stored.mT)
        if times is not None:
            distance = (times[:, None] - self._in_use(state, "times")).abs()
            nearby = (-distance / self.log_time_scale.exp()).exp()
            added = added + self.log_beta.exp() * self.time_weight * nearby
        return added

    def _address(self, keys: Tensor) -> Tensor:
        """Keys or queries [N, D] as they are compared with stored ones."""
        return self._projected(keys)

    def _projected(self, keys: Tensor) -> Tensor:
        """Keys or queries [N, D] at unit length, through the projection if there is one."""
        keys = unit(keys)
        return keys if self.projection is None else unit(keys @ self.projection)

    def _context_cue(self, contexts: Tensor | None) -> Tensor | None:
        """Contexts [N, C] at unit length."""
        if contexts is None:
            return None
        if contexts.shape[-1] != self.context_dim:
            raise InvalidParameter(
                "context_dim",
                f"is {self.context_dim}, but contexts of width {contexts.shape[-1]} were given",
                help="build the memory with the width of the contexts it will be given",
            )
        return unit(contexts)

    def _chosen(self, logits: Tensor, valid: Tensor, order: Tensor) -> Tensor:
        """Weights [..., M] of scores [..., M] as the query policy has it.

        Args:
            logits: [..., M].
            valid: Bool [M].
            order: Slots [M] from the newest to the oldest.
        """
        weights = masked_softmax(logits, valid)
        if self.query_policy == "soft":
            return weights
        scores = torch.where(valid, logits, -torch.inf).detach()[..., order]
        largest_score = torch.where(valid, logits, 0.0).detach().abs().amax(-1, keepdim=True)
        best = order[nearest(scores, 1, rounding(logits) * largest_score)]
        hard = (best == torch.arange(logits.shape[-1], device=logits.device)) & valid
        # exactly the hard choice in value, the softmax in gradient
        return hard + (weights - weights.detach())

    def _newest_first(self, state: State) -> Tensor:
        """Slots [M] from the newest event to the oldest, those without an event last."""
        return ring_age(state["count"], self.capacity)

    def _in_use(self, state: State, name: str) -> Tensor:
        """Slots [M, ...] of one name; zero where no event is, whatever lies there."""
        entry = state[name]
        valid = self.valid(state).reshape(-1, *[1] * (entry.dim() - 1))
        return torch.where(valid, entry, 0.0)


def _check_depth(depth: int, key_dim: int, value_dim: int) -> None:
    if depth > 1 and key_dim != value_dim:
        raise InvalidParameter(
            "depth",
            f"must be 1 where value_dim ({value_dim}) is not key_dim ({key_dim}), got {depth}",
            help="a recalled value cannot be added to a query of another width",
        )


def in_cued_blocks(
    recall: Callable[[Tensor, Tensor | None, Tensor | None], Tensor],
    queries: Tensor,
    times: Tensor | None,
    contexts: Tensor | None,
) -> Tensor:
    """What `recall` returns for queries with their cues, at most 1,024 of them at a time."""
    starts = range(0, max(1, queries.shape[0]), QUERY_BLOCK)

    def part(x: Tensor | None, start: int) -> Tensor | None:
        return None if x is None else x[start : start + QUERY_BLOCK]

    return torch.cat(
        [recall(queries[s : s + QUERY_BLOCK], part(times, s), part(contexts, s)) for s in starts]
    )
