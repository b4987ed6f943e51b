"""Questions: which are asked, how many, and that the truth is the truth."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tasks.episodic.events import Events, EventSampler
from tasks.episodic.questions import BIN_NAMES, _cues, alter, answer_width, ask, bins
from tasks.episodic.templates import ABSENT, DETAIL, TEMPLATES
from tests.tasks.episodic.books import rng


def asked(n: int, seed: int = 0, universe: int = 100):
    events = EventSampler(universe).draw(rng(seed), n)
    return events, ask(rng(seed + 1000), events, universe)


def test_bins_of_numbers_of_matching_events():
    assert [BIN_NAMES[b] for b in bins(np.array([0, 1, 2, 3, 5, 6, 9]))] == [
        "0", "1", "2", "3-5", "3-5", "6+", "6+",
    ]  # fmt: skip


@pytest.mark.parametrize("n", [20, 200])
def test_the_truth_is_what_a_search_through_all_events_finds(n):
    events, questions = asked(n)
    for k in range(len(questions.template)):
        template, cue = TEMPLATES[questions.template[k]], questions.cue[k]
        assert tuple(np.flatnonzero(cue != ABSENT)) == template.cue
        matching = [i for i in range(n) if all(events.codes[i, a] == cue[a] for a in template.cue)]
        source = events.details if template.asked == DETAIL else events.codes[:, template.asked % 4]
        assert questions.matches[k] == len(matching)
        assert set(np.flatnonzero(questions.truth[k])) == {source[i] for i in matching}


@pytest.mark.parametrize("n", [20, 200])
def test_no_question_comes_twice_and_at_most_five_of_each_kind_and_bin(n):
    _, questions = asked(n)
    rows = list(zip(questions.template, map(tuple, questions.cue), strict=True))
    assert len(set(rows)) == len(rows)
    counts = Counter(zip(questions.template, questions.bin, strict=True))
    assert max(counts.values()) == 5
    of_values = [k for k, t in enumerate(TEMPLATES) if t.scope == "all"]
    assert all(counts[k, 0] and counts[k, 1] for k in of_values)


def test_a_book_of_200_events_fills_all_bins_and_asks_several_hundred_questions():
    """The text benchmark has 686 at this size; questions of order below two matches are left out.

    A cue of one value is often popular: only 100 values exist, so bins fill up to five each.
    """
    _, questions = asked(200)
    assert 550 <= len(questions.template) <= 700
    assert set(questions.bin[questions.scope("all")]) == {0, 1, 2, 3, 4}
    ordered = ~questions.scope("all")
    assert questions.matches[ordered].min() >= 2
    assert questions.scope("latest").sum() == questions.scope("chronological").sum()


def test_pairs_that_cannot_repeat_match_one_event_at_most():
    """(time, entity) and (time, place), and whatever contains them."""
    _, questions = asked(200)
    for k, template in enumerate(TEMPLATES):
        if {0, 2} <= set(template.cue) or {0, 1} <= set(template.cue):
            assert questions.matches[questions.template == k].max() <= 1


@pytest.mark.parametrize(("n", "expected"), [(20, 1 + 19 * 0.0526), (200, 1 + 199 * 0.0526)])
def test_events_sharing_an_attribute_with_a_random_event(n, expected):
    """1 + (n-1) p/(2-p): 2.0 at 20 events, 11.5 at 200; contents, which nothing filters.

    Over 300 books of 20 and 60 of 200 the mean's standard error is .03 and .15.
    """
    books = 300 if n == 20 else 60
    shares = []
    for seed in range(books):
        content = EventSampler().draw(rng(seed), n).codes[:, 3]
        shares.append((content[:, None] == content).sum(1).mean())
    assert np.mean(shares) == pytest.approx(expected, abs=0.1 if n == 20 else 0.5)


def test_altered_events_differ_in_one_to_four_attributes_evenly():
    """2,000 events: each number of changes has .25 +- 3 * .01, each attribute .625 +- 3 * .011."""
    codes = EventSampler().draw(rng(2), 200).codes
    chosen = np.tile(codes, (10, 1))
    changed = alter(rng(3), chosen, codes, 100) != chosen
    shares = np.bincount(changed.sum(1), minlength=5) / 2000
    assert shares == pytest.approx([0, 0.25, 0.25, 0.25, 0.25], abs=0.03)
    assert changed.mean(0) == pytest.approx(np.full(4, 0.625), abs=0.033)


def test_half_of_the_altered_events_take_values_that_never_occur():
    """Each event takes all its new values from one of the two kinds."""
    codes = EventSampler().draw(rng(2), 200).codes
    chosen = np.tile(codes, (10, 1))
    altered = alter(rng(3), chosen, codes, 100)
    occurs = np.stack([np.isin(altered[:, a], codes[:, a]) for a in range(4)], axis=1)
    changed = altered != chosen
    fresh = (changed & ~occurs).any(1)
    assert fresh.mean() == pytest.approx(0.5, abs=0.034)
    assert not (changed & occurs)[fresh].any()


def test_with_a_thousand_events_altered_ones_keep_to_values_that_occur():
    codes = np.random.default_rng(0).integers(50, size=(1000, 4))
    altered = alter(rng(3), codes[:200], codes, 100)
    assert altered.max() < 50


def test_where_every_value_occurs_or_only_one_does_the_other_kind_is_taken():
    every = np.stack([np.arange(5)] * 4, axis=1)
    assert alter(rng(1), every, every, 5).max() < 5
    single = np.zeros((8, 4), dtype=np.int64)
    altered = alter(rng(1), single, single, 5)
    assert ((altered != single).sum(1) >= 1).all()


def test_altered_events_are_asked_about_only_where_nothing_matches():
    """Event 1 was not sampled: that an altered event hits upon its place makes no question."""
    codes = np.array([[0, 1, 2, 3], [4, 5, 6, 7]])
    altered = np.array([[0, 5, 2, 3], [0, 8, 2, 3]])
    by_place = TEMPLATES[[t.cue for t in TEMPLATES].index((1,))]
    cues, matching = _cues(by_place, codes[:1], altered, codes)
    assert cues.tolist() == [[ABSENT, 1, ABSENT, ABSENT], [ABSENT, 8, ABSENT, ABSENT]]
    assert matching.tolist() == [[True, False], [False, False]]


def test_answers_are_as_wide_as_values_or_details():
    assert answer_width(100) == 100
    assert answer_width(12) == 30
    _, questions = asked(15, universe=12)
    assert questions.truth.shape[1] == 30


def test_questions_depend_on_the_seed_alone():
    _, first = asked(30, seed=4)
    _, again = asked(30, seed=4)
    _, other = asked(30, seed=5)
    assert np.array_equal(first.cue, again.cue)
    assert np.array_equal(first.truth, again.truth)
    assert first.cue.shape != other.cue.shape or not np.array_equal(first.cue, other.cue)


def test_a_selection_of_questions_keeps_them_whole():
    _, questions = asked(20)
    chosen = questions.cue_size == 2
    part = questions.only(chosen)
    assert np.array_equal(part.cue, questions.cue[chosen])
    assert np.array_equal(part.truth, questions.truth[chosen])
    assert set(part.cue_size) == {2}


def test_of_a_single_event_there_is_nothing_to_order():
    events = Events(np.array([[1, 2, 3, 4]]), np.array([5]))
    questions = ask(rng(0), events, 10)
    assert questions.scope("all").all()
    assert set(questions.matches) == {0, 1}
