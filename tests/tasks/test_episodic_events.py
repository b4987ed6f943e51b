"""The episodic benchmark, against its floors, its ceilings and what is known of simple memories."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from bench import registry, seeds
from bench.running.workbench import Workbench
from memories.base import InvalidParameter
from tasks.episodic.questions import BIN_STARTS
from tasks.episodic.report import Answered
from tasks.episodic.templates import ENTITY
from tasks.episodic.timeline import OrderScores
from tasks.episodic_events import EpisodicEvents
from tests.tasks.cells import cell, curve, metric, numbers, run, task_of
from tests.tasks.recorders import Gone, Recorder

SMALL = {"events": 20}
SCORES = (
    "f1",
    "f1_lenient",
    "f1_asked_time",
    "f1_asked_place",
    "f1_asked_entity",
    "f1_asked_content",
    "detail_accuracy",
    "latest",
    "chronological",
    "chronological_awareness",
    "complete_lists",
    "kendall_tau",
)
CURVES = ("f1_by_matches", "f1_lenient_by_matches", "f1_by_cue_size")


def matched(n):
    return {"capacity": n}


@pytest.mark.parametrize(
    "params",
    [
        {"events": 20},
        pytest.param({"events": 200}, marks=pytest.mark.slow),
        {"events": 60, "order": "chronological", "time_code": "fourier"},
        {"events": 60, "distribution": "uniform", "universe": 40},
        {"events": 40, "dim": 128, "episodes": 2, "validation_episodes": 2},
    ],
)
def test_a_symbolic_table_scores_one_on_everything(params):
    for outcome in run(cell("oracle-table", "episodic-events", params), [0, 1]):
        assert outcome.status == "ok"
        for name in SCORES:
            assert metric(outcome, name) == 1, name
        for name in CURVES:
            assert set(curve(outcome, name).values()) == {1.0}
        assert outcome.marks == ()


@pytest.mark.parametrize("memory", ["zero", "echo"])
@pytest.mark.parametrize("decoder", ["verify", "superpose"])
def test_who_answers_nothing_is_right_where_nothing_matches(memory, decoder):
    """1 on one of five bins: .2. An echo recognises every candidate alike, so that no threshold
    is better than the one above which it answers nothing.
    """
    made = cell(memory, "episodic-events", {"events": 200, "decoder": decoder})
    for outcome in run(made, [0, 1]):
        assert curve(outcome, "f1_by_matches") == {0: 1, 1: 0, 2: 0, 3: 0, 6: 0}
        assert metric(outcome, "f1") == pytest.approx(0.2)
        assert metric(outcome, "f1_lenient") == pytest.approx(0.2)
        assert metric(outcome, "chronological_awareness") == 0
        assert metric(outcome, "detail_accuracy") == 0
        assert outcome.marks == ("stores nothing",)
        (primary,) = (m for m in outcome.metrics if m.primary)
        assert (primary.name, primary.chance) == ("f1", pytest.approx(0.2))


@pytest.mark.parametrize(("events", "n_bins"), [(20, 4), (60, 5)])
def test_answering_nothing_is_worth_one_over_the_number_of_bins(events, n_bins):
    """Of 20 events no cue matches six: 1 on one of four bins is .25."""
    for outcome in run(cell("zero", "episodic-events", {"events": events}), [0, 1]):
        assert list(curve(outcome, "f1_by_matches").values()) == [1, *[0] * (n_bins - 1)]
        assert metric(outcome, "f1") == metric(outcome, "f1_lenient") == 1 / n_bins


def test_who_returns_nothing_is_told_so():
    (outcome,) = run(cell("zero", "episodic-events", SMALL), [0])
    assert outcome.notes["scale"] == 0
    assert outcome.notes["warnings"][0].startswith("returns next to nothing")


def test_answering_everything_pays_only_if_one_is_lenient():
    """Every one of 100 codes for g true ones: F1 = 2g/(100+g), at most .1 here; lenient it is 1
    wherever there is an answer.
    """
    episode = EpisodicEvents(events=200).episode(bench_of("zero", {"events": 200}), 0, "test", 0)
    questions = episode.questions.only(episode.questions.scope("all"))
    everything = Answered(questions, np.ones_like(questions.truth), OrderScores([], [], []))
    values = {(m.name, m.x): m.value for m in everything.metrics()}
    assert values["f1", None] < 0.1
    assert values["f1_lenient", None] == pytest.approx(0.8)
    assert [values["f1_lenient_by_matches", x] for x in BIN_STARTS] == [0, 1, 1, 1, 1]


@pytest.mark.parametrize("memory", ["ring-attention", "exact-knn", "ar-rag", "episodic-linear"])
def test_slots_for_all_events_recall_them_all(memory):
    for outcome in run(cell(memory, "episodic-events", SMALL, matched(20)), range(3)):
        for name in ("f1", "latest", "chronological", "detail_accuracy"):
            assert metric(outcome, name) > 0.99
        assert outcome.notes["scale"] == pytest.approx(0.5, abs=0.001)


def test_slots_for_200_events_do_so_too_and_a_single_read_falls_with_the_matches():
    recognised = run(cell("ring-attention", "episodic-events", {}, matched(200)), [0, 1])
    made = cell("ring-attention", "episodic-events", {"decoder": "superpose"}, matched(200))
    single = run(made, [0, 1])
    for verified, superposed in zip(recognised, single, strict=True):
        assert metric(verified, "f1") > 0.99
        found = curve(superposed, "f1_by_matches")
        assert found[1] > 0.97
        assert found[1] > found[2] > found[3] > found[6]
        assert 0.5 < metric(superposed, "f1") < 0.85


@pytest.mark.parametrize("memory", ["linear-assoc", pytest.param("delta", marks=pytest.mark.slow)])
def test_matrices_are_of_use_at_20_events_and_collapse_at_200(memory):
    few = run(cell(memory, "episodic-events", SMALL), range(3))
    many = run(cell(memory, "episodic-events", {"events": 200}), range(3))
    assert all(metric(outcome, "f1") > 0.45 for outcome in few)
    assert all(0.15 < metric(outcome, "f1") < 0.4 for outcome in many)


def test_a_ring_of_half_the_slots_answers_half_of_the_questions_about_single_events():
    """Which of 200 events a question is about has nothing to do with their age.

    115 such questions a seed about some 100 events: .5 +- 3 * .03 over three seeds, and a cue
    that matches nothing any more may find a near one.
    """
    outcomes = run(cell("ring-attention", "episodic-events", {}, matched(100)), range(3))
    share = np.mean([curve(outcome, "f1_by_matches")[1] for outcome in outcomes])
    assert share == pytest.approx(0.5, abs=0.1)


def bench_of(memory, params, block=(0, 1), **options):
    return Workbench(cell(memory, "episodic-events", params), block, **options)


def same_events(first, second):
    return np.array_equal(first.events.codes, second.events.codes)


def test_episodes_depend_on_seed_split_and_number_alone():
    bench = bench_of("zero", SMALL)
    task = task_of(bench.cell)
    first = task.episode(bench, 0, "test", 0)
    again = task.episode(bench_of("delta", SMALL), 0, "test", 0)
    assert same_events(first, again)
    assert np.array_equal(first.codebook.attributes, again.codebook.attributes)
    assert np.array_equal(first.questions.cue, again.questions.cue)
    others = [(1, "test", 0), (0, "validation", 0), (0, "test", 1)]
    for other in (task.episode(bench, *key) for key in others):
        assert not same_events(first, other)
        assert not np.array_equal(first.codebook.attributes, other.codebook.attributes)


def test_events_and_questions_do_not_depend_on_the_width_of_codes():
    bench = bench_of("zero", SMALL)
    narrow = EpisodicEvents(events=20, dim=32).episode(bench, 0, "test", 0)
    wide = EpisodicEvents(events=20, dim=128, time_code="fourier").episode(bench, 0, "test", 0)
    assert same_events(narrow, wide)
    assert np.array_equal(narrow.questions.truth, wide.questions.truth)


@pytest.mark.parametrize(("memory", "size"), [("delta", {}), ("ring-attention", matched(20))])
def test_a_seed_alone_scores_as_it_does_in_a_block(memory, size):
    """Its questions are padded to the number of the others'; rounding differs, answers do not."""
    made = cell(memory, "episodic-events", {"events": 20, "episodes": 2}, size)
    together = run(made, [0, 1, 2])
    for seed in (0, 2):
        (alone,) = run(made, [seed])
        assert numbers(alone) == pytest.approx(numbers(together[seed]), abs=1e-6)
        assert alone.notes["threshold"] == together[seed].notes["threshold"]
    assert together[0].n_eval != together[1].n_eval


