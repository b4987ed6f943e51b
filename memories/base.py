"""The protocols a memory may follow, and how its costs are counted.

A memory is a pure function over an explicit state. Its **slow weights** are parameters, fixed
while it is evaluated; **everything that changes at test time is its state**: a flat mapping of
tensors whose shapes never change. Every operation returns a new state and leaves its arguments
as they were.

Axis letters, used in every docstring of the project (one lane; the harness adds the seed axis):

    N events   Q queries   D key width   V value width   M slots
    L lookback window   H forecast horizon   C channels   S seeds (lanes)

Rules inside a memory: no random draws after construction; no `.item()` and no Python branch on a
tensor's values (use `torch.where`, masks, `scatter`); no in-place change of an argument. A memory
whose maths cannot be vmapped sets `vectorized = False` and is looped over, lane by lane.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

import torch
from torch import Tensor, nn

from memories.backbones.base import Training
from memories.memory import InvalidParameter as InvalidParameter
from memories.memory import Memory as Memory
from memories.memory import State as State
from memories.memory import Unsuitable as Unsuitable

Gates: TypeAlias = Mapping[str, Tensor]
"""Per-event gates [N] of a `scan`, as a layer around the memory computes them.

``write`` in [0, 1] takes the place of the memory's write strength, ``keep`` in (0, 1] that of its
decay: the state is multiplied by ``keep[t]`` before event t is written.
"""

MemorySlot: TypeAlias = Callable[..., "AssociativeMemory"]
"""Annotation of a constructor parameter that takes an associative memory by its registry name.

In a suite the value is a name (``delta``) or a mapping (``{name: delta, params: {...}}``); the
constructor receives a factory to be called with what the slot dictates, e.g.
``memory(key_dim=84, value_dim=168, max_events=1000, generator=generator)``.
"""


@dataclass(frozen=True)
class BackboneSlot:
    """Annotation of a constructor parameter that takes a forecasting backbone by its registry name.

    In a suite the value is a name (``dlinear``) or a mapping (``{name: patchtst, params: {...}}``);
    the constructor receives this pair. It is plain data, so that it can be part of keys; a module
    is built from it by `tasks.base.Workbench.backbone`.

    Args:
        name: Name in the registry.
        params: Its own parameters; those left out keep their defaults.
    """

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


DICTATED: Mapping[str, tuple[str, ...]] = {
    "associative": ("key_dim", "value_dim", "context_dim", "max_events", "generator"),
    "forecaster": (
        "channels", "lookback", "horizon", "period", "steps", "backbone", "generator",
    ),
    "tokens": ("token_dim", "channels", "lookback", "horizon", "generator"),
    "router": ("key_dim", "label_groups", "max_events", "continual", "generator"),
}  # fmt: skip
"""By protocol, the constructor arguments that the task or the harness gives.

