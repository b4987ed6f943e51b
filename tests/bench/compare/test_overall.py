"""Ranks, tests on ranks and scores over tasks, from records to the outcome of a comparison."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from bench.compare import compare
from bench.compare.overall_model import Entrant, Overall
from bench.tables import render
from tests.bench.compare.suite_frames import by_label, frame_of, only, ranked
from tests.bench.frames import ACCURACY, FrameBuilder, Metric
from tests.bench.stats.demsar import DATA_SETS, MEMORIES, PRINTED, UNROUNDED

AUC = Metric("auc", "higher", bounds=(0.0, 1.0))
GOOD = [0.10, 0.12, 0.09, 0.11, 0.13]
FAIR = [0.20, 0.23, 0.21, 0.19, 0.22]
POOR = [0.30, 0.33, 0.29, 0.31, 0.32]


def demsars(table: np.ndarray, **options: Any) -> Overall:
    """The table as one seed per data set."""
    tasks = {
        name: {label: [value] for label, value in zip(MEMORIES, row, strict=True)}
        for name, row in zip(DATA_SETS, table, strict=True)
    }
    return ranked(tasks, metrics=dict.fromkeys(DATA_SETS, AUC), **options)


def tasks_of(values: dict[str, list[Any]], n: int) -> dict[str, dict[str, list[Any]]]:
    return {f"task-{t}": values for t in range(n)}


def test_demsars_table_from_records() -> None:
    """Demsar 2006: mean ranks, Friedman without and with ties corrected, decided by permutation,
    exactly .0135929 (9,999 draws have a standard error of .0012).
    """
    found = demsars(UNROUNDED)
    assert found.rows == DATA_SETS
    assert [e.label for e in found.entrants] == ["C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"]
    assert [e.mean_rank for e in found.entrants] == pytest.approx(
        [1.964286, 2.0, 2.892857, 3.142857], abs=5e-7
    )
    test = found.omnibus
    assert (test.chi2_plain, test.f_plain) == pytest.approx((9.278571, 3.686313), abs=5e-7)
    assert (test.chi2, test.f) == pytest.approx((10.228346, 4.185130), abs=5e-7)
    assert (test.p, test.method) == (pytest.approx(0.0135929, abs=0.0046), "permutation")


def test_demsars_pairs_by_wilcoxon() -> None:
    """C4.5 with m against without: exact p .0078125; Holm over 6 pairs lets it pass .05."""
    found = demsars(PRINTED)
    pairs = {frozenset((p.label, p.against)): p for p in found.pairs}
    assert len(pairs) == 6
    assert pairs[frozenset({"C4.5", "C4.5+m"})].p_raw == 0.0078125
    assert found.least_rows == 8  # ceil(1 + log2(6 / .05))
    separated = [pair for pair, p in pairs.items() if p.p_adjusted < 0.05]
    assert all(not (pair <= set(group)) for pair in separated for group in found.groups)


def test_demsars_groups_by_nemenyi() -> None:
    five, ten = (demsars(UNROUNDED, posthoc="nemenyi", alpha=alpha) for alpha in (0.05, 0.10))
    assert five.critical_difference == pytest.approx(1.253559, abs=5e-7)
    assert [set(group) for group in five.groups] == [set(MEMORIES)]
    assert five.pairs != ()
    assert ten.critical_difference == pytest.approx(1.118060, abs=5e-7)
    assert ten.groups == (("C4.5+m+cf", "C4.5+m", "C4.5+cf"), ("C4.5+cf", "C4.5"))


def test_demsars_tests_against_a_reference() -> None:
    found = demsars(UNROUNDED, posthoc="reference", reference="C4.5")
    assert {p.label: p.against for p in found.pairs} == dict.fromkeys(
        ("C4.5+m+cf", "C4.5+m", "C4.5+cf"), "C4.5"
    )
    p = {pair.label: pair.p_adjusted for pair in found.pairs}
    assert p["C4.5+m"] == pytest.approx(0.04716, abs=5e-6)
    assert p["C4.5+cf"] == pytest.approx(0.60841, abs=5e-6)
    assert p["C4.5+m+cf"] == pytest.approx(0.04716, abs=5e-6)
    assert found.groups == (("C4.5+cf", "C4.5"),)
    assert found.critical_difference is None


def worked(third: list[Any] | None = None, **options: Any) -> Overall:
    """Costs (1, .5, .8), (2, 2, 1), (4, 6, failed), the first memory the reference."""
    tasks = {
        "one": {"ref": [1.0] * 3, "b": [0.5] * 3, "c": [0.8] * 3},
        "two": {"ref": [2.0] * 3, "b": [2.0] * 3, "c": [1.0] * 3},
        "three": {"ref": [4.0] * 3, "b": [6.0] * 3, "c": third or ["oom"] * 3},
    }
    return ranked(tasks, reference="ref", **options)


def test_a_failed_cell_ranks_last_and_counts_as_the_worst_ratio() -> None:
    """Ranks (3, 1, 2), (2.5, 2.5, 1), (1, 2, 3); skill of c with 1.5 for the failure."""
    found = worked()
    entrants = by_label(found)
    assert [e.label for e in found.entrants] == ["b", "c", "ref"]
    assert {k: e.mean_rank for k, e in entrants.items()} == pytest.approx(
        {"ref": 6.5 / 3, "b": 5.5 / 3, "c": 2.0}
    )
    rates = {k: e.win_rate.value for k, e in entrants.items()}
    assert rates == pytest.approx({"ref": 0.416667, "b": 0.583333, "c": 0.5}, abs=5e-7)
    skills = {k: e.skill.value for k, e in entrants.items() if e.skill}
    assert skills == pytest.approx({"ref": 0.0, "b": 0.091440, "c": 0.156567}, abs=5e-7)
    assert entrants["c"].incomplete == 1
    assert found.imputed == ("c on three (mse)",)
    assert found.at_bound == ()


def test_dropping_the_task_gives_another_winner_and_says_so() -> None:
    comparison = compare(
        frame_of(
            {
                "one": {"ref": [1.0], "b": [0.5], "c": [0.8]},
                "two": {"ref": [2.0], "b": [2.0], "c": [1.0]},
                "three": {"ref": [4.0], "b": [6.0], "c": ["oom"]},
            }
        ),
        reference="ref",
        missing="drop",
    )
    entrants = by_label(only(comparison))
    assert comparison.dropped == ("three",)
    assert entrants["c"].skill is not None
    assert entrants["c"].skill.value == pytest.approx(0.367544, abs=5e-7)
    assert entrants["b"].skill is not None
    assert entrants["b"].skill.value == pytest.approx(0.292893, abs=5e-7)


@pytest.mark.parametrize("values", [[0.1, "oom", 0.1], [9.0, "oom", 9.0]])
def test_a_partial_cell_ranks_last_and_is_never_helped_by_the_seeds_it_lost(
    values: list[Any],
) -> None:
    """The survivors would win, or have a ratio of 9/4 beyond that of any other memory."""
    found = worked(values)
    whole = worked([x if isinstance(x, float) else values[0] for x in values])
    place = [e.label for e in found.entrants].index("c")
    assert found.ranks[2][place] == 3
    one, other = by_label(found)["c"].skill, by_label(whole)["c"].skill
    assert one is not None
    assert other is not None
    assert one.value <= other.value + 1e-12
    ratio = max(1.5, values[0] / 4.0)
    assert one.value == pytest.approx(1 - (0.8 * 0.5 * ratio) ** (1 / 3))


def test_failed_seeds_of_a_bounded_metric_count_as_its_worst_value() -> None:
    """Accuracies .9, .9 and a failure, 0, make .6; its cost over the reference's .2 is 2."""
    tasks = {task: {"ref": [0.8] * 3, "b": [0.9, 0.9, "nonfinite"]} for task in ("recall", "drift")}
    found = ranked(tasks, metrics=dict.fromkeys(tasks, ACCURACY), reference="ref")
    entrants = by_label(found)
    assert entrants["b"].skill is not None
    assert entrants["b"].skill.value == pytest.approx(-1.0)
    assert entrants["b"].mean_rank == 2
    assert found.at_bound == ("b on recall (accuracy)", "b on drift (accuracy)")
    assert found.imputed == ()


