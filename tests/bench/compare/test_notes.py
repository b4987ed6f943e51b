"""The sentences below a table."""

from __future__ import annotations

from typing import Any

import pytest

from bench.compare import compare
from tests.bench.frames import FrameBuilder, Metric

FIVE = [0.405, 0.417, 0.397, 0.409, 0.418]
OTHER = [0.391, 0.402, 0.388, 0.410, 0.399]


def notes(builder: FrameBuilder, attrs: dict[str, Any] | None = None, **options: Any) -> str:
    return "\n".join(compare(builder.frame(**(attrs or {})), **options).notes)


def two() -> FrameBuilder:
    return FrameBuilder().cell("ref", FIVE).cell("a", OTHER)


def test_a_plain_table_names_n_test_correction_and_reference() -> None:
    text = notes(two())
    assert "n = 5 seeds per cell." in text
    assert "Seeds vary data and initialisation on every task." in text
    assert "Differences are memory minus ref, in the metric's own units." in text
    assert "Tests over seeds, two-sided, alpha = 0.05: paired t (n = 5)." in text
    assert "Holm correction over each metric: m = 1 for mse." in text
    assert "10 for a published table" in text


def test_unequal_n_is_a_range() -> None:
    assert "n = 4 to 5 seeds per cell." in notes(two().cell("b", [0.1, 0.2, "oom", 0.2, 0.3]))


def test_failures_are_named_by_seed_status_and_message() -> None:
    builder = two().cell("b", [0.1, "oom", "oom", "nonfinite", 0.3], message="at  t=3\nchannel OT")
    text = notes(builder)
    assert (
        "partial: b on recall: seeds 1, 2 (oom: at t=3 channel OT); "
        "seed 3 (nonfinite: at t=3 channel OT).\n"
    ) in text
    assert "Cells: 2 complete, 1 partial." in text


def test_cells_that_miss_the_same_share_a_sentence() -> None:
    builder = FrameBuilder()
    for task in ("recall[k=1]", "recall[k=2]", "drift"):
        builder.cell("ref", FIVE, task=task)
        for label in ("a", "b"):
            gone = task != "drift"
            values = ["skipped"] * 5 if gone else OTHER
            builder.cell(label, values, task=task, message="needs times" if gone else "")
        builder.cell("c", [*OTHER[:3], "oom", "oom"], task=task, message="no room")
    lines = notes(builder).splitlines()
    assert "skipped: a, b on recall[..] (both): needs times." in lines
    assert "partial: c on every task: seeds 3, 4 (oom: no room)." in lines
    assert "Cells: 5 complete, 3 partial, 4 skipped." in lines


def test_a_cell_without_any_value_names_no_seeds() -> None:
    builder = two().cell("b", ["error"] * 5, message="division by zero")
    assert "failed: b on recall: error: division by zero.\n" in notes(builder)
    assert "missing: c on recall.\n" in notes(two().cell("c", ["missing"] * 5))


def test_extended_seeds_are_confessed() -> None:
    assert "Seeds were added after results were seen" in notes(two(), {"seeds_extended": True})
    assert "Seeds were added" not in notes(two())


@pytest.mark.parametrize("options", [{"correction": "none"}, {"family": "none"}])
def test_uncorrected_tests_carry_a_warning_with_the_expected_false_claims(
    options: dict[str, Any],
) -> None:
    builder = two()
    for i in range(9):
        builder.cell(f"m{i}", [value + 0.01 * i for value in OTHER])
    assert "about 0.5 of 10 would still come out significant" in notes(builder, **options)


def test_detectable_effect_is_stated_where_something_is_open() -> None:
    text = notes(
        FrameBuilder()
        .cell("ref", FIVE)
        .cell("a", [x + 0.001 * (-1) ** i for i, x in enumerate(FIVE)])
    )
    assert "a mean difference of 1.68 at n = 5 standard deviations" in text


def test_a_bootstrap_of_few_seeds_is_refused_in_words() -> None:
    builder = FrameBuilder().cell("ref", FIVE[:4]).cell("a", OTHER[:4])
    comparison = compare(builder.frame(), ci="bca")
    assert comparison.sections[0].rows[0].interval is None
    assert any("No bca interval at n = 4" in note for note in comparison.notes)


def test_a_bootstrap_below_ten_seeds_states_its_coverage() -> None:
    assert "cover about 85-90%, not 95%" in notes(two(), ci="percentile")
    assert "cover about" not in notes(two())


def test_a_bootstrap_says_where_intervals_are_welchs_instead() -> None:
    assert "Differences without pairs have Welch's t interval." in notes(
        two(), ci="bca", unpaired=True
    )
    assert "Welch's t interval" not in notes(two(), ci="bca")


def test_anticorrelated_pairs_raise_the_question_of_alignment() -> None:
    flipped = [0.9 - value for value in FIVE]
    text = notes(FrameBuilder().cell("ref", FIVE).cell("a", flipped))
    assert "1 of 1 pairs are negatively correlated over seeds (lowest r = -1.00)" in text


def test_seeds_of_one_side_only_are_counted() -> None:
    builder = FrameBuilder().cell("ref", FIVE, run="one")
    builder.cell("a", OTHER, run="two", seeds=range(2, 7))
    assert "1 pairs were planned with different seeds" in notes(builder)


def test_fixed_series_are_said_to_be_untested() -> None:
    builder = (
        two().cell("ref", FIVE, task="co2", seeded=False).cell("a", OTHER, task="co2", seeded=False)
    )
    text = notes(builder)
    assert "Seeds vary data and initialisation on recall." in text
    assert "The series is fixed on co2: seeds vary initialisation only" in text


def test_untested_metrics_are_listed() -> None:
    builder = two().cell("ref", [1.0] * 5, metric=Metric("floats", primary=False))
    assert "Shown without a test, not being headline metrics: floats." in notes(
        builder, all_metrics=True
    )


def test_a_reference_that_is_not_planned_somewhere_is_said() -> None:
    text = notes(two().cell("a", OTHER, task="drift"))
    assert "ref is not planned on drift: no differences there." in text


def test_picking_the_best_is_warned_about() -> None:
    assert "the best was picked by the same data" in notes(two(), mode="vs-best")


def test_margins_are_stated() -> None:
    assert "the 90% interval of the difference lies within the margin (0.01 for mse)" in notes(
        two(), margins={"mse": 0.01}
    )


def test_provenance_of_each_run_is_printed() -> None:
    runs = [
        {
            "path": "results/a",
            "memb": "0.1.0",
            "git": {"commit": "0123456789abcdef", "dirty": True},
            "torch": "2.13.0",
            "device": "cpu",
            "cpu": "AMD EPYC",
            "started": "2026-11-22T06:00:00+00:00",
        },
        {"path": "results/b", "memb": "0.1.0", "git": None},
    ]
    text = notes(two(), {"runs": runs})
    assert (
        "Run: results/a, git 0123456789ab with uncommitted changes, memb 0.1.0, torch 2.13.0, "
        "on cpu (AMD EPYC), 2026-11-22."
    ) in text
    assert "Run: results/b, memb 0.1.0." in text


def test_ten_seeds_need_no_advice() -> None:
    builder = FrameBuilder().cell("ref", FIVE * 2).cell("a", OTHER * 2)
    assert "smoke test" not in notes(builder)


def test_two_seeds_are_told_that_nothing_is_tested() -> None:
    builder = FrameBuilder().cell("ref", FIVE[:2]).cell("a", OTHER[:2])
    assert "Fewer than 3 seeds are not tested." in notes(builder)
