"""What a memory can tell about the events of a book: who, where, when, what, and in which order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from annotated_types import Ge, Gt, Lt

from bench.registry import task
from memories.base import InvalidParameter
from tasks.association.storage import mark_storage
from tasks.base import Lanes, Outcome, Randomness, Split, Task, Workbench
from tasks.episodic.calibration import Calibration, calibrate
from tasks.episodic.codes import BLOCKS, N_DAYS, Codebook, TimeCode
from tasks.episodic.curriculum import TRAINING_EVENTS, EpisodicCurriculum
from tasks.episodic.decoders import SMALLEST_SCALE, Decoder, Floats, answers, scores
from tasks.episodic.events import Distribution, EventSampler, Order
from tasks.episodic.questions import ask
from tasks.episodic.recall import Episode, Recall
from tasks.episodic.report import Answered
from tasks.episodic.show import sample
from tasks.episodic.timeline import OrderBy, Sightings, score, sightings
from tasks.samples.sample import Sample
from tasks.tuning import best_lanes, choice

MOST_TIMED_EVENTS = 512
"""Events beyond which presentation times are not decoded: one read per time and candidate."""


@task("episodic-events", family="episodic", source="Huet, Ben Houidi & Rossi 2025")
class EpisodicEvents(Task):
    """Recall of events by any part of them: the episodic memory benchmark in vector form.

    An event is a time, a place, an entity and a content, each a random code of D/4 numbers; its
    key is x = 1/2 [time; place; entity; content], of length one, and its value x followed by half
    the code of a detail. Values come back: each attribute is geometric, so that a cue may match
    no event, one, or many. A cue is x with the blocks that it does not give at zero.

    There are 35 kinds of questions. All values of one attribute given any others (`f1`: the mean
    over 0, 1, 2, 3-5 and 6 or more matching events of the mean F1), the detail of a whole event
    (`detail_accuracy`), the latest value of an entity (`latest`) and its history
    (`chronological`: the share of complete lists times their mean Kendall tau).
    `chronological_awareness` is the mean of the last two. `f1_lenient` caps the number of
    predictions at the number of true values, as the benchmark for texts does; it rewards whoever
    answers everything, and `f1` does not. Answering nothing scores one over the number of bins
    that occur on both: 0.2 of all five. As there, a list counts as complete whatever else is on
    it, so that histories are to be read beside `f1`.

    A memory returns one vector, an answer is a set: with ``verify`` every value is put into the
    cue and recognised or not, with ``superpose`` a single read is taken apart. The threshold and
    the scale of amplitudes are fixed per seed on validation episodes.

    Args:
        events: Events per episode N.
        universe: Values per attribute.
        p: Success probability of the geometric distribution.
        distribution: How popular values are.
        order: Order of presentation; ``drawn`` is not chronological.
        time_code: ``fourier`` gives near days similar codes.
        decoder: How an answer is read off the memory.
        order_by: What the latest and the order are of: the ``rank`` of recalled times, or the
            ``times`` of presentation, which the memory must use.
        dim: Width of keys D, a multiple of four; values have 5 D/4.
        episodes: Test episodes per seed.
        validation_episodes: Episodes per seed on which threshold and scale are chosen.
    """

    tunes: ClassVar[bool] = True

    def __init__(
        self,
        *,
        events: Annotated[int, Ge(2)] = 200,
        universe: Annotated[int, Ge(2)] = 100,
        p: Annotated[float, Gt(0), Lt(1)] = 0.1,
        distribution: Distribution = "geometric",
        order: Order = "drawn",
        time_code: TimeCode = "random",
        decoder: Decoder = "verify",
        order_by: OrderBy = "rank",
        dim: Annotated[int, Ge(4)] = 64,
        episodes: Annotated[int, Ge(1)] = 1,
        validation_episodes: Annotated[int, Ge(1)] = 1,
    ) -> None:
        if dim % BLOCKS:
            raise InvalidParameter("dim", f"must be a multiple of {BLOCKS}, got {dim}")
        if time_code == "fourier":
            _require_fourier(dim, universe)
        if order_by == "times" and events > MOST_TIMED_EVENTS:
            raise InvalidParameter(
                "order_by",
                f"times takes a read per event and candidate: at most {MOST_TIMED_EVENTS} "
                f"events, got {events}",
                "use order_by rank",
            )
        self.sampler = EventSampler(universe, distribution, p, order)
        self.sampler.require(events)
        self.events = events
        self.time_code: TimeCode = time_code
        self.decoder: Decoder = decoder
        self.order_by: OrderBy = order_by
        self.dim = dim
        self.episodes = episodes
        self.validation_episodes = validation_episodes

    def requires(self) -> frozenset[str]:
        """Times, if they are what events are ordered by."""
        return frozenset(["uses_time"] if self.order_by == "times" else [])

    def dictates(self) -> dict[str, int]:
        """Sizes of keys and values, and the number of events."""
        return {
            "key_dim": self.dim,
            "value_dim": self.dim + self.dim // BLOCKS,
            "context_dim": 0,
            "max_events": self.events,
        }

    def curriculum(self) -> EpisodicCurriculum | None:
        """Episodes of 32 events of the same law; None if the universe has not so many."""
        try:
            self.sampler.require(TRAINING_EVENTS)
        except InvalidParameter:
            return None
        return EpisodicCurriculum(self.dim, self.sampler, self.time_code)

    def samples(self, n: int, seed: int, source: Randomness) -> list[Sample]:
        """The first test episodes: what happened, and questions of all kinds."""
        return [
            sample(self.episode(source, seed, "test", number), f"episode {number}")
            for number in range(n)
        ]

    def episode(self, bench: Randomness, seed: int, split: Split, number: int) -> Episode:
        """One episode of a seed; its events and questions do not depend on the width of codes."""

        def rng(part: str) -> np.random.Generator:
            return bench.rng(seed, split, "episode", number, part)

        universe = self.sampler.universe
        events = self.sampler.draw(rng("events"), self.events)
        codebook = Codebook.draw(rng("codes"), universe, self.dim // BLOCKS, self.time_code)
        return Episode(events, codebook, ask(rng("questions"), events, universe))

    def run(self, bench: Workbench) -> list[Outcome]:
        """One outcome per seed: the test episodes, as answered by the best setting."""
        lanes = bench.lanes([self.dictates()] * len(bench.seeds))
        calibrations = self._calibrate(bench, lanes)
        chosen = best_lanes([-c.f1 for c in calibrations], len(bench.seeds))
        bench.progress(1, 2)
        tested = self._test(bench, lanes.select(chosen), [calibrations[lane] for lane in chosen])
        bench.progress(2, 2)
        per_seed = lanes.size // len(bench.seeds)
        outcomes = [
            self._outcome(
                own, calibrations[s * per_seed : (s + 1) * per_seed], chosen[s] % per_seed, bench
            )
            for s, own in enumerate(tested)
        ]
        mark_storage(outcomes, bench, lanes.select(chosen), self.dictates())
        return outcomes

    def _calibrate(self, bench: Workbench, lanes: Lanes) -> list[Calibration]:
        """Scale and threshold of each lane, a lane being a seed with one candidate setting."""
        repeats = self.validation_episodes
        per_seed = lanes.size // len(bench.seeds)
        drawn = [
            [self.episode(bench, seed, "validation", number) for number in range(repeats)]
            for seed in bench.seeds
        ]
        episodes = [episode for own in drawn for _ in range(per_seed) for episode in own]
        recall = self._recall(bench, lanes.repeat(repeats), episodes)
        scale = np.median(recall.of_events().reshape(lanes.size, -1).cpu().numpy(), axis=1)
        asked = [episode.questions.only(episode.questions.scope("all")) for episode in episodes]
        scored = scores(recall, asked, _tensor(bench, np.repeat(scale, repeats)), self.decoder)
        finite = recall.finite.reshape(lanes.size, repeats).all(1).tolist()
        found = []
        for lane in range(lanes.size):
            rows = slice(lane * repeats, (lane + 1) * repeats)
            own = calibrate(float(scale[lane]), scored[rows], asked[rows])
            found.append(own if finite[lane] else replace(own, f1=-math.inf))
        return found

    def _test(
        self, bench: Workbench, lanes: Lanes, calibrations: Sequence[Calibration]
    ) -> list[Answered | None]:
        """What the memory of each seed answers in its test episodes; None if not finite."""
        episodes = [
            self.episode(bench, seed, "test", number)
            for seed in bench.seeds
            for number in range(self.episodes)
        ]
        settings = [c for c in calibrations for _ in range(self.episodes)]
        scale = _tensor(bench, [c.scale for c in settings])
        recall = self._recall(bench, lanes.repeat(self.episodes), episodes)
        of_values = [e.questions.only(e.questions.scope("all")) for e in episodes]
        of_order = [e.questions.only(~e.questions.scope("all")) for e in episodes]
        scored = scores(recall, of_values, scale, self.decoder)
        seen = sightings(
            recall,
            of_order,
            scale,
            [c.threshold for c in settings],
            decoder=self.decoder,
            order_by=self.order_by,
        )
        tested: list[Answered | None] = []
        for start in range(0, len(episodes), self.episodes):
            own = range(start, start + self.episodes)
            predicted = [answers(scored[i], settings[i].threshold) for i in own]
            ordered = [
                score(of_order[i], seen[i], Sightings.true(episodes[i].events, self.order_by))
                for i in own
            ]
            finite = bool(recall.finite[own.start : own.stop].all())
            answered = Answered.of([of_values[i] for i in own], predicted, ordered)
            tested.append(answered if finite else None)
        return tested

    def _recall(self, bench: Workbench, lanes: Lanes, episodes: Sequence[Episode]) -> Recall:
        return Recall.of(lanes, episodes, bench.device, timed=self.order_by == "times")

    def _outcome(
        self,
        answered: Answered | None,
        calibrations: Sequence[Calibration],
        best: int,
        bench: Workbench,
    ) -> Outcome:
        calibration = calibrations[best]
        if not math.isfinite(calibration.f1):
            return Outcome("nonfinite", "a read of a validation episode was not finite")
        if answered is None:
            return Outcome("nonfinite", "a read of a test episode was not finite")
        notes: dict[str, Any] = {
            "threshold": calibration.threshold,
            "scale": calibration.scale,
            "validation_f1": calibration.f1,
            "bins": answered.bin_names(),
        }
        warnings = []
        if abs(calibration.scale) < SMALLEST_SCALE:
            warnings.append(
                "returns next to nothing of the events it was shown: it answers nothing"
            )
        if len(bench.candidates) > 1:
            notes["tuned"], edge = choice(
                bench.candidates, [c.f1 for c in calibrations], best, score="validation_f1"
            )
            warnings += edge
        if warnings:
            notes["warnings"] = warnings
        return Outcome(metrics=answered.metrics(), n_eval=answered.n_questions, notes=notes)


def _tensor(bench: Workbench, values: Sequence[float] | Floats) -> torch.Tensor:
    return torch.as_tensor(np.asarray(values), dtype=torch.float32, device=bench.device)


def _require_fourier(dim: int, universe: int) -> None:
    """Nothing, if such codes exist.

    Raises:
        InvalidParameter: If they need another width, or there are more times than days.
    """
    width = dim // BLOCKS
    if width % 2 or width < 4:
        raise InvalidParameter(
            "dim",
            f"time_code fourier needs an even number of at least 4 per code, got {width}",
            "use a dim that is a multiple of 8, at least 16",
        )
    if universe > N_DAYS:
        raise InvalidParameter(
            "universe", f"time_code fourier has {N_DAYS} days, got {universe}", "use fewer values"
        )
