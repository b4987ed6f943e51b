"""Recipes: learning rates over epochs, and when a training ended at its cap."""

from __future__ import annotations

import pytest

from tasks.forecasting.recipes import OFFLINE, ONLINE, RECIPES


def test_the_offline_rate_is_full_for_two_epochs_and_halved_at_every_later_one():
    """The Time-Series-Library sets lr 0.5^(e-1) after its e-th epoch: epochs 1 and 2 are alike."""
    assert [OFFLINE.share(epoch) for epoch in range(1, 7)] == [1, 1, 0.5, 0.25, 0.125, 0.0625]


def test_the_online_rate_stays_as_it_is():
    assert {ONLINE.share(epoch) for epoch in range(1, 101)} == {1.0}


@pytest.mark.parametrize(("best", "capped"), [(90, False), (91, True), (100, True)])
def test_a_training_that_could_have_gone_on_at_its_cap_was_cut_short(best, capped):
    assert ONLINE.capped(best) is capped


def test_a_rate_that_was_halved_to_nothing_is_not_cut_short():
    assert not OFFLINE.capped(OFFLINE.max_epochs)


def test_every_split_has_its_recipe():
    assert RECIPES["online"] is ONLINE
    assert RECIPES["offline"] is OFFLINE
    assert (OFFLINE.learning_rates, OFFLINE.batch) == ((1e-4,), 32)
    assert (OFFLINE.max_epochs, OFFLINE.patience) == (10, 3)
