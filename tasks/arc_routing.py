"""Which kind of rule does an episode follow: routing of ARC-style episodes, learned from labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge
from typing_extensions import override

from bench.registry import task
from memories.base import InvalidParameter
from tasks.arc.cached import shared_raw_codes
from tasks.arc.codes import EpisodeCounts, Raw
from tasks.arc.episodes import SPLITS
from tasks.arc.families import FAMILIES, GROUP_OF
from tasks.arc.label_scores import accuracy
from tasks.arc.router_lanes import Answers, RouterLanes
from tasks.arc.routing_data import RoutingData
from tasks.arc.routing_events import Encoding, Events, Features, Preset, batches, rounds
from tasks.arc.routing_report import BankUse, bank_marks, few_shot_metrics, label_metrics
from tasks.arc.show import shown_episodes
from tasks.base import Outcome, Randomness, Task, Workbench
from tasks.samples.sample import Sample
from tasks.tuning import best_lanes, choice

FEW_SHOTS = (1, 2, 5, 10, 20, 40)
BATCH = 64


@task("arc-routing", family="routing", source="Chollet 2019; Moskvichev et al. 2023")
class ArcRouting(Task):
    """Classification of episodes of ARC-style grid puzzles by the kind of rule that they show.

    An episode is k pairs of grids that follow one hidden rule of one of 24 families in four
    groups; a fixed featuriser makes a unit code z of it. A router sees labelled episodes once and
    is asked for the family of new ones. Nobody solves a grid: no solve rate can be read off this.

    `family_accuracy` is the headline, beside the mean over the 22 families that inputs alone do
    not give away. Routers that train nothing are asked after 1, 2, 5, ... events of each family;
    trained ones at the end. Banks are compared with groups on the test episodes: a router without
    banks stands with its predicted groups, a ceiling, and its row says so. A trained bank is
    mapped to a group on the training events unless the router was guided.

    Args:
        preset: Demonstrations k and noise sigma of a code: easy (3, 0), default (2, 0.3), hard
            (1, 0.5).
        features: All 60 features of a pair, the 41 basic ones, or the 11 of the inputs alone: the
            control that says how much inputs give away.
        labels: ``shuffled`` permutes the training labels: the control in which nothing is learned.
        key_dim: Width d of codes.
        train: Training events of each family.
        validation: Episodes of each family on which a tuned parameter is chosen.
        test: Test episodes of each family.
        few_shot: Events of each family after which accuracy is measured; null for those of 1, 2,
            5, 10, 20, 40 that there are.
        steps: Training steps, of batches of 64, for routers that train.

    Raises:
        InvalidParameter: If `few_shot` does not increase, or asks for more events than there are.
    """

    protocol = "router"
    tunes: ClassVar[bool] = True

    def __init__(
        self,
        *,
        preset: Preset = "default",
        features: Features = "full",
        labels: Literal["true", "shuffled"] = "true",
        key_dim: Annotated[int, Ge(2)] = 64,
        train: Annotated[int, Ge(1)] = 40,
        validation: Annotated[int, Ge(1)] = 10,
        test: Annotated[int, Ge(1)] = 40,
        few_shot: tuple[Annotated[int, Ge(1)], ...] | None = None,
        steps: Annotated[int, Ge(1)] = 1500,
    ) -> None:
        self.encoding = Encoding.of(preset, features, key_dim)
        self.labels = labels
        self.counts = EpisodeCounts(train, validation, test)
        self.steps = steps
        known = tuple(n for n in FEW_SHOTS if n < train)
        self.few_shot = (*known, train) if few_shot is None else few_shot
        if list(self.few_shot) != sorted(set(self.few_shot)) or not self.few_shot:
            raise InvalidParameter("few_shot", f"must increase, got {list(self.few_shot)}")
        if self.few_shot[-1] > train:
            raise InvalidParameter(
                "few_shot",
                f"asks for {self.few_shot[-1]} events of each family, of which there are {train}",
                help="raise train, or ask for fewer",
            )

    @override
    def dictates(self) -> dict[str, Any]:
        """Width of codes, the group of each family, and the number of events."""
        return {
            "key_dim": self.encoding.dim,
            "label_groups": GROUP_OF,
            "max_events": len(FAMILIES) * self.counts.train,
            "continual": False,
        }

    @override
    def samples(self, n: int, seed: int, source: Randomness) -> list[Sample]:
        """Test episodes, of one family after another, with what a router is shown of them."""
        return shown_episodes(n, seed, "test", self.encoding.demos)

    @override
    def run(self, bench: Workbench) -> list[Outcome]:
        """One outcome per seed."""
        raw = shared_raw_codes(bench, self.counts)
        data = [self._data(bench, seed, raw[seed]) for seed in bench.seeds]
        built = bench.lanes([self.dictates()] * len(data), train=[own.training() for own in data])
        routers = RouterLanes(built, bench.device)
        lanes = [own for own in data for _ in bench.candidates]
        curve = self._learned(bench, routers, lanes)
        final = Final.of(routers, lanes)
        best = best_lanes([-value for value in final.validation], len(data))
        return [
            self._outcome(bench, seed, lane, routers, lanes[lane], curve, final)
            if routers.finite[lane]
            else Outcome("nonfinite", "a score or a routing was not finite")
            for seed, lane in zip(bench.seeds, best, strict=True)
        ]

    def _data(self, bench: Workbench, seed: int, raw: Raw) -> RoutingData:
        """All events of a seed, and the orders in which they come."""
        train, validation, test = (Events.of(raw, self.encoding, seed, name) for name in SPLITS)

        def rng(part: str) -> np.random.Generator:
            return bench.rng(seed, "test", part)

        shown = train.relabelled(rng("labels")) if self.labels == "shuffled" else train
        return RoutingData(
            train,
            shown,
            validation,
            test,
            rounds(self.counts.train, self.few_shot, rng("presentation")),
            batches(len(train.labels), self.steps, BATCH, rng("batches")),
        )

    def _learned(
        self, bench: Workbench, routers: RouterLanes, lanes: Sequence[RoutingData]
    ) -> dict[int, list[Answers]]:
        """Test answers at the check-points, by n, for routers that train nothing; all is learned.

        What a trained router knows does not come from the events that it stores. One whose writes
        do not compose learns all events so far anew for each check-point.
        """
        curve: dict[int, list[Answers]] = {}
        total = len(lanes[0].parts)
        for part in range(total):
            first = part
            if not routers.router.composes:
                routers.reset()
                first = 0
            rows = [np.concatenate(own.parts[first : part + 1]) for own in lanes]
            routers.learn([own.shown.take(new) for own, new in zip(lanes, rows, strict=True)])
            if part < len(self.few_shot) and not routers.trains:
                curve[self.few_shot[part]] = routers.route([own.test for own in lanes])
            bench.progress(part + 1, total)
        return curve

    def _outcome(
        self,
        bench: Workbench,
        seed: int,
        lane: int,
        routers: RouterLanes,
        data: RoutingData,
        curve: Mapping[int, list[Answers]],
        final: Final,
    ) -> Outcome:
        test, labels = final.test[lane], data.test.labels
        points = {n: answers[lane].predicted for n, answers in curve.items()}
        if routers.trains:
            points = {self.counts.train: test.predicted}
        use = BankUse.of(routers.router, test, final.train[lane])
        metrics = [
            *label_metrics(test, labels),
            *few_shot_metrics(points, labels, whole=not routers.trains),
            *use.metrics(labels, data.shown.labels, bench.rng(seed, "test", "permutations")),
        ]
        notes = {
            "banks": list(routers.router.banks) or "predicted groups",
            **final.notes(lane, bench.candidates),
        }
        marks = bank_marks(routers.router, trains=routers.trains)
        return Outcome(metrics=metrics, n_eval=len(labels), notes=notes, marks=marks)


@dataclass(frozen=True)
class Final:
    """What the routers of all lanes come to after their last event.

    Attributes:
        test: Answers to test episodes.
        train: Answers to training events.
        validation: Accuracy over families on validation episodes; not finite where an answer is.
        told: What each tells of itself.
    """

    test: list[Answers]
    train: list[Answers]
    validation: list[float]
    told: list[dict[str, float]]

    @classmethod
    def of(cls, routers: RouterLanes, lanes: Sequence[RoutingData]) -> Final:
        """What they say now."""
        test, train, validation = (
            routers.route([getattr(own, split) for own in lanes])
            for split in ("test", "train", "validation")
        )
        scored = [
            accuracy(answers.predicted, own.validation.labels) if fine else math.nan
            for answers, own, fine in zip(validation, lanes, routers.finite, strict=True)
        ]
        return cls(test, train, scored, routers.report())

    def notes(self, lane: int, candidates: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What the router of a lane tells, and how its setting was chosen if there are others."""
        found: dict[str, Any] = {"router": self.told[lane]} if self.told[lane] else {}
        each = len(candidates)
        if each > 1:
            own = self.validation[lane - lane % each :][:each]
            found["tuned"], found["warnings"] = choice(
                candidates, own, lane % each, score="validation_accuracy"
            )
        return found
