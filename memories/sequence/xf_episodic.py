"""A transformer that writes its hidden states into a memory and reads them back."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.ar.ar_fast_weights import ArFastWeights
from memories.base import AssociativeMemory, Gates, MemorySlot, State
from memories.dense import Dense
from memories.sequence.windowed import WindowedMemory
from memories.sizing import largest
from memories.slots.blocks import in_blocks

INNER = "memory/"
"""Prefix of the inner memory's entries in the state."""


@memory("xf-episodic", family="sequence", source="Vaswani et al. 2017 with a memory beside it")
class XfEpisodic(WindowedMemory):
    """Recalls through a window transformer whose hidden states an inner memory stores for good.

    Token t has the hidden state h_t of a causal transformer over the last W tokens. A query's
    value is (h + sigmoid(g) r W_o) H + b with r = read(h W_q); then, for events alone, the inner
    memory writes h W_k -> h W_v: nothing retrieves itself. Untrained it recalls at chance.

    State: ``window`` [W, d] the newest tokens, the inner memory's entries under ``memory/``,
    ``count``. Slow weights: embedding, positions, transformer, W_q, W_k, W_v, W_o, g, the head and
    those of the inner memory.

    Args:
        key_dim: D.
        value_dim: V.
        max_events: Events the inner memory is built for, where it wants to know.
        memory: The inner memory; null takes `ar-fast-weights` with the delta rule.
        window: Tokens W that attention sees.
        layers: Transformer blocks.
        heads: Attention heads of each.
        head_dim: Width of one; the model's is d = heads x head_dim.
        generator: Source of all initial weights.
    """

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        max_events: int,
        memory: MemorySlot | None = None,
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
        self.query_in, self.key_in, self.value_in = (
            Dense(self.dim, self.dim, generator, bias=False) for _ in range(3)
        )
        self.memory = _inner_memory(memory, self.dim, max_events, generator)
        self.vectorized, self.composes = self.memory.vectorized, self.memory.composes
        # a fact about this instance: the inner memory decides it
        self.slot_state = tuple(INNER + name for name in self.memory.slot_state)

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        """The `head_dim` of the widest such model of at most `budget` state floats.

        An inner memory whose size depends on `max_events` is measured with the one among
        `params`, 1,024 if it is not given.

        Raises:
            InvalidParameter: If not even heads of width one fit.
        """
        given = {"max_events": 1024, "generator": torch.Generator(), **params}
        widest = largest(
            lambda width: cls(key_dim, value_dim, **{**given, "head_dim": width}), budget
        )
        return {"head_dim": widest}

    @override
    def init_state(self) -> State:
        return {**self.empty_window(), **_outer(self.memory.init_state())}

    @override
    def valid(self, state: State) -> Tensor:
        return self.memory.valid(_inner(state))

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
        inner = self.memory.write(_inner(state), self.key_in(hidden), self.value_in(hidden))
        return {**self.after(state, stream), **_outer(inner)}

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        inner = _inner(state)

        def recall(block: Tensor) -> Tensor:
            hidden = self.probed(state, block)
            return self.answer(
                hidden, self.memory.read(inner, self.query_in(hidden)), state["count"]
            )

        return in_blocks(recall, queries)

    @override
    def scan(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        queries: Tensor,
        *,
        gates: Gates | None = None,
        inclusive: bool = True,
    ) -> tuple[Tensor, State]:
        if gates:  # none is taken: the loop says so
            return super().scan(state, keys, values, queries, gates=gates, inclusive=inclusive)
        stream = self.stream(state, keys, values)
        written = self.encoded(state, stream)
        probes = self.interleaved(state, stream, queries, inclusive=inclusive)
        recalled, inner = self.memory.scan(
            _inner(state),
            self.key_in(written),
            self.value_in(written),
            self.query_in(probes),
            inclusive=inclusive,
        )
        before = torch.arange(keys.shape[0], device=keys.device) + (1 if inclusive else 0)
        reads = self.answer(probes, recalled, state["count"] + before)
        return reads, {**self.after(state, stream), **_outer(inner)}


def _inner_memory(
    slot: MemorySlot | None, dim: int, max_events: int, generator: torch.Generator
) -> AssociativeMemory:
    if slot is None:
        return ArFastWeights(dim, dim, rule="delta", generator=generator)
    return slot(
        key_dim=dim, value_dim=dim, context_dim=0, max_events=max_events, generator=generator
    )


def _outer(inner: State) -> dict[str, Tensor]:
    """The inner memory's state as entries of ours."""
    return {INNER + name: entry for name, entry in inner.items()}


def _inner(state: State) -> State:
    """The inner memory's state among our entries."""
    return {
        name.removeprefix(INNER): entry for name, entry in state.items() if name.startswith(INNER)
    }
