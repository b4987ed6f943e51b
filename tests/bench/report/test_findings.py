"""Headline sentences claim what a test backs, and nothing else."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from bench.compare import compare
from bench.report.findings import MOST_NAMES, findings, names
from bench.report.model import Finding, Mishap, Place
from tests.bench.frames import ACCURACY, MSE, FrameBuilder

BASE = [0.50, 0.52, 0.49, 0.51, 0.50]
BETTER = [0.80, 0.83, 0.79, 0.81, 0.80]
WORSE = [0.20, 0.21, 0.19, 0.22, 0.20]
SAME = [0.50, 0.53, 0.48, 0.51, 0.50]


def sentences(frame: pd.DataFrame, **options: object) -> list[Finding]:
    return list(findings(compare(frame, **options), ()))


def claims(found: list[Finding]) -> list[str]:
    return [finding.text for finding in found if finding.tone == "claim"]


def over(tasks: int, **memories: list[float]) -> pd.DataFrame:
    made = FrameBuilder()
    for task in range(tasks):
        for label, values in memories.items():
            made.cell(label, values, task=f"task-{task}", metric=ACCURACY)
    return made.frame(reference="base")


def of_reference(found: list[Finding]) -> list[str]:
    """Claims about differences to the reference, not about ranks over the suite."""
    return [text for text in claims(found) if "base" in text]


def test_a_difference_on_one_task_is_claimed_with_its_size() -> None:
    # means .804 and .504: +.300; two digits of the sd of differences, about .004
    found = sentences(over(1, base=BASE, good=BETTER))
    assert of_reference(found) == ["On task-0, better than base in accuracy: good (+0.3020)."]


def test_every_claim_names_test_n_correction_and_level() -> None:
    found = sentences(over(2, base=BASE, good=BETTER, bad=WORSE))
    backed = [f for f in found if f.tone == "claim" and "base" in f.text]
    assert backed
    assert {f.evidence for f in backed} == {
        "paired t, n = 5, Holm correction over m = 4; alpha = 0.05"
    }


def test_without_a_correction_the_evidence_says_so() -> None:
    found = sentences(over(1, base=BASE, good=BETTER), correction="none")
    assert found[0].evidence.startswith("paired t, n = 5, no correction")


def test_nothing_is_claimed_of_a_memory_that_is_not_separated() -> None:
    found = sentences(over(1, base=BASE, same=SAME))
    assert claims(found) == []
    assert found[0].text == "No difference between memories is established by a test in this run."
    assert any(f.text.startswith("1 of 1 comparisons are open") for f in found)


def test_over_many_tasks_memories_are_grouped_by_how_often_they_differ() -> None:
    made = FrameBuilder()
    for task in range(5):
        mixed = BETTER if task < 2 else WORSE
        rows = {"base": BASE, "always": BETTER, "never": WORSE, "mixed": mixed}
        rows["sometimes"] = BETTER if task == 0 else SAME
        for label, values in rows.items():
            made.cell(label, values, task=f"task-{task}", metric=ACCURACY)
    assert of_reference(sentences(made.frame(reference="base"))) == [
        "Better than base in accuracy on every task point: always.",
        "Better than base in accuracy on some task points: sometimes (1 of 5).",
        "Worse than base in accuracy on every task point: never.",
        "Better than base in accuracy on some task points and worse on others: "
        "mixed (better on 2, worse on 3 of 5).",
    ]


def test_a_claim_that_is_too_small_to_matter_says_so() -> None:
    frame = over(1, base=BASE, good=BETTER)
    (text,) = of_reference(sentences(frame, margins={"accuracy": 0.5}))
    assert text.endswith("good (+0.3020; too small to matter).")


def test_a_claim_on_a_partial_cell_says_so() -> None:
    made = FrameBuilder().cell("base", BASE, metric=ACCURACY)
    made.cell("good", [*BETTER[:4], "error"], metric=ACCURACY)
    (text,) = of_reference(sentences(made.frame(reference="base")))
    assert text.endswith("; of the seeds that did not fail).")


def test_a_lower_loss_is_better() -> None:
    made = FrameBuilder().cell("base", BASE, metric=MSE).cell("low", WORSE, metric=MSE)
    texts = of_reference(sentences(made.frame(reference="base")))
    assert re.fullmatch(r"On recall, better than base in mse: low \(-0\.3\d+\)\.", texts[0])


def test_a_fixed_series_without_a_test_over_time_is_no_ground_for_a_claim() -> None:
    made = FrameBuilder()
    made.cell("base", BASE, metric=MSE, seeded=False).cell("low", WORSE, metric=MSE, seeded=False)
    found = sentences(made.frame(reference="base"))
    assert claims(found) == []
    assert any(
        f.tone == "caution" and f.text.startswith("Nothing is claimed on recall") for f in found
    )


def test_against_the_best_the_set_not_separated_is_counted() -> None:
    frame = over(1, base=BASE, good=BETTER, bad=WORSE, near=[v - 0.001 for v in BETTER[:4]] + [0.9])
    (text,) = [t for t in claims(sentences(frame, mode="vs-best")) if t.startswith("On task-0")]
    assert text == (
        "On task-0, 2 of 3 memories are worse in accuracy than the best mean, that of near; "
        "1 not separated from it."
    )


def test_all_pairs_are_counted() -> None:
    found = sentences(over(1, base=BASE, good=BETTER, bad=WORSE), mode="all-pairs")
    assert "3 of 3 pairs of memories differ in accuracy." in claims(found)


def test_the_first_in_rank_is_named_with_those_it_is_separated_from() -> None:
    """Ten blocks ranked alike: none of 9,999 permutations is as extreme, p = 1/10,000.

    Wilcoxon's exact p is 2/2^10 for each of three pairs, .006 after Holm.
    """
    rows = {"base": BASE, "top": BETTER, "low": WORSE}
    found = sentences(over(10, **rows))
    ranks = [finding for finding in found if "rank" in finding.text]
    assert [finding.text for finding in ranks] == [
        "3 memories over 10 blocks of tasks (every memory meets every task) do not all rank alike.",
        "top ranks above base, low.",
    ]
    assert "Friedman" in ranks[0].evidence
    assert "N = 10, k = 3, p = 0.0001" in ranks[0].evidence
    assert ranks[1].evidence == "Wilcoxon signed-rank over rows, Holm, N = 10, alpha = 0.05"


def test_without_a_difference_in_rank_the_suite_is_open() -> None:
    made = FrameBuilder()
    for task in range(4):
        for label, values in (("base", BASE), ("other", SAME if task % 2 else BASE)):
            made.cell(label, values, task=f"task-{task}", metric=ACCURACY)
    found = sentences(made.frame(reference="base"))
    assert found[1].text.startswith("Over the whole suite no difference in rank is established")
    assert found[1].tone == "open"


def test_failures_are_a_caution_with_the_names_of_their_memories() -> None:
    frame = over(1, base=BASE, good=BETTER)
    failed = Mishap("error", "boom", "", (Place("good", "task-0", (0, 1), ("a", "b")),))
    found = findings(compare(frame), (failed,))
    assert found[-1] == Finding("2 trials have no value: good. See failures below.", "", "caution")


def test_seeds_added_later_are_a_caution() -> None:
    made = FrameBuilder().cell("base", BASE).cell("good", BETTER)
    found = sentences(made.frame(reference="base", seeds_extended=True))
    assert found[-1].text.startswith("Seeds were added after results were seen")


@pytest.mark.parametrize("count", [1, MOST_NAMES + 1])
def test_names_are_listed_as_long_as_the_rest_would_be_one(count: int) -> None:
    assert names(str(k) for k in range(count)).count(",") == count - 1


def test_too_many_names_are_counted() -> None:
    listed = names(f"m{k}" for k in range(MOST_NAMES + 5))
    assert listed.endswith(f"m{MOST_NAMES - 1} and 5 more")
