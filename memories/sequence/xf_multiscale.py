"""A transformer beside memories of its hidden states, averaged over shorter and longer spans."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt, MinLen
from torch import Tensor, nn
from typing_extensions import override

from bench.registry import memory
from memories.base import InvalidParameter, State
from memories.dense import Dense
from memories.features import unit
from memories.sequence.windowed import WindowedMemory
from memories.slots.blocks import in_blocks
from memories.slots.ring import ring_age
from memories.slots.ring_attention import RingAttention


@memory("xf-multiscale", family="sequence", source="Vaswani et al. 2017 with memories beside it")
class XfMultiscale(WindowedMemory):
    """Recalls through a window transformer and slots of its hidden states' means over time scales.

    Token t has the hidden state h_t of a causal transformer over the last W tokens. For every
    scale s, each time s events are complete, the mean m of their hidden states is written as
    m W_k -> m W_v into a ring of slots of that scale. A query's value is
    (h + sigmoid(g) r W_o) H + b with r = sum_s pi_s read_s(h W_q), reads by softmax attention and
    pi a softmax over scales, linear in h and uniform until trained. W_q, W_k and W_v are each
    scale's own. Untrained it recalls at chance.

    State: ``window`` [W, d] the newest tokens, ``keys`` and ``values`` [S M, d] the slots of scale
    after scale, ``sums`` [S, d] of the hidden states since each scale's last write, ``count``.
    Slow weights: embedding, positions, transformer, W_q, W_k, W_v, W_o, pi, g and the head.

    Args:
        key_dim: D.
        value_dim: V.
        scales: Events per write, for each of S scales.
        capacity: Slots M of each scale; beyond them its oldest mean is overwritten.
        beta: Inverse temperature of reads from slots.
        window: Tokens W that attention sees.
        layers: Transformer blocks.
        heads: Attention heads of each.
        head_dim: Width of one; the model's is d = heads x head_dim.
        generator: Source of all initial weights.
    """

    slot_state = ("keys", "values")

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        scales: Annotated[tuple[Annotated[int, Ge(1)], ...], MinLen(1)] = (1, 10, 100),
        capacity: Annotated[int, Ge(1)] = 64,
        beta: Annotated[float, Gt(0)] = 16.0,
        window: Annotated[int, Ge(1)] = 16,
        layers: Annotated[int, Ge(1)] = 2,
        heads: Annotated[int, Ge(1)] = 4,
        head_dim: Annotated[int, Ge(1)] = 16,
        generator: torch.Generator,
    ) -> None:
        super().__init__(
            key_dim,
            value_dim,
            window=window,
            layers=layers,
            heads=heads,
            head_dim=head_dim,
            generator=generator,
        )
        self.scales, self.capacity = tuple(scales), capacity
        self.query_in, self.key_in, self.value_in = (
            nn.ModuleList(Dense(self.dim, self.dim, generator, bias=False) for _ in scales)
            for _ in range(3)
        )
        self.preference = Dense(self.dim, len(scales), generator=None)
        self.slots = RingAttention(self.dim, self.dim, capacity=capacity, beta=beta)

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        given = {"generator": torch.Generator(), **params, "capacity": 1}
        smallest = cls(key_dim, value_dim, **given)
        n_scales = len(smallest.scales)
        fixed = (smallest.window + n_scales) * smallest.dim
        per_slot = 2 * n_scales * smallest.dim
        if budget < fixed + per_slot:
            raise InvalidParameter(
                "budget",
                f"must be >= {fixed + per_slot}, a window and one slot a scale, got {budget}",
                help="raise the budget, or lower head_dim, window or the number of scales",
            )
        return {"capacity": (budget - fixed) // per_slot}

    @override
    def init_state(self) -> State:
        like, n_slots = self.recall_gate, len(self.scales) * self.capacity
        return {
            **self.empty_window(),
            "keys": like.new_zeros(n_slots, self.dim),
            "values": like.new_zeros(n_slots, self.dim),
            "sums": like.new_zeros(len(self.scales), self.dim),
        }

    @override
    def valid(self, state: State) -> Tensor:
        return torch.cat([self.slots.valid(self._scale(state, i)) for i in range(len(self.scales))])

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        stream = self.stream(state, keys, values)
        hidden = self.encoded(state, stream)
        after = self.after(state, stream)
        slots: dict[str, list[Tensor]] = {"keys": [], "values": []}
        sums = []
        for i, scale in enumerate(self.scales):
            spans = _span_sums(state["sums"][i], hidden, state["count"], scale)
            first, count = state["count"] // scale, after["count"] // scale
            sums.append(spans[(count - first)[None]])
            means, old = spans / scale, self._scale(state, i)
            rows = {"keys": unit(self.key_in[i](means)), "values": self.value_in[i](means)}
            for name, row in rows.items():
                slots[name].append(self._placed(old[name], row, first, count))
        return {
            **after,
            **{name: torch.cat(parts) for name, parts in slots.items()},
            "sums": torch.cat(sums),
        }

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        def recall(block: Tensor) -> Tensor:
            hidden = self.probed(state, block)
            shares = self.preference(hidden).softmax(-1)
            recalled = torch.zeros_like(hidden)
            for i, query_in in enumerate(self.query_in):
                read = self.slots.read(self._scale(state, i), query_in(hidden))
                recalled = recalled + shares[:, i : i + 1] * read
            return self.answer(hidden, recalled, state["count"])

        return in_blocks(recall, queries)

    def _scale(self, state: State, i: int) -> State:
        """The state of one scale's slots."""
        span = slice(i * self.capacity, (i + 1) * self.capacity)
        return {
            "keys": state["keys"][span],
            "values": state["values"][span],
            "count": state["count"] // self.scales[i],
        }

    def _placed(self, old: Tensor, rows: Tensor, first: Tensor, count: Tensor) -> Tensor:
        """Slots [M, d] of a scale after the last of its means took their places.

        Args:
            old: [M, d].
            rows: One per span, [G, d]; those from number `count` on are not complete.
            first: Number of the span of the first row, int64 scalar.
            count: Spans completed so far, int64 scalar.
        """
        newest = count - 1 - ring_age(count, self.capacity)
        row = (newest - first).clamp(0, rows.shape[0] - 1)
        return torch.where((newest >= first)[:, None], rows[row], old)


def _span_sums(carried: Tensor, hidden: Tensor, count: Tensor, scale: int) -> Tensor:
    """Sums [G, d] of hidden states over spans of `scale` events, the open one first and last.

    Args:
        carried: Sum [d] over the events of the open span so far.
        hidden: [N, d].
        count: Events before these, int64 scalar.
        scale: Events of a span.
    """
    n, dim = hidden.shape
    # N events touch at most this many spans, and may leave the next one open
    n_spans = -(-n // scale) + 1
    numbers = count + torch.arange(n, device=hidden.device)
    span = numbers // scale - count // scale
    start = torch.cat([carried[None], hidden.new_zeros(n_spans - 1, dim)])
    return start.scatter_add(0, span[:, None].expand(n, dim), hidden)
