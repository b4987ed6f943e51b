"""What a task is to the harness: it owns the data and the clock, and scores what memories return.

A task is written over lanes: arrays with a leading seed axis S, and a `Lanes` object that offers
the protocol's methods over S stacked memories. It receives everything else (generators, caches,
check-points) from the `Workbench` that the harness hands it, so that it needs nothing of `bench`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from memories.base import BackboneSlot, State
from tasks.samples.sample import Sample

Direction = Literal["higher", "lower"]


@dataclass(frozen=True)
class Metric:
    """One number that a trial produced.

    Attributes:
        name: snake_case name, e.g. ``acc_code``.
        value: The number; non-finite values make the trial `nonfinite`.
        direction: Which way is better.
        unit: Unit as printed, e.g. ``items``; empty for proportions and scaled errors.
        primary: Whether it is tested; curve points never are.
        x: Coordinate on a curve (number of stored items, lead, origin), None for a scalar.
        bounds: Attainable range, None where open.
        resolution: Smallest possible step of the value, 0 if continuous.
        chance: Value of guessing, if it is known.
        ceiling: Best attainable value, if it is known.
    """

    name: str
    value: float
    direction: Direction
    unit: str = ""
    primary: bool = False
    x: float | None = None
    bounds: tuple[float | None, float | None] = (None, None)
    resolution: float = 0.0
    chance: float | None = None
    ceiling: float | None = None


@dataclass
class Outcome:
    """What one trial (one memory, one task point, one seed) came to.

    Attributes:
        status: ``ok`` or ``nonfinite``; other failures are exceptions.
        message: Where a non-finite value was first seen.
        metrics: All numbers; empty unless ok.
        n_eval: Queries or forecast origins behind the metrics.
        notes: Facts to keep beside the numbers (choices made on validation, warnings).
        series: Long per-step series by name, stored beside the records.
        marks: Short labels that the memory's row carries in every table, e.g. ``stores nothing``.
    """

    status: Literal["ok", "nonfinite"] = "ok"
    message: str = ""
    metrics: list[Metric] = field(default_factory=list)
    n_eval: int = 0
    notes: dict[str, Any] = field(default_factory=dict)
    series: dict[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Episodes:
    """B training episodes of one shape: events to write, then queries with the values wanted.

    Attributes:
        keys: [B, N, D].
        values: [B, N, V].
        queries: [B, Q, D].
        targets: [B, Q, V].
        contexts: Of the events, [B, N, context_dim], or None.
        cues: Contexts given with the queries, [B, Q, context_dim], or None.
    """

    keys: Tensor
    values: Tensor
    queries: Tensor
    targets: Tensor
    contexts: Tensor | None = None
    cues: Tensor | None = None


class Curriculum(ABC):
    """Where slow weights are trained: episodes like a task's own, from streams that score nothing.

    Tasks whose curricula are equal share the weights that were trained on them.
    """

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What the episodes depend on, as plain JSON; part of the key of the trained weights."""

    @abstractmethod
    def training(self, step: int, n: int, generator: torch.Generator) -> Episodes:
        """As many episodes as asked for a training step; their shape depends on the step alone."""

    @abstractmethod
    def validation(self, n: int, generator: torch.Generator) -> list[Episodes]:
        """About as many episodes as asked, of all kinds and loads, in groups of one shape."""


class Lanes(Protocol):
    """S stacked memories, called as one; every tensor carries the lane axis first."""

    @property
    def size(self) -> int: ...  # noqa: D102
    @property
    def memory(self) -> Any: ...  # noqa: D102
    @property
    def memories(self) -> Sequence[Any]: ...  # noqa: D102
    def call(self, method: str, *args: Any, **options: Any) -> Any: ...  # noqa: D102
    def init_state(self) -> State: ...  # noqa: D102
    def select(self, lanes: Sequence[int]) -> Lanes: ...  # noqa: D102
    def repeat(self, times: int) -> Lanes: ...  # noqa: D102
    @staticmethod
    def select_state(state: State, lanes: Sequence[int]) -> State: ...  # noqa: D102
    def write(  # noqa: D102
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State: ...
    def read(  # noqa: D102
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
        *,
        value_dim: int | None = None,
    ) -> Tensor: ...
    def observe(  # noqa: D102
        self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]
    ) -> State: ...
    def predict(  # noqa: D102
        self, state: State, window: Tensor, *, horizon: int | None = None
    ) -> tuple[Tensor, State]: ...


class Keeper(Protocol):
    """Where something that takes long is kept while it is unfinished, and found again."""

    def load(self) -> tuple[dict[str, Tensor], int] | None:
        """What was kept and its position, or None if there is nothing."""

    def offer(self, position: int, tensors: Callable[[], dict[str, Tensor]]) -> None:
        """Keep the tensors if what was kept before is old enough; call once per step."""


