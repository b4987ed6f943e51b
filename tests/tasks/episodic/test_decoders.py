"""Decoders against the loop over candidates that defines them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tasks.episodic import recall as module
from tasks.episodic.codes import SHARE, Codebook
from tasks.episodic.decoders import (
    answers,
    details,
    padded,
    relative,
    scores,
    superpose,
    verify,
)
from tasks.episodic.events import Events
from tasks.episodic.questions import Questions
from tasks.episodic.recall import in_parts
from tasks.episodic.scoring import f1
from tasks.episodic.templates import ABSENT, DETAIL
from tests.tasks.episodic.books import CPU, WIDTH, book, of_events, recalls

NEAR = {"rtol": 0, "atol": 2e-5}
"""float32 over scales near one half."""


def of_values(books):
    return [b.questions.only(b.questions.scope("all")) for b in books]


def attribute_questions(books):
    chosen = []
    for q in of_values(books):
        own = q.only(q.asked != DETAIL)
        chosen.append(own.only(np.arange(len(own.template)) % 7 == 0))
    return chosen


def vector(episode, cue):
    blocks = [
        SHARE * episode.codebook.attributes[a, cue[a]] if cue[a] != ABSENT else np.zeros(WIDTH)
        for a in range(4)
    ]
    return torch.tensor(np.concatenate(blocks), dtype=torch.float32)


def single_read(recall, lane, episode, cue):
    """The read of one cue by one lane, alone: blocks [4, d] and detail [d]."""
    state = {name: entry[lane : lane + 1] for name, entry in recall.state.items()}
    query = vector(episode, cue)[None, None]
    read = recall.lanes.select([lane]).read(state, query)[0, 0].double().numpy()
    return read[: 4 * WIDTH].reshape(4, WIDTH), read[4 * WIDTH :]


def smallest(episode, blocks, cue):
    return min(
        blocks[a] @ episode.codebook.attributes[a, cue[a]] for a in range(4) if cue[a] != ABSENT
    )


@pytest.mark.parametrize("memory", ["ring-attention", "linear-assoc"])
def test_verify_takes_the_smallest_amplitude_with_each_candidate_put_in(memory):
    books = [book(seed, 12, universe=20) for seed in range(2)]
    recall = recalls(memory, books)
    questions = attribute_questions(books)
    scale = torch.tensor([0.5, 0.4])
    found = scores(recall, questions, scale, "verify")
    for lane, (episode, asked) in enumerate(zip(books, questions, strict=True)):
        for k in range(0, len(asked.template), 3):
            for u in range(20):
                cue = asked.cue[k].copy()
                cue[asked.asked[k]] = u
                blocks, _ = single_read(recall, lane, episode, cue)
                expected = smallest(episode, blocks, cue) / float(scale[lane])
                assert found[lane][k, u] == pytest.approx(expected, abs=2e-5)
        assert np.isneginf(found[lane][:, 20:]).all()


@pytest.mark.parametrize("memory", ["ring-attention", "linear-assoc"])
def test_superpose_takes_a_single_read_apart_if_the_cue_is_in_it(memory):
    books = [book(seed, 12, universe=20) for seed in range(2)]
    recall = recalls(memory, books)
    questions = attribute_questions(books)
    scale = torch.tensor([0.5, 0.4])
    found = scores(recall, questions, scale, "superpose")
    gates = []
    for lane, (episode, asked) in enumerate(zip(books, questions, strict=True)):
        for k in range(len(asked.template)):
            blocks, _ = single_read(recall, lane, episode, asked.cue[k])
            present = smallest(episode, blocks, asked.cue[k]) / float(scale[lane])
            a = asked.asked[k]
            amplitude = episode.codebook.attributes[a] @ blocks[a] / float(scale[lane])
            gates.append(present > 0.5)
            if gates[-1]:
                expected = amplitude / amplitude.max()
                assert found[lane][k, :20] == pytest.approx(expected, abs=2e-5)
            else:
                assert np.isneginf(found[lane][k]).all()
    assert any(gates) and not all(gates)


def test_details_are_the_likeliest_of_a_whole_event_that_is_there():
    books = [book(seed, 12) for seed in range(2)]
    recall = recalls("oracle-table", books)
    questions = [q.only(q.asked == DETAIL) for q in of_values(books)]
    scale = torch.full((2,), 0.5)
    for decoder, present in (("verify", 1.0), ("superpose", np.inf)):
        found = scores(recall, questions, scale, decoder)
        for lane, q in enumerate(questions):
            for k in range(len(q.template)):
                answered = np.flatnonzero(answers(found[lane][k], 0.5))
                assert list(answered) == list(np.flatnonzero(q.truth[k]))
                assert found[lane][k].max() == pytest.approx(
                    present if q.matches[k] else -np.inf, abs=1e-6
                )
    cue = padded([q.cue for q in questions], CPU)
    assert details(recall, cue, scale, "verify").shape == (2, cue.shape[1], 30)


def test_a_detail_is_answered_as_far_as_its_event_is_there():
    """A soft memory returns something for events that never were, less of it than half."""
    books = [book(seed, 12, universe=20) for seed in range(2)]
    recall = recalls("ring-attention", books, beta=4.0)
    questions = [q.only(q.asked == DETAIL) for q in of_values(books)]
    scale = torch.tensor([0.5, 0.4])
    verified = scores(recall, questions, scale, "verify")
    gated = scores(recall, questions, scale, "superpose")
    gates = []
    for lane, (episode, asked) in enumerate(zip(books, questions, strict=True)):
        for k, cue in enumerate(asked.cue):
            blocks, detail = single_read(recall, lane, episode, cue)
            present = smallest(episode, blocks, cue) / float(scale[lane])
            likeliest = int((episode.codebook.details @ detail).argmax())
            assert np.flatnonzero(np.isfinite(verified[lane][k])).tolist() == [likeliest]
            assert verified[lane][k, likeliest] == pytest.approx(present, abs=2e-5)
            gates.append(present > 0.5)
            answered = np.flatnonzero(gated[lane][k] == np.inf).tolist()
            assert answered == ([likeliest] if gates[-1] else [])
    assert any(gates) and not all(gates)


@pytest.mark.parametrize("decode", [verify, superpose])
def test_the_size_of_a_batch_changes_nothing(decode, monkeypatch):
    books = [book(seed, 12, universe=20) for seed in range(2)]
    recall = recalls("ring-attention", books)
    asked = attribute_questions(books)
    cue, what = padded([q.cue for q in asked], CPU), padded([q.asked for q in asked], CPU, 0)
    scale = torch.full((2,), 0.5)
    whole = decode(recall, cue, what, scale)
    monkeypatch.setattr(module, "BLOCK", 1)
    assert recall.per_call(20) == 1
    torch.testing.assert_close(decode(recall, cue, what, scale), whole, **NEAR)


def test_a_batch_fits_the_largest_tensor_of_a_read():
    """1,024 slots, 2 lanes, 20 candidates: 2^22 / (2 * 20 * 1024) = 102 questions."""
    recall = recalls("ring-attention", [book(0, 12), book(1, 12)])
    assert recall.per_call(20) == 102
    small = recalls("ring-attention", [book(0, 12)], capacity=12)
    assert small.per_call(100) == 2**22 // (100 * 5 * WIDTH)


def test_lanes_with_fewer_questions_are_not_disturbed():
    books = [book(0, 12), book(1, 12)]
    recall = recalls("ring-attention", books)
    questions = attribute_questions(books)
    few = [questions[0], questions[1].only(np.arange(len(questions[1].template)) < 2)]
    scale = torch.full((2,), 0.5)
    together = scores(recall, questions, scale, "verify")
    apart = scores(recall, few, scale, "verify")
    assert len(apart[1]) == 2
    np.testing.assert_allclose(apart[0], together[0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(apart[1], together[1][:2], rtol=0, atol=1e-6)


def test_an_amplitude_does_not_take_a_mixture_for_an_event():
    """Asked for the place of one event with the entity of another, a soft read is half of each.

    With orthonormal codes: the amplitude of that place is half the scale and the event is not
    taken to be there, while the block's cosine with its code is 1/sqrt 2.
    """
    codes = np.array([[0, 1, 2, 3], [4, 5, 6, 7]])
    episode = of_events(Events(codes, np.array([0, 1])), universe=16)
    orthonormal = np.stack([np.eye(16)] * 4)
    episode = replace(episode, codebook=Codebook(orthonormal, episode.codebook.details))
    recall = recalls("ring-attention", [episode], capacity=2)
    mixed = torch.tensor([[[ABSENT, 1, 6, ABSENT]]])
    blocks, _ = recall.read(mixed)
    assert float(recall.presence(mixed, blocks)) / 0.5 == pytest.approx(0.5, abs=1e-6)
    place = blocks[0, 0, 1]
    assert float(place[1] / place.norm()) == pytest.approx(0.5**0.5, abs=1e-6)


def test_scores_are_relative_to_the_scale_and_nothing_without_one():
    amplitude = torch.tensor([[0.25, -0.5], [0.25, 0.5], [-0.2, 0.1]])
    scale = torch.tensor([0.5, 0.0, -0.2])
    expected = torch.tensor([[0.5, -1.0], [-torch.inf, -torch.inf], [1.0, -0.5]])
    torch.testing.assert_close(relative(amplitude, scale), expected)


def test_a_score_equal_to_the_threshold_is_no_answer_whatever_rounding_does():
    score = np.array([0.5 - 1e-7, 0.5, 0.5 + 1e-7, 0.51, np.inf, -np.inf])
    assert answers(score, 0.5).tolist() == [False, False, False, True, True, False]


def test_the_exact_table_answers_every_question_right_with_verify():
    books = [book(seed, 40) for seed in range(2)]
    questions = of_values(books)
    found = scores(recalls("oracle-table", books), questions, torch.full((2,), 0.5), "verify")
    for part, q in zip(found, questions, strict=True):
        assert (f1(answers(part, 0.5), q.truth) == 1).all()


def test_a_lane_with_a_read_that_is_not_finite_is_noted_and_others_go_on():
    books = [book(0, 12), book(1, 12)]
    recall = recalls("ring-attention", books, capacity=12)
    broken = recall.state["values"].clone()
    broken[1, 3] = torch.nan
    recall.state = {**recall.state, "values": broken}
    found = scores(recall, of_values(books), torch.full((2,), 0.5), "verify")
    assert recall.finite.tolist() == [True, False]
    assert not np.isnan(found[1]).any()


def test_rows_of_different_length_are_padded_and_parts_put_together():
    full = padded([np.array([1, 2, 3]), np.array([4])], CPU)
    assert full.tolist() == [[1, 2, 3], [4, -1, -1]]
    nothing = padded([np.zeros((0, 4), dtype=np.int64)], CPU)
    assert nothing.shape == (1, 0, 4)
    x = torch.arange(10).reshape(2, 5)
    assert torch.equal(in_parts(lambda a, b: a + b, 2, x, x), 2 * x)


def test_no_questions_have_no_scores():
    books = [book(0, 12)]
    none = [q.only(np.zeros(len(q.template), dtype=bool)) for q in of_values(books)]
    assert isinstance(none[0], Questions)
    for decoder in ("verify", "superpose"):
        (found,) = scores(recalls("ring-attention", books), none, torch.ones(1), decoder)
        assert found.shape == (0, 100)