def test_several_test_episodes_are_one_pool_of_questions():
    made = [cell("delta", "episodic-events", {**SMALL, "episodes": k}) for k in (1, 2)]
    (one,), (two,) = (run(m, [0]) for m in made)
    assert one.n_eval < two.n_eval
    assert one.notes["threshold"] == two.notes["threshold"]
    assert metric(one, "f1") != metric(two, "f1")


def test_a_read_that_is_not_finite_fails_its_own_seed_alone(temporary_entries):
    registry.memory("gone", family="fake")(Gone)
    drawn = torch.randint(2**40, (), generator=seeds.torch_generator(1, seeds.INIT))
    made = cell("gone", "episodic-events", SMALL, {"unlucky": int(drawn)})
    outcomes = run(made, [0, 1, 2])
    assert [o.status for o in outcomes] == ["ok", "nonfinite", "ok"]
    assert outcomes[1].message == "a read of a validation episode was not finite"
    assert outcomes[1].metrics == []


class Fragile(Gone):
    """Fails in lanes whose first key begins with a negative number."""

    def init_state(self):
        return {"count": torch.zeros((), dtype=torch.int64), "first": torch.zeros(())}

    def write(self, state, keys, values, times=None, contexts=None):
        return {"count": state["count"] + len(keys), "first": keys[0, 0]}

    def read(self, state, queries, times=None, contexts=None):
        zeros = queries.new_zeros(len(queries), self.value_dim)
        return torch.where(state["first"] < 0, torch.nan, zeros)