Split = Literal["validation", "test"]


class Randomness(Protocol):
    """Where a task draws its data from; a workbench is one."""

    def rng(self, seed: int, split: Split, *key: int | str) -> np.random.Generator:
        """A NumPy generator of this task's data; the same for every memory."""

    def torch_rng(self, seed: int, split: Split, *key: int | str) -> torch.Generator:
        """A torch generator of this task's data; the same for every memory."""


class Workbench(Randomness, Protocol):
    """What the harness gives a task for one block of trials."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the block, one per lane."""

    @property
    def candidates(self) -> tuple[Mapping[str, Any], ...]:
        """Parameter settings to choose from on validation data; one empty mapping if none."""

    @property
    def device(self) -> torch.device:
        """Where tensors live."""

    def lanes(
        self,
        dictated: Sequence[Mapping[str, Any]],
        *,
        train: Sequence[Mapping[str, Tensor]] | None = None,
    ) -> Lanes:
        """One memory per seed and candidate, seed-major, built with what the task dictates.

        Args:
            dictated: Constructor arguments, one mapping per seed.
            train: Training tensors per seed, for memories that `fit`.
        """

    def init_rng(self, seed: int) -> torch.Generator:
        """The generator a seed's modules are initialised with."""

    def shared(
        self,
        key: Mapping[str, Any],
        seeds: Sequence[int],
        build: Callable[[Sequence[int]], dict[int, dict[str, Tensor]]],
    ) -> dict[int, dict[str, Tensor]]:
        """Tensors per seed that all memories share (pre-trained weights), built at most once.

        Args:
            key: What the tensors depend on, beside the seed and the code of the task.
            seeds: Seeds wanted.
            build: Makes the tensors of the seeds that are not in the cache yet.
        """

    def backbone(self, choice: BackboneSlot) -> Callable[..., torch.nn.Module]:
        """What builds the chosen backbone from sizes and a generator, given by keyword."""

    def keeper(self, key: Mapping[str, Any]) -> Keeper | None:
        """Where an unfinished training is kept beside the block's check-point; None if nowhere.

        Args:
            key: What the training depends on, its seeds included.
        """

    def resume(self) -> tuple[dict[str, Tensor], int] | None:
        """What the last check-point of this block held and its position, or None."""

    def checkpoint(self, position: int, tensors: Callable[[], dict[str, Tensor]]) -> None:
        """Keep the tensors if the last check-point is old enough; call once per step."""

    def progress(self, done: int, total: int) -> None:
        """Report how far the block is; cheap enough to call at every step."""


class Task(ABC):
    """One task at one setting of its parameters.

    The constructor takes the task's parameters, typed and with defaults, and raises
    `memories.base.InvalidParameter` where a value cannot be used.
    """

    version: ClassVar[int] = 1
    """Raised by hand when scores may move; part of every trial key."""
    protocol: ClassVar[str] = "associative"
    """The protocol that memories must follow, or be lifted to."""
    tunes: ClassVar[bool] = False
    """Whether it has a validation stream on which parameters may be chosen."""
    trains: ClassVar[bool] = False
    """Whether it trains something with every memory, so that none is the same at every seed."""

    @property
    def seeded(self) -> bool:
        """Whether the data depend on the seed; if not, seeds vary initialisation alone."""
        return True

    @property
    def varies(self) -> str:
        """What differs between seeds, in words for a table's footer."""
        return "data and initialisation" if self.seeded else "initialisation"

    def digest(self) -> str:
        """Checksum of the data behind the task; empty if they are generated from the seed."""
        return ""

    def identity(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters as they enter trial keys; a file's path is no part of a key."""
        return dict(params)

    def requires(self) -> frozenset[str]:
        """Capability flags a memory needs, e.g. ``uses_context``; without them it is skipped."""
        return frozenset()

    def dictates(self) -> dict[str, Any]:
        """Constructor arguments it gives every memory: sizes, and a sample backbone if any."""
        return {}

    def curriculum(self) -> Curriculum | None:
        """Where slow weights are meta-trained for this task; None if nowhere."""
        return None

    def samples(self, n: int, seed: int, source: Randomness) -> list[Sample]:
        """What `memb show` draws: the data of a run with this seed, for a person to look at.

        Optional: a task that does not override it is not shown.

        Args:
            n: How many; fewer where the task has no more.
            seed: Seed of the data.
            source: Generators of this task's data, the same that a run has.
        """
        raise NotImplementedError(f"{type(self).__name__} has no samples")

    @abstractmethod
    def run(self, bench: Workbench) -> list[Outcome]:
        """The outcome of each seed of the block, in the order of `bench.seeds`."""