@pytest.mark.parametrize(
    "metric",
    [
        Metric("mse", chance=1.0, ceiling=0.0),
        Metric("mae", ceiling=0.0),
        Metric("accuracy", "higher", bounds=(0.0, 1.0), chance=0.0, ceiling=1.0),
    ],
)
def test_failing_more_never_helps_in_any_score(metric: Metric) -> None:
    best = GOOD if metric.direction == "lower" else POOR
    before: dict[str, float] | None = None
    for lost in range(6):
        held: list[Any] = ["oom"] * lost + best[lost:]
        tasks = tasks_of({"ref": FAIR, "b": held}, 3)
        entrant = by_label(ranked(tasks, metrics=dict.fromkeys(tasks, metric)))["b"]
        assert entrant.skill
        assert entrant.iqm
        assert entrant.optimality_gap
        assert entrant.improvement
        now = {
            "rank": -entrant.mean_rank,
            "win": entrant.win_rate.value,
            "skill": entrant.skill.value,
            "iqm": entrant.iqm.value,
            "gap": -entrant.optimality_gap.value,
            "improvement": entrant.improvement.value,
        }
        if before is not None:
            assert all(now[name] <= before[name] + 1e-12 for name in now)
        before = now
    assert before is not None
    assert before["improvement"] == 0


