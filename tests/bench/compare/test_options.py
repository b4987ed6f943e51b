"""What may be asked of a comparison, and what is refused with which words."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from bench.compare import compare
from bench.errors import MembError
from tests.bench.frames import FrameBuilder, Metric

FIVE = [0.40, 0.42, 0.39, 0.41, 0.43]
OTHER = [0.30, 0.33, 0.31, 0.29, 0.32]


def frame(**attrs: Any) -> pd.DataFrame:
    return FrameBuilder().cell("linear-assoc", FIVE).cell("delta", OTHER).frame(**attrs)


def refusal(given: pd.DataFrame, **options: Any) -> str:
    with pytest.raises(MembError) as caught:
        compare(given, **options)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_the_reference_is_the_suites_or_else_the_first() -> None:
    assert compare(frame()).options.references == ("linear-assoc",)
    assert compare(frame(reference="delta")).options.references == ("delta",)
    found = compare(frame(reference="delta"), reference="linear-assoc")
    assert found.options.references == ("linear-assoc",)


def test_of_several_references_each_task_takes_the_first_that_it_has() -> None:
    builder = FrameBuilder()
    for label, task in (("frozen", "co2"), ("ogd", "co2"), ("linear-assoc", "recall")):
        builder.cell(label, FIVE, task=task)
    builder.cell("delta", OTHER, task="recall")
    found = compare(builder.frame(reference=["frozen", "linear-assoc"]))
    assert [(c.label, c.against) for s in found.sections for c in s.contrasts] == [
        ("ogd", "frozen"),
        ("delta", "linear-assoc"),
    ]
    assert (
        "Differences are memory minus frozen or, where it is not planned, linear-assoc, in the "
        "metric's own units."
    ) in found.notes
    assert not any("no differences there" in note for note in found.notes)


def test_what_trials_warn_of_stands_below_the_table() -> None:
    found = compare(frame(remarks=["delta on recall: still recalls 90% (5 of 5 seeds)"]))
    assert "delta on recall: still recalls 90% (5 of 5 seeds)." in found.notes


def test_a_suite_reference_outside_of_the_selection_is_replaced_and_said() -> None:
    found = compare(frame(reference="ring"))
    assert found.options.references == ("linear-assoc",)
    assert "The suite's reference ring is not among the memories compared here." in found.notes


def test_statistics_of_the_suite_hold_unless_something_is_asked() -> None:
    block = {"test": "signflip", "correction": "bonferroni", "alpha": 0.1}
    plain = compare(frame(statistics=block)).options
    assert (plain.test, plain.correction, plain.alpha) == ("signflip", "bonferroni", 0.1)
    asked = compare(frame(statistics=block), test="t", correction="bh", alpha=0.01).options
    assert (asked.test, asked.correction, asked.alpha) == ("t", "bh", 0.01)


def test_an_unknown_reference_names_the_nearest() -> None:
    assert refusal(frame(), reference="linear_assoc") == (
        "unknown reference 'linear_assoc'\n"
        "  help: did you mean 'linear-assoc'? compared here: linear-assoc, delta"
    )


def test_an_unknown_metric_names_the_nearest() -> None:
    assert refusal(frame(), metrics=["mes"]) == (
        "unknown metric 'mes'\n  help: did you mean 'mse'? recorded are mse"
    )


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("mode", "vs-all", "one of vs-reference, vs-best, all-pairs"),
        ("test", "anova", "one of auto, t, signflip, wilcoxon, welch"),
        ("correction", "sidak", "one of holm, bh, hommel, bonferroni, none"),
        ("family", "suite", "one of table, task, none"),
        ("ci", "wald", "one of t, bca, percentile"),
        ("missing", "skip", "one of worst, error, drop"),
        ("rows", "blocks", "one of block, task"),
        ("posthoc", "tukey", "one of wilcoxon, nemenyi, reference"),
        ("resample", "runs", "one of seeds, tasks, both"),
    ],
)
def test_an_unknown_choice_names_those_there_are(option: str, value: str, allowed: str) -> None:
    text = refusal(frame(), **{option: value})
    assert text.startswith(f"unknown {option} '{value}'")
    assert allowed in text


def test_all_wrong_choices_are_reported_at_once() -> None:
    text = refusal(frame(), mode="x", ci="y")
    assert text.startswith("2 problems")


@pytest.mark.parametrize("alpha", [0.0, 1e-300, 0.5, 1.0, -0.1, float("nan")])
def test_alpha_must_be_a_level(alpha: float) -> None:
    assert "alpha must be between 1e-09 and 0.5" in refusal(frame(), alpha=alpha)


@pytest.mark.parametrize("alpha", [1e-9, 0.499])
def test_the_smallest_and_the_largest_level_can_be_worked_with(alpha: float) -> None:
    for found in (compare(frame(), alpha=alpha, test=test) for test in ("t", "signflip")):
        for section in found.sections:
            assert all(contrast.p_adjusted is not None for contrast in section.contrasts)


def test_an_empty_selection_is_refused() -> None:
    empty = frame().iloc[:0]
    assert "nothing to compare: the selection is empty" in refusal(empty)


def test_records_without_a_primary_metric_are_refused_with_what_there_is() -> None:
    builder = FrameBuilder().cell("a", FIVE, metric=Metric("state_floats", primary=False))
    text = refusal(builder.frame())
    assert "no primary metric" in text
    assert "state_floats" in text


def test_margins_are_checked() -> None:
    assert "unknown metric 'mea'" in refusal(frame(), margins={"mea": 0.1})
    assert "the margin of mse must be positive" in refusal(frame(), margins={"mse": 0.0})


def holed() -> pd.DataFrame:
    builder = FrameBuilder().cell("linear-assoc", FIVE).cell("delta", OTHER)
    builder.cell("linear-assoc", FIVE, task="drift")
    builder.cell("delta", [0.3, "oom", "oom", 0.3, 0.4], task="drift", message="killed")
    return builder.frame()


def test_missing_error_names_every_incomplete_cell() -> None:
    assert refusal(holed(), missing="error") == (
        "delta on drift is partial: seeds 1, 2 (oom: killed)\n"
        "  help: run the suite again to fill the holes, or compare with --missing worst"
    )


def test_missing_error_passes_a_complete_table() -> None:
    assert len(compare(frame(), missing="error").sections) == 1


def test_missing_drop_leaves_out_the_task_and_names_it() -> None:
    found = compare(holed(), missing="drop")
    assert [s.task_label for s in found.sections] == ["recall"]
    assert found.dropped == ("drift",)
    assert [f.m for f in found.families] == [1]
    assert "Dropped for incomplete cells: drift; task points left: 1." in found.notes


def test_dropping_everything_is_refused() -> None:
    given = holed()
    drift = given[given["task_label"] == "drift"].copy()
    drift.attrs = given.attrs
    assert "every task has an incomplete cell" in refusal(drift, missing="drop")


def test_skipped_cells_are_not_incomplete() -> None:
    builder = FrameBuilder().cell("a", FIVE).cell("b", ["skipped"] * 5)
    assert len(compare(builder.frame(), missing="error").sections) == 1


def test_a_wrong_direction_is_reported_as_the_tasks_fault() -> None:
    builder = FrameBuilder().cell("a", FIVE, metric=Metric("mse", "down"))
    assert "direction 'down'" in refusal(builder.frame())