def test_a_test_episode_that_fails_is_told_from_a_validation_episode(temporary_entries):
    """Which episodes begin with a negative number is known from drawing them."""
    registry.memory("fragile", family="fake")(Fragile)
    block = tuple(range(8))
    bench = bench_of("zero", SMALL, block)
    task = task_of(bench.cell)

    def fails(seed, split):
        episode = task.episode(bench, seed, split, 0)
        return episode.codebook.attributes[0, episode.events.codes[0, 0], 0] < 0

    expected = [
        "a read of a validation episode was not finite"
        if fails(seed, "validation")
        else "a read of a test episode was not finite"
        if fails(seed, "test")
        else ""
        for seed in block
    ]
    assert len(set(expected)) == 3
    outcomes = run(cell("fragile", "episodic-events", SMALL), block)
    assert [outcome.message for outcome in outcomes] == expected
    assert [outcome.status == "ok" for outcome in outcomes] == [not e for e in expected]


def test_parameters_are_tuned_on_validation_episodes():
    """Weights of beta = 0.01 are all alike: only a sharp softmax recalls anything."""
    grid = {"beta": [0.01, 16.0, 64.0]}
    made = cell("ring-attention", "episodic-events", SMALL, matched(20), tune=grid)
    outcomes = run(made, [0, 1])
    for seed, outcome in enumerate(outcomes):
        told = outcome.notes["tuned"]
        tried = told["validation_f1"]
        assert told["candidates"] == [{"beta": beta} for beta in grid["beta"]]
        assert told["choice"] == told["candidates"][tried.index(max(tried))]
        assert told["choice"]["beta"] > 1
        assert tried[0] < 0.5 < 0.99 < max(tried)
        fixed = {**matched(20), **told["choice"]}
        (alone,) = run(cell("ring-attention", "episodic-events", SMALL, fixed), [seed])
        assert numbers(alone) == pytest.approx(numbers(outcome), abs=1e-6)
        assert "tuned" not in alone.notes


class Timed(Recorder):
    """Notes the times it is given."""

    uses_time = True
    given: list[tuple[str, list[float] | None]] = []  # noqa: RUF012 - emptied by the test

    def write(self, state, keys, values, times=None, contexts=None):
        assert contexts is None
        self.given.append(("write", None if times is None else times.tolist()))
        return super().write(state, keys, values)

    def read(self, state, queries, times=None, contexts=None):
        assert contexts is None
        self.given.append(("read", None if times is None else times.tolist()))
        return super().read(state, queries)