def test_a_reference_without_a_result_takes_its_task_out_of_skill() -> None:
    tasks: dict[str, dict[str, list[Any]]] = {
        "one": {"ref": FAIR, "b": GOOD},
        "two": {"ref": ["oom"] * 5, "b": GOOD},
    }
    found = ranked(tasks, reference="ref")
    assert found.without_reference == ("two (mse)",)
    skill = by_label(found)["b"].skill
    assert skill is not None
    assert skill.value == pytest.approx(1 - np.mean(GOOD) / np.mean(FAIR))


def test_a_field_without_the_reference_has_no_skill() -> None:
    tasks = {
        "recall": {"delta": GOOD, "ring": FAIR},
        "capacity": {"delta": GOOD, "ring": FAIR},
        "co2": {"frozen": GOOD, "ogd": FAIR},
        "drift": {"frozen": GOOD, "ogd": FAIR},
    }
    one, other = compare(frame_of(tasks), reference="delta").overall
    assert (one.reference, other.reference) == ("delta", None)
    assert all(e.skill is None and e.improvement is None for e in other.entrants)
    assert by_label(one)["ring"].skill is not None


def test_every_field_finds_its_own_reference() -> None:
    tasks = {
        "recall": {"delta": GOOD, "ring": FAIR},
        "capacity": {"delta": GOOD, "ring": FAIR},
        "co2": {"frozen": GOOD, "ogd": FAIR},
        "drift": {"frozen": GOOD, "ogd": FAIR},
    }
    found = compare(frame_of(tasks, reference=["frozen", "delta"])).overall
    assert [o.reference for o in found] == ["delta", "frozen"]


def test_metrics_without_a_best_value_have_ranks_and_no_skill() -> None:
    bits = Metric("bits", "higher", bounds=(0.0, math.nan))
    tasks = tasks_of({"ref": GOOD, "b": FAIR}, 2)
    found = ranked(tasks, metrics={"task-0": bits, "task-1": bits})
    assert found.without_cost == ("task-0 (bits)", "task-1 (bits)")
    assert [e.label for e in found.entrants] == ["b", "ref"]
    assert all(e.skill is None for e in found.entrants)


def test_scores_run_from_chance_to_ceiling_and_others_are_named() -> None:
    """With chance .1 and ceiling 1, accuracies of .55 score .5; five of them, all the same."""
    anchored = Metric("accuracy", "higher", bounds=(0.0, 1.0), chance=0.1, ceiling=1.0)
    tasks = tasks_of({"ref": [0.55] * 5, "b": [1.0] * 5}, 3)
    found = ranked(tasks, metrics={"task-0": anchored, "task-1": anchored, "task-2": ACCURACY})
    assert found.without_anchors == ("task-2 (accuracy)",)
    entrants = by_label(found)
    iqms = {label: e.iqm.value for label, e in entrants.items() if e.iqm}
    gaps = {label: e.optimality_gap.value for label, e in entrants.items() if e.optimality_gap}
    assert iqms == pytest.approx({"ref": 0.5, "b": 1.0})
    assert gaps == pytest.approx({"ref": 0.5, "b": 0.0})


