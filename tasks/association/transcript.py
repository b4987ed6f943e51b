"""What an associative task writes and asks, taken down while it runs with nobody to remember it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from memories.base import BackboneSlot, State
from tasks.base import Lanes, Randomness, Split, Task, Workbench

HISTORY = "history"
"""Entry of a state that names the writes that led to it."""


@dataclass(frozen=True)
class Written:
    """One call of `write`, all lanes: [S, N, ...].

    Attributes:
        after: Number of the write before it, 0 for none.
        keys: [S, N, D].
        values: [S, N, V].
        times: [S, N] or None.
        contexts: [S, N, C] or None.
    """

    after: int
    keys: Tensor
    values: Tensor
    times: Tensor | None
    contexts: Tensor | None


@dataclass(frozen=True)
class Asked:
    """One call of `read`, all lanes: [S, Q, ...].

    Attributes:
        after: Number of the last write before it, 0 for none.
        queries: [S, Q, D].
        times: [S, Q] or None.
        contexts: [S, Q, C] or None.
    """

    after: int
    queries: Tensor
    times: Tensor | None
    contexts: Tensor | None


class Transcript(Lanes):
    """Lanes that take down what they are told, and answer with zeros.

    Writes are numbered from 1. A task may go back to an earlier state: each knows its own past.

    Args:
        size: Number of lanes.
        value_dim: V.
        device: Where tensors live.

    Attributes:
        writes: All calls of `write`; number i stands at i - 1.
        reads: All calls of `read`.
    """

    def __init__(self, size: int, value_dim: int, device: torch.device) -> None:
        self._size, self.value_dim, self.device = size, value_dim, device
        self.writes: list[Written] = []
        self.reads: list[Asked] = []
        self.copies: list[Transcript] = []

    @property
    @override
    def size(self) -> int:
        return self._size

    @property
    @override
    def memory(self) -> Any:
        return SimpleNamespace(composes=True, uses_time=True, recalls_order=False)

    @property
    @override
    def memories(self) -> Sequence[Any]:
        return [self.memory] * self._size

    @override
    def init_state(self) -> State:
        return {HISTORY: torch.zeros(self._size, dtype=torch.int64, device=self.device)}

    @override
    def select(self, lanes: Sequence[int]) -> Transcript:
        return Transcript(len(lanes), self.value_dim, self.device)

    @override
    def repeat(self, times: int) -> Transcript:
        """Lanes of episodes: what they are told is the task's data."""
        self.copies.append(Transcript(self._size * times, self.value_dim, self.device))
        return self.copies[-1]

    @staticmethod
    @override
    def select_state(state: State, lanes: Sequence[int]) -> State:
        return {HISTORY: state[HISTORY][list(lanes)]}

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        self.writes.append(Written(int(state[HISTORY][0]), keys, values, times, contexts))
        return {HISTORY: torch.full_like(state[HISTORY], len(self.writes))}

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
        *,
        value_dim: int | None = None,
    ) -> Tensor:
        self.reads.append(Asked(int(state[HISTORY][0]), queries, times, contexts))
        return queries.new_zeros(*queries.shape[:-1], value_dim or self.value_dim)

    @override
    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:
        raise TypeError("an associative task has no stream")

    @override
    def predict(
        self, state: State, window: Tensor, *, horizon: int | None = None
    ) -> tuple[Tensor, State]:
        raise TypeError("an associative task has no stream")

    @override
    def call(self, method: str, *args: Any, **options: Any) -> Any:
        raise TypeError(f"a transcript has no {method}")

    def before(self, number: int) -> list[int]:
        """Numbers of the writes that led to the state after write `number`, in order."""
        past: list[int] = []
        while number:
            past.append(number)
            number = self.writes[number - 1].after
        return past[::-1]


class _Listening(Workbench):
    """A workbench whose lanes are transcripts, for one seed.

    Args:
        seed: The seed.
        source: The generators that a run would have.
    """

    def __init__(self, seed: int, source: Randomness) -> None:
        self._seed, self._source = seed, source
        self.transcripts: list[Transcript] = []

    @property
    @override
    def seeds(self) -> tuple[int, ...]:
        return (self._seed,)

    @property
    @override
    def candidates(self) -> tuple[Mapping[str, Any], ...]:
        return ({},)

    @property
    @override
    def device(self) -> torch.device:
        return torch.device("cpu")

    @override
    def lanes(
        self,
        dictated: Sequence[Mapping[str, Any]],
        *,
        train: Sequence[Mapping[str, Tensor]] | None = None,
    ) -> Transcript:
        self.transcripts.append(Transcript(1, dictated[0]["value_dim"], self.device))
        return self.transcripts[-1]

    @override
    def rng(self, seed: int, split: Split, *key: int | str) -> np.random.Generator:
        return self._source.rng(seed, split, *key)

    @override
    def torch_rng(self, seed: int, split: Split, *key: int | str) -> torch.Generator:
        return self._source.torch_rng(seed, split, *key)

    @override
    def init_rng(self, seed: int) -> torch.Generator:
        raise TypeError("nothing is initialised where nothing is remembered")

    @override
    def shared(
        self,
        key: Mapping[str, Any],
        seeds: Sequence[int],
        build: Callable[[Sequence[int]], dict[int, dict[str, Tensor]]],
    ) -> dict[int, dict[str, Tensor]]:
        return build(seeds)

    @override
    def backbone(self, choice: BackboneSlot) -> Callable[..., torch.nn.Module]:
        raise TypeError("an associative task has no backbone")

    @override
    def keeper(self, key: Mapping[str, Any]) -> None:
        return None

    @override
    def resume(self) -> None:
        return None

    @override
    def checkpoint(self, position: int, tensors: Callable[[], dict[str, Tensor]]) -> None:
        return None

    @override
    def progress(self, done: int, total: int) -> None:
        return None


def listen(task: Task, seed: int, source: Randomness) -> Transcript:
    """What a task tells the lanes of its episodes; of several such sets of lanes, the first."""
    bench = _Listening(seed, source)
    task.run(bench)
    return next(copy for transcript in bench.transcripts for copy in transcript.copies)
