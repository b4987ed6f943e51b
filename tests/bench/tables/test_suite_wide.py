"""The table of mean ranks and scores over a whole suite."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.compare.overall_model import Entrant, Estimate, Omnibus, Overall, RankPair
from bench.stats.intervals import Interval
from bench.tables.suite_wide import letters_of, placed, score, table

OMNIBUS = Omnibus(9.2, 0.01, 4.0, 0.01, 9.2, 4.0, 0.011, "permutation")


def entrant(label: str, rank: float, incomplete: int = 0, skill: float | None = 0.5) -> Entrant:
    estimate = None if skill is None else Estimate(skill, None)
    return Entrant(label, rank, Estimate(0.5, None), estimate, None, None, None, incomplete)


def overall(*entrants: Entrant, **changes: object) -> Overall:
    labels = tuple(e.label for e in entrants)
    found = Overall(
        scope="all", rows=("a", "b", "c"), by="block", tasks=(("a", "mse"),), reference=labels[0],
        entrants=entrants, ranks=(), omnibus=OMNIBUS, posthoc="nemenyi", pairs=(), groups=(),
        least_rows=6, critical_difference=None, resample=None, no_interval="", without_cost=(),
        without_anchors=(), imputed=(),
    )  # fmt: skip
    return replace(found, **changes)


def four() -> tuple[Entrant, ...]:
    """Demsar's (2006) four learners with their mean ranks."""
    ranks = {"C4.5+m+cf": 1.964, "C4.5+m": 2.0, "C4.5+cf": 2.893, "C4.5": 3.143}
    return tuple(entrant(label, rank) for label, rank in ranks.items())


PAIR = RankPair("C4.5", "C4.5+m", 0.089, 0.089)


def test_letters_show_the_groups_of_a_critical_difference_diagram() -> None:
    """At .10 Demsar's groups are {+m+cf, +m, +cf} and {+cf, C4.5}."""
    groups = (("C4.5+m+cf", "C4.5+m", "C4.5+cf"), ("C4.5+cf", "C4.5"))
    found = overall(*four(), pairs=(PAIR,), groups=groups, critical_difference=1.118060)
    assert letters_of(found) == {"C4.5+m+cf": "a", "C4.5+m": "a", "C4.5+cf": "ab", "C4.5": "b"}
    grid = table(found, alpha=0.1)
    column = grid.header.index("groups")
    assert [row[column].text for row in grid.rows] == ["a", "a", "ab", "b"]
    assert "Mean ranks further apart than 1.12 differ (Nemenyi)." in grid.notes


def test_a_memory_apart_from_all_others_has_a_letter_to_itself() -> None:
    found = overall(*four(), pairs=(PAIR,), groups=(("C4.5+m", "C4.5+cf"),))
    assert letters_of(found) == {"C4.5+m+cf": "a", "C4.5+m": "b", "C4.5+cf": "b", "C4.5": "c"}


def test_without_tests_of_pairs_there_are_no_letters() -> None:
    found = overall(*four(), groups=(tuple(e.label for e in four()),))
    assert letters_of(found) == {}
    assert "groups" not in table(found, alpha=0.05).header


def test_letters_go_on_after_z() -> None:
    many = tuple(entrant(f"m{i}", 1.0 + i) for i in range(28))
    found = letters_of(overall(*many, pairs=(RankPair("m0", "m1", 0.01, 0.01),)))
    assert [found[f"m{i}"] for i in (0, 25, 26, 27)] == ["a", "z", "a1", "b1"]


def test_tests_against_the_reference_are_marked_by_direction() -> None:
    entrants = (entrant("best", 1.0), entrant("ref", 2.0), entrant("bad", 3.0), entrant("x", 3.1))
    pairs = (
        RankPair("best", "ref", 0.01, 0.02),
        RankPair("bad", "ref", 0.01, 0.03),
        RankPair("x", "ref", 0.2, 0.2),
    )
    found = overall(*entrants, posthoc="reference", reference="ref", pairs=pairs)
    grid = table(found, alpha=0.05)
    column = grid.header.index("p vs ref (Holm)")
    marks = {row[0].text: row[column].marks for row in grid.rows}
    assert marks == {"best": ("better",), "ref": (), "bad": ("worse",), "x": ()}
    assert "groups" not in grid.header


def test_best_and_second_mean_rank_stand_out() -> None:
    assert placed(four()) == {"C4.5+m+cf": "best", "C4.5+m": "second"}


def test_tied_bests_are_all_best_and_then_nobody_is_second() -> None:
    entrants = (entrant("a", 1.5), entrant("b", 1.5), entrant("c", 3.0))
    assert placed(entrants) == {"a": "best", "b": "best"}


def test_a_memory_with_an_incomplete_cell_never_stands_out() -> None:
    entrants = (entrant("a", 1.0, incomplete=1), entrant("b", 2.0), entrant("c", 3.0))
    assert placed(entrants) == {"b": "best", "c": "second"}
    grid = table(overall(*entrants), alpha=0.05)
    column = grid.header.index("incomplete")
    assert [row[column].text for row in grid.rows] == ["1", "0", "0"]


def test_scores_that_nobody_has_take_no_column() -> None:
    entrants = tuple(replace(e, skill=None) for e in four())
    header = table(overall(*entrants), alpha=0.05).header
    assert header == ("memory", "mean rank ↓", "win rate ↑")


@pytest.mark.parametrize(
    ("estimate", "digits", "text"),
    [
        (Estimate(0.15657, None), None, "0.157"),
        (Estimate(0.15657, Interval(0.1034, 0.2123, 0.95, "percentile")), None,
         "0.157 [0.103, 0.212]"),
        (Estimate(-55.749, Interval(-57.1, -53.9, 0.95, "percentile")), None,
         "-55.7 [-57.1, -53.9]"),
        (Estimate(0.5, Interval(0.5, 0.5, 0.95, "percentile")), None, "0.500 [0.500, 0.500]"),
        (Estimate(0.15657, Interval(0.1034, 0.2123, 0.95, "percentile")), 1, "0.2 [0.1, 0.2]"),
        (None, None, "-"),
    ],
)  # fmt: skip
def test_scores(estimate: Estimate | None, digits: int | None, text: str) -> None:
    assert score(estimate, digits).text == text


def test_the_omnibus_test_stands_below_and_its_p_is_never_zero() -> None:
    grid = table(overall(*four(), omnibus=replace(OMNIBUS, p=0.0)), alpha=0.05)
    expected = "Whether all memories rank alike: p < 1e-4 (within-row permutation, k = 4, N = 3)."
    assert grid.notes == (expected,)


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        ("all", "every memory meets every task"),
        ("full", "all tasks, the memories that meet them all"),
        ("common", "all memories, the tasks that all of them meet"),
    ],
)
def test_the_title_names_the_set_of_tasks(scope: str, words: str) -> None:
    title = table(overall(*four(), scope=scope), alpha=0.05).title
    assert title == f"Over the suite: 4 memories, 3 blocks ({words})"