def test_a_loss_without_a_value_of_guessing_is_scored_from_the_reference() -> None:
    """1 - loss / reference's loss."""
    loss = Metric("mse", ceiling=0.0)
    tasks = tasks_of({"ref": [0.4] * 5, "b": [0.3] * 5}, 2)
    found = ranked(tasks, metrics=dict.fromkeys(tasks, loss))
    assert found.from_reference == ("task-0 (mse)", "task-1 (mse)")
    scores = {label: e.iqm.value for label, e in by_label(found).items() if e.iqm}
    assert scores == pytest.approx({"ref": 0.0, "b": 0.25})


def test_blocks_count_once_in_ranks_and_in_skill() -> None:
    """b halves the error on four horizons of one series, and doubles it on another series."""
    horizons = {f"etth1[horizon={h}]": {"ref": [0.4] * 5, "b": [0.2] * 5} for h in range(4)}
    tasks = {**horizons, "co2": {"ref": [0.2] * 5, "b": [0.4] * 5}}
    blocks = dict.fromkeys(horizons, "etth1")
    by_block = ranked(tasks, blocks=blocks, reference="ref")
    by_task = ranked(tasks, blocks=blocks, reference="ref", rows="task")
    assert by_block.rows == ("etth1", "co2")
    assert [e.mean_rank for e in by_block.entrants] == [1.5, 1.5]
    assert by_label(by_task)["b"].mean_rank == pytest.approx(1.2)
    one, other = (by_label(found)["b"].skill for found in (by_block, by_task))
    assert one is not None
    assert one.value == pytest.approx(0.0, abs=1e-12)
    assert other is not None
    assert other.value == pytest.approx(1 - 0.5**0.6)


def test_the_win_rate_is_that_of_the_ranks() -> None:
    rng = np.random.default_rng(4)
    tasks = {f"t{t}": {f"m{j}": rng.random(5).tolist() for j in range(4)} for t in range(6)}
    found = ranked(tasks)
    for entrant in found.entrants:
        assert entrant.win_rate.value == pytest.approx((4 - entrant.mean_rank) / 3, abs=1e-12)


def test_two_memories_are_compared_by_wilcoxon() -> None:
    """Ten rows that all favour one: p = 2 / 2^10."""
    tasks = {f"t{t}": {"a": [0.1 * (t + 1)], "b": [0.2 * (t + 1)]} for t in range(10)}
    found = ranked(tasks)
    assert (found.omnibus.method, found.omnibus.p) == ("wilcoxon", 2 / 2**10)
    assert [(p.label, p.against, p.p_raw) for p in found.pairs] == [("a", "b", 2 / 2**10)]
    assert found.groups == ()


def test_pairs_are_not_tested_where_rows_are_too_few() -> None:
    """Three memories in the same order on five rows: significant, but a pair needs 7 rows."""
    found = ranked(tasks_of({"a": GOOD, "b": FAIR, "c": POOR}, 5))
    assert found.omnibus.p < 0.05
    assert (found.pairs, found.least_rows) == ((), 7)
    assert found.groups == (("a", "b", "c"),)


def test_pairs_are_not_tested_where_the_omnibus_test_does_not_reject() -> None:
    one, other = {"a": GOOD, "b": FAIR, "c": POOR}, {"a": POOR, "b": FAIR, "c": GOOD}
    tasks = {f"t{t}": one if t % 2 else other for t in range(10)}
    for posthoc in ("wilcoxon", "nemenyi", "reference"):
        found = ranked(tasks, posthoc=posthoc)
        assert found.omnibus.p > 0.5
        assert (found.pairs, found.critical_difference) == ((), None)
        assert [set(group) for group in found.groups] == [{"a", "b", "c"}]


def test_many_rows_and_memories_are_decided_by_f() -> None:
    rng = np.random.default_rng(1)
    tasks = {f"t{t}": {f"m{j}": [float(rng.random())] for j in range(6)} for t in range(11)}
    test = ranked(tasks).omnibus
    assert (test.method, test.p) == ("f", test.f_p)
    assert ranked(dict(list(tasks.items())[:10])).omnibus.method == "permutation"


def noisy(rows: int = 4, seeds: int = 6) -> dict[str, dict[str, list[float]]]:
    rng = np.random.default_rng(7)
    return {
        f"t{t}": {
            label: (level + 0.1 * rng.random(seeds)).tolist()
            for label, level in (("ref", 0.4), ("b", 0.35), ("c", 0.45))
        }
        for t in range(rows)
    }


