"""The published episodic memory of vector slots, in its five versions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, InvalidParameter, State, Unsuitable
from memories.slots.blocks import in_blocks
from memories.slots.ring import capacity_within, ring_age, ring_valid, ring_write
from memories.sources.slot_descent import Moments, Scoring, descend
from memories.sources.versions import VERSIONS, Preset


@memory("episodic-linear-src", family="sources", source="Erlebacher 2025, memory_experiments")
class EpisodicLinearSrc(AssociativeMemory):
    """Recalls from slots that Adam moves until they recall the event: the published-as-is form.

    A read is r = p V with p = softmax_j(q K_j + 0.5 c C_j + recency exp(-time_weight (n - T_j)))
    over used slots, n the events written. An event reserves the next slot of a ring and then
    takes Adam steps on the mean squared error of its own recall, which move all slots; the
    equations are in `memories.sources.slot_descent`. The versions (short commits):

    - v1 (300dfd7): copies instead of descending; slots N(0, 1), the unused ones compete; recency 1.
    - v2 (6d01d8b): 3 steps an event, one event after another; times are trained too.
    - v3 (40f15b7): all events of a call together, 2 rounds of 3 steps each; times are fixed.
    - v4 (04e71f7): as v3 with given times and a pull of the values towards an orthonormal set.
    - v5 (eec27d9): as v4 with no round and no step, and with the sign of the age flipped.

    What is known to be wrong with them, and kept:

    1. v5 as it stands optimises nothing, and its cut factor is one for every past event: it
       reads its random initial slots, without recency. Give it rounds and steps.
    2. From v2 on contexts are not stored: C starts random and is moved like K and V.
    3. A step moves a coordinate by about the learning rate, so that the default steps cannot
       carry a value from 0.1 N(0, 1) to N(0, 1).
    4. The orthogonality term wants values of length one, which fights the recall of longer ones.
       For a single used slot the published code stops with an undefined name; here it adds zero.
    5. v2 trains the times, which then record the optimisation and not the order of events.
    6. In v3 and v4 the clock stands still during a call while event i is stamped n + i: the
       bonus 0.3 exp(0.1 i) outweighs all contents from some 50 events on and overflows float32
       beyond about 890, after which reads are not finite. `chunk=1` avoids it.

    Writes compose only for v1, for events written one at a time and where no step is taken.
    An empty memory recalls zeros where the published code draws noise, and initial slots are
    drawn once, in the constructor. Reads ignore `times`.

    State: ``keys`` [M, D], ``values`` [M, V], ``times`` [M], ``count``, ``contexts``
    [M, context_dim] if there are any; if steps are taken ``first_moment`` and ``second_moment``
    [M, W] over the columns keys, values, times if trained, contexts, and their counters ``steps``
    and ``context_steps``.

    Args:
        key_dim: D.
        value_dim: V.
        context_dim: Width of contexts, 0 for none.
        max_events: Most events of a call, as far as the task tells.
        preset: The version.
        capacity: Slots M.
        rounds: Passes over the events of a batch; None takes the version's.
        inner_steps: Adam steps on an event at each visit; None takes the version's.
        chunk: Events of a call that are reserved and trained on together; None takes the
            version's: one for v2, all from v3 on.
        learning_rate: Of Adam; v1 takes no step.
        time_weight: Decay rate of the time factor per event.
        generator: Source of the initial slots.

    Raises:
        InvalidParameter: If v1, which only copies, is given rounds, inner steps or a chunk.
        Unsuitable: If a call of `max_events` overflows the time factor of v3 and v4.
    """

    slow = True
    uses_context = True
    # times change what is stored from v4 on, but no preset takes a time as a cue
    composes = False
    initial_keys: Tensor
    initial_values: Tensor
    initial_contexts: Tensor
    learning_rate: Tensor
    time_weight: Tensor

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        context_dim: int = 0,
        max_events: int = 0,
        preset: Preset = "v4",
        capacity: Annotated[int, Ge(1)] = 100,
        rounds: Annotated[int, Ge(0)] | None = None,
        inner_steps: Annotated[int, Ge(0)] | None = None,
        chunk: Annotated[int, Ge(1)] | None = None,
        learning_rate: Annotated[float, Gt(0)] = 0.01,
        time_weight: Annotated[float, Ge(0)] = 0.1,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        _refuse_training(preset, rounds=rounds, inner_steps=inner_steps, chunk=chunk)
        self.version = VERSIONS[preset]
        self.capacity = capacity
        self.context_dim = context_dim
        self.rounds = self.version.rounds if rounds is None else rounds
        self.inner_steps = self.version.inner_steps if inner_steps is None else inner_steps
        self.chunk = self.version.batch if chunk is None else chunk
        self.descends = self.rounds * self.inner_steps > 0
        if self.descends and self.chunk is None and not self.version.flipped:
            _refuse_overflow(max_events, time_weight)
        # a fact about this instance: events trained on together are not those of two calls
        self.composes = not self.descends or self.chunk == 1
        self.scalar("learning_rate", learning_rate)
        self.scalar("time_weight", time_weight)
        widths = {"keys": key_dim, "values": value_dim, "contexts": context_dim}
        for name, width in widths.items():
            drawn = torch.randn(capacity, width, generator=generator)
            self.register_buffer(f"initial_{name}", self.version.init_scale * drawn)

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        least = cls(
            key_dim,
            value_dim,
            **{**params, "capacity": 1, "generator": torch.Generator()},
        )
        words = sum(entry.shape.numel() for entry in least.init_state().values() if entry.dim())
        return capacity_within(budget, words)

    @override
    def init_state(self) -> State:
        state = {
            "keys": self.initial_keys.clone(),
            "values": self.initial_values.clone(),
            "times": self.initial_keys.new_zeros(self.capacity),
            "count": self.initial_keys.new_zeros((), dtype=torch.int64),
        }
        if self.context_dim:
            state["contexts"] = self.initial_contexts.clone()
        return {**state, **self._no_moments(state)} if self.descends else state

    def _no_moments(self, state: State) -> State:
        """Moments and counters before the first step."""
        width = state["keys"].shape[1] + state["values"].shape[1] + self.context_dim
        width += self.version.trains_times
        counters = ("steps", "context_steps") if self.context_dim else ("steps",)
        return {
            "first_moment": self.initial_keys.new_zeros(self.capacity, width),
            "second_moment": self.initial_keys.new_zeros(self.capacity, width),
            **{name: torch.zeros_like(state["count"]) for name in counters},
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
        events = {"keys": keys, "values": values}
        if contexts is not None and self.context_dim:
            events["contexts"] = contexts
        if times is not None and self.version.takes_times:
            events["times"] = times
        n_events = keys.shape[0]
        chunk = n_events if self.chunk is None else self.chunk
        for start in range(0, n_events, max(1, chunk)):
            part = {name: entry[start : start + chunk] for name, entry in events.items()}
            state = self._write_together(state, part)
        return state

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        def recalled(block: Tensor) -> Tensor:
            return self._weights(state, block) @ state["values"]

        return torch.where(
            state["count"] > 0, in_blocks(recalled, self._cues(queries, contexts)), 0.0
        )

    def read_info(
        self, state: State, queries: Tensor, contexts: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Values [Q, V] and what they came from.

        ``weights`` [Q, M] of the slots; ``valid`` [M], the slots reserved for an event; ``age``
        [M] in events.
        """
        return {
            "values": self.read(state, queries, contexts=contexts),
            "weights": self._weights(state, self._cues(queries, contexts)),
            "valid": ring_valid(state["count"], self.capacity),
            "age": ring_age(state["count"], self.capacity),
        }

    def _write_together(self, state: State, events: Mapping[str, Tensor]) -> State:
        """The state after events whose slots are reserved before the first step."""
        count, n_events = state["count"], events["keys"].shape[0]
        numbers = count + torch.arange(n_events, device=count.device)
        stamps = events.get("times", numbers).to(state["times"].dtype)
        if self.version.copies:
            events = {name: entry for name, entry in events.items() if name != "times"}
            copied = ring_write({name: state[name] for name in events}, events, count)
            state = {**state, **copied}
        if not self.version.trains_times:
            state = {**state, **ring_write({"times": state["times"]}, {"times": stamps}, count)}
        if self.descends:
            state = self._descended(state, events)
        if self.version.trains_times:
            state = {**state, **ring_write({"times": state["times"]}, {"times": stamps}, count)}
        return {**state, "count": count + n_events}

    def _descended(self, state: State, events: Mapping[str, Tensor]) -> State:
        """The state after the rounds and steps on the events, while the clock stands still."""
        trained = [name for name in ("keys", "values", "contexts") if name in events]
        if self.version.trains_times:
            trained.append("times")
        context_width = self.context_dim if "contexts" in events else 0
        idle = self.context_dim - context_width
        slots, moments = descend(
            {name: state[name] for name in trained},
            Moments.of(state, state["first_moment"].shape[1] - idle, context_width),
            {name: entry for name, entry in events.items() if name != "times"},
            self._scoring(state["count"], state["count"] + events["keys"].shape[0]),
            self.learning_rate,
            visits=self._visits(events["keys"].shape[0]),
            times=state["times"],
        )
        return {**state, **slots, **moments.into(state, context_width)}

    def _visits(self, n_events: int) -> list[int]:
        """Which event each step is taken on."""
        return [
            i for _ in range(self.rounds) for i in range(n_events) for _ in range(self.inner_steps)
        ]

    def _scoring(self, now: Tensor, reserved: Tensor) -> Scoring:
        """Scores at the clock `now`, when `reserved` events have been given a slot."""
        valid = ring_valid(reserved, self.capacity)
        if self.version.competes_unused:
            valid = torch.ones_like(valid)
        return Scoring(self.version, self.time_weight, now, valid)

    def _cues(self, queries: Tensor, contexts: Tensor | None) -> Tensor:
        """Queries [Q, D] beside their contexts if there are any, to be cut into blocks."""
        if contexts is None or not self.context_dim:
            return queries
        return torch.cat([queries, contexts], dim=-1)

    def _weights(self, state: State, cues: Tensor) -> Tensor:
        """Weights [Q, M] of the slots for queries and contexts side by side."""
        scoring = self._scoring(state["count"], state["count"])
        width = state["keys"].shape[1]
        contexts = cues[:, width:] if cues.shape[1] > width else None
        return scoring.weights(state, scoring.bonus(state["times"]), cues[:, :width], contexts)


def _refuse_training(preset: Preset, **given: int | None) -> None:
    """Refuse parameters of the descent for the version that copies."""
    for name, value in given.items():
        if VERSIONS[preset].copies and value is not None:
            raise InvalidParameter(
                name,
                f"means nothing with preset '{preset}', which copies events, got {value}",
                help=f"leave {name} out, or choose preset 'v2' to 'v5'",
            )


def _refuse_overflow(max_events: int, time_weight: float) -> None:
    """Refuse calls whose last event has a time factor exp(time_weight i) beyond float32.

    Raises:
        Unsuitable: Naming the limit.
    """
    most = math.floor(math.log(torch.finfo(torch.float32).max) / time_weight) if time_weight else 0
    if most and max_events > most:
        raise Unsuitable(
            f"its time factor overflows float32 in calls of more than {most} events, and the task "
            f"writes up to {max_events}"
        )
