"""What stands below ranks and scores, word for word."""

from __future__ import annotations

from typing import Any

import pytest

from bench.compare import Comparison, compare
from tests.bench.compare.suite_frames import frame_of
from tests.bench.frames import ACCURACY, FrameBuilder, Metric

GOOD = [0.10, 0.12, 0.09, 0.11, 0.13]
FAIR = [0.20, 0.23, 0.21, 0.19, 0.22]
POOR = [0.30, 0.33, 0.29, 0.31, 0.32]
ALL = {"a": GOOD, "b": FAIR, "c": POOR}


def compared(
    n: int,
    values: dict[str, list[Any]] | None = None,
    *,
    metric: Metric | None = None,
    **given: Any,
) -> Comparison:
    tasks = {f"t{t}": values or ALL for t in range(n)}
    metrics = dict.fromkeys(tasks, metric) if metric else None
    return compare(frame_of(tasks, metrics=metrics), **given)


def test_without_a_second_task_nothing_is_said() -> None:
    notes = compared(1).notes
    assert not any("ranks over" in note or "bootstrap" in note for note in notes)


def test_rows_omnibus_test_and_what_it_could_not_resolve() -> None:
    """Three memories in the same order on three rows: 6 of 6^3 ways, p = 1/36."""
    notes = compared(3).notes
    assert "Mean ranks over 3 blocks: t0, t1, t2." in notes
    assert (
        "Whether all rank alike (Friedman, ties corrected): chi2(2) = 6, F(2, 4) = infinite, "
        "p = 0.0278 by permutation within rows."
    ) in notes
    assert (
        "Ranks are descriptive: at N = 3 rows no pair of 3 memories could be told apart by "
        "pairwise Wilcoxon tests with Holm; it takes N >= 7."
    ) in notes


def test_no_separation_is_not_called_equality() -> None:
    notes = compared(2).notes
    assert (
        "No two memories are separated by their ranks: not resolved, which is not equal."
    ) in notes


@pytest.mark.parametrize(
    ("options", "metric", "note"),
    [
        (
            {},
            None,
            "Pairs by Wilcoxon signed-rank tests over rows on relative differences of cost, Holm: "
            "3 of 3 pairs differ.",
        ),
        (
            {},
            ACCURACY,
            "Pairs by Wilcoxon signed-rank tests over rows on differences, Holm: 3 of 3 pairs "
            "differ.",
        ),
        (
            {"posthoc": "nemenyi"},
            None,
            "Pairs of ranks by Nemenyi's test, critical difference 1.172; it depends on which "
            "memories are compared: 1 of 3 pairs differ.",
        ),
        (
            {"posthoc": "reference"},
            None,
            "Ranks against a by z and Holm; the outcome depends on which memories are compared: "
            "2 of 2 pairs differ.",
        ),
    ],
)
def test_which_test_of_pairs_was_made(
    options: dict[str, Any], metric: Metric | None, note: str
) -> None:
    """Eight rows in the same order; Nemenyi's CD is 2.344 sqrt(3 * 4 / 48) = 1.172."""
    assert note in compared(8, metric=metric, **options).notes


def test_two_memories_have_one_test() -> None:
    notes = compared(6, {"a": GOOD, "b": FAIR}).notes
    assert "Two memories over 6 rows: Wilcoxon signed-rank, p = 0.0312." in notes


def test_p_is_never_written_as_zero() -> None:
    notes = compared(12, {f"m{j}": [x + j for x in GOOD] for j in range(6)}).notes
    assert any("p < 0.0001 of F" in note for note in notes)


def test_blocks_and_tasks_counted_apart_are_named() -> None:
    tasks = {"h24": ALL, "h96": ALL, "co2": ALL}
    frame = frame_of(tasks, blocks={"h24": "etth1", "h96": "etth1"})
    notes = compare(frame).notes
    assert "Mean ranks over 2 blocks: etth1, co2." in notes
    assert (
        "Within a block the ranks of its tasks and metrics (3 in all) are averaged and ranked "
        "again, so that related ones count once."
    ) in notes
    assert (
        "Every task and metric is a row of its own: related ones are counted as if they were "
        "independent."
    ) in compare(frame, rows="task").notes


def test_what_intervals_resample_is_always_said() -> None:
    start = "95% intervals of scores over tasks: percentiles of 10,000 bootstrap replicates"
    seeds = "seeds are drawn within each block, the same for all memories: they speak of these "
    few = {label: values[:3] for label, values in ALL.items()}
    assert f"{start}; {seeds}tasks alone." in compared(6).notes
    other = "blocks are drawn: they speak of other tasks like these."
    assert f"{start}; {other}" in compared(6, resample="tasks").notes
    assert (
        f"{start}; blocks are drawn, and seeds within each: they speak of other tasks like these."
    ) in compared(6, resample="both").notes
    assert f"{start}, there being too few seeds; {other}" in compared(10, few).notes
    assert (
        "No intervals of scores over tasks: 3 seeds are too few to be resampled, and 6 rows are "
        "too few to be resampled instead."
    ) in compared(6, few).notes
    assert "Bootstrap intervals below n = 10 cover about 85-90%, not 95%." in compared(6).notes
    ten = {label: values * 2 for label, values in ALL.items()}
    assert not any("85-90%" in note for note in compared(6, ten).notes)