def numbers(entrant: Entrant) -> list[float]:
    """Every number of an entrant, its intervals included."""
    scores = (entrant.win_rate, entrant.skill, entrant.improvement)
    spans = [estimate.interval for estimate in scores if estimate and estimate.interval]
    values = [estimate.value for estimate in scores if estimate]
    return [entrant.mean_rank, *values, *(end for span in spans for end in (span.lo, span.hi))]


def intervals(overall: Overall, label: str = "b") -> list[Any]:
    entrant = by_label(overall)[label]
    found = (entrant.win_rate, entrant.skill, entrant.improvement)
    return [estimate.interval for estimate in found if estimate is not None]


@pytest.mark.parametrize("resample", ["seeds", "tasks", "both"])
def test_intervals_hold_their_value_and_are_the_same_twice(resample: str) -> None:
    tasks = noisy(rows=6)
    one, two = (ranked(tasks, resample=resample, reference="ref") for _ in range(2))
    assert one == two
    assert (one.resample, one.no_interval) == (resample, "")
    skill = by_label(one)["b"].skill
    assert skill is not None
    assert skill.interval is not None
    assert skill.interval.lo < skill.value < skill.interval.hi
    reference = by_label(one)["ref"].skill
    assert reference is not None
    assert (reference.value, reference.interval) == (0.0, None)


def test_few_seeds_leave_no_interval_and_say_why() -> None:
    found = ranked(noisy(seeds=4), reference="ref")
    assert found.resample is None
    assert found.no_interval == (
        "4 seeds are too few to be resampled, and 4 rows are too few to be resampled instead"
    )
    assert intervals(found) == [None, None, None]


def test_with_few_seeds_and_ten_rows_rows_are_resampled() -> None:
    found = ranked(noisy(rows=10, seeds=4), reference="ref")
    assert (found.resample, found.no_interval) == ("tasks", "")
    assert None not in intervals(found)


def test_too_few_rows_are_not_resampled_though_asked() -> None:
    found = ranked(noisy(rows=4), reference="ref", resample="tasks")
    assert (found.resample, found.no_interval) == (None, "4 rows are too few to be resampled")


def test_seeds_that_all_memories_have_are_used_and_others_named() -> None:
    builder = FrameBuilder()
    for task in ("one", "two"):
        builder.cell("ref", FAIR, task=task, block=task)
        builder.cell("b", [*GOOD, 9.0], task=task, block=task, seeds=range(6), run="run-2")
    found = only(compare(builder.frame()))
    assert found.uncommon == ("one (mse)", "two (mse)")
    assert found.n_seeds == (5, 5)
    skill = by_label(found)["b"].skill
    assert skill is not None
    assert skill.value == pytest.approx(1 - np.mean(GOOD) / np.mean(FAIR))


def test_seeds_planned_apart_leave_means_and_no_interval() -> None:
    builder = FrameBuilder()
    for task in ("one", "two"):
        builder.cell("ref", FAIR, task=task, block=task)
        builder.cell("b", GOOD, task=task, block=task, seeds=range(5, 10), run="run-2")
    found = only(compare(builder.frame()))
    assert found.apart == ("one", "two")
    assert found.no_interval.startswith("no seed is common to all memories on one, two")
    improvement = by_label(found)["b"].improvement
    assert improvement is not None
    assert (improvement.value, improvement.interval) == (1.0, None)
    reference = by_label(found)[found.reference or ""]
    assert reference.improvement is None  # it does not compete with itself


def test_the_share_of_seeds_won_lies_within_its_interval_where_seeds_agree() -> None:
    """Seeds differ far more than memories, so that b wins on 4 of 5 seeds of every task.

    Of all 25 pairs of runs it wins 14, and a sample that draws seeds for both sides at once
    would hold the won pairs of equal seeds too often.
    """
    builder = FrameBuilder()
    base = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    better = base + np.array([-0.1, -0.1, -0.1, -0.1, 0.1])
    for task in ("one", "two"):
        builder.cell("ref", base.tolist(), task=task, block=task)
        builder.cell("b", better.tolist(), task=task, block=task)
    improvement = by_label(only(compare(builder.frame())))["b"].improvement
    assert improvement is not None
    assert improvement.interval is not None
    assert improvement.value == pytest.approx(0.8)
    assert improvement.interval.lo < 0.8 <= improvement.interval.hi


