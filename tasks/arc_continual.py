"""What a router still knows of earlier kinds of rules once it has learned others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from annotated_types import Ge
from typing_extensions import override

from bench.registry import task
from tasks.arc.cached import shared_raw_codes
from tasks.arc.codes import EpisodeCounts, Raw
from tasks.arc.continual import (
    average_accuracy,
    backward_transfer,
    forgetting,
    learning_accuracy,
)
from tasks.arc.families import FAMILIES, GROUP_OF
from tasks.arc.router_lanes import RouterLanes
from tasks.arc.routing_events import Counts, Encoding, Events, Features, Preset, batches
from tasks.arc.show import shown_episodes
from tasks.association.recall_metrics import accuracy as share
from tasks.base import Direction, Metric, Outcome, Randomness, Task, Workbench
from tasks.samples.sample import Sample

Floats = npt.NDArray[np.float64]

BATCH = 64
TRIPLE = 3
BY_CHANCE = 1 / len(FAMILIES)


@dataclass(frozen=True)
class Stages:
    """The events of one seed, stage by stage.

    Attributes:
        train: Training events of each stage, in the order in which they are shown.
        test: Test episodes of each stage.
        order: Rows [T, B] of each stage's training steps.
    """

    train: list[Events]
    test: list[Events]
    order: list[Counts]


@task("arc-continual", family="routing", source="Lopez-Paz & Ranzato 2017; Chaudhry et al. 2018")
class ArcContinual(Task):
    """Classification of ARC-style episodes whose kinds of rules come in stages, one after another.

    The episodes are those of `arc-routing`. A stage shows the training events of some families
    once, in a random order; routers with weights train on that stage alone, the others write.
    After each stage all stages are tested, always among all 24 families: R[i, j] is the accuracy
    on stage j after stage i, ``stage_j_accuracy`` at x = i.

    `average_accuracy` is the mean over j of R[T, j], the headline; `backward_transfer` the mean of
    R[T, j] - R[j, j] over earlier stages, `forgetting` the mean loss from the best that was ever
    reached on them, `learning_accuracy` the mean of R[j, j].

    Args:
        preset: Demonstrations k and noise sigma of a code: easy (3, 0), default (2, 0.3), hard
            (1, 0.5).
        features: All 60 features of a pair, the 41 basic ones, or the 11 of the inputs alone.
        stages: The four groups, or eight triples of families.
        order: Order of the stages: as the families stand, or drawn from the seed.
        capacity: Events that the memory is built for; null for all that are shown.
        key_dim: Width d of codes.
        train: Training events of each family.
        test: Test episodes of each family.
        steps: Training steps of a stage, of batches of 64, for routers that train.
    """

    protocol = "router"

    def __init__(
        self,
        *,
        preset: Preset = "default",
        features: Features = "full",
        stages: Literal["groups", "triples"] = "groups",
        order: Literal["given", "drawn"] = "given",
        capacity: Annotated[int, Ge(1)] | None = None,
        key_dim: Annotated[int, Ge(2)] = 64,
        train: Annotated[int, Ge(1)] = 40,
        test: Annotated[int, Ge(1)] = 40,
        steps: Annotated[int, Ge(1)] = 300,
    ) -> None:
        self.encoding = Encoding.of(preset, features, key_dim)
        self.stages, self.order = stages, order
        self.counts = EpisodeCounts(train, 0, test)
        self.capacity = capacity
        self.steps = steps

    @override
    def dictates(self) -> dict[str, Any]:
        """Width of codes, the group of each family, and the events that there is room for."""
        return {
            "key_dim": self.encoding.dim,
            "label_groups": GROUP_OF,
            "max_events": self.capacity or len(FAMILIES) * self.counts.train,
            "continual": True,
        }

    @override
    def samples(self, n: int, seed: int, source: Randomness) -> list[Sample]:
        """Test episodes, of one family after another, with what a router is shown of them."""
        return shown_episodes(n, seed, "test", self.encoding.demos)

    @override
    def run(self, bench: Workbench) -> list[Outcome]:
        """One outcome per seed."""
        raw = shared_raw_codes(bench, self.counts)
        data = [self._stages(bench, seed, raw[seed]) for seed in bench.seeds]
        routers = RouterLanes(bench.lanes([self.dictates()] * len(data)), bench.device)
        number = len(data[0].train)
        matrix = np.zeros((len(data), number, number))
        for stage in range(number):
            routers.fit_stage(
                [own.train[stage] for own in data], [own.order[stage] for own in data]
            )
            matrix[:, stage] = _accuracies(routers, data)
            bench.progress(stage + 1, number)
        told = routers.report()
        queries = sum(len(events.labels) for events in data[0].test)
        return [
            Outcome(
                metrics=metrics(matrix[lane], queries),
                n_eval=queries,
                notes={"router": told[lane]} if told[lane] else {},
            )
            if routers.finite[lane]
            else Outcome("nonfinite", "a score or a routing was not finite")
            for lane in range(len(data))
        ]

    def families(self, rng: np.random.Generator) -> list[Counts]:
        """The families of each stage, in order."""
        every = np.arange(len(FAMILIES), dtype=np.int64)
        if self.stages == "groups":
            groups = np.array(GROUP_OF)
            parts = [every[groups == group] for group in range(groups.max() + 1)]
        else:
            parts = list(every.reshape(-1, TRIPLE))
        if self.order == "given":
            return parts
        return [parts[at] for at in rng.permutation(len(parts))]

    def _stages(self, bench: Workbench, seed: int, raw: Raw) -> Stages:
        """The events of a seed, cut into stages."""
        train, test = (Events.of(raw, self.encoding, seed, name) for name in ("train", "test"))
        found = Stages([], [], [])
        for stage, members in enumerate(self.families(bench.rng(seed, "test", "stages"))):
            rows = np.flatnonzero(np.isin(train.labels, members))
            shown = bench.rng(seed, "test", "presentation", stage).permutation(rows)
            drawn = bench.rng(seed, "test", "batches", stage)
            found.train.append(train.take(shown))
            found.test.append(test.take(np.flatnonzero(np.isin(test.labels, members))))
            found.order.append(batches(len(rows), self.steps, BATCH, drawn))
        return found


def _accuracies(routers: RouterLanes, data: Sequence[Stages]) -> Floats:
    """Accuracy on each stage's test of each seed, [S, T]; all queries are asked at once."""
    asked = [Events.joined(own.test) for own in data]
    found = np.zeros((len(data), len(data[0].test)))
    for lane, answers in enumerate(routers.route(asked)):
        right = answers.predicted == asked[lane].labels
        starts = np.cumsum([0, *(len(events.labels) for events in data[lane].test[:-1])])
        sizes = [len(events.labels) for events in data[lane].test]
        found[lane] = np.add.reduceat(right.astype(np.float64), starts) / sizes
    return found


def metrics(matrix: Floats, queries: int) -> list[Metric]:
    """The numbers of an accuracy matrix R [T, T], and the matrix itself."""
    stages = len(matrix)
    # one answer more or less on one stage, of T - 1 that can be forgotten
    step = stages / queries / (stages - 1)

    def change(name: str, value: float, direction: Direction) -> Metric:
        return Metric(name, value, direction, primary=True, bounds=(-1.0, 1.0), resolution=step)

    found = [
        share(
            "average_accuracy", average_accuracy(matrix), BY_CHANCE, primary=True, answers=queries
        ),
        change("backward_transfer", backward_transfer(matrix), "higher"),
        change("forgetting", forgetting(matrix), "lower"),
        share("learning_accuracy", learning_accuracy(matrix), BY_CHANCE),
    ]
    return found + [
        share(f"stage_{j + 1}_accuracy", float(matrix[i, j]), BY_CHANCE, x=float(i + 1))
        for j in range(stages)
        for i in range(stages)
    ]