def test_incomplete_cells_and_how_they_count_are_named() -> None:
    holed = {**ALL, "b": [0.2, "oom", 0.2, 0.2, 0.2]}
    notes = compared(2, holed).notes
    assert "Incomplete cells rank last on their task." in notes
    assert (
        "Counted with the largest error ratio of their task, and at least the reference's: "
        "b on t0 (mse), b on t1 (mse)."
    ) in notes
    assert (
        "Failed seeds count as the worst value of the metric: b on t0 (accuracy), b on t1 "
        "(accuracy)."
    ) in compared(2, holed, metric=ACCURACY).notes


def test_what_scores_leave_out_is_named() -> None:
    bits = Metric("bits", "higher")
    anchored = Metric("accuracy", "higher", bounds=(0.0, 1.0), chance=0.1, ceiling=1.0)
    tasks: dict[str, dict[str, list[Any]]] = {"one": ALL, "two": ALL, "three": ALL}
    tasks["three"] = {**ALL, "a": ["oom"] * 5}
    notes = compare(frame_of(tasks, metrics={"one": bits, "two": anchored})).notes
    assert (
        "Skill is 1 - the geometric mean of error over that of a, ratios clipped to [0.01, 100]; "
        "P(better) is the share of seeds on which a memory beats it."
    ) in notes
    assert "Left out of skill, having no best value: one (bits)." in notes
    assert "Left out of skill, the reference being incomplete: three (mse)." in notes
    assert (
        "Left out of IQM and optimality gap, chance or ceiling being unknown: one (bits), three "
        "(mse)."
    ) in notes


def test_scores_that_begin_at_the_reference_say_so() -> None:
    notes = compared(2, metric=Metric("mse", ceiling=0.0)).notes
    assert "For IQM and optimality gap 0 is a and 1 no error on t0 (mse), t1 (mse)." in notes


def test_each_sentence_tells_its_field_where_there_are_several() -> None:
    tasks = {
        "recall": {"delta": GOOD, "ring": FAIR},
        "capacity": {"delta": GOOD, "ring": FAIR},
        "co2": {"frozen": GOOD, "ogd": FAIR, "er": POOR},
        "drift": {"frozen": GOOD, "ogd": FAIR, "er": POOR},
    }
    notes = compare(frame_of(tasks)).notes
    assert "Mean ranks over 2 blocks: recall, capacity (2 memories, 2 blocks)." in notes
    assert (
        "No skill and no improvement: the reference is not among these memories "
        "(3 memories, 2 blocks)."
    ) in notes
    same = {**tasks, "co2": {"frozen": GOOD, "ogd": FAIR}, "drift": {"frozen": GOOD, "ogd": FAIR}}
    notes = compare(frame_of(same)).notes
    assert "Mean ranks over 2 blocks: co2, drift (frozen among 2 memories, 2 blocks)." in notes


def test_subsets_of_tasks_and_memories_are_named() -> None:
    tasks: dict[str, dict[str, list[Any]]] = {
        "one": ALL,
        "two": ALL,
        "three": {**ALL, "c": ["skipped"] * 5},
    }
    notes = compare(frame_of(tasks)).notes
    assert (
        "Mean ranks over 3 blocks that not all memories meet, of the memories that meet them all: "
        "one, two, three (2 memories, 3 blocks)."
    ) in notes
    assert (
        "Mean ranks over the 2 blocks that all memories meet: one, two (3 memories, 2 blocks)."
    ) in notes


def test_seeds_that_are_not_common_are_said() -> None:
    builder = FrameBuilder()
    for task in ("one", "two"):
        builder.cell("a", FAIR, task=task, block=task)
        builder.cell("b", [*GOOD, 0.2], task=task, block=task, seeds=range(6), run="run-2")
        builder.cell("c", GOOD, task=task, block=task)
    assert (
        "Ranks and scores use only the seeds that all memories have on one (mse), two (mse)."
    ) in compare(builder.frame()).notes
    builder = FrameBuilder()
    for task in ("one", "two"):
        builder.cell("a", FAIR, task=task, block=task)
        builder.cell("b", GOOD, task=task, block=task, seeds=range(5, 10), run="run-2")
    assert (
        "No seed is common to all memories on one, two: their means are ranked as they are."
    ) in compare(builder.frame()).notes