def test_a_value_without_a_seed_stands_for_every_seed() -> None:
    builder = FrameBuilder()
    for task in ("one", "two"):
        builder.cell(
            "ref", [0.2], task=task, block=task, seeds=[None], seeded=False, deterministic=True
        )
        builder.cell("b", [0.1, 0.1, 0.1, 0.3, 0.3], task=task, block=task, seeded=False)
    found = only(compare(builder.frame()))
    improvement = by_label(found)["b"].improvement
    assert improvement is not None
    assert improvement.value == pytest.approx(0.6)
    assert found.n_seeds == (5, 5)


def test_where_nothing_has_a_seed_nothing_is_resampled() -> None:
    builder = FrameBuilder()
    for task in ("one", "two"):
        for label, value in (("a", 0.2), ("b", 0.1)):
            builder.cell(
                label, [value], task=task, block=task, seeds=[None], seeded=False,
                deterministic=True,
            )  # fmt: skip
    found = only(compare(builder.frame()))
    assert found.n_seeds == (0, 0)
    assert found.no_interval.startswith("nothing varies with the seed")


def test_the_order_of_records_tasks_and_memories_changes_nothing() -> None:
    tasks = noisy(rows=5)
    tasks["t1"] = {**tasks["t1"], "c": tasks["t1"]["b"]}  # a tie
    plain = ranked(tasks, reference="ref")
    turned = {task: dict(reversed(tasks[task].items())) for task in reversed(tasks)}
    other = ranked(turned, reference="ref")
    for label, entrant in by_label(plain).items():
        # sums over tasks in another order differ in the last bits
        assert numbers(by_label(other)[label]) == pytest.approx(numbers(entrant), rel=1e-12)
    assert other.omnibus.p == plain.omnibus.p
    assert set(other.groups) == set(plain.groups)
    frame = frame_of(tasks)
    shuffled = frame.sample(frac=1, random_state=np.random.RandomState(3)).copy()
    shuffled.attrs = frame.attrs
    assert compare(shuffled, reference="ref").overall == (plain,)


def test_the_scale_of_a_task_changes_no_score() -> None:
    tasks = noisy()
    rescaled = {
        task: {label: [8.0 * x for x in values] if task == "t2" else values
               for label, values in memories.items()}
        for task, memories in tasks.items()
    }  # fmt: skip
    plain, other = (ranked(found, reference="ref") for found in (tasks, rescaled))
    assert other.ranks == plain.ranks
    assert other.omnibus == plain.omnibus
    for label, entrant in by_label(plain).items():
        assert entrant.skill is not None
        found = by_label(other)[label].skill
        assert found is not None
        assert found.value == pytest.approx(entrant.skill.value, abs=1e-12)


def test_adding_a_memory_changes_no_raw_p_of_other_pairs() -> None:
    """Wilcoxon's test of two memories does not look at the others; mean ranks would."""
    rng = np.random.default_rng(2)
    tasks = {
        f"t{t}": {"a": [0.1 + rng.random() / 10], "b": [0.2 + rng.random() / 10], "c": [0.9]}
        for t in range(12)
    }
    more = {
        task: {**found, "d": [0.15 + float(rng.random()) / 10]} for task, found in tasks.items()
    }
    few = {frozenset((p.label, p.against)): p.p_raw for p in ranked(tasks).pairs}
    many = {frozenset((p.label, p.against)): p.p_raw for p in ranked(more).pairs}
    assert few.items() <= many.items()
    assert len(many) == 6


def test_json_holds_every_field_in_plain_values() -> None:
    found = json.loads(render(compare(frame_of(noisy()), reference="ref"), "json"))["overall"]
    assert [o["rows"] for o in found] == [["t0", "t1", "t2", "t3"]]
    first = found[0]["entrants"][0]
    assert first["label"] == "b"
    assert set(first["win_rate"]["interval"]) == {"lo", "hi", "level", "method"}
    assert found[0]["omnibus"]["method"] == "permutation"
    assert found[0]["posthoc"] == "wilcoxon"


def test_an_infinite_f_is_null_in_json() -> None:
    values = tasks_of({"a": GOOD, "b": FAIR, "c": POOR}, 4)
    found = json.loads(render(compare(frame_of(values)), "json"))["overall"][0]
    assert found["omnibus"]["f"] is None


def test_the_global_generator_is_left_alone() -> None:
    before = np.random.get_state()[1].copy()
    ranked(noisy(), reference="ref")
    assert (np.random.get_state()[1] == before).all()