All others are the memory's own: what a suite may set.
"""


class AssociativeMemory(Memory):
    """Stores (key, value) events in order and recalls a value for each query."""

    uses_context: ClassVar[bool] = False
    """Whether `contexts` change what is stored or read."""
    uses_time: ClassVar[bool] = False
    """Whether `times` change what is stored or read."""
    hetero: ClassVar[bool] = True
    """Whether it can return a value that differs from the key."""
    binary_keys: ClassVar[bool] = False
    """Whether it needs keys of -1 and +1."""
    composes: bool = True
    """Whether writing A then B equals writing A and B together."""
    takes_gates: ClassVar[frozenset[str]] = frozenset()
    """Which `Gates` its `scan` understands."""
    chunked_scan: ClassVar[bool] = False
    """Whether `scan` has an exact form without a loop over events."""
    recalls_order: ClassVar[bool] = False
    """Whether it has `successor`."""

    @abstractmethod
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        """The state after N events, in order.

        Args:
            state: State before the events.
            keys: [N, D].
            values: [N, V].
            times: [N], or None; given for all events of a call or for none.
            contexts: [N, context_dim], or None.
        """

    @abstractmethod
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        """Values [Q, V] recalled for queries [Q, D]; changes nothing; zeros while empty."""

    def touch(self, state: State, evidence: Mapping[str, Tensor]) -> State:  # noqa: ARG002
        """The state after a read was used; for memories that count accesses."""
        return state

    def successor(self, state: State, queries: Tensor) -> Tensor:
        """Values [Q, V] of the events that followed those whose keys match queries [Q, D].

        Raises:
            NotImplementedError: If the memory does not recall order.
        """
        raise NotImplementedError(f"{type(self).__name__} does not recall what followed")

    def auxiliary_loss(
        self,
        state: State,  # noqa: ARG002
        queries: Tensor,
        times: Tensor | None = None,  # noqa: ARG002
        contexts: Tensor | None = None,  # noqa: ARG002
    ) -> Tensor:
        """What meta-training adds to the recall loss of one episode, a scalar; nothing by default.

        Args:
            state: State after the episode's events.
            queries: [Q, D], as they are read.
            times: [Q], or None.
            contexts: [Q, context_dim], or None.
        """
        return queries.new_zeros(())

    def gate_of(self, gates: Gates | None, name: str, otherwise: Tensor) -> Tensor:
        """The gate [N] of that name where it is given, else `otherwise`.

        Raises:
            InvalidParameter: If any gate is given that the memory does not take.
        """
        if unknown := sorted(set(gates or {}) - self.takes_gates):
            raise InvalidParameter(
                "gates",
                f"{type(self).__name__} takes no gate {', '.join(unknown)}",
                f"it takes {', '.join(sorted(self.takes_gates)) or 'none'}",
            )
        return otherwise if gates is None else gates.get(name, otherwise)

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
        """Write and read interleaved in order: query t sees the events up to t.

        Args:
            state: State before the first event.
            keys: [N, D].
            values: [N, V].
            queries: [N, D], one per event.
            gates: Per event, what `takes_gates` names.
            inclusive: Whether query t sees event t itself.

        Returns:
            Values [N, V] and the state after all events. Memories with an exact chunked form
            override this loop.

        Raises:
            InvalidParameter: If gates are given that the memory does not take.
        """
        self.gate_of(gates, "", queries)
        reads = []
        for t in range(keys.shape[0]):
            if not inclusive:
                reads.append(self.read(state, queries[t : t + 1]))
            state = self.write(state, keys[t : t + 1], values[t : t + 1])
            if inclusive:
                reads.append(self.read(state, queries[t : t + 1]))
        if not reads:
            return values.new_zeros(0, values.shape[-1]), state
        return torch.cat(reads), state

    @classmethod
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        """The parameters that size the memory to at most `budget` state floats.

        Raises:
            NotImplementedError: If the memory has no size to choose.
        """
        raise NotImplementedError(f"{cls.__name__} cannot be sized from a budget")


class OnlineForecaster(Memory):
    """Forecasts a stream whose targets are revealed H rows late.

    At origin t the harness calls `observe` once with the newest row, then `predict`. A forecast
    is final. A forecaster counts its steps itself: it is never told the time.
    """

    @abstractmethod
    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:
        """The state after row t was revealed; all learning happens here.

        Args:
            state: State after origin t-1.
            x_t: Newest row [C].
            recent: The newest pair whose target is fully known: window [L, C] of origin t-H and
                its target [H, C], rows t-H+1..t.
        """

    @abstractmethod
    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        """Forecast [H, C] from window [L, C], which ends at row t, and the state after it."""

    def report(self, state: State) -> Mapping[str, Tensor]:  # noqa: ARG002
        """Scalars that tell how the forecaster is doing, by snake_case name; nothing by default.

        For analysis only (how full a bank is, how old what it recalled): the task samples them
        now and then and stores them beside the losses. Changes nothing.
        """
        return {}


MemoryEval = Literal["stream", "empty", "frozen-train"]
"""What a token memory holds in evaluation: a causal stream of windows, nothing, what training left.
"""
TrainMemory = Literal["snapshot", "trajectory"]
"""What it holds in training: a chronological pass up to the window, or the batches before."""


class TokenMemory(Memory):
    """Adds memory tokens to an encoder's input and absorbs what the encoder made of them.

    Its weights are trained together with the encoder's, by the gradient of the forecast error with
    respect to the tokens; what is absorbed never has a gradient.
    """

    memory_eval: MemoryEval = "stream"
    train_memory: TrainMemory = "snapshot"
    resets: bool = True
    """Whether training empties it before each epoch."""
    replaces: BackboneSlot | None = None
    """Backbone that takes the encoder's place, of a row without tokens in a table of memories."""
    composes_batches: bool = True
    """Whether absorbing a batch gives the tokens that absorbing its windows in turn gives."""

    @abstractmethod
    def tokens(self, state: State) -> Tensor:
        """Tokens [M, d] to prepend to the encoder's input; changes nothing."""

    @abstractmethod
    def absorb(self, state: State, hidden: Tensor) -> State:
        """The state after a pass whose hidden states were [N, C, d], N positions of the encoder."""

    def absorb_batch(self, state: State, hidden: Tensor) -> State:
        """The state after a pass over B windows in order, hidden states [B, N, C, d]."""
        for window in hidden:
            state = self.absorb(state, window)
        return state

    def snapshot(self, state: State) -> State:
        """The part of a state that tokens are made from; all of it by default."""
        return state

    def tokens_from(
        self,
        snapshot: State,
        training: Training | None = None,  # noqa: ARG002
    ) -> Tensor:
        """Tokens [..., M, d] from snapshots stacked along any leading axes, with gradient.

        Args:
            snapshot: Entries of `snapshot`, all with the same leading axes.
            training: Noise for dropout; None in evaluation.
        """
        name, entry = next(iter(snapshot.items()))
        if entry.dim() == self.init_state()[name].dim():
            return self.tokens(snapshot)
        if self.vectorized:
            return torch.func.vmap(self.tokens_from)(snapshot)
        each = [{key: held[i] for key, held in snapshot.items()} for i in range(len(entry))]
        return torch.stack([self.tokens_from(own) for own in each])

    def report(self, state: State) -> Mapping[str, Tensor]:  # noqa: ARG002
        """Scalars that tell how full the memory is, by snake_case name; nothing by default.

        For analysis only; ``rows`` is how many rows it holds. Changes nothing.
        """
        return {}

    def pooled(self, hidden: Tensor) -> Tensor | None:  # noqa: ARG002
        """Hidden states [B, N, C, d] pooled to [B, C, d] for the forecast; None where not wanted.

        A memory that learns what to store gets its gradient this way: a linear map of the pooled
        states of the current window is added to the forecast.
        """
        return None


