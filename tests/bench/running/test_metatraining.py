"""Slow weights trained as lanes: each lane is an optimiser of its own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench import seeds
from bench.running import meta_lanes, metatraining
from bench.running.checkpoint import Checkpoint
from bench.running.meta_lanes import EpisodeStreams, StackedWeights
from bench.running.metatraining import BUDGETS, Budget, MetaTraining, train, train_cached
from bench.running.workbench import Workbench
from memories.base import AssociativeMemory, State
from tasks.association.curriculum import AssociativeCurriculum
from tasks.base import Curriculum, Episodes
from tasks.episodic_events import EpisodicEvents
from tests.memories.case import build
from tests.tasks.cells import cell, task_of

D, V = 6, 5
SHORT = Budget(steps=20, episodes=4, validate_every=10, validation_episodes=8)
CURRICULUM = AssociativeCurriculum(D, V)
LEARNED = {"rule": "delta", "proj": "learned"}


class Scaled(AssociativeMemory):
    """Recalls the mean value, turned by a matrix that starts at a bad place."""

    def __init__(self, trap: float = 0.0) -> None:
        super().__init__()
        self.turn = nn.Parameter(-torch.eye(V))
        self.scalar("trap", trap)

    def init_state(self) -> State:
        return {"sum": self.turn.new_zeros(V)}

    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        return {"sum": state["sum"] + values.sum(0)}

    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        out = (state["sum"] @ self.turn).expand(queries.shape[0], -1)
        # after a few steps the weights leave the trap's side and the reads become NaN
        gone = (self.turn + torch.eye(V)).abs().max() > 0.004
        return torch.where(gone & (self.trap > 0), torch.nan, out)


def stacked(memories: list[AssociativeMemory], budget: Budget) -> StackedWeights:
    return StackedWeights(memories, torch.device("cpu"), episodes=budget.episodes)


def drawn_for(lane_seeds: list[int], budget: Budget) -> EpisodeStreams:
    return EpisodeStreams(
        CURRICULUM,
        lane_seeds,
        torch.device("cpu"),
        episodes=budget.episodes,
        validation_episodes=budget.validation_episodes,
    )


def learned(lanes: range) -> list[AssociativeMemory]:
    return [build("ar-fast-weights", lane, key_dim=D, value_dim=V, **LEARNED) for lane in lanes]


def weights_of(memory: AssociativeMemory) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in memory.named_parameters()}


def test_lanes_trained_together_equal_single_runs_after_twenty_steps() -> None:
    """Rounding differs with the shape of a call; Adam divides by it: 1e-4 after 20 steps."""
    memories = learned(range(3))
    together = train(memories, range(3), CURRICULUM, SHORT)
    for lane, memory in enumerate(memories):
        (alone,) = train([memory], [lane], CURRICULUM, SHORT)
        assert together[lane].best == alone.best
        assert together[lane].validation == pytest.approx(alone.validation, abs=1e-5)
        for name, weight in alone.weights.items():
            torch.testing.assert_close(together[lane].weights[name], weight, rtol=0, atol=1e-4)


def test_training_leaves_the_memories_as_they_were() -> None:
    memories = learned(range(2))
    before = [weights_of(memory) for memory in memories]
    trained = train(memories, range(2), CURRICULUM, SHORT)
    for memory, kept, lane in zip(memories, before, trained, strict=True):
        for name, weight in weights_of(memory).items():
            assert torch.equal(weight, kept[name])
        assert any(not torch.equal(lane.weights[name], kept[name]) for name in kept)


def test_the_kept_weights_are_those_of_the_best_validation() -> None:
    """Never worse than the initial ones on the validation episodes, for every lane."""
    for lane in train(learned(range(4)), range(4), CURRICULUM, SHORT):
        assert len(lane.validation) == 3
        assert lane.validation[lane.best] == min(lane.validation)
        assert lane.validation[lane.best] <= lane.validation[0]


def recall_loss(memory: AssociativeMemory, groups: list[Episodes]) -> float:
    """One minus the mean cosine of all episodes, each written and read by itself."""
    losses: list[Tensor] = []
    for group in groups:
        for keys, values, queries, targets in zip(
            group.keys, group.values, group.queries, group.targets, strict=True
        ):
            reads = memory.read(memory.write(memory.init_state(), keys, values), queries)
            losses.append(1 - torch.cosine_similarity(reads, targets, dim=-1).mean())
    return float(torch.stack(losses).mean())


@torch.no_grad()
@pytest.mark.parametrize(("rule", "gain"), [("hebb", -0.01), ("delta", 0.005)])
def test_training_costs_no_lane_a_hundredth_and_holds_on_unseen_episodes(
    rule: str, gain: float
) -> None:
    """The weights as restored, on validation episodes drawn anew and read without lanes.

    On 200 episodes that neither training nor validation held, the sum of products of random keys
    has nothing to gain; the delta rule learns to be careful, by .008 in 60 steps.
    """
    lanes = [
        build("ar-fast-weights", lane, key_dim=D, value_dim=V, rule=rule, proj="learned")
        for lane in range(4)
    ]

    def held_out(seed: int, stream: int, n: int) -> list[Episodes]:
        drawn = seeds.torch_generator(seed, stream, meta_lanes.STREAM_KEY)
        return CURRICULUM.validation(n, drawn)

    def losses(stream: int, n: int) -> list[float]:
        return [recall_loss(m, held_out(seed, stream, n)) for seed, m in enumerate(lanes)]

    n = SHORT.validation_episodes
    before, unseen_before = losses(seeds.VALIDATION, n), losses(seeds.TEST, 200)
    with torch.enable_grad():
        kept = train_cached(lanes, range(4), CURRICULUM, replace(SHORT, steps=60))
    stories = [MetaTraining.restore(m, kept[seed]) for seed, m in enumerate(lanes)]
    after, unseen_after = losses(seeds.VALIDATION, n), losses(seeds.TEST, 200)
    for story, initial, trained in zip(stories, before, after, strict=True):
        assert trained <= initial + 0.01
        assert initial == pytest.approx(story.validation[0], abs=1e-5)
        assert trained == pytest.approx(story.validation[story.best], abs=1e-5)
    for initial, trained in zip(unseen_before, unseen_after, strict=True):
        assert initial - trained > gain


def test_the_loss_is_one_minus_the_mean_cosine_and_what_the_memory_adds() -> None:
    """Mean value with turn = -I: cos = -(v . m)/|m|, by hand, over one episode per lane."""

    class Charged(Scaled):
        def auxiliary_loss(self, state: State, queries: Tensor, *cues: Tensor | None) -> Tensor:
            return state["sum"].new_tensor(7.0)

    budget = replace(SHORT, episodes=1)
    for kind, extra in ((Scaled, 0.0), (Charged, 7.0)):
        lanes = stacked([kind()], budget)
        data = drawn_for([3], budget)
        episodes = data.training(0)
        values = episodes.values[0, 0]
        mean = values.sum(0) / values.sum(0).norm()
        expected = 1 + float((values @ mean).mean())
        _, loss = lanes.gradient(lanes.initial, episodes)
        assert float(loss) == pytest.approx(expected + extra, abs=1e-6)
        recall = lanes.recall_loss(lanes.initial, episodes)
        assert float(recall) == pytest.approx(expected, abs=1e-6)


def test_a_lane_that_diverges_is_frozen_and_the_others_go_on() -> None:
    trapped, free = Scaled(trap=1.0), Scaled()
    gone, fine = train([trapped, free], range(2), CURRICULUM, SHORT)
    assert 0 < gone.frozen < 20
    assert all(weight.isfinite().all() for weight in gone.weights.values())
    assert fine.frozen == -1
    (alone,) = train([free], [1], CURRICULUM, SHORT)
    torch.testing.assert_close(fine.weights["turn"], alone.weights["turn"], rtol=0, atol=1e-6)
    said = MetaTraining(tuple(gone.validation), gone.best, gone.frozen, 32, 0.0).warning
    assert said == f"meta-training diverged at step {gone.frozen}: weights from before are used"


def test_gradients_are_clipped_per_lane() -> None:
    """One step of Adam moves every weight by the rate whatever the clip; two steps do not."""
    wide = train([Scaled()], [0], CURRICULUM, replace(SHORT, steps=2, clip=1e9))
    narrow = train([Scaled()], [0], CURRICULUM, replace(SHORT, steps=2, clip=1e-9))
    assert not torch.equal(wide[0].weights["turn"], narrow[0].weights["turn"])
    beside = train([Scaled(), Scaled()], [0, 1], CURRICULUM, replace(SHORT, steps=2))
    (alone,) = train([Scaled()], [0], CURRICULUM, replace(SHORT, steps=2))
    torch.testing.assert_close(beside[0].weights["turn"], alone.weights["turn"], rtol=0, atol=1e-6)


def test_a_memory_that_cannot_be_vmapped_trains_to_the_same_weights() -> None:
    class Looped(Scaled):
        vectorized = False

    vectorised = train([Scaled(), Scaled()], range(2), CURRICULUM, replace(SHORT, steps=5))
    looped = train([Looped(), Looped()], range(2), CURRICULUM, replace(SHORT, steps=5))
    for ours, theirs in zip(vectorised, looped, strict=True):
        torch.testing.assert_close(ours.weights["turn"], theirs.weights["turn"], rtol=0, atol=1e-6)
        assert ours.validation == pytest.approx(theirs.validation, abs=1e-6)


class Stop(Exception):
    """Stands for a kill."""


def stop_at(step: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if done == step + 1:
            raise Stop

    return progress


def test_a_killed_training_goes_on_bit_equal(tmp_path) -> None:
    memories = learned(range(2))
    whole = train(memories, range(2), CURRICULUM, SHORT)
    file = tmp_path / "key.safetensors"
    with pytest.raises(Stop):
        train(
            memories, range(2), CURRICULUM, SHORT,
            keeper=Checkpoint(file, every_s=0).beside("meta"), progress=stop_at(12),
        )  # fmt: skip
    seen: list[int] = []
    resumed = train(
        memories,
        range(2),
        CURRICULUM,
        SHORT,
        keeper=Checkpoint(file, every_s=0).beside("meta"),
        progress=lambda done, _: seen.append(done),
    )
    assert seen[0] == 13
    for ours, theirs in zip(resumed, whole, strict=True):
        assert ours.validation == theirs.validation
        for name, weight in theirs.weights.items():
            assert torch.equal(ours.weights[name], weight)


def test_what_is_cached_restores_the_weights_and_the_story() -> None:
    memories = learned(range(2))
    kept = train_cached(memories, [5, 8], CURRICULUM, SHORT)
    assert set(kept) == {5, 8}
    trained = train(memories, [5, 8], CURRICULUM, SHORT)
    for memory, seed, lane in zip(memories, (5, 8), trained, strict=True):
        story = MetaTraining.restore(memory, kept[seed])
        assert story.best == lane.best
        assert story.frozen == -1
        assert story.events == 32
        assert story.validation == pytest.approx(lane.validation, abs=0)
        assert story.seconds > 0
        for name, weight in weights_of(memory).items():
            assert torch.equal(weight, lane.weights[name])


def test_a_training_that_found_nothing_says_so() -> None:
    assert MetaTraining((0.1, 0.2), 0, -1, 32, 1.0).warning == (
        "meta-training found nothing better than the initial weights"
    )
    assert MetaTraining((0.2, 0.1), 1, -1, 32, 1.0).warning == ""
    lost = MetaTraining((math.nan, math.nan), -1, -1, 32, 1.0)
    assert "no validation loss was finite" in lost.warning


Drawn = list[tuple[int, int, tuple[int | str, ...]]]


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """Seed, stream and key of every generator that is made during the test."""
    made: Drawn = []
    sequence = seeds.sequence

    def noted(seed: int, stream: int, *key: int | str) -> np.random.SeedSequence:
        made.append((seed, stream, key))
        return sequence(seed, stream, *key)

    monkeypatch.setattr(seeds, "sequence", noted)
    return made


CURRICULA = [CURRICULUM, EpisodicEvents(dim=8).curriculum()]


@pytest.mark.parametrize("curriculum", CURRICULA, ids=["associative", "episodic-events"])
def test_training_draws_from_its_own_two_streams_alone(
    curriculum: Curriculum, streams: Drawn
) -> None:
    """A generator per seed and step, one per seed for validation, and not the global one."""
    sizes = {"key_dim": 8, "value_dim": 10} if curriculum is not CURRICULUM else {}
    memories = [
        build("ar-fast-weights", lane, **{"key_dim": D, "value_dim": V, **sizes}, **LEARNED)
        for lane in (5, 8)
    ]
    before = torch.get_rng_state()
    train(memories, [5, 8], curriculum, replace(SHORT, steps=6, episodes=2, validate_every=2))
    assert torch.equal(torch.get_rng_state(), before)
    steps = [(s, seeds.META, ("curriculum", step)) for step in range(6) for s in (5, 8)]
    assert sorted(streams) == sorted(
        [*steps, *((s, seeds.VALIDATION, ("curriculum",)) for s in (5, 8))]
    )


def test_what_a_cell_trains_on_is_drawn_before_and_apart_from_what_it_is_scored_on(
    monkeypatch: pytest.MonkeyPatch, streams: Drawn
) -> None:
    """Of the test stream only the task draws, in its own name, once all weights are fixed.

    The probe whether values are stored is the same for all seeds: it is drawn from seed 0.
    """
    monkeypatch.setitem(BUDGETS, "quick", replace(SHORT, steps=3, episodes=2))
    made = cell("ar-fast-weights", "pair-recall", {"items": 4, "dim": 8, "episodes": 2})
    made = replace(made, meta="quick")
    (outcome,) = task_of(made).run(Workbench(made, [7]))
    assert outcome.status == "ok"
    used = [stream for _, stream, _ in streams]
    assert set(used) == {seeds.INIT, seeds.META, seeds.VALIDATION, seeds.TEST}
    last_trained = max(i for i, stream in enumerate(used) if stream == seeds.META)
    assert seeds.TEST not in used[: last_trained + 1]
    named = {seeds.TEST: "pair-recall", seeds.META: "curriculum", seeds.VALIDATION: "curriculum"}
    for seed, stream, key in streams:
        assert seed == (0 if "storage" in key else 7)
        assert stream == seeds.INIT or key[0] == named[stream]


def test_training_validation_and_test_streams_never_meet() -> None:
    """The same key in two streams gives other numbers; a step never draws what another drew."""
    data = drawn_for([0], SHORT)
    drawn = [data.training(step).keys.flatten() for step in (0, 1, 2, 8)]
    drawn += [group.keys.flatten() for group in data.validation]
    test = torch.randn(64, generator=seeds.torch_generator(0, seeds.TEST, "curriculum"))
    drawn.append(test)
    numbers = torch.cat(drawn).tolist()
    assert len(set(numbers)) == len(numbers)


def test_budgets_are_those_that_every_memory_gets() -> None:
    assert BUDGETS["quick"] == Budget(200, 16, 1e-3, 1.0, 100, 32, 1.0)
    assert BUDGETS["full"] == Budget(2000, 32, 1e-3, 0.8, 100, 32, 1.0)


def test_the_rate_drops_to_a_tenth_near_the_end() -> None:
    """Constant sign of the gradient: Adam then moves by the rate, so the last step is a tenth."""

    class Slope(Scaled):
        def auxiliary_loss(self, state: State, queries: Tensor, *cues: Tensor | None) -> Tensor:
            return 100 * self.turn[0, 0]

        def read(self, state: State, queries: Tensor, *cues: Tensor | None) -> Tensor:
            return queries.new_zeros(queries.shape[0], V) + 0 * self.turn[0, 0]

    budget = replace(SHORT, steps=10, drop_after=0.8, validate_every=1)
    run_lanes = stacked([Slope()], budget)
    data = drawn_for([0], budget)
    run = metatraining._Run.start(run_lanes.initial)
    places = []
    for step in range(10):
        metatraining._step(run, run_lanes, data.training(step), step, budget)
        places.append(float(run.weights[0, 0]))
    moved = [before - after for before, after in itertools.pairwise(places)]
    assert moved[:7] == pytest.approx([1e-3] * 7, rel=1e-3)
    assert moved[7:] == pytest.approx([1e-4] * 2, rel=1e-2)


def test_episodes_without_contexts_stay_without_them_when_stacked() -> None:
    data = drawn_for([0, 1], SHORT)
    stacked = data.training(0)
    assert stacked.contexts is None
    assert stacked.cues is None
    assert stacked.keys.shape == (2, 4, 4, D)
    assert isinstance(stacked, Episodes)
