"""Memories that store nothing are told from those that store little."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from bench import registry
from bench.lanes import Lanes
from memories.base import AssociativeMemory, State
from tasks.association.storage import (
    STORES_NOTHING,
    WARNING,
    ignores_values,
    ignoring,
    mark_storage,
)
from tasks.base import Outcome
from tests.memories.case import build
from tests.tasks.cells import cell, run

SIZES = {"key_dim": 16, "value_dim": 12, "context_dim": 0, "max_events": 8}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Sometimes(AssociativeMemory):
    """Recalls the last value, if it is switched on.

    Args:
        key_dim: D.
        value_dim: V.
        context_dim: C.
        generator: Decides whether it stores.
    """

    uses_context = True
    uses_time = True

    def __init__(
        self, key_dim: int, value_dim: int, context_dim: int, *, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.key_dim, self.value_dim, self.context_dim = key_dim, value_dim, context_dim
        self.scalar("gain", float(torch.rand((), generator=generator) < 0.5))

    def init_state(self) -> State:
        return {"last": self.gain.new_zeros(self.value_dim)}

    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        self._check(keys, times, contexts)
        return {"last": self.gain * values[-1]}

    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        self._check(queries, times, contexts)
        return state["last"].expand(len(queries), -1)

    def _check(self, keys: Tensor, times: Tensor | None, contexts: Tensor | None) -> None:
        assert keys.shape == (8, self.key_dim)
        assert times is not None and times.shape == (8,)
        assert (contexts is None) == (self.context_dim == 0)
        assert contexts is None or contexts.shape == (8, self.context_dim)


@pytest.mark.parametrize(
    ("memory", "ignores"),
    [
        ("zero", True),
        ("echo", True),
        ("exact-knn", False),
        ("delta", False),
        ("linear-assoc", False),
        ("ring-attention", False),
        ("last-value", False),
        ("mean-value", False),
    ],
)
def test_a_memory_stores_if_its_answers_depend_on_the_values(memory, ignores):
    lanes = Lanes([build(memory, key_dim=16, value_dim=12, max_events=8)])
    assert ignores_values(lanes, SIZES, generator()) is ignores


@pytest.mark.parametrize("context_dim", [0, 5])
def test_each_lane_is_probed_for_itself_with_contexts_and_times_if_it_uses_them(context_dim):
    memories = [Sometimes(16, 12, context_dim, generator=generator(seed)) for seed in range(8)]
    off = [memory.gain.item() == 0 for memory in memories]
    assert 0 < sum(off) < 8
    sizes = SIZES | {"context_dim": context_dim}
    assert ignoring(Lanes(memories), sizes, generator()).tolist() == off
    for memory, ignores in zip(memories, off, strict=True):
        assert ignores_values(Lanes([memory]), sizes, generator()) is ignores


def test_only_the_first_lane_decides_whether_values_are_ignored():
    memories = [Sometimes(16, 12, 0, generator=generator(seed)) for seed in range(8)]
    first_off = next(k for k, memory in enumerate(memories) if memory.gain == 0)
    first_on = next(k for k, memory in enumerate(memories) if memory.gain == 1)
    lanes = Lanes(memories)
    assert ignores_values(lanes.select([first_off, first_on]), SIZES, generator())
    assert not ignores_values(lanes.select([first_on, first_off]), SIZES, generator())


class Bench:
    """The one generator that marking asks for."""

    def torch_rng(self, seed: int, split: str, *key: int | str) -> torch.Generator:
        return generator()


def test_a_mark_adds_to_what_an_outcome_says_and_leaves_failures_alone():
    lanes = Lanes([build("zero", key_dim=16, value_dim=12)] * 3)
    outcomes = [
        Outcome(),
        Outcome(notes={"warnings": ["before"]}, marks=("other",)),
        Outcome("nonfinite", "gone"),
    ]
    mark_storage(outcomes, Bench(), lanes, SIZES)
    assert [outcome.marks for outcome in outcomes] == [
        (STORES_NOTHING,), ("other", STORES_NOTHING), (),
    ]  # fmt: skip
    assert outcomes[0].notes == {"warnings": [WARNING]}
    assert outcomes[1].notes == {"warnings": ["before", WARNING]}
    assert outcomes[2].notes == {}


TASKS = [
    ("capacity", {"loads": [8], "episodes": 1}),
    ("interference", {"episodes": 1}),
    ("pair-recall", {"episodes": 1}),
    ("serial-position", {"episodes": 1}),
    ("context-reinstatement", {"episodes": 1}),
    ("order-when", {"episodes": 1}),
    ("capacity-matrix-vs-linear", {"loads": [8], "episodes": 1}),
    ("mqar-vectors", {"items": 8, "episodes": 1}),
]


@pytest.mark.parametrize(("task", "params"), TASKS)
def test_every_task_of_recall_marks_the_memories_that_store_nothing(task, params):
    (idle,) = run(cell("echo", task, params), [0])
    assert STORES_NOTHING in idle.marks
    assert WARNING in idle.notes["warnings"]
    (able,) = run(cell("episodic-linear", task, params), [0])
    assert able.marks == ()
    assert WARNING not in able.notes.get("warnings", ())


def test_the_verdict_on_a_seed_does_not_depend_on_its_block(temporary_entries, monkeypatch):
    monkeypatch.setattr(Sometimes, "_check", lambda *_: None)
    registry.memory("sometimes", family="fake")(Sometimes)
    made = cell("sometimes", "pair-recall", {"episodes": 2})
    together = [outcome.marks for outcome in run(made, range(8))]
    assert len(set(together)) == 2
    assert [run(made, [seed])[0].marks for seed in range(8)] == together