class Router(Memory):
    """Scores labels for a context code and says through which banks the answer came.

    Codes are unit vectors z [d]; labels count from 0; an id says which event it is, -1 none. A
    task builds it with ``key_dim`` = d, ``label_groups``, the group of each label, ``max_events``,
    and ``continual``, whether it is trained in stages. It then follows one of two schedules:

    - once: `fit(train, generator)`, then `init_state`, then `learn` of the events it may remember.
      ``train`` holds ``z`` [N, d], ``label`` [N] and ``id`` [N] of the training events, and
      ``order`` [T, B], the rows of each of T steps: all routers train on the same batches;
    - continual: `init_state`, then `fit_stage` once per stage, with the events of that stage
      alone. What is trained there changes at test time, and so it is state.

    Labels and ids are int64. Routers without weights to train follow both schedules as well: for
    them, `fit` does nothing and `fit_stage` is `learn`.
    """

    banks: tuple[str, ...] = ()
    """Names of the columns of `routing`; none if it has no banks."""
    specialists: int = 0
    """How many of the banks, the first ones, are trained to become one group's own."""
    top_k: int = 1
    """Banks that a query is sent to."""
    banks_are_groups: bool = False
    """Whether specialist b is group b's own, by construction or because it is trained to be."""
    excludes: bool = False
    """Whether `exclude_ids` keep events from answering."""
    composes: bool = True
    """Whether learning A then B equals learning A and B together."""

    @abstractmethod
    def route(
        self, state: State, z: Tensor, exclude_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor, State]:
        """Scores [Q, labels] and routing [Q, banks] for codes [Q, d], and the state after it.

        The routing is a probability over the banks before any is left out, or all zero where none
        can answer.

        Args:
            state: Before the queries; no answer depends on the other queries of the call.
            z: [Q, d].
            exclude_ids: [Q], the event that must not answer, -1 for none; or None.
        """

    @abstractmethod
    def learn(self, state: State, z: Tensor, labels: Tensor, ids: Tensor) -> State:
        """The state after N labelled events were written, in order; trains nothing.

        Arguments are those of `fit_stage`. A router may drop an event whose id it holds already.
        """

    def fit_stage(
        self,
        state: State,
        z: Tensor,
        labels: Tensor,
        ids: Tensor,
        order: Tensor,  # noqa: ARG002
    ) -> State:
        """The state after one stage: training on its N events, then their writing.

        Args:
            state: State after the stages before.
            z: [N, d].
            labels: [N].
            ids: [N].
            order: [T, B], the rows of each training step; the optimiser starts afresh.
        """
        return self.learn(state, z, labels, ids)

    def chosen(self, routing: Tensor) -> Tensor:
        """Which banks each query is sent to, bool [Q, banks]: the `top_k` of highest probability.

        Of equal ones the first; a bank of probability 0 is never one of them.
        """
        order = routing.sort(dim=-1, descending=True, stable=True).indices
        return (order.argsort(dim=-1) < self.top_k) & (routing > 0)

    def report(self, state: State) -> Mapping[str, Tensor]:  # noqa: ARG002
        """Scalars that tell how the router is doing, by snake_case name; nothing by default."""
        return {}


