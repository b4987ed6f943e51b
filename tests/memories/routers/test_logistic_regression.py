"""Logistic regression: scikit-learn's weights, once or stage by stage."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import linear_model

from bench import registry
from memories.routers.logistic_regression import UNSEEN
from tests.memories.case import generator
from tests.memories.routers.labelled import events, order, router, training


def sklearn_scores(known, asked, **settings) -> np.ndarray:
    fitted = linear_model.LogisticRegression(**{"C": 100, "max_iter": 2000, **settings})
    fitted.fit(known["z"].double().numpy(), known["label"].numpy())
    return fitted.decision_function(asked.double().numpy())


def scores_of(made, asked, state=None) -> torch.Tensor:
    return made.route(made.init_state() if state is None else state, asked)[0].detach()


def fitted(known, **params):
    made = router("logistic-regression", **params)
    made.fit({**known, "order": torch.zeros(0, 1)}, generator(0))
    return made


@pytest.mark.parametrize("c", [100.0, 0.5])
def test_scores_are_those_of_scikit_learn(c: float) -> None:
    """Weights are stored as float32."""
    known, asked = events(0), events(1)["z"]
    made = fitted(known, c=c)
    scores = scores_of(made, asked)
    assert np.allclose(scores, sklearn_scores(known, asked, C=c), atol=1e-4)


def test_two_labels_are_told_apart_as_by_the_one_row_of_scikit_learn() -> None:
    """Its decision is the difference of the two scores; the labels not seen come last."""
    known = {name: part[events(0)["label"] < 2] for name, part in events(0).items()}
    made = fitted(known)
    asked = events(1)["z"]
    scores = scores_of(made, asked)
    expected = sklearn_scores(known, asked)
    assert np.allclose(scores[:, 1] - scores[:, 0], expected, atol=1e-4)
    assert (scores[:, 2:] == UNSEEN).all()


def test_a_single_label_is_the_answer_to_everything() -> None:
    known = {name: part[events(0)["label"] == 3] for name, part in events(0).items()}
    made = fitted(known)
    assert set(made.route(made.init_state(), events(1)["z"])[0].argmax(-1).tolist()) == {3}


def test_before_a_fit_no_label_is_preferred() -> None:
    made = router("logistic-regression")
    scores = made.route(made.init_state(), events(1)["z"])[0]
    assert (scores == scores[0, 0]).all()


def test_events_that_it_learns_train_nothing() -> None:
    known = events(0)
    made = fitted(known)
    before = made.route(made.init_state(), known["z"])[0]
    state = made.learn(made.init_state(), known["z"], known["label"].flip(0), known["id"])
    assert torch.equal(made.route(state, known["z"])[0], before)


def test_a_stage_fits_its_own_labels_and_leaves_the_others() -> None:
    """Rows of stage one are those of a fit of stage one alone, before and after stage two."""
    known, steps = events(0), order(0, 1, 8)
    parts = [
        {name: part[(known["label"] < 4) == early] for name, part in known.items()}
        for early in (True, False)
    ]
    made = router("logistic-regression", continual=True)
    assert not made.vectorized
    states = [made.init_state()]
    for part in parts:
        states.append(made.fit_stage(states[-1], part["z"], part["label"], part["id"], steps))
    asked = events(1)["z"]
    after_one, after_two = (made.route(state, asked)[0] for state in states[1:])
    assert np.allclose(after_one[:, :4], sklearn_scores(parts[0], asked), atol=1e-4)
    assert (after_one[:, 4:] == UNSEEN).all()
    assert torch.equal(after_two[:, :4], after_one[:, :4])
    assert np.allclose(after_two[:, 4:], sklearn_scores(parts[1], asked), atol=1e-4)
    assert not torch.equal(made.weight, states[-1]["weight"]), "what is learned in stages is state"


def test_it_needs_no_order_of_batches() -> None:
    first, again = training(0, 3), training(0, 9)
    made, other = fitted(first), fitted(again)
    assert torch.equal(made.weight, other.weight)


def test_one_event_of_each_of_many_labels_is_enough() -> None:
    """scikit-learn warns of so many classes, and warnings are errors here."""
    z = torch.nn.functional.normalize(torch.randn(24, 8, generator=generator(3)), dim=-1)
    cls = registry.get("memory", "logistic-regression").cls
    made = cls(8, tuple(range(24)))
    made.fit({"z": z, "label": torch.arange(24)}, generator(0))
    assert scores_of(made, z).argmax(-1).tolist() == list(range(24))
