"""Codes and the vectors made of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tasks.association.time_code import time_codes
from tasks.episodic.codes import Codebook, CodeTable, fourier, stacked
from tasks.episodic.events import EventSampler
from tasks.episodic.templates import ABSENT, TIME
from tests.tasks.episodic.books import rng


def table_and_events(n_lanes: int = 2):
    books = [Codebook.draw(rng(seed), 100, 16) for seed in range(n_lanes)]
    events = [EventSampler().draw(rng(seed), 20) for seed in range(n_lanes)]
    return books, CodeTable.of(books), events


def test_events_have_length_one_and_a_cue_of_m_blocks_half_the_root_of_m():
    """A cue and an event that it matches have the cosine sqrt(m)/2."""
    _, table, events = table_and_events()
    codes, _ = stacked(events)
    x = table.cues(codes)
    torch.testing.assert_close(x.norm(dim=-1), torch.ones(2, 20))
    for m in range(1, 5):
        cue = codes.clone()
        cue[..., m:] = ABSENT
        q = table.cues(cue)
        torch.testing.assert_close(q.norm(dim=-1), torch.full((2, 20), m**0.5 / 2))
        cosine = (q * x).sum(-1) / (q.norm(dim=-1) * x.norm(dim=-1))
        torch.testing.assert_close(cosine, torch.full((2, 20), m**0.5 / 2))


def test_vectors_are_the_codes_side_by_side_at_half_weight_and_values_carry_the_detail():
    books, table, events = table_and_events()
    codes, details = stacked(events)
    values = table.values(codes, details)
    for lane in range(2):
        for event in range(20):
            parts = [books[lane].attributes[a, events[lane].codes[event, a]] for a in range(4)]
            parts.append(books[lane].details[events[lane].details[event]])
            expected = 0.5 * np.concatenate(parts)
            assert values[lane, event].numpy() == pytest.approx(expected, abs=1e-6)
    assert torch.equal(values[..., :64], table.cues(codes))
    assert (table.universe, table.width) == (100, 16)


def test_absent_attributes_are_exact_zeros():
    _, table, _ = table_and_events()
    cue = torch.full((2, 3, 4), ABSENT)
    cue[:, :, 2] = 7
    q = table.cues(cue).reshape(2, 3, 4, 16)
    assert (q[:, :, [0, 1, 3]] == 0).all()
    assert (q[:, :, 2].norm(dim=-1) > 0.49).all()


def test_codes_are_unit_and_random():
    """Cosines of 4,950 pairs in 16 dimensions: mean 0 +- .0036 * 3, variance 1/16."""
    book = Codebook.draw(rng(4), 100, 16)
    cosines = (book.attributes[1] @ book.attributes[1].T)[np.triu_indices(100, 1)]
    assert np.linalg.norm(book.attributes, axis=-1) == pytest.approx(1)
    assert np.linalg.norm(book.details, axis=-1) == pytest.approx(1)
    assert cosines.mean() == pytest.approx(0, abs=0.011)
    assert cosines.var() == pytest.approx(1 / 16, rel=0.1)


def test_fourier_codes_at_whole_moments_are_the_time_codes_of_lists():
    np.testing.assert_allclose(
        fourier(np.arange(40.0), 16, 40), time_codes(40).numpy(), rtol=0, atol=1e-6
    )


def test_fourier_codes_make_near_days_alike_and_leave_the_rest_random():
    plain = Codebook.draw(rng(4), 100, 16)
    fourier_book = Codebook.draw(rng(4), 100, 16, "fourier")
    times = fourier_book.attributes[TIME]
    assert np.linalg.norm(times, axis=-1) == pytest.approx(1)
    near = (times[1:] * times[:-1]).sum(-1)
    far = (times[50:] * times[:-50]).sum(-1)
    assert near.mean() > 0.9 > far.mean() + 0.3
    assert np.array_equal(fourier_book.attributes[1:], plain.attributes[1:])
    assert np.array_equal(fourier_book.details, plain.details)
