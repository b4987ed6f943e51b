"""Routers that keep sums or nothing: centroids, the majority, chance."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from sklearn import neighbors

from memories.base import InvalidParameter
from memories.features import unit
from tests.memories.case import generator
from tests.memories.routers.labelled import GROUPS, WIDTH, events, router


def learned(name: str, **given: torch.Tensor):
    made = router(name)
    known = {**events(0), **given}
    return made, made.learn(made.init_state(), known["z"], known["label"], known["id"])


def test_the_nearest_centroid_is_that_of_scikit_learn() -> None:
    made, state = learned("nearest-centroid")
    known, asked = events(0), events(1)["z"]
    scores = made.route(state, asked)[0]
    fitted = neighbors.NearestCentroid().fit(known["z"].numpy(), known["label"].numpy())
    assert scores.argmax(-1).tolist() == fitted.predict(asked.numpy()).tolist()
    distance = np.linalg.norm(asked.numpy()[:, None] - fitted.centroids_, axis=-1) ** 2
    assert np.allclose(scores, -distance, atol=1e-5)


def test_a_label_that_was_never_seen_is_the_last_choice() -> None:
    known = events(0)
    made, state = learned("nearest-centroid", label=known["label"] % 4)
    scores = made.route(state, -known["z"])[0]
    assert (scores[:, 4:] < scores[:, :4].min()).all()
    assert scores.argmax(-1).max() < 4


def test_the_majority_is_the_label_seen_most_often() -> None:
    label = torch.tensor([3, 1, 3, 5])
    made, state = learned("majority", z=events(0)["z"][:4], label=label, id=torch.arange(4))
    scores = made.route(state, events(1)["z"])[0]
    assert (scores == torch.tensor([0, 0.25, 0, 0.5, 0, 0.25, 0, 0])).all()
    assert not made.route(made.init_state(), events(1)["z"])[0].any()


def test_sums_cannot_leave_an_event_out_and_say_so() -> None:
    for name in ("nearest-centroid", "majority", "label-bank"):
        made, state = learned(name)
        assert not made.excludes
        with pytest.raises(InvalidParameter, match="cannot keep a stored event from answering"):
            made.route(state, events(0)["z"], events(0)["id"])


def test_chance_spreads_evenly_over_labels_and_banks_whatever_was_learned() -> None:
    """4,000 codes over 8 labels and 4 banks, a chi-square test each at p = 0.001."""
    made, state = learned("random-routing")
    asked = unit(torch.randn(4000, WIDTH, generator=generator(5)))
    scores, routing, after = made.route(state, asked)
    for drawn, number in ((scores, len(GROUPS)), (routing, 4)):
        counts = np.bincount(drawn.argmax(-1).numpy(), minlength=number)
        assert chisquare(counts).pvalue > 0.001
    assert torch.allclose(routing.sum(-1), torch.ones(len(asked)))
    assert torch.equal(made.route(made.init_state(), asked)[0], scores)
    assert after is state


def test_chance_does_not_follow_the_code() -> None:
    """A code and its nearest neighbour agree on a label as often as any two: 1/8 of 2,000 with a
    standard deviation of .0074.
    """
    made = router("random-routing")
    asked = unit(torch.randn(2000, WIDTH, generator=generator(6)))
    close = asked + 1e-6
    labels = [made.route(made.init_state(), z)[0].argmax(-1) for z in (asked, close)]
    agree = (labels[0] == labels[1]).float().mean()
    assert agree == pytest.approx(1 / 8, abs=0.03)
    assert torch.equal(made.route(made.init_state(), asked)[0].argmax(-1), labels[0])
