"""Voting neighbours, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from memories.features import unit
from tests.memories.case import generator
from tests.memories.routers.labelled import WIDTH, events, router


def stored(k: int = 5, **given: Tensor):
    made = router("nearest-neighbours", k=k)
    known = {**events(0), **given}
    return made, made.learn(made.init_state(), known["z"], known["label"], known["id"])


@pytest.mark.parametrize("k", [1, 3, 5])
def test_votes_are_those_of_scikit_learn(k: int) -> None:
    """Cosine and Euclidean neighbours agree on unit codes; drawn ones never tie in distance."""
    made, state = stored(k)
    known, asked = events(0), events(1)["z"]
    scores, routing, _ = made.route(state, asked)
    fitted = KNeighborsClassifier(k, algorithm="brute").fit(known["z"], known["label"])
    assert np.allclose(scores, fitted.predict_proba(asked.numpy()), atol=1e-6)
    assert scores.argmax(-1).tolist() == fitted.predict(asked.numpy()).tolist()
    assert routing.shape == (len(asked), 0)


def test_an_event_finds_itself_unless_it_is_left_out() -> None:
    made, state = stored(k=1)
    known = events(0)
    assert made.route(state, known["z"])[0].argmax(-1).tolist() == known["label"].tolist()
    wrong = torch.cat([known["label"][1:], known["label"][:1]])
    swapped, after = stored(k=1, label=wrong)
    found = swapped.route(after, known["z"], known["id"])[0].argmax(-1)
    cosines = known["z"] @ known["z"].mT - 2 * torch.eye(len(known["z"]))
    assert found.tolist() == wrong[cosines.argmax(-1)].tolist()


@given(st.integers(1, 6), st.integers(1, 8))
def test_no_more_vote_than_there_are_events_per_label_seen(per_label: int, k: int) -> None:
    """The labels seen have `per_label` events each: min(k, per_label) neighbours share one vote."""
    made = router("nearest-neighbours", k=k)
    label = torch.arange(3).repeat(per_label)
    z = unit(torch.randn(len(label), WIDTH, generator=generator(per_label)))
    state = made.learn(made.init_state(), z, label, torch.arange(len(label)))
    asked = unit(torch.randn(5, WIDTH, generator=generator(9)))
    scores = made.route(state, asked)[0]
    voters = min(k, per_label)
    nearest = label[(asked @ z.mT).topk(voters).indices]
    expected = (nearest[..., None] == torch.arange(8)).float().mean(-2)
    assert torch.allclose(scores, expected)


def test_of_equally_near_events_the_newest_votes() -> None:
    z = torch.eye(WIDTH)[:1].expand(3, -1)
    made, state = stored(k=1, z=z, label=torch.tensor([4, 2, 6]), id=torch.arange(3))
    assert made.route(state, z[:1])[0].argmax(-1).tolist() == [6]


def test_the_oldest_events_are_overwritten() -> None:
    z = torch.eye(WIDTH)[:6]
    made = router("nearest-neighbours", k=1, capacity=4)
    state = made.learn(made.init_state(), z, torch.arange(6), torch.arange(6))
    found = made.route(state, z)[0]
    assert found.argmax(-1)[2:].tolist() == [2, 3, 4, 5]
    assert not set(found.argmax(-1)[:2].tolist()) & {0, 1}


def test_nothing_stored_scores_nothing() -> None:
    made = router("nearest-neighbours")
    scores, _, _ = made.route(made.init_state(), events(0)["z"])
    assert not scores.any()
