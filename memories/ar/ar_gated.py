"""Slots or fast weights behind a learned gate that decides what is worth storing."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.ar.drift import ContextDrift, drift_width
from memories.ar.write_gate import WriteGate, surprise
from memories.base import AssociativeMemory, State, state_floats
from memories.features import unit
from memories.sizing import largest, only_size
from memories.slots.blocks import in_blocks
from memories.slots.masked_softmax import masked_softmax

GATE_FLOOR = 1e-6
"""Added to a gate before its logarithm."""


@memory("ar-gated", family="ar", source="Hochreiter & Schmidhuber 1997; Graves et al. 2016")
class ArGated(AssociativeMemory):
    """Recalls the softmax-weighted mean of the values that its gate let in.

    The gate g = sigmoid(MLP([unit(k), c, s])) of an event sees its key, a context c and the
    surprise s = |v - read(k)| / (|v| + 1e-6), at most 2. The context is the one given, at unit
    length, or one that drifts with the keys. `policy` says what becomes of g:

    - ``soft``: every event is stored; a read scores slot j by beta cos(q, k_j) + log(g_j + 1e-6).
    - ``hard``: an event is stored where g > 1/2, and then counts in full; the gradient is that of
      g (straight-through; Bengio, Léonard & Courville 2013).

    When all slots are taken, the one with the smallest g_j retention^age gives way, its age in
    events; that choice passes no gradient, the weight of a slot in a read does.
    With `target` ``fast-weights`` there are no slots: F <- F + strength g unit(k)^T v, and a read
    is unit(q) F. Untrained, g is about 0.88 for everything, which stores nearly all.

    State: ``drift`` [C], ``gate_total`` the sum of all gates, ``count``; with slots ``keys``
    [M, D] at unit length, ``values`` [M, V], ``gates`` [M], ``index`` [M] the number of the event
    in each, ``stored`` how many are taken; else ``fast_weights`` [D, V]. Slow weights: the gate,
    and the drift's map and decay.

    Args:
        key_dim: D.
        value_dim: V.
        context_dim: Width C of contexts; 0 for a context of min(32, D) made of keys alone.
        policy: What a gate does, ``soft`` or ``hard``.
        target: Where events go.
        capacity: Slots M.
        beta: Inverse temperature of reads from slots.
        write_strength: Factor on what is added to fast weights.
        retention: What remains, per event, of a slot's claim to its place.
        decay: Initial lambda of the drift.
        hidden: Units of the gate's layer.
        gate_cost: What meta-training pays for an open gate: the loss grows by `gate_cost` times
            the mean gate of all events.
        generator: Source of the gate's and the drift's initial weights.
    """

    uses_context = True
    beta: Tensor
    write_strength: Tensor
    retention: Tensor
    gate_cost: Tensor

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        context_dim: int,
        policy: Literal["soft", "hard"] = "soft",
        target: Literal["slots", "fast-weights"] = "slots",
        capacity: Annotated[int, Ge(1)] = 100,
        beta: Annotated[float, Gt(0)] = 16.0,
        write_strength: Annotated[float, Gt(0)] = 1.0,
        retention: Annotated[float, Gt(0), Le(1)] = 0.99,
        decay: Annotated[float, Gt(0), Lt(1)] = 0.9,
        hidden: Annotated[int, Ge(1)] = 64,
        gate_cost: Annotated[float, Ge(0)] = 0.01,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.key_dim, self.value_dim = key_dim, value_dim
        self.policy, self.target, self.capacity = policy, target, capacity
        if target == "slots":
            # a fact about this instance: fast weights have no slots
            self.slot_state = ("keys", "values", "gates")
        width = drift_width(key_dim, context_dim)
        self.drift = ContextDrift(key_dim, width, decay, generator)
        self.gate = WriteGate(key_dim, width, hidden, generator)
        self.scalar("beta", beta)
        self.scalar("write_strength", write_strength)
        self.scalar("retention", retention)
        self.scalar("gate_cost", gate_cost)

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        """The `capacity` of the most slots within the budget.

        The drift counts with the `context_dim` among `params`, 0 if it is not given.

        Raises:
            InvalidParameter: If not even one slot fits.
        """
        given = {"context_dim": 0, "generator": torch.Generator(), **params}
        if params.get("target") == "fast-weights":
            only = cls(key_dim, value_dim, **given)
            return only_size(round(state_floats(only.init_state())), budget)
        capacity = largest(
            lambda slots: cls(key_dim, value_dim, **{**given, "capacity": slots}), budget
        )
        return {"capacity": capacity}

    @override
    def init_state(self) -> State:
        like = self.beta
        number = like.new_zeros((), dtype=torch.int64)
        state = {
            "drift": like.new_zeros(self.drift.key_in.shape[1]),
            "gate_total": like.new_zeros(()),
            "count": number,
        }
        if self.target == "fast-weights":
            return {**state, "fast_weights": like.new_zeros(self.key_dim, self.value_dim)}
        return {
            **state,
            "keys": like.new_zeros(self.capacity, self.key_dim),
            "values": like.new_zeros(self.capacity, self.value_dim),
            "gates": like.new_zeros(self.capacity),
            "index": like.new_zeros(self.capacity, dtype=torch.int64),
            "stored": number.clone(),
        }

    @override
    def valid(self, state: State) -> Tensor:
        return torch.arange(self.capacity, device=self.beta.device) < state["stored"]

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        return self._gated(state, keys, values, contexts)[0]

    def gates(
        self, state: State, keys: Tensor, values: Tensor, contexts: Tensor | None = None
    ) -> Tensor:
        """Gates [N] of N events written in order; what would be stored where above 1/2.

        Args:
            state: State before the events.
            keys: [N, D].
            values: [N, V].
            contexts: [N, C], or None.
        """
        passed = self._gated(state, keys, values, contexts)[1]
        return torch.stack(passed) if passed else keys.new_zeros(0)

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        return in_blocks(lambda block: self._recall(state, unit(block)), queries)

    @override
    def auxiliary_loss(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        """`gate_cost` times the mean gate of all events, stored or not."""
        return self.gate_cost * state["gate_total"] / state["count"].clamp(min=1)

    def _gated(
        self, state: State, keys: Tensor, values: Tensor, contexts: Tensor | None
    ) -> tuple[State, list[Tensor]]:
        """The state after N events, and their gates: each sees what is stored of those before."""
        given = None if contexts is None else unit(contexts)
        arrived = self.drift.of_keys(keys) if given is None else given
        path = self.drift.path(state["drift"], arrived)
        seen = path[:-1] if given is None else given
        passed: list[Tensor] = []
        for key, value, context in zip(unit(keys), values, seen, strict=True):
            recalled = self._recall(state, key[None])[0]
            gate = self.gate(key, context, surprise(value, recalled))
            state = self._stored(state, key, value, gate)
            state = {
                **state,
                "gate_total": state["gate_total"] + gate,
                "count": state["count"] + 1,
            }
            passed.append(gate)
        return {**state, "drift": path[-1]}, passed

    def _opening(self, gate: Tensor) -> Tensor:
        """What a gate counts for: itself, or 0 or 1 with its gradient."""
        if self.policy == "soft":
            return gate
        return (gate > 0.5) + (gate - gate.detach())

    def _stored(self, state: State, key: Tensor, value: Tensor, gate: Tensor) -> State:
        """The state with an event of unit key [D] and value [V] let in as far as its gate opens."""
        if self.target == "fast-weights":
            added = self._opening(gate) * self.write_strength * torch.outer(key, value)
            return {**state, "fast_weights": state["fast_weights"] + added}
        slot = self._slot(state)[None]
        row = {"keys": key, "values": value, "gates": gate, "index": state["count"]}
        slots = {name: state[name].index_copy(0, slot, x[None]) for name, x in row.items()}
        stored = (state["stored"] + 1).clamp(max=self.capacity)
        if self.policy == "soft":
            return {**state, **slots, "stored": stored}
        let_in = gate > 0.5
        kept = {name: torch.where(let_in, slots[name], state[name]) for name in slots}
        return {**state, **kept, "stored": torch.where(let_in, stored, state["stored"])}

    def _slot(self, state: State) -> Tensor:
        """The slot of the next event: the first free one, or the one of the smallest claim."""
        age = state["count"] - state["index"]
        # logarithms: 0.99^age leaves the range of float32 after some 9,000 events
        claim = (state["gates"].detach() + GATE_FLOOR).log() + age * self.retention.log()
        evicted = torch.where(self.valid(state), claim, torch.inf).argmin()
        return torch.where(state["stored"] < self.capacity, state["stored"], evicted)

    def _recall(self, state: State, address: Tensor) -> Tensor:
        """Values [Q, V] for unit queries [Q, D], all at once."""
        if self.target == "fast-weights":
            return address @ state["fast_weights"]
        valid = self.valid(state)
        keys, values = (torch.where(valid[:, None], state[n], 0.0) for n in ("keys", "values"))
        opening = self._opening(torch.where(valid, state["gates"], 1.0))
        logits = self.beta * (address @ keys.mT) + (opening + GATE_FLOOR).log()
        return masked_softmax(logits, valid) @ values