@pytest.mark.parametrize("order_by", ["rank", "times"])
def test_times_of_presentation_are_given_only_where_they_are_asked_for(temporary_entries, order_by):
    """The last calls are those of the probe whether values are stored, which has 8 events."""
    registry.memory("timed", family="fake")(Timed)
    Timed.given.clear()
    run(cell("timed", "episodic-events", {**SMALL, "order_by": order_by}), [0])
    presented = [float(t) for t in range(20)]
    writes = [times for method, times in Timed.given[:-4] if method == "write"]
    timed = [times for method, times in Timed.given[:-4] if method == "read" and times]
    assert writes == [presented if order_by == "times" else None] * 2
    if order_by == "rank":
        assert timed == []
    else:
        assert all(times == presented * (len(times) // 20) for times in timed)


@pytest.mark.parametrize("order", ["drawn", "chronological"])
def test_a_memory_with_a_cue_of_time_knows_the_order_of_presentation(order):
    params = {**SMALL, "order_by": "times", "order": order}
    for outcome in run(cell("episodic-linear", "episodic-events", params, matched(20)), range(3)):
        assert metric(outcome, "kendall_tau") > 0.9
        assert metric(outcome, "chronological_awareness") > 0.9


def test_the_order_of_presentation_needs_a_memory_that_uses_times():
    assert EpisodicEvents(events=20, order_by="times").requires() == {"uses_time"}
    assert EpisodicEvents(events=20).requires() == frozenset()


def test_sizes_are_those_of_four_codes_and_of_a_detail_more():
    assert EpisodicEvents(events=20, dim=32).dictates() == {
        "key_dim": 32,
        "value_dim": 40,
        "context_dim": 0,
        "max_events": 20,
    }


def test_every_number_says_what_it_is():
    (outcome,) = run(cell("delta", "episodic-events", {"events": 200}), [0])
    assert {m.name for m in outcome.metrics if m.x is None} == set(SCORES)
    assert {m.name for m in outcome.metrics if m.x is not None} == set(CURVES)
    assert [m.name for m in outcome.metrics if m.primary] == ["f1"]
    assert set(curve(outcome, "f1_by_cue_size")) == {1, 2, 3, 4}
    for m in outcome.metrics:
        assert m.direction == "higher"
        low, high = m.bounds
        assert low <= m.value <= high == 1
        assert math.isfinite(m.value)
    awareness = (metric(outcome, "latest") + metric(outcome, "chronological")) / 2
    assert metric(outcome, "chronological_awareness") == pytest.approx(awareness)
    complete, tau = metric(outcome, "complete_lists"), metric(outcome, "kendall_tau")
    assert metric(outcome, "chronological") == pytest.approx(complete * tau)
    assert metric(outcome, "f1") == pytest.approx(
        np.mean(list(curve(outcome, "f1_by_matches").values()))
    )
    assert outcome.notes["bins"] == ["0", "1", "2", "3-5", "6+"]


def test_every_question_is_counted():
    (outcome,) = run(cell("zero", "episodic-events", SMALL), [0])
    episode = EpisodicEvents(events=20).episode(bench_of("zero", SMALL), 0, "test", 0)
    assert outcome.n_eval == len(episode.questions.template)


def test_an_order_that_no_episode_has_is_not_scored():
    """Three events of uniform attributes: no entity comes back."""
    params = {"events": 3, "distribution": "uniform"}
    (outcome,) = run(cell("oracle-table", "episodic-events", params), [0])
    episode = task_of(cell("zero", "episodic-events", params)).episode(
        bench_of("zero", params), 0, "test", 0
    )
    assert len(set(episode.events.codes[:, ENTITY])) == 3
    names = {m.name for m in outcome.metrics}
    assert not names & {"latest", "chronological", "chronological_awareness", "kendall_tau"}
    assert metric(outcome, "f1") == 1


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"dim": 30}, "dim: must be a multiple of 4, got 30"),
        ({"dim": 12, "time_code": "fourier"}, "dim: time_code fourier needs an even number"),
        ({"dim": 8, "time_code": "fourier"}, "dim: time_code fourier needs an even number"),
        (
            {"universe": 1200, "time_code": "fourier"},
            "universe: time_code fourier has 1095 days, got 1200",
        ),
        ({"events": 3000}, "events: a geometric universe of 100 values gives about"),
        ({"events": 600, "order_by": "times"}, "order_by: times takes a read per event"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_a_reason(params, message):
    with pytest.raises(InvalidParameter, match=message):
        EpisodicEvents(**params)