PROTOCOLS: dict[str, type] = {
    "associative": AssociativeMemory,
    "forecaster": OnlineForecaster,
    "tokens": TokenMemory,
    "router": Router,
}
"""The four protocols by the word that `memb list` prints."""


def protocol_of(cls: type) -> str:
    """The word for the protocol a memory class follows.

    Raises:
        TypeError: If the class follows none of them.
    """
    for word, protocol in PROTOCOLS.items():
        if issubclass(cls, protocol):
            return word
    raise TypeError(f"{cls.__name__} follows none of the protocols {', '.join(PROTOCOLS)}")


def dictated_names(cls: type) -> tuple[str, ...]:
    """Constructor arguments that a memory of this class is given; for a backbone, any of them."""
    if issubclass(cls, Memory):
        return DICTATED[protocol_of(cls)]
    return tuple(dict.fromkeys(name for names in DICTATED.values() for name in names))


def state_floats(state: State) -> float:
    """Size of one lane's state in 32-bit words, over its non-scalar entries, metadata included.

    Measured from the tensors (numel x itemsize / 4), never declared.
    """
    return sum(t.numel() * t.element_size() / 4 for t in state.values() if t.dim() > 0)


def param_floats(module: nn.Module) -> float:
    """Size in 32-bit words of what a module holds that never changes: weights, fixed buffers.

    Scalars registered with `Memory.scalar` are settings, not storage, and do not count; nor do
    buffers registered as not persistent, which follow from the module's sizes.
    """
    kept = module.state_dict().keys()
    fixed = (b for name, b in module.named_buffers() if b.dim() > 0 and name in kept)
    return sum(t.numel() * t.element_size() / 4 for t in [*module.parameters(), *fixed])
