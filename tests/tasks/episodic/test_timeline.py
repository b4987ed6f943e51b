"""The latest, histories and their order."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tasks.episodic.events import Events
from tasks.episodic.questions import Questions
from tasks.episodic.templates import CONTENT, ENTITY, PLACE, TEMPLATES, TIME
from tasks.episodic.timeline import Sightings, score, sightings
from tests.tasks.episodic.books import book, of_events, recalls

EVENTS = Events(
    np.array([[5, 1, 7, 2], [3, 4, 7, 2], [9, 6, 7, 8], [4, 1, 0, 2]]), np.array([0, 1, 2, 3])
)
"""Entity 7 at times 5, 3, 9, entity 0 once."""


def questions(scope, *asked):
    """Questions of order about entity 7."""
    numbers = [
        k for k, t in enumerate(TEMPLATES) if t.scope == scope and t.asked in (asked or (t.asked,))
    ]
    cue = np.full((len(numbers), 4), -1)
    cue[:, ENTITY] = 7
    truth = np.zeros((len(numbers), 30), dtype=bool)
    return Questions(np.array(numbers), cue, np.full(len(numbers), 3), truth)


def sighted(*rows, moments=None):
    codes = np.array(rows).reshape(-1, 4)
    return Sightings(codes, codes[:, TIME] if moments is None else np.array(moments))


TRUE = Sightings.true(EVENTS, "rank")


def test_the_true_order_is_by_time_or_by_presentation():
    assert TRUE.of(7).codes[:, TIME].tolist() == [3, 5, 9]
    assert Sightings.true(EVENTS, "times").of(7).codes[:, TIME].tolist() == [5, 3, 9]
    assert len(TRUE.of(1).codes) == 0


def test_what_was_seen_is_right_about_everything():
    for scope in ("latest", "chronological"):
        found = score(questions(scope), TRUE, TRUE)
        right = found.latest if scope == "latest" else found.complete
        assert right == [1, 1, 1]
    assert found.tau == [1, 1, 1]


def test_the_latest_value_is_that_of_the_last_time_recalled():
    """Without time 9 the latest are those of time 5; with a time too many those of time 11."""
    missing = sighted([5, 1, 7, 2], [3, 4, 7, 2])
    assert score(questions("latest"), missing, TRUE).latest == [0, 0, 0]
    invented = sighted([5, 1, 7, 2], [3, 4, 7, 2], [9, 6, 7, 8], [11, 6, 7, 2])
    assert score(questions("latest", TIME), invented, TRUE).latest == [0]
    assert score(questions("latest", PLACE), invented, TRUE).latest == [1]
    assert score(questions("latest", CONTENT), invented, TRUE).latest == [0]
    assert score(questions("latest"), sighted(), TRUE).latest == [0, 0, 0]


def test_a_history_is_complete_with_every_event_of_it_and_whatever_else():
    """A missing event makes it incomplete, a wrong place for those who ask for places alone."""
    missing = sighted([5, 1, 7, 2], [3, 4, 7, 2])
    found = score(questions("chronological"), missing, TRUE)
    assert (found.complete, found.tau) == ([0, 0, 0], [])
    wrong = sighted([5, 9, 7, 2], [3, 4, 7, 2], [9, 6, 7, 8])
    assert score(questions("chronological", PLACE), wrong, TRUE).complete == [0]
    assert score(questions("chronological", TIME, CONTENT), wrong, TRUE).complete == [1, 1]
    more = sighted([5, 1, 7, 2], [3, 4, 7, 2], [9, 6, 7, 8], [1, 1, 7, 1])
    assert score(questions("chronological"), more, TRUE).complete == [1, 1, 1]


def test_the_order_of_a_complete_history_is_compared_event_by_event():
    """Recalled as first, third, second: two pairs of three in order, tau = 1/3."""
    rows = [[3, 4, 7, 2], [5, 1, 7, 2], [9, 6, 7, 8]]
    found = score(questions("chronological"), sighted(*rows, moments=[10, 30, 20]), TRUE)
    assert found.complete == [1, 1, 1]
    assert found.tau == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("decoder", ["verify", "superpose"])
def test_a_table_recalls_the_events_of_the_entities_asked_for(decoder):
    """With one event per entity a single read is as good as one per candidate."""
    codes = np.array([[4, 1, 0, 2], [2, 3, 1, 2], [8, 3, 2, 5]])
    episode = of_events(Events(codes, np.array([0, 1, 2])), universe=10)
    asked = questions("latest")
    asked.cue[:, ENTITY] = [0, 2, 9]
    recall = recalls("oracle-table", [episode])
    (found,) = sightings(
        recall, [asked], torch.tensor([0.5]), [0.9], decoder=decoder, order_by="rank"
    )
    assert found.codes.tolist() == [[4, 1, 0, 2], [8, 3, 2, 5]]
    assert found.moment.tolist() == [4, 8]


def test_presentation_times_are_those_at_which_a_cue_is_recalled_best():
    """A memory with a time cue: the moment of each event of entity 7 is when it was written."""
    others = [[t, 10 + t, 10 + t, 10 + t] for t in range(10, 15)]
    events = Events(np.concatenate([EVENTS.codes, others]), np.arange(9))
    episode = of_events(events, universe=30)
    asked = questions("chronological")
    recall = recalls("episodic-linear", [episode], timed=True, capacity=9, context_dim=0)
    (found,) = sightings(
        recall, [asked], torch.tensor([0.5]), [0.8], decoder="verify", order_by="times"
    )
    assert found.codes[found.codes[:, ENTITY] == 7][:, TIME].tolist() == [3, 5, 9]
    assert found.of(7).codes[:, TIME].tolist() == [5, 3, 9]
    assert sorted(found.moment.tolist()) == [0, 1, 2]
    assert score(asked, found, Sightings.true(events, "times")).tau == [1, 1, 1]


def test_a_memory_that_answers_nothing_has_seen_nothing():
    books = [book(seed, 60) for seed in range(2)]
    ordered = [b.questions.only(~b.questions.scope("all")) for b in books]
    for order_by in ("rank", "times"):
        found = sightings(
            recalls("zero", books),
            ordered,
            torch.zeros(2),
            [0.5, 0.5],
            decoder="verify",
            order_by=order_by,
        )
        for own, asked, episode in zip(found, ordered, books, strict=True):
            assert own.codes.shape == (0, 4)
            assert own.moment.shape == (0,)
            scored = score(asked, own, Sightings.true(episode.events, "rank"))
            assert sum(scored.latest) == sum(scored.complete) == 0
            assert len(scored.latest) == len(scored.complete) > 0
